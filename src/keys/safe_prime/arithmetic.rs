//! Primality tests on long numbers: the part of the search that takes the time, and that can be exchanged.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, MontyForm, MontyMultiplier, Odd, Resize};

/// What the search wants of an arithmetic. Numbers are limbs, least significant first, odd, with a top limb
/// that is not zero. All of them are public, so an implementation may take a time that depends on them.
pub(super) trait Arithmetic: Sync {
    /// How many candidates it likes to test at once.
    fn lanes(&self) -> usize;

    /// Of each number n: whether 2^(n-1) = 1 (mod n) (Fermat's test to the base 2).
    fn fermat(&self, numbers: &[Vec<u64>]) -> Vec<bool>;

    /// Whether `number` is a strong probable prime to `base` (Miller-Rabin; FIPS 186-5 §B.3.1).
    fn miller_rabin(&self, number: &[u64], base: &[u64]) -> bool;
}

/// crypto-bigint's Montgomery arithmetic on numbers of any length.
///
/// Its fixed sizes are no faster (measured at 2048 bits), and being generic they would be compiled
/// unoptimised with this crate in debug builds.
#[derive(Debug)]
pub(super) struct Portable;

impl Arithmetic for Portable {
    fn lanes(&self) -> usize {
        1
    }

    fn fermat(&self, numbers: &[Vec<u64>]) -> Vec<bool> {
        numbers.iter().map(|number| is_fermat_prime(number).unwrap_or(false)).collect()
    }

    fn miller_rabin(&self, number: &[u64], base: &[u64]) -> bool {
        is_strong_prime(number, base).unwrap_or(false)
    }
}

fn parameters(number: &[u64]) -> Option<BoxedMontyParams> {
    let odd = Option::<Odd<BoxedUint>>::from(Odd::new(BoxedUint::from_words(number.iter().copied())))?;
    Some(BoxedMontyParams::new_vartime(odd))
}

fn minus_one(number: &[u64]) -> BoxedUint {
    // An odd number: there is nothing to borrow.
    BoxedUint::from_words(number.iter().enumerate().map(|(i, &limb)| if i == 0 { limb - 1 } else { limb }))
}

/// Squares, and doubles where the exponent has a bit: the base 2 needs no table and no multiplication.
fn is_fermat_prime(number: &[u64]) -> Option<bool> {
    let parameters = parameters(number)?;
    let exponent = minus_one(number);
    let mut multiplier = <BoxedMontyForm as MontyForm>::Multiplier::from(&parameters);
    let one = BoxedMontyForm::one(&parameters);
    let mut power = one.clone();
    for bit in (0..exponent.bits_vartime()).rev() {
        multiplier.square_assign(&mut power);
        if exponent.bit_vartime(bit) {
            power = power.double();
        }
    }
    Some(power.as_montgomery() == one.as_montgomery())
}

fn is_strong_prime(number: &[u64], base: &[u64]) -> Option<bool> {
    let parameters = parameters(number)?;
    let even = minus_one(number);
    let twos = even.trailing_zeros_vartime();
    let odd_part = even.shr_vartime(twos)?;
    let mut multiplier = <BoxedMontyForm as MontyForm>::Multiplier::from(&parameters);
    let one = BoxedMontyForm::one(&parameters);
    let minus_one = BoxedMontyForm::zero(&parameters).sub(&one);
    let base = BoxedUint::from_words(base.iter().copied()).resize(even.bits_precision());
    let mut power = BoxedMontyForm::new(base, &parameters).pow(&odd_part);
    if power.as_montgomery() == one.as_montgomery() {
        return Some(true);
    }
    for _ in 0..twos {
        if power.as_montgomery() == minus_one.as_montgomery() {
            return Some(true);
        }
        multiplier.square_assign(&mut power);
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fermat(number: u64) -> bool {
        Portable.fermat(&[vec![number]]) == [true]
    }

    fn strong(number: u64, base: u64) -> bool {
        Portable.miller_rabin(&[number], &[base])
    }

    #[test]
    fn primes_pass() {
        for prime in [5, 7, 23, 65_537, 4_294_967_291, 18_446_744_073_709_551_557] {
            assert!(fermat(prime), "{prime}");
            assert!((2..5).all(|base| strong(prime, base)), "{prime}");
        }
    }

    #[test]
    fn composites_fail_as_the_books_say() {
        assert!(!fermat(91) && !fermat(4_294_967_295));
        // 341 is a pseudoprime to 2, 561 a Carmichael number, 2047 a strong pseudoprime to 2.
        assert!(fermat(341) && fermat(561) && fermat(2047) && strong(2047, 2));
        assert!(!strong(341, 2) && !strong(561, 2) && !strong(2047, 3));
    }

    #[test]
    fn long_numbers_keep_their_carries() {
        // 2^127 - 1 is prime, 2^128 + 51 is (three limbs), 2^129 - 1 is not.
        assert_eq!(
            Portable.fermat(&[vec![u64::MAX, u64::MAX >> 1], vec![51, 0, 1], vec![u64::MAX, u64::MAX, 1],]),
            [true, true, false]
        );
        assert!(Portable.miller_rabin(&[51, 0, 1], &[12345, 678]));
    }
}
