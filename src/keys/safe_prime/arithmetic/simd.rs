//! The vector instructions of x86-64.
//!
//! `unsafe`, as the compiler must be told that the processor has them. Each arithmetic can only be made by asking the
//! processor, and its lanes exist only in here, below the functions that say so. Beside this file two calls of the system that
//! no safe crate has are unsafe: tests/architecture.rs names all that may be.
#![allow(unsafe_code)]

// Two dozen of them: a list says no more.
#[allow(clippy::wildcard_imports)]
use std::arch::x86_64::*;

use super::lanes::Lanes;
use super::{Arithmetic, Stop, batch};

/// Four numbers, by multiplications of doubles with exact remainders.
#[derive(Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    /// `None` where the processor has no AVX2 or no FMA.
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }
}

impl Arithmetic for Avx2 {
    fn weight(&self) -> f64 {
        4.6
    }

    fn lanes(&self) -> usize {
        Four::COUNT
    }

    fn fermat(&self, numbers: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>> {
        #[target_feature(enable = "avx2,fma")]
        fn with_avx2(numbers: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>> {
            batch::fermat::<Four>(numbers, stop)
        }
        // SAFETY: `detect` has found both features, and nothing else makes an `Avx2`.
        unsafe { with_avx2(numbers, stop) }
    }

    fn miller_rabin(&self, number: &[u64], bases: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>> {
        #[target_feature(enable = "avx2,fma")]
        fn with_avx2(number: &[u64], bases: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>> {
            batch::miller_rabin::<Four>(number, bases, stop)
        }
        // SAFETY: `detect` has found both features, and nothing else makes an `Avx2`.
        unsafe { with_avx2(number, bases, stop) }
    }
}

/// Eight numbers, by multiplications of 52-bit integers.
#[derive(Debug)]
pub(super) struct Ifma(());

impl Ifma {
    /// `None` where the processor has no AVX-512 IFMA.
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma")).then_some(Self(()))
    }
}

impl Arithmetic for Ifma {
    fn weight(&self) -> f64 {
        1.0
    }

    fn lanes(&self) -> usize {
        Eight::COUNT
    }

    fn fermat(&self, numbers: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>> {
        #[target_feature(enable = "avx512f,avx512ifma")]
        fn with_ifma(numbers: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>> {
            batch::fermat::<Eight>(numbers, stop)
        }
        // SAFETY: `detect` has found both features, and nothing else makes an `Ifma`.
        unsafe { with_ifma(numbers, stop) }
    }

    fn miller_rabin(&self, number: &[u64], bases: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>> {
        #[target_feature(enable = "avx512f,avx512ifma")]
        fn with_ifma(number: &[u64], bases: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>> {
            batch::miller_rabin::<Eight>(number, bases, stop)
        }
        // SAFETY: `detect` has found both features, and nothing else makes an `Ifma`.
        unsafe { with_ifma(number, bases, stop) }
    }
}

/// Four lanes. A fused multiplication of doubles, added to 2^103, leaves the product's upper half in the
/// mantissa, rounded to a multiple of 2^51; a second one gives exactly what is missing, which may be negative.
/// (Emmart, Zheng, Weems: Faster modular exponentiation using double precision floating point arithmetic.)
#[derive(Clone, Copy)]
struct Four(__m256i);

impl Four {
    /// 2^103: its unit in the last place is 2^51.
    const UPPER: u64 = (1023 + 103) << 52;
    /// 2^52 + 2^51, so that a remainder between -2^50 and 2^50 stays among those with the unit 1.
    const LOWER: u64 = (1023 + 52) << 52 | 1 << 51;
    /// 2^52, with the unit 1.
    const INTEGER: u64 = (1023 + 52) << 52;
    /// Makes a column positive while it is shifted, as AVX2 has no arithmetic shift. A multiple of the radix.
    const POSITIVE: u64 = 1 << 62;

    #[inline(always)]
    fn all(lane: u64) -> Self {
        // SAFETY: see `Lanes for Four`.
        Self(unsafe { _mm256_set1_epi64x(lane.cast_signed()) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: see `Lanes for Four`.
        Self(unsafe { _mm256_sub_epi64(self.0, other.0) })
    }

    #[inline(always)]
    fn as_double(self) -> __m256d {
        // SAFETY: see `Lanes for Four`.
        unsafe { _mm256_castsi256_pd(self.0) }
    }

    #[inline(always)]
    fn of_double(double: __m256d) -> Self {
        // SAFETY: see `Lanes for Four`.
        Self(unsafe { _mm256_castpd_si256(double) })
    }
}

// SAFETY of all blocks in here: `Four` is private, and is only used below `with_avx2`, which is called only
// where the processor has AVX2 and FMA. No block touches memory but by values.
impl Lanes for Four {
    type Factor = __m256d;
    const COUNT: usize = 4;
    /// 12 * 2^51 a limb, and 161 limbs for 8192 bits: below 2^62.
    const BITS: u32 = 51;
    const ROWS: usize = 2;

    #[inline(always)]
    fn new(lane: impl Fn(usize) -> u64) -> Self {
        let [a, b, c, d] = std::array::from_fn(|index| lane(index).cast_signed());
        // SAFETY: see above.
        Self(unsafe { _mm256_setr_epi64x(a, b, c, d) })
    }

    #[inline(always)]
    fn lane(self, index: usize) -> u64 {
        let mut lanes = [0u64; 4];
        // SAFETY: the array has the vector's size, and the store asks for no alignment.
        unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), self.0) };
        lanes[index]
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_add_epi64(self.0, other.0) })
    }

    #[inline(always)]
    fn shift(self, by: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_sllv_epi64(self.0, by.0) })
    }

    #[inline(always)]
    fn low(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm256_and_si256(self.0, Self::all((1 << Self::BITS) - 1).0) })
    }

    #[inline(always)]
    fn carry(self) -> Self {
        let positive = self.add(Self::all(Self::POSITIVE));
        // SAFETY: see above.
        let shifted = Self(unsafe { _mm256_srli_epi64::<{ Self::BITS as i32 }>(positive.0) });
        shifted.sub(Self::all(Self::POSITIVE >> Self::BITS))
    }

    #[inline(always)]
    fn to_factor(self) -> __m256d {
        let integer = Self::all(Self::INTEGER);
        // SAFETY: see above.
        unsafe { _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(self.0, integer.0)), integer.as_double()) }
    }

    #[inline(always)]
    fn from_factor(factor: __m256d) -> Self {
        let integer = Self::all(Self::INTEGER);
        // SAFETY: see above.
        Self::of_double(unsafe { _mm256_add_pd(factor, integer.as_double()) }).sub(integer)
    }

    #[inline(always)]
    fn multiply(a: __m256d, b: __m256d, low: Self, high: Self) -> (Self, Self) {
        // 2^103 + 2^52 + 2^51 is a double: 103 - 51 = 52.
        let both = f64::from_bits(Self::UPPER) + f64::from_bits(Self::LOWER);
        // SAFETY: see above.
        unsafe {
            let upper = _mm256_fmadd_pd(a, b, Self::all(Self::UPPER).as_double());
            let lower = _mm256_fmadd_pd(a, b, _mm256_sub_pd(_mm256_set1_pd(both), upper));
            (low.add(Self::of_double(lower)), high.add(Self::of_double(upper)))
        }
    }

    #[inline(always)]
    fn less_surplus(self, lows: isize, highs: isize) -> Self {
        let surplus =
            (Self::LOWER).wrapping_mul(lows as u64).wrapping_add(Self::UPPER.wrapping_mul(highs as u64));
        self.sub(Self::all(surplus))
    }
}

/// Eight lanes.
#[derive(Clone, Copy)]
struct Eight(__m512i);

// SAFETY of all blocks in here: `Eight` is private, and is only used below `with_ifma`, which is called only
// where the processor has AVX-512 F and IFMA. No block touches memory but by values.
impl Lanes for Eight {
    type Factor = __m512i;
    const COUNT: usize = 8;
    /// 12 * 2^52 a limb, and 158 limbs for 8192 bits: below 2^63.
    const BITS: u32 = 52;
    const ROWS: usize = 8;

    #[inline(always)]
    fn new(lane: impl Fn(usize) -> u64) -> Self {
        let lanes: [u64; 8] = std::array::from_fn(lane);
        // SAFETY: the array has the vector's size, and the load asks for no alignment.
        Self(unsafe { _mm512_loadu_epi64(lanes.as_ptr().cast()) })
    }

    #[inline(always)]
    fn lane(self, index: usize) -> u64 {
        let mut lanes = [0u64; 8];
        // SAFETY: the array has the vector's size, and the store asks for no alignment.
        unsafe { _mm512_storeu_epi64(lanes.as_mut_ptr().cast(), self.0) };
        lanes[index]
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_add_epi64(self.0, other.0) })
    }

    #[inline(always)]
    fn shift(self, by: Self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_sllv_epi64(self.0, by.0) })
    }

    #[inline(always)]
    fn low(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_and_si512(self.0, _mm512_set1_epi64((1 << Self::BITS) - 1)) })
    }

    #[inline(always)]
    fn carry(self) -> Self {
        // SAFETY: see above.
        Self(unsafe { _mm512_srai_epi64::<{ Self::BITS }>(self.0) })
    }

    #[inline(always)]
    fn carry_of_cleared(self, _: Self) -> Self {
        self.add(Self::new(|_| (1 << Self::BITS) - 1)).carry()
    }

    #[inline(always)]
    fn to_factor(self) -> __m512i {
        self.0
    }

    #[inline(always)]
    fn from_factor(factor: __m512i) -> Self {
        Self(factor)
    }

    #[inline(always)]
    fn multiply(a: __m512i, b: __m512i, low: Self, high: Self) -> (Self, Self) {
        // SAFETY: see above.
        unsafe { (Self(_mm512_madd52lo_epu64(low.0, a, b)), Self(_mm512_madd52hi_epu64(high.0, a, b))) }
    }

    #[inline(always)]
    fn less_surplus(self, _: isize, _: isize) -> Self {
        self
    }
}
