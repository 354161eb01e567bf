//! The candidates that no small prime divides.
//!
//! All threads sieve one window together: each takes segments of small primes, strikes into a bitmap of its own,
//! and the bitmaps are joined. The primes are made segment by segment and never kept.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::residues::remainders;

/// The distance of two candidates: p = 23 (mod 24) gives p = 2 (mod 3), so that 3 divides neither p nor
/// q = (p - 1) / 2, and p = 7 (mod 8), so that 2 is a square and generates the subgroup of order q.
const STEP: u64 = 24;
/// The residue of p modulo [`STEP`].
const RESIDUE: u64 = 23;
/// Numbers in which primes are looked for at once: their marks fit in the second cache.
const SEGMENT: usize = 1 << 18;

/// The candidates `start + 24 i` for small `i`, without those where a small prime divides p or (p - 1) / 2.
#[derive(Debug)]
pub(super) struct Window {
    start: Vec<u64>,
    words: usize,
    limit: usize,
    /// Odd primes up to the root of the limit.
    base: Vec<u32>,
    next_segment: AtomicUsize,
    joined: Mutex<Joined>,
    changed: Condvar,
}

#[derive(Debug)]
struct Joined {
    /// A set bit is a candidate that is out.
    out: Vec<u64>,
    /// Segments that nobody has brought yet.
    missing: usize,
    /// A thread was stopped with segments of its own.
    broken: bool,
    next: usize,
}

impl Window {
    /// About `size` candidates from `start` on (limbs, least significant first), still to be sieved up to `limit`.
    pub(super) fn new(start: &[u64], size: usize, limit: u32) -> Self {
        let start = raised(start, RESIDUE - remainder(start, STEP));
        let (words, limit) = (size.div_ceil(64), limit as usize);
        let root = limit.isqrt();
        let joined = Joined { out: vec![0; words], missing: limit.div_ceil(SEGMENT), broken: false, next: 0 };
        Self {
            start,
            words,
            limit,
            base: odd_primes(0, root, &odd_primes(0, root.isqrt(), &[3, 5, 7], root.isqrt()), root),
            next_segment: AtomicUsize::new(0),
            joined: Mutex::new(joined),
            changed: Condvar::new(),
        }
    }

    /// Does this thread's share, and returns when the window is sieved: false when it never will be,
    /// because `stop` said so, here or in another thread.
    pub(super) fn sieve(&self, stop: impl Fn() -> bool) -> bool {
        let mut out = vec![0; self.words];
        let mut done = 0;
        let mut broken = false;
        while let Some(from) = self.take_segment() {
            if stop() {
                broken = true;
                break;
            }
            self.sieve_segment(from, &mut out);
            done += 1;
        }
        self.join(&out, done, broken)
    }

    fn take_segment(&self) -> Option<usize> {
        let from = self.next_segment.fetch_add(1, Ordering::Relaxed) * SEGMENT;
        (from < self.limit).then_some(from)
    }

    fn join(&self, out: &[u64], done: usize, broken: bool) -> bool {
        let mut joined = self.lock();
        joined.out.iter_mut().zip(out).for_each(|(all, own)| *all |= own);
        joined.missing -= done;
        joined.broken |= broken;
        self.changed.notify_all();
        let unfinished = |joined: &mut Joined| joined.missing > 0 && !joined.broken;
        let joined = self.changed.wait_while(joined, unfinished).unwrap_or_else(PoisonError::into_inner);
        !joined.broken
    }

    fn lock(&self) -> MutexGuard<'_, Joined> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next few candidates of a sieved window; fewer only at its end.
    pub(super) fn take(&self, count: usize) -> Vec<Vec<u64>> {
        let mut joined = self.lock();
        let mut places = Vec::with_capacity(count);
        while places.len() < count && joined.next < self.words * 64 {
            let place = joined.next;
            joined.next += 1;
            if joined.out[place / 64] >> (place % 64) & 1 == 0 {
                places.push(place);
            }
        }
        drop(joined);
        places.into_iter().map(|place| raised(&self.start, STEP * place as u64)).collect()
    }

    fn sieve_segment(&self, from: usize, out: &mut [u64]) {
        // 2 and 3 divide no candidate by construction.
        let primes = odd_primes(from.max(4), self.limit.min(from + SEGMENT), &self.base, self.limit);
        remainders(&self.start, &primes, |prime, residue| strike_both(out, prime, residue));
    }
}

/// Odd primes in `from..to` and at `last`, by Eratosthenes over the odd numbers.
fn odd_primes(from: usize, to: usize, base: &[u32], last: usize) -> Vec<u32> {
    let end = if to == last { to + 1 } else { to };
    let first = from | 1;
    // Place i stands for first + 2 i.
    let mut composite = vec![false; end.saturating_sub(first).div_ceil(2)];
    for &prime in base {
        let prime = prime as usize;
        // A value's multiples start at its square, as smaller ones are out.
        let multiple = (prime * prime).max(first.div_ceil(prime) * prime);
        let multiple = if multiple.is_multiple_of(2) { multiple + prime } else { multiple };
        let places = composite.iter_mut().skip((multiple - first) / 2).step_by(prime);
        places.for_each(|out| *out = true);
    }
    let prime = |(place, composite): (usize, &bool)| (!composite).then_some((first + 2 * place) as u32);
    composite.iter().enumerate().filter_map(prime).filter(|&prime| prime > 1).collect()
}

/// `residue` is that of the start. p is divisible where 24 i = -residue, q where 24 i = 1 - residue.
fn strike_both(out: &mut [u64], prime: u64, residue: u64) {
    let inverse = inverse_of_step(prime);
    let first = (prime - residue) * inverse % prime;
    strike(out, first, prime);
    strike(out, if first + inverse < prime { first + inverse } else { first + inverse - prime }, prime);
}

fn strike(out: &mut [u64], first: u64, step: u64) {
    let places = out.len() * 64;
    let mut place = first as usize;
    while place < places {
        out[place / 64] |= 1 << (place % 64);
        place += step as usize;
    }
}

/// 1/24 modulo a prime above 3. A unit modulo 24 is its own inverse there, so `prime * prime` is 1, and
/// 24 divides `(24 - prime % 24) * prime + 1`.
fn inverse_of_step(prime: u64) -> u64 {
    ((STEP - prime % STEP) * prime + 1) / STEP
}

fn remainder(limbs: &[u64], modulus: u64) -> u64 {
    let modulus = u128::from(modulus);
    limbs.iter().rev().fold(0, |high, &limb| (((u128::from(high) << 64) | u128::from(limb)) % modulus) as u64)
}

/// `limbs + by`. A carry out of the top appears as a further limb, and the candidate as too long.
fn raised(limbs: &[u64], by: u64) -> Vec<u64> {
    let mut sum = Vec::with_capacity(limbs.len());
    let mut carry = by;
    for &limb in limbs {
        let (limb, overflow) = limb.overflowing_add(carry);
        carry = u64::from(overflow);
        sum.push(limb);
    }
    if carry > 0 {
        sum.push(carry);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn primes(limit: usize) -> Vec<u32> {
        let is_prime = |n: &u32| (2..*n).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
        (5..=limit as u32).filter(is_prime).collect()
    }

    fn sieved(start: &[u64], size: usize, limit: u32) -> Window {
        let window = Window::new(start, size, limit);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| window.sieve(|| false));
            assert!(window.sieve(|| false) && other.join().unwrap());
        });
        window
    }

    #[test]
    fn the_small_primes_are_the_primes() {
        let base = odd_primes(0, 1001, &[3, 5, 7, 11, 13, 17, 19, 23, 29, 31], 1001);
        assert_eq!(base[1..], primes(1000));
        let from = |from, to| odd_primes(from, to, &base, to - 1);
        assert_eq!([from(4, 400), from(401, 99_992)].concat(), primes(99_991));
        assert_eq!(Window::new(&[1], 64, 1 << 24).base.last(), Some(&4093));
    }

    #[test]
    fn the_step_has_its_inverse() {
        for prime in primes(5000) {
            assert_eq!(STEP * inverse_of_step(u64::from(prime)) % u64::from(prime), 1);
        }
    }

    /// Against the definition: exactly those remain where no small prime divides p or q.
    #[test]
    fn exactly_the_divisible_are_struck() {
        let start = [0x1234_5678_9abc_def0, 0xfedc_ba98_7654_3210, 0x8000_0000_0000_0001];
        for limit in [300, 307, 5000, SEGMENT as u32 + 2000] {
            let window = sieved(&start, 2048, limit);
            let first = window.start.clone();
            assert_eq!(remainder(&first, STEP), RESIDUE);
            let small = primes(limit as usize);
            let expected: Vec<_> = (0..2048)
                .map(|i| raised(&first, STEP * i))
                .filter(|p| small.iter().all(|&r| !matches!(remainder(p, u64::from(r)), 0 | 1)))
                .collect();
            assert!(!expected.is_empty());
            assert_eq!(window.take(3), expected[..3]);
            assert_eq!(window.take(2048), expected[3..]);
        }
    }

    #[test]
    fn a_carry_runs_through() {
        assert_eq!(raised(&[u64::MAX, u64::MAX, 7], 1), [0, 0, 8]);
        assert_eq!(raised(&[u64::MAX], 2), [1, 1]);
    }

    #[test]
    fn it_stops_when_told() {
        assert!(!Window::new(&[1, 2, 3], 64, 100).sieve(|| true));
    }
}
