//! The search for a safe prime: p and q = (p - 1) / 2 both prime.
//!
//! From a random start, a sieve strikes what a small prime divides ([`sieve`]), every core tests what is
//! left ([`arithmetic`]), and the first that passes is examined thoroughly.

mod arithmetic;
mod sieve;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use self::arithmetic::{Arithmetic, Portable};
use self::sieve::{SmallPrimes, Window};
use crate::clock::{Entropy, NoEntropy};

/// Rounds of Miller-Rabin with random bases on q. A composite passes one with a chance of at most 1/4,
/// whatever made the number, so 64 leave 2^-128; it costs a few hundredths of the search.
const ROUNDS: usize = 64;
/// The same on p, as a check of this code. Of the number there is no doubt: with q prime, 2^(p-1) = 1
/// (mod p) and p not divisible by 2^2 - 1 = 3, Pocklington's theorem proves p prime.
const ROUNDS_OF_P: usize = 2;

/// A search that can be stopped from elsewhere, at once.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// One that nobody has used yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the search: it returns after the test it is in, which takes milliseconds.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has been stopped.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Stops the search when the guard goes, as when the future that holds it is dropped.
    pub fn guard(&self) -> CancelGuard {
        CancelGuard(self.clone())
    }
}

/// Cancels when it is dropped.
#[derive(Debug)]
pub struct CancelGuard(Cancel);

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// How far a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Candidates tested so far, by all threads.
    pub tested: u64,
    /// Candidates tested in the mean until one is found. The number of tests is distributed exponentially:
    /// one search in three needs more than this, one in twenty three times as many.
    pub expected: u64,
}

/// Why there is no prime.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum SearchError {
    /// It was cancelled.
    #[error("the search was cancelled")]
    Cancelled,
    /// The operating system failed.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

/// The largest prime that is sieved by. A larger one saves tests (their number falls with ln²), until
/// sieving takes longer than they: that point moves up with the time of a test, and so with the size.
fn sieve_limit(bits: usize) -> u32 {
    match bits {
        ..1024 => 1 << 16,
        1024..2048 => 1 << 20,
        _ => 1 << 24,
    }
}

/// e^(-2γ): what is left by the sieve is prime so much more often than chance (Mertens' third theorem).
const MERTENS: f64 = 0.315_236_751_687_200_4;

fn ln_q(bits: usize) -> f64 {
    (bits as f64 - 1.0) * std::f64::consts::LN_2
}

/// e^(-2γ) ln²q / ln²B: the tests to expect after a sieve to B.
fn expected_tests(bits: usize) -> u64 {
    (MERTENS * (ln_q(bits) / f64::from(sieve_limit(bits)).ln()).powi(2)) as u64
}

/// Half of ln²q places, where one prime is expected in an eighth of it: one window in fifty has none, and a
/// new one is sieved then.
fn window_size(bits: usize) -> usize {
    (ln_q(bits).powi(2) / 2.0) as usize
}

/// A safe prime p of exactly `bits` bits (limbs, least significant first), p = 23 (mod 24).
///
/// Uses `threads` threads, the caller's among them; 0 means one for each core.
///
/// # Errors
///
/// When it is cancelled, or the operating system gives no randomness.
pub(super) fn find(
    bits: usize,
    threads: usize,
    entropy: &Entropy,
    cancel: &Cancel,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<u64>, SearchError> {
    let search = Search {
        bits,
        primes: SmallPrimes::up_to(sieve_limit(bits)),
        arithmetic: &Portable,
        entropy,
        cancel,
        progress,
        tested: AtomicU64::new(0),
        done: AtomicBool::new(false),
        result: Mutex::new(None),
    };
    let cores = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = if threads == 0 { cores() } else { threads };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where the system refuses a thread, the others do its work.
            let _ = thread::Builder::new().spawn_scoped(scope, || search.work());
        }
        search.work();
    });
    let result = search.result.into_inner().unwrap_or_else(PoisonError::into_inner);
    result.unwrap_or(Err(SearchError::Cancelled))
}

struct Search<'a> {
    bits: usize,
    primes: SmallPrimes,
    arithmetic: &'a dyn Arithmetic,
    entropy: &'a Entropy,
    cancel: &'a Cancel,
    progress: &'a (dyn Fn(Progress) + Sync),
    tested: AtomicU64,
    /// Another thread has a result.
    done: AtomicBool,
    result: Mutex<Option<Result<Vec<u64>, SearchError>>>,
}

impl Search<'_> {
    /// What each thread does: windows of its own, from starts of its own.
    fn work(&self) {
        while !self.stopped() {
            match self.search_window() {
                Ok(None) => {}
                Ok(Some(prime)) => self.finish(Ok(prime)),
                Err(error) => self.finish(Err(error)),
            }
        }
    }

    fn stopped(&self) -> bool {
        self.done.load(Ordering::Relaxed) || self.cancel.is_cancelled()
    }

    fn finish(&self, result: Result<Vec<u64>, SearchError>) {
        let mut slot = self.result.lock().unwrap_or_else(PoisonError::into_inner);
        slot.get_or_insert(result);
        self.done.store(true, Ordering::Relaxed);
    }

    fn search_window(&self) -> Result<Option<Vec<u64>>, SearchError> {
        let start = self.random_start()?;
        let size = window_size(self.bits);
        let Some(mut window) = Window::sieve(&start, size, &self.primes, || self.stopped()) else {
            return Ok(None);
        };
        loop {
            let batch: Vec<_> = window.by_ref().take(self.arithmetic.lanes()).collect();
            if batch.is_empty() || self.stopped() {
                return Ok(None);
            }
            if let Some(prime) = self.test(batch)? {
                return Ok(Some(prime));
            }
        }
    }

    /// `bits` random bits, the top one set.
    fn random_start(&self) -> Result<Vec<u64>, NoEntropy> {
        let mut limbs = random_limbs(self.bits.div_ceil(64), self.entropy)?;
        let top = (self.bits - 1) % 64;
        if let Some(limb) = limbs.last_mut() {
            *limb = *limb & (u64::MAX >> (63 - top)) | 1 << top;
        }
        Ok(limbs)
    }

    /// q first: either is composite as often, and the test of q also serves the proof of p.
    fn test(&self, batch: Vec<Vec<u64>>) -> Result<Option<Vec<u64>>, SearchError> {
        let halves: Vec<_> = batch.iter().map(|p| half(p)).collect();
        let passed = self.arithmetic.fermat(&halves);
        let count = batch.len() as u64;
        let tested = self.tested.fetch_add(count, Ordering::Relaxed) + count;
        (self.progress)(Progress { tested, expected: expected_tests(self.bits) });
        for ((p, q), _) in batch.into_iter().zip(halves).zip(passed).filter(|(_, passed)| *passed) {
            if self.is_safe(&p, &q)? {
                return Ok(Some(p));
            }
        }
        Ok(None)
    }

    fn is_safe(&self, p: &[u64], q: &[u64]) -> Result<bool, SearchError> {
        Ok(bit_length(p) == self.bits
            && self.arithmetic.fermat(&[p.to_vec()]) == [true]
            && self.is_prime(q, ROUNDS)?
            && self.is_prime(p, ROUNDS_OF_P)?)
    }

    fn is_prime(&self, number: &[u64], rounds: usize) -> Result<bool, SearchError> {
        for _ in 0..rounds {
            if self.stopped() || !self.arithmetic.miller_rabin(number, &self.random_base(number)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A base of half the length: below the number, and far from 0 and 1 but for a chance of 2^-256.
    fn random_base(&self, number: &[u64]) -> Result<Vec<u64>, NoEntropy> {
        random_limbs(number.len().div_ceil(2), self.entropy)
    }
}

fn random_limbs(count: usize, entropy: &Entropy) -> Result<Vec<u64>, NoEntropy> {
    let mut bytes = vec![0; count * 8];
    entropy.fill(&mut bytes)?;
    let (chunks, _) = bytes.as_chunks();
    Ok(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect())
}

/// (p - 1) / 2 of an odd p, without leading zero limbs.
fn half(p: &[u64]) -> Vec<u64> {
    let above = p.iter().skip(1).chain(std::iter::once(&0));
    let mut q: Vec<u64> = p.iter().zip(above).map(|(low, high)| low >> 1 | high << 63).collect();
    if q.last() == Some(&0) {
        q.pop();
    }
    q
}

fn bit_length(limbs: &[u64]) -> usize {
    limbs.last().map_or(0, |top| limbs.len() * 64 - top.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_number_of_tests_is_the_tables() {
        assert!((2250..2350).contains(&expected_tests(2048)), "{}", expected_tests(2048));
    }

    #[test]
    fn halves() {
        assert_eq!(half(&[23]), [11]);
        assert_eq!(half(&[7, 1]), [3 | 1 << 63]);
        assert_eq!(half(&[7, 3]), [3 | 1 << 63, 1]);
    }

    #[test]
    fn a_cancelled_search_ends_at_once() {
        let cancel = Cancel::new();
        drop(cancel.guard());
        let result = find(512, 2, &Entropy::system(), &cancel, &|_| {});
        assert!(matches!(result, Err(SearchError::Cancelled)));
    }

    #[test]
    fn a_search_under_way_is_cancelled_between_two_tests() {
        let (cancel, threads) = (Cancel::new(), 2);
        let last = AtomicU64::new(0);
        let result = find(1024, threads, &Entropy::system(), &cancel, &|progress| {
            last.fetch_max(progress.tested, Ordering::Relaxed);
            cancel.cancel();
        });
        // Unless the very first number was it, which is one chance in hundreds.
        assert!(matches!(result, Err(SearchError::Cancelled) | Ok(_)));
        assert!(last.load(Ordering::Relaxed) <= threads as u64);
    }

    #[test]
    fn progress_counts_up() {
        let last = AtomicU64::new(0);
        let prime = find(512, 2, &Entropy::system(), &Cancel::new(), &|progress| {
            assert_eq!(progress.expected, expected_tests(512));
            last.fetch_max(progress.tested, Ordering::Relaxed);
        });
        assert_eq!(bit_length(&prime.unwrap()), 512);
        assert!(last.load(Ordering::Relaxed) > 0);
    }
}
