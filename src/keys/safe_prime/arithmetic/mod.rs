//! Primality tests on long numbers: the part of the search that takes the time, and that can be exchanged.

mod batch;
mod lanes;
mod plain;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod simd;

#[cfg(test)]
mod tests;

use self::plain::Plain;
use self::scalar::Portable;

/// Asked in the middle of a test whether to go on: true when nobody wants its outcome any more.
pub(super) type Stop<'a> = &'a dyn Fn() -> bool;

/// What the search wants of an arithmetic. Numbers are limbs, least significant first, odd, above 1, with a top limb
/// that is not zero. All of them are public, so an implementation may take a time that depends on them.
///
/// Both tests take at most [`lanes`](Self::lanes) numbers at once, cost as much for fewer, and look at `stop`
/// every few squarings; then they return `None`.
pub(super) trait Arithmetic: Sync {
    /// How many numbers are tested in the time of one.
    fn lanes(&self) -> usize;

    /// How long a test of 2048 bits takes, where IFMA's takes 1.
    fn weight(&self) -> f64;

    /// Of each number n: whether 2^(n-1) = 1 (mod n) (Fermat's test to the base 2).
    fn fermat(&self, numbers: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>>;

    /// Of each base, all below `number`: whether `number` is a strong probable prime to it (Miller-Rabin; FIPS 186-5 §B.3.1).
    fn miller_rabin(&self, number: &[u64], bases: &[Vec<u64>], stop: Stop<'_>) -> Option<Vec<bool>>;
}

/// The arithmetics there are. The search takes the best that the processor can do; naming one is for comparing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// crypto-bigint, on any processor: the best where this crate is not optimised.
    Plain,
    /// Our own, in Rust, on any processor.
    Portable,
    /// AVX2 and FMA (x86-64 since 2013): four numbers side by side.
    Avx2,
    /// AVX-512 IFMA (Ice Lake, Zen 4 and later): eight.
    Ifma,
}

impl Kernel {
    /// All that this processor can do, the best first.
    pub fn available() -> Vec<Self> {
        let all = [Self::Ifma, Self::Avx2, Self::Portable, Self::Plain];
        all.into_iter().filter(|kernel| kernel.arithmetic().is_some()).collect()
    }

    /// The first of [`available`](Self::available), where this crate is optimised.
    pub fn best() -> Self {
        if cfg!(debug_assertions) {
            return Self::Plain;
        }
        Self::available().first().copied().unwrap_or(Self::Portable)
    }

    /// The name, as in `avx2`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Ifma => "ifma",
        }
    }

    /// `None` where the processor cannot do it.
    pub(super) fn arithmetic(self) -> Option<Box<dyn Arithmetic>> {
        match self {
            Self::Plain => Some(Box::new(Plain)),
            Self::Portable => Some(Box::new(Portable)),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Some(Box::new(simd::Avx2::detect()?)),
            #[cfg(target_arch = "x86_64")]
            Self::Ifma => Some(Box::new(simd::Ifma::detect()?)),
            #[cfg(not(target_arch = "x86_64"))]
            _ => None,
        }
    }
}

pub(super) fn bit_length(limbs: &[u64]) -> usize {
    limbs.last().map_or(0, |top| limbs.len() * 64 - top.leading_zeros() as usize)
}
