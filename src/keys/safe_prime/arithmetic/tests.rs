//! Each arithmetic against the books, against crypto-bigint, and so against each other.

use crypto_bigint::BoxedUint;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use proptest::prelude::*;

use super::*;
use crate::keys::dh;
use crate::skip::skipped;

/// Those of this processor; what it cannot do is skipped by name below.
fn all() -> Vec<Box<dyn Arithmetic>> {
    Kernel::available().into_iter().filter_map(Kernel::arithmetic).collect()
}

#[test]
fn ifma_tells_small_primes_apart() {
    tells_small_primes_apart(Kernel::Ifma);
}

#[test]
fn avx2_tells_small_primes_apart() {
    tells_small_primes_apart(Kernel::Avx2);
}

/// All other tests here go over what this processor has, and would pass without this kernel.
fn tells_small_primes_apart(kernel: Kernel) {
    let Some(arithmetic) = kernel.arithmetic() else {
        let name = format!("keys::safe_prime::arithmetic::tests::{}_tells_small_primes_apart", kernel.name());
        return skipped(&name, "this processor cannot do it; nothing else here has tested it");
    };
    assert!(Kernel::available().contains(&kernel), "the other tests leave it out");
    let numbers: Vec<Vec<u64>> = (1..500).map(|half| vec![2 * half + 1]).collect();
    let expected: Vec<bool> = numbers.iter().map(|number| fermat_by_definition(number)).collect();
    assert_eq!(fermat(arithmetic.as_ref(), &numbers), expected);
}

/// As many as there may be, in several batches where there are more than lanes.
fn fermat(arithmetic: &dyn Arithmetic, numbers: &[Vec<u64>]) -> Vec<bool> {
    let batches = numbers.chunks(arithmetic.lanes());
    batches.flat_map(|batch| arithmetic.fermat(batch, &|| false).unwrap()).collect()
}

fn strong(arithmetic: &dyn Arithmetic, number: &[u64], bases: &[Vec<u64>]) -> Vec<bool> {
    let batches = bases.chunks(arithmetic.lanes());
    batches.flat_map(|batch| arithmetic.miller_rabin(number, batch, &|| false).unwrap()).collect()
}

/// base^exponent mod number, by an independent implementation.
fn power(base: &[u64], exponent: &BoxedUint, number: &[u64]) -> BoxedUint {
    let odd = BoxedUint::from_words(number.iter().copied()).to_odd().unwrap();
    let parameters = BoxedMontyParams::new_vartime(odd);
    let words = base.iter().copied().chain(std::iter::repeat(0)).take(number.len());
    BoxedMontyForm::new(BoxedUint::from_words(words), &parameters).pow(exponent).retrieve()
}

fn minus_one(number: &[u64]) -> BoxedUint {
    BoxedUint::from_words(number.iter().enumerate().map(|(i, limb)| if i == 0 { limb - 1 } else { *limb }))
}

fn fermat_by_definition(number: &[u64]) -> bool {
    power(&[2], &minus_one(number), number) == BoxedUint::one()
}

fn strong_by_definition(number: &[u64], base: &[u64]) -> bool {
    let even = minus_one(number);
    let twos = even.trailing_zeros_vartime();
    let odd = even.shr_vartime(twos).unwrap();
    power(base, &odd, number) == BoxedUint::one()
        || (0..twos).any(|by| power(base, &odd.shl_vartime(by).unwrap(), number) == even)
}

fn assert_as_defined(numbers: &[Vec<u64>]) {
    let expected: Vec<_> = numbers.iter().map(|number| fermat_by_definition(number)).collect();
    for arithmetic in all() {
        assert_eq!(fermat(arithmetic.as_ref(), numbers), expected);
    }
}

#[test]
fn primes_pass() {
    for arithmetic in all() {
        for prime in [5, 7, 23, 65_537, 4_294_967_291, 18_446_744_073_709_551_557] {
            assert_eq!(fermat(arithmetic.as_ref(), &[vec![prime]]), [true], "{prime}");
            assert_eq!(
                strong(arithmetic.as_ref(), &[prime], &[vec![2], vec![3], vec![4]]),
                [true; 3],
                "{prime}"
            );
        }
    }
}

#[test]
fn composites_fail_as_the_books_say() {
    for arithmetic in all() {
        let fermat = |number: u64| fermat(arithmetic.as_ref(), &[vec![number]]) == [true];
        let strong = |number: u64, base: u64| strong(arithmetic.as_ref(), &[number], &[vec![base]]) == [true];
        assert!(!fermat(91) && !fermat(4_294_967_295));
        // 341 is a pseudoprime to 2, 561 a Carmichael number, 2047 a strong pseudoprime to 2.
        assert!(fermat(341) && fermat(561) && fermat(2047) && strong(2047, 2));
        assert!(!strong(341, 2) && !strong(561, 2) && !strong(2047, 3));
        // Of Carmichael's (6k+1)(12k+1)(18k+1), and a strong pseudoprime to all bases up to 37 (Sorenson, Webster).
        assert!(fermat(1729) && fermat(294_409) && !strong(294_409, 2));
        let psi_12: u128 = 318_665_857_834_031_151_167_461;
        let psi_12 = [psi_12 as u64, (psi_12 >> 64) as u64];
        let bases: Vec<_> = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41].map(|base| vec![base]).to_vec();
        let mut expected = vec![true; 13];
        expected[12] = false;
        assert_eq!(self::strong(arithmetic.as_ref(), &psi_12, &bases), expected);
    }
}

/// 2^e - 1 for Mersenne's exponents and others: every limb of all ones.
#[test]
fn all_ones_keep_their_carries() {
    let ones = |bits: usize| -> Vec<u64> {
        let mut limbs = vec![u64::MAX; bits.div_ceil(64)];
        *limbs.last_mut().unwrap() >>= (64 - bits % 64) % 64;
        limbs
    };
    assert_as_defined(&[521, 607, 1279, 2203, 512, 1024, 2048, 2049].map(ones));
    for arithmetic in all() {
        let mersenne = [521, 607, 1279, 2203].map(ones);
        assert_eq!(fermat(arithmetic.as_ref(), &mersenne), [true; 4]);
    }
}

/// The least and the greatest of each length around multiples of the radices, 2^k + 1 among them.
#[test]
fn the_ends_of_each_size_are_as_defined() {
    for bits in (508..=532).chain(1016..=1026).chain([1530, 2044, 2047, 2048, 2052, 3072]) {
        let limbs = bits / 64 + usize::from(bits % 64 > 0);
        let mut least = vec![0; limbs];
        least[limbs - 1] = 1 << ((bits - 1) % 64);
        least[0] |= 1;
        let mut greatest = vec![u64::MAX; limbs];
        greatest[limbs - 1] = u64::MAX >> (63 - (bits - 1) % 64);
        let mut near = greatest.clone();
        near[0] -= 188;
        assert_as_defined(&[least, greatest, near]);
    }
}

#[test]
fn known_safe_primes_pass_and_their_neighbours_fail() {
    // The long ones take minutes where nothing is optimised.
    let sizes = if cfg!(debug_assertions) { &[2048][..] } else { &[2048, 3072, 4096, 8192] };
    for &bits in sizes {
        let p = dh::rfc7919(bits).unwrap().limbs();
        let q: Vec<u64> =
            (0..p.len()).map(|i| p[i] >> 1 | p.get(i + 1).map_or(0, |high| high << 63)).collect();
        let mut neighbour = p.clone();
        neighbour[1] ^= 2;
        for arithmetic in all() {
            let numbers = [p.clone(), q.clone(), neighbour.clone()];
            assert_eq!(fermat(arithmetic.as_ref(), &numbers), [true, true, false]);
            assert_eq!(strong(arithmetic.as_ref(), &q, &[vec![3], vec![1, 2, 3]]), [true, true]);
            assert_eq!(strong(arithmetic.as_ref(), &neighbour, &[vec![3], vec![1, 2, 3]]), [false, false]);
        }
    }
}

#[test]
fn a_test_under_way_is_stopped() {
    let p = dh::rfc7919(2048).unwrap().limbs();
    for arithmetic in all() {
        let asked = std::cell::Cell::new(0);
        let stop = || {
            asked.set(asked.get() + 1);
            asked.get() == 3
        };
        assert_eq!(arithmetic.fermat(std::slice::from_ref(&p), &stop), None);
        assert_eq!(asked.get(), 3);
        assert_eq!(arithmetic.miller_rabin(&p, &[vec![2]], &|| true), None);
    }
}

fn odd_number() -> impl Strategy<Value = Vec<u64>> {
    let limb = prop_oneof![3 => any::<u64>(), 1 => Just(0), 1 => Just(u64::MAX)];
    (proptest::collection::vec(limb, 1..20), 1..=u64::MAX).prop_map(|(mut limbs, top)| {
        limbs.push(top);
        limbs[0] |= 1;
        limbs
    })
}

/// No composite of this size passes: what is compared is that value, and not only its being 1, is right.
fn base() -> impl Strategy<Value = u64> {
    2..=u64::MAX
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_numbers_are_as_defined(numbers in proptest::collection::vec(odd_number(), 1..10)) {
        assert_as_defined(&numbers);
    }

    #[test]
    fn small_numbers_are_as_defined(number in 2..20_000u64, base in base()) {
        let number = 2 * number + 1;
        for arithmetic in all() {
            let base = base % (number - 1) + 1;
            prop_assert_eq!(fermat(arithmetic.as_ref(), &[vec![number]]), [fermat_by_definition(&[number])]);
            let expected = [strong_by_definition(&[number], &[base])];
            prop_assert_eq!(strong(arithmetic.as_ref(), &[number], &[vec![base]]), expected);
        }
    }
}
