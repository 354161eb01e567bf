//! The search for a safe prime: p and q = (p - 1) / 2 both prime.
//!
//! From a random start, a sieve strikes what a small prime divides ([`sieve`]), every core tests what is
//! left ([`arithmetic`]), and the first that passes is examined thoroughly.

mod arithmetic;
mod residues;
mod sieve;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

pub use self::arithmetic::Kernel;
use self::arithmetic::{Arithmetic, bit_length};
use self::sieve::Window;
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

    /// Stops the search: it returns within milliseconds, out of the middle of a test.
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
    /// It was to use instructions that the processor does not have.
    #[error("this processor cannot do {0}")]
    NoKernel(&'static str),
    /// The operating system failed.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

/// Sieving 2048 bits up to 2^24 takes as long as so many tests of weight 1 (see [`Arithmetic::weight`]).
const SIEVING: f64 = 400.0;

/// The largest prime that is sieved by. A larger one saves tests (their number falls with ln²), until sieving takes longer than
/// they: that point moves up with the time of a test, and so with the size, and where the arithmetic is slow.
fn sieve_limit(bits: usize, weight: f64) -> u32 {
    let size = bits as f64 / 2048.0;
    let cost = |limit: u32| {
        let sieving = SIEVING * size * f64::from(limit) / f64::from(1 << 24);
        // A multiplication takes about the square of the size, and a test as many as there are bits; both a little less.
        sieving + weight * size.powf(2.6) * tests_after(bits, limit)
    };
    let limits = (16..=27).map(|power| 1 << power);
    limits.min_by(|one, other| cost(*one).total_cmp(&cost(*other))).unwrap_or(1 << 24)
}

/// e^(-2γ): what is left by the sieve is prime so much more often than chance (Mertens' third theorem).
const MERTENS: f64 = 0.315_236_751_687_200_4;

fn ln_q(bits: usize) -> f64 {
    (bits as f64 - 1.0) * std::f64::consts::LN_2
}

/// e^(-2γ) ln²q / ln²B: the tests to expect after a sieve to B.
fn tests_after(bits: usize, limit: u32) -> f64 {
    MERTENS * (ln_q(bits) / f64::from(limit).ln()).powi(2)
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
    kernel: Kernel,
    entropy: &Entropy,
    cancel: &Cancel,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<u64>, SearchError> {
    let arithmetic = kernel.arithmetic().ok_or(SearchError::NoKernel(kernel.name()))?;
    let limit = sieve_limit(bits, arithmetic.weight());
    let search = Search {
        bits,
        limit,
        arithmetic: arithmetic.as_ref(),
        entropy,
        cancel,
        progress,
        window: Mutex::new(Arc::new(new_window(bits, limit, entropy)?)),
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
    /// Sieved up to this.
    limit: u32,
    arithmetic: &'a dyn Arithmetic,
    entropy: &'a Entropy,
    cancel: &'a Cancel,
    progress: &'a (dyn Fn(Progress) + Sync),
    /// The one that all threads are at.
    window: Mutex<Arc<Window>>,
    tested: AtomicU64,
    /// Another thread has a result.
    done: AtomicBool,
    result: Mutex<Option<Result<Vec<u64>, SearchError>>>,
}

/// What is tested side by side: of most candidates q, and p of those whose q has passed.
///
/// q first, as either is composite as often, and the test of q also serves the proof of p.
#[derive(Default)]
struct Batch {
    numbers: Vec<Vec<u64>>,
    /// The candidate of each number, and whether its q has passed.
    candidates: Vec<(Vec<u64>, bool)>,
}

impl Batch {
    fn of(passed: Vec<Vec<u64>>, fresh: Vec<Vec<u64>>) -> Self {
        let numbers = passed.iter().cloned().chain(fresh.iter().map(|p| half(p))).collect();
        let candidates = passed.into_iter().map(|p| (p, true)).chain(fresh.into_iter().map(|p| (p, false)));
        Self { numbers, candidates: candidates.collect() }
    }
}

impl Search<'_> {
    /// What each thread does.
    fn work(&self) {
        while !self.stopped() {
            let window = Arc::clone(&lock(&self.window));
            let found = if window.sieve(|| self.stopped()) { self.search(&window) } else { Ok(None) };
            match found.and_then(
                |prime| if prime.is_none() { self.renew(&window).map(|()| None) } else { Ok(prime) },
            ) {
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
        lock(&self.result).get_or_insert(result);
        self.done.store(true, Ordering::Relaxed);
    }

    /// The first thread at the end of a window makes the next.
    fn renew(&self, old: &Arc<Window>) -> Result<(), SearchError> {
        let mut window = lock(&self.window);
        if Arc::ptr_eq(&window, old) {
            *window = Arc::new(new_window(self.bits, self.limit, self.entropy)?);
        }
        Ok(())
    }

    fn search(&self, window: &Window) -> Result<Option<Vec<u64>>, SearchError> {
        let mut passed = Vec::new();
        loop {
            let fresh = window.take(self.arithmetic.lanes().saturating_sub(passed.len()));
            let batch = Batch::of(std::mem::take(&mut passed), fresh);
            if batch.numbers.is_empty() || self.stopped() {
                return Ok(None);
            }
            for (p, whole) in self.test(batch) {
                match whole {
                    false => passed.push(p),
                    true if self.is_safe(&p)? => return Ok(Some(p)),
                    true => {}
                }
            }
        }
    }

    /// The candidates of the numbers that pass. None when it is stopped.
    fn test(&self, batch: Batch) -> Vec<(Vec<u64>, bool)> {
        let Some(passed) = self.arithmetic.fermat(&batch.numbers, &|| self.stopped()) else {
            return Vec::new();
        };
        let count = batch.candidates.iter().filter(|(_, whole)| !whole).count() as u64;
        let tested = self.tested.fetch_add(count, Ordering::Relaxed) + count;
        (self.progress)(Progress { tested, expected: tests_after(self.bits, self.limit) as u64 });
        batch.candidates.into_iter().zip(passed).filter(|(_, passed)| *passed).map(|(of, _)| of).collect()
    }

    fn is_safe(&self, p: &[u64]) -> Result<bool, SearchError> {
        Ok(bit_length(p) == self.bits && self.is_prime(&half(p), ROUNDS)? && self.is_prime(p, ROUNDS_OF_P)?)
    }

    fn is_prime(&self, number: &[u64], rounds: usize) -> Result<bool, SearchError> {
        for round in (0..rounds).step_by(self.arithmetic.lanes()) {
            let count = self.arithmetic.lanes().min(rounds - round);
            let bases = (0..count).map(|_| self.random_base(number)).collect::<Result<Vec<_>, _>>()?;
            match self.arithmetic.miller_rabin(number, &bases, &|| self.stopped()) {
                Some(passed) if passed.iter().all(|passed| *passed) => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// A base of half the length: below the number, and far from 0 and 1 but for a chance of 2^-256.
    fn random_base(&self, number: &[u64]) -> Result<Vec<u64>, NoEntropy> {
        random_limbs(number.len().div_ceil(2), self.entropy)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn new_window(bits: usize, limit: u32, entropy: &Entropy) -> Result<Window, NoEntropy> {
    Ok(Window::new(&random_start(bits, entropy)?, window_size(bits), limit))
}

/// `bits` random bits, the top one set.
fn random_start(bits: usize, entropy: &Entropy) -> Result<Vec<u64>, NoEntropy> {
    let mut limbs = random_limbs(bits.div_ceil(64), entropy)?;
    let top = (bits - 1) % 64;
    if let Some(limb) = limbs.last_mut() {
        *limb = *limb & (u64::MAX >> (63 - top)) | 1 << top;
    }
    Ok(limbs)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_number_of_tests_is_the_tables() {
        let tests = tests_after(2048, 1 << 24);
        assert!((2250.0..2350.0).contains(&tests), "{tests}");
    }

    #[test]
    fn the_slower_a_test_the_longer_the_sieve() {
        let powers = |weight: f64| [512, 2048, 4096].map(|bits| sieve_limit(bits, weight).ilog2());
        assert_eq!(powers(1.0), [18, 24, 27]);
        assert_eq!(powers(14.0), [21, 27, 27]);
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
        let result = find(512, 2, Kernel::best(), &Entropy::system(), &cancel, &|_| {});
        assert!(matches!(result, Err(SearchError::Cancelled)));
    }

    #[test]
    fn a_search_under_way_is_cancelled_between_two_tests() {
        let (cancel, threads) = (Cancel::new(), 2);
        let last = AtomicU64::new(0);
        let result = find(1024, threads, Kernel::best(), &Entropy::system(), &cancel, &|progress| {
            last.fetch_max(progress.tested, Ordering::Relaxed);
            cancel.cancel();
        });
        // Unless the very first number was it, which is one chance in hundreds.
        assert!(matches!(result, Err(SearchError::Cancelled) | Ok(_)));
        assert!(last.load(Ordering::Relaxed) <= 8 * threads as u64, "one batch each");
    }

    #[test]
    fn progress_counts_up() {
        let last = AtomicU64::new(0);
        let prime = find(512, 2, Kernel::best(), &Entropy::system(), &Cancel::new(), &|progress| {
            let limit = sieve_limit(512, Kernel::best().arithmetic().unwrap().weight());
            assert_eq!(progress.expected, tests_after(512, limit) as u64);
            last.fetch_max(progress.tested, Ordering::Relaxed);
        });
        assert_eq!(bit_length(&prime.unwrap()), 512);
        assert!(last.load(Ordering::Relaxed) > 0);
    }
}
