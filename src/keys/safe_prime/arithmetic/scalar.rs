//! One number at a time, on any processor with 64-bit registers.

use super::lanes::Lanes;
use super::{Arithmetic, Stop, batch};

/// Plain Rust.
#[derive(Debug)]
pub(super) struct Portable;

impl Arithmetic for Portable {
    fn weight(&self) -> f64 {
        14.0
    }

    fn lanes(&self) -> usize {
        One::COUNT
    }

    fn fermat(&self, numbers: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>> {
        batch::fermat::<One>(numbers, stop)
    }

    fn miller_rabin(&self, number: &[u64], bases: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>> {
        batch::miller_rabin::<One>(number, bases, stop)
    }
}

/// A single lane. A column of 128 bits takes whole products, so that there are no high halves.
#[derive(Clone, Copy)]
struct One(u128);

impl Lanes for One {
    type Factor = u64;
    const COUNT: usize = 1;
    /// 12 * 2^116 a limb, and 142 limbs for 8192 bits: just below 2^127.
    const BITS: u32 = 58;
    const ROWS: usize = 1;

    #[inline(always)]
    fn new(lane: impl Fn(usize) -> u64) -> Self {
        Self(u128::from(lane(0)))
    }

    #[inline(always)]
    fn lane(self, _: usize) -> u64 {
        self.0 as u64
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    #[inline(always)]
    fn shift(self, by: Self) -> Self {
        Self(self.0 << (by.0 as u32 & 1))
    }

    #[inline(always)]
    fn low(self) -> Self {
        Self(self.0 & ((1 << Self::BITS) - 1))
    }

    #[inline(always)]
    fn carry(self) -> Self {
        Self(self.0 >> Self::BITS)
    }

    #[inline(always)]
    fn to_factor(self) -> u64 {
        self.0 as u64
    }

    #[inline(always)]
    fn from_factor(factor: u64) -> Self {
        Self(u128::from(factor))
    }

    #[inline(always)]
    fn multiply(a: u64, b: u64, low: Self, high: Self) -> (Self, Self) {
        (low.add(Self(u128::from(a) * u128::from(b))), high)
    }

    #[inline(always)]
    fn less_surplus(self, _: isize, _: isize) -> Self {
        self
    }
}
