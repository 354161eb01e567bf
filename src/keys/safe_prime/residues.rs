//! A long number modulo many small primes.

/// Products of primes that are reduced side by side, to hide how long each multiplication takes.
const LANES: usize = 4;

/// Calls `each` with every one of `primes` (odd, below 2^32) and the remainder of `number`.
///
/// As many primes as fit in 64 bits share a pass over the number. It divides from the bottom, by Montgomery's
/// reduction, which takes two multiplications a limb and no division.
pub(super) fn remainders(number: &[u64], primes: &[u32], mut each: impl FnMut(u64, u64)) {
    let mut rest = primes;
    while !rest.is_empty() {
        let groups: [(&[u32], u64); LANES] = std::array::from_fn(|_| {
            let (group, others, product) = first_group(rest);
            rest = others;
            (group, product)
        });
        let moduli = groups.map(|(_, product)| Modulus::new(product));
        let shifted = reduce(number, &moduli);
        for (((group, _), modulus), shifted) in groups.iter().zip(&moduli).zip(shifted) {
            let residue = modulus.multiply(shifted, modulus.power_of_two(number.len() * 64));
            group.iter().for_each(|&prime| each(u64::from(prime), residue % u64::from(prime)));
        }
    }
}

/// The first few, whose product is below 2^62, and the others.
fn first_group(primes: &[u32]) -> (&[u32], &[u32], u64) {
    let mut product = 1u64;
    let fits = |prime: &&u32| match product.checked_mul(u64::from(**prime)) {
        Some(larger) if larger < 1 << 62 => {
            product = larger;
            true
        }
        _ => false,
    };
    let (group, others) = primes.split_at(primes.iter().take_while(fits).count());
    (group, others, product)
}

/// number / 2^64 for each of its limbs, by each modulus.
fn reduce(number: &[u64], moduli: &[Modulus; LANES]) -> [u64; LANES] {
    let mut sums = [0u64; LANES];
    for &limb in number {
        for (sum, modulus) in sums.iter_mut().zip(moduli) {
            *sum = modulus.reduce(u128::from(*sum) + u128::from(limb));
        }
    }
    sums
}

struct Modulus {
    value: u64,
    /// -1/value modulo 2^64.
    inverse: u64,
}

impl Modulus {
    /// Odd, below 2^62.
    fn new(value: u64) -> Self {
        // Newton: each step doubles the right bits, and an odd number is its own inverse modulo 8.
        let step = |x: u64, _| x.wrapping_mul(2u64.wrapping_sub(value.wrapping_mul(x)));
        Self { value, inverse: (0..5).fold(value, step).wrapping_neg() }
    }

    /// x / 2^64: below twice the value v where x is below 4 v^2, as (4 v^2 + 2^64 v) / 2^64 < 2 v.
    fn reduce(&self, x: u128) -> u64 {
        let multiple = (x as u64).wrapping_mul(self.inverse);
        ((x + u128::from(multiple) * u128::from(self.value)) >> 64) as u64
    }

    /// a b / 2^64, of factors below twice the value.
    fn multiply(&self, a: u64, b: u64) -> u64 {
        self.reduce(u128::from(a) * u128::from(b))
    }

    /// 2^exponent, times 2^64, below twice the value: squared from what of the exponent's top is small enough to shift by.
    fn power_of_two(&self, exponent: usize) -> u64 {
        let squarings = exponent.checked_ilog2().unwrap_or(0).saturating_sub(5);
        let one = u128::from(u64::MAX % self.value + 1);
        let mut power = ((one << (exponent >> squarings)) % u128::from(self.value)) as u64;
        for bit in (0..squarings).rev() {
            power = self.multiply(power, power);
            if exponent >> bit & 1 == 1 {
                power = (power * 2) % self.value;
            }
        }
        power
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_of_a_division(
            number in proptest::collection::vec(any::<u64>(), 1..130),
            odd in proptest::collection::vec(any::<u32>(), 1..40),
        ) {
            // Of odd moduli in general: nothing here needs primes.
            let primes: Vec<u32> = odd.into_iter().map(|n| n | 3).collect();
            let mut seen = Vec::new();
            remainders(&number, &primes, |prime, residue| seen.push((prime, residue)));
            let by_division = |prime: u64| {
                let step = |high, &limb: &u64| ((u128::from(high) << 64 | u128::from(limb)) % u128::from(prime)) as u64;
                number.iter().rev().fold(0, step)
            };
            let expected: Vec<_> =
                primes.iter().map(|&prime| (u64::from(prime), by_division(u64::from(prime)))).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
