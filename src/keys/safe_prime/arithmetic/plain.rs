//! crypto-bigint's arithmetic, one number at a time.
//!
//! Dependencies are optimised in debug builds too, and this crate is not: there it is the fastest.

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, MontyForm, MontyMultiplier, Odd, Resize};

use super::{Arithmetic, Stop};

/// Another's code, of which nothing here is a part.
#[derive(Debug)]
pub(super) struct Plain;

impl Arithmetic for Plain {
    /// It is the best where this crate is not optimised, and the sieve takes long there, too.
    fn weight(&self) -> f64 {
        1.0
    }

    fn lanes(&self) -> usize {
        1
    }

    fn fermat(&self, numbers: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>> {
        numbers.iter().map(|number| is_fermat_prime(number, stop)).collect()
    }

    fn miller_rabin(&self, number: &[u64], bases: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>> {
        let test = |base: &Vec<u64>| if stop() { None } else { is_strong_prime(number, base) };
        bases.iter().map(test).collect()
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
fn is_fermat_prime(number: &[u64], stop: Stop<'_>) -> Option<bool> {
    let parameters = parameters(number)?;
    let exponent = minus_one(number);
    let mut multiplier = <BoxedMontyForm as MontyForm>::Multiplier::from(&parameters);
    let one = BoxedMontyForm::one(&parameters);
    let mut power = one.clone();
    for bit in (0..exponent.bits_vartime()).rev() {
        if bit % 16 == 0 && stop() {
            return None;
        }
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
