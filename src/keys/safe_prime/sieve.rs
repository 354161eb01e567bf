//! Small primes, and the candidates that none of them divides.

/// Primes from 5 on: 2 and 3 divide no candidate by construction.
#[derive(Debug)]
pub(super) struct SmallPrimes(Vec<u32>);

impl SmallPrimes {
    /// All up to `limit`, by Eratosthenes over the odd numbers.
    pub(super) fn up_to(limit: u32) -> Self {
        let mut composite = vec![false; limit as usize / 2 + 1];
        let mut primes = Vec::new();
        // Place i stands for 2i + 1; a value's multiples start at its square, as smaller ones are out.
        for value in (3..=limit as usize).step_by(2) {
            if composite.get(value / 2) != Some(&false) {
                continue;
            }
            composite.iter_mut().skip(value * value / 2).step_by(value).for_each(|out| *out = true);
            primes.push(value as u32);
        }
        primes.retain(|&prime| prime > 3);
        Self(primes)
    }
}

/// The distance of two candidates: p = 23 (mod 24) gives p = 2 (mod 3), so that 3 divides neither p nor
/// q = (p - 1) / 2, and p = 7 (mod 8), so that 2 is a square and generates the subgroup of order q.
const STEP: u64 = 24;
/// The residue of p modulo [`STEP`].
const RESIDUE: u64 = 23;
/// How many groups of primes are sieved between two looks at `stop`.
const STRIDE: usize = 4096;

/// The candidates `start + 24 i` for small `i`, without those where a small prime divides p or (p - 1) / 2.
#[derive(Debug)]
pub(super) struct Window {
    start: Vec<u64>,
    /// A set bit is a candidate that is out.
    out: Vec<u64>,
    next: usize,
}

impl Window {
    /// Sieves about `size` candidates from `start` on (limbs, least significant first).
    ///
    /// `None` as soon as `stop` says so: with a million primes this takes tenths of a second.
    pub(super) fn sieve(
        start: &[u64],
        size: usize,
        primes: &SmallPrimes,
        stop: impl Fn() -> bool,
    ) -> Option<Self> {
        let start = raised(start, RESIDUE - remainder(start, STEP));
        let mut window = Self { start, out: vec![0; size.div_ceil(64)], next: 0 };
        let mut rest = primes.0.as_slice();
        while !rest.is_empty() {
            if stop() {
                return None;
            }
            for _ in 0..STRIDE {
                rest = window.sieve_group(rest);
            }
        }
        Some(window)
    }

    /// Sieves by the first few of `primes`, as many as one pass over the long number can serve: those
    /// whose product is below 2^64. Gives the others back.
    fn sieve_group<'a>(&mut self, primes: &'a [u32]) -> &'a [u32] {
        let mut product = 1u64;
        let fits = |prime: &&u32| match product.checked_mul(u64::from(**prime)) {
            Some(larger) => {
                product = larger;
                true
            }
            None => false,
        };
        let count = primes.iter().take_while(fits).count();
        let (group, rest) = primes.split_at(count);
        let of_product = remainder(&self.start, product);
        for &prime in group {
            self.sieve_prime(u64::from(prime), of_product % u64::from(prime));
        }
        rest
    }

    /// `residue` is that of the start. p is divisible where 24 i = -residue, q where 24 i = 1 - residue.
    fn sieve_prime(&mut self, prime: u64, residue: u64) {
        let inverse = inverse_of_step(prime);
        self.strike((prime - residue) * inverse % prime, prime);
        self.strike((prime + 1 - residue) * inverse % prime, prime);
    }

    fn strike(&mut self, first: u64, step: u64) {
        let places = self.out.len() * 64;
        for place in (first as usize..places).step_by(step as usize) {
            if let Some(word) = self.out.get_mut(place / 64) {
                *word |= 1 << (place % 64);
            }
        }
    }
}

impl Iterator for Window {
    type Item = Vec<u64>;

    fn next(&mut self) -> Option<Vec<u64>> {
        loop {
            let place = self.next;
            let word = self.out.get(place / 64)?;
            self.next += 1;
            if word >> (place % 64) & 1 == 0 {
                return Some(raised(&self.start, STEP * place as u64));
            }
        }
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

    #[test]
    fn the_small_primes_are_the_primes() {
        assert_eq!(SmallPrimes::up_to(40).0, [5, 7, 11, 13, 17, 19, 23, 29, 31, 37]);
        assert_eq!(SmallPrimes::up_to(41).0.last(), Some(&41));
        assert_eq!(SmallPrimes::up_to(1 << 16).0.len(), 6542 - 2);
    }

    #[test]
    fn the_step_has_its_inverse() {
        for prime in SmallPrimes::up_to(5000).0 {
            assert_eq!(STEP * inverse_of_step(u64::from(prime)) % u64::from(prime), 1);
        }
    }

    /// Against the definition: exactly those remain where no small prime divides p or q.
    #[test]
    fn exactly_the_divisible_are_struck() {
        let start = [0x1234_5678_9abc_def0, 0xfedc_ba98_7654_3210, 0x8000_0000_0000_0001];
        let primes = SmallPrimes::up_to(300);
        let window = Window::sieve(&start, 2048, &primes, || false).unwrap();
        let first = window.start.clone();
        assert_eq!(remainder(&first, STEP), RESIDUE);
        let survivors: Vec<_> = window.collect();
        let expected: Vec<_> = (0..2048)
            .map(|i| raised(&first, STEP * i))
            .filter(|p| primes.0.iter().all(|&r| !matches!(remainder(p, u64::from(r)), 0 | 1)))
            .collect();
        assert!(!expected.is_empty());
        assert_eq!(survivors, expected);
    }

    #[test]
    fn a_carry_runs_through() {
        assert_eq!(raised(&[u64::MAX, u64::MAX, 7], 1), [0, 0, 8]);
        assert_eq!(raised(&[u64::MAX], 2), [1, 1]);
    }

    #[test]
    fn it_stops_when_told() {
        assert!(Window::sieve(&[1, 2, 3], 64, &SmallPrimes::up_to(100), || true).is_none());
    }
}
