//! Fermat's test and Miller-Rabin's, on lanes.

use crypto_bigint::{BoxedUint, NonZero};

use super::lanes::{Lanes, Moduli, Residues, limb};
use super::{Stop, bit_length};

/// Squarings between two looks at `stop`.
const STRIDE: usize = 16;

/// Of each number n, up to one a lane: whether 2^(n-1) = 1 (mod n). `None` when it was stopped.
#[inline(always)]
pub(super) fn fermat<V: Lanes>(numbers: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>> {
    let bits = numbers.iter().map(|number| bit_length(number)).max()?;
    let number = |lane: usize| numbers[lane.min(numbers.len() - 1)].as_slice();
    let mut moduli = Moduli::<V>::new(bits, number);
    let Some(plan) = Plan::new(numbers, bits, moduli.log_r()) else {
        return numbers.iter().map(|number| small_fermat::<V>(number, stop)).collect();
    };
    let of = |lane: usize| lane.min(numbers.len() - 1);
    let mut power = moduli.residues(|lane| &plan.starts[of(lane)]);
    for bit in (0..plan.squarings).rev() {
        if bit % STRIDE == 0 && stop() {
            return None;
        }
        moduli.square(&mut power, V::new(|lane| bit_of(&plan.doublings[of(lane)], bit)));
    }
    let value = value_of(&mut moduli, power);
    Some((0..numbers.len()).map(|lane| is(&value, lane, &[1])).collect())
}

/// How 2^(1-n) is reached by squarings and doublings alone.
///
/// A power of two below n, taken as a Montgomery form, stands for 2^-a with a small a; so with
/// 1 - n = -a 2^k + b, k squarings with doublings by the bits of b give 2^(1-n), and nothing has to be
/// brought into Montgomery form. It is 1 exactly when 2^(n-1) is.
struct Plan {
    squarings: usize,
    /// R 2^-a.
    starts: Vec<Vec<u64>>,
    /// 1 - n, of which the lowest k bits are b.
    doublings: Vec<Vec<u64>>,
}

impl Plan {
    /// `None` where the powers would not be below n: for numbers much smaller than 512 bits, or than their neighbours.
    fn new(numbers: &[Vec<u64>], bits: usize, log_r: usize) -> Option<Self> {
        let squarings = bits.checked_sub(log_r.ilog2() as usize)?;
        let start = |number: &Vec<u64>| {
            let below = (0..squarings).any(|bit| bit > 0 && bit_of(number, bit) == 1);
            let a = shifted_right(number, squarings) + usize::from(below);
            let exponent = log_r.checked_sub(a)?;
            (exponent < bit_length(number)).then(|| power_of_two(exponent))
        };
        let starts = numbers.iter().map(start).collect::<Option<_>>()?;
        Some(Self { squarings, starts, doublings: numbers.iter().map(|number| one_minus(number)).collect() })
    }
}

/// Of a number of any size, by the general way.
#[inline(always)]
fn small_fermat<V: Lanes>(number: &[u64], stop: Stop<'_>) -> Option<bool> {
    let mut even = number.to_vec();
    *even.first_mut()? -= 1;
    let (mut moduli, power) = power::<V>(number, &[vec![2]], &even, stop)?;
    let value = value_of(&mut moduli, power);
    Some(is(&value, 0, &[1]))
}

/// Of each base, up to one a lane: whether `number` is a strong probable prime to it. `None` when it was stopped.
#[inline(always)]
pub(super) fn miller_rabin<V: Lanes>(
    number: &[u64],
    bases: &[Vec<u64>],
    stop: Stop<'_>,
) -> Option<Vec<bool>> {
    let mut even = number.to_vec();
    *even.first_mut()? -= 1;
    let twos = (0..).find(|&bit| bit_of(&even, bit) == 1 || bit == 64 * even.len())?;
    let odd_part = BoxedUint::from_words(even.iter().copied()).shr_vartime(twos as u32)?;
    let (mut moduli, mut power) = power::<V>(number, bases, odd_part.as_words(), stop)?;
    let mut passed = vec![false; bases.len()];
    for round in 0..twos {
        let value = value_of(&mut moduli, power.clone());
        for (lane, passed) in passed.iter_mut().enumerate() {
            *passed |= is(&value, lane, &even) || (round == 0 && is(&value, lane, &[1]));
        }
        moduli.square(&mut power, V::new(|_| 0));
    }
    Some(passed)
}

/// Each base to the `exponent`: squares, and multiplies where it has a bit.
#[inline(always)]
fn power<V: Lanes>(
    number: &[u64],
    bases: &[Vec<u64>],
    exponent: &[u64],
    stop: Stop<'_>,
) -> Option<(Moduli<V>, Residues<V>)> {
    let mut moduli = Moduli::<V>::new(bit_length(number), |_| number);
    let forms: Vec<_> =
        bases.iter().map(|base| montgomery_form(base, moduli.log_r(), number)).collect::<Option<_>>()?;
    let base = moduli.residues(|lane| &forms[lane.min(forms.len() - 1)]);
    let mut power = base.clone();
    for bit in (0..bit_length(exponent).checked_sub(1)?).rev() {
        if bit % STRIDE == 0 && stop() {
            return None;
        }
        moduli.square(&mut power, V::new(|_| 0));
        if bit_of(exponent, bit) == 1 {
            moduli.multiply(&mut power, &base);
        }
    }
    Some((moduli, power))
}

/// base R mod n.
fn montgomery_form(base: &[u64], log_r: usize, number: &[u64]) -> Option<Vec<u64>> {
    let words = base.len() + log_r.div_ceil(64);
    let words = base.iter().copied().chain(std::iter::repeat(0)).take(words.max(number.len()));
    let shifted = BoxedUint::from_words(words).shl_vartime(log_r as u32)?;
    let number = Option::<NonZero<_>>::from(NonZero::new(BoxedUint::from_words(number.iter().copied())))?;
    Some(shifted.rem_vartime(&number).as_words().to_vec())
}

/// What a Montgomery form stands for, in limbs. At most n.
#[inline(always)]
fn value_of<V: Lanes>(moduli: &mut Moduli<V>, mut form: Residues<V>) -> Vec<V> {
    let one = moduli.residues(|_| &[1]);
    moduli.multiply(&mut form, &one);
    form.into_iter().map(V::from_factor).collect()
}

fn is<V: Lanes>(value: &[V], lane: usize, number: &[u64]) -> bool {
    value.iter().enumerate().all(|(place, &limbs)| limbs.lane(lane) == limb(number, place, V::BITS))
}

fn bit_of(number: &[u64], bit: usize) -> u64 {
    number.get(bit / 64).map_or(0, |word| word >> (bit % 64) & 1)
}

/// 1 - n modulo a power of 2^64: -n is !n + 1.
fn one_minus(number: &[u64]) -> Vec<u64> {
    let mut carry = 2;
    let negate = |&word: &u64| {
        let (sum, overflow) = (!word).overflowing_add(carry);
        carry = u64::from(overflow);
        sum
    };
    number.iter().map(negate).collect()
}

/// The few highest bits of a number, from bit `by` on.
fn shifted_right(number: &[u64], by: usize) -> usize {
    (by..bit_length(number)).rev().fold(0, |high, bit| high << 1 | bit_of(number, bit) as usize)
}

fn power_of_two(exponent: usize) -> Vec<u64> {
    let mut words = vec![0; exponent / 64];
    words.push(1 << (exponent % 64));
    words
}
