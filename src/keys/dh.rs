//! Diffie-Hellman parameters: generated afresh, or RFC 7919's.

use rsa::BigUint;
use rsa::pkcs8::der::asn1::{Uint, UintRef};
use rsa::pkcs8::der::{Decode, Encode};

pub use super::safe_prime::{Cancel, CancelGuard, Kernel, Progress};
use super::safe_prime::{SearchError, find};
use crate::clock::{Entropy, NoEntropy};
use crate::pki::{PkiError, pem};

/// The sizes that can be generated, in bits. Below, anybody can break them; above, nobody can use them.
pub const SIZES: std::ops::RangeInclusive<usize> = 512..=8192;

/// Why there are no parameters.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DhError {
    /// A size outside [`SIZES`].
    #[error("DH parameters of {0} bits cannot be made: use 512 to 8192, in practice 2048, 3072 or 4096")]
    Size(usize),
    /// The search was cancelled.
    #[error("the search for DH parameters was cancelled")]
    Cancelled,
    /// The operating system failed.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// A kernel was named that this processor cannot run.
    #[error("this processor cannot do {0}")]
    NoKernel(&'static str),
    /// Text without parameters.
    #[error("cannot read the DH parameters: {0}")]
    Pem(#[from] PkiError),
    /// A block that holds something else.
    #[error("cannot read the DH parameters: the block is not PKCS#3 (SEQUENCE of p and g)")]
    NotPkcs3,
    /// Values that cannot be parameters.
    #[error("the DH parameters are unusable: {0}")]
    Unusable(&'static str),
}

impl From<SearchError> for DhError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Cancelled => Self::Cancelled,
            SearchError::NoKernel(name) => Self::NoKernel(name),
            SearchError::NoEntropy(error) => Self::NoEntropy(error),
        }
    }
}

/// A prime and a generator (PKCS#3 §9). They are public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhParams {
    /// Big-endian, without leading zeros.
    prime: Vec<u8>,
    generator: Vec<u8>,
}

/// Searches for a safe prime of `bits` bits, of the form that OpenSSL makes for the generator 2.
///
/// It blocks for seconds to minutes with `threads` threads at full load (0: one a core), calling `progress`
/// from each of them, until it has found one or is cancelled.
///
/// # Errors
///
/// When it is cancelled, the size is out of range, or the operating system gives no randomness.
pub fn generate(
    bits: usize,
    threads: usize,
    entropy: &Entropy,
    cancel: &Cancel,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<DhParams, DhError> {
    generate_with(Kernel::best(), bits, threads, entropy, cancel, progress)
}

/// [`generate`], by the arithmetic named: to compare them.
///
/// # Errors
///
/// Those of `generate`, and when the processor cannot do it.
pub fn generate_with(
    kernel: Kernel,
    bits: usize,
    threads: usize,
    entropy: &Entropy,
    cancel: &Cancel,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<DhParams, DhError> {
    if !SIZES.contains(&bits) {
        return Err(DhError::Size(bits));
    }
    let limbs = find(bits, threads, kernel, entropy, cancel, progress)?;
    let bytes: Vec<u8> = limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
    Ok(DhParams::new(&bytes, &[2]))
}

/// The group of RFC 7919 (Appendix A) of that size: 2048, 3072, 4096, 6144 or 8192 bits.
///
/// They are computed by the RFC's own formula, p = 2^b - 2^(b-64) + (floor(2^(b-130) e) + X) 2^64 - 1, which
/// shows that nobody chose them to his liking; a test holds them against OpenSSL's.
pub fn rfc7919(bits: usize) -> Option<DhParams> {
    let x: u64 = match bits {
        2048 => 560_316,
        3072 => 2_625_351,
        4096 => 5_736_041,
        6144 => 15_705_020,
        8192 => 10_965_728,
        _ => return None,
    };
    let one = BigUint::from(1u8);
    let middle = (e_times_two_to(bits - 130) + x) << 64;
    let prime = (&one << bits) - (&one << (bits - 64)) + middle - &one;
    Some(DhParams::new(&prime.to_bytes_be(), &[2]))
}

/// floor(2^shift e), by e = sum of 1/n!, with 64 bits to spare for what each division drops.
fn e_times_two_to(shift: usize) -> BigUint {
    let mut term = BigUint::from(1u8) << (shift + 64);
    let mut sum = BigUint::default();
    let mut n = 0u64;
    while term > BigUint::default() {
        sum += &term;
        n += 1;
        term /= n;
    }
    sum >> 64
}

impl DhParams {
    fn new(prime: &[u8], generator: &[u8]) -> Self {
        let trim = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        Self { prime: trim(prime), generator: trim(generator) }
    }

    /// The size of the prime in bits.
    pub fn bits(&self) -> usize {
        self.prime.first().map_or(0, |top| self.prime.len() * 8 - top.leading_zeros() as usize)
    }

    /// The prime, big-endian, without leading zeros.
    pub fn prime(&self) -> &[u8] {
        &self.prime
    }

    /// The prime in limbs, least significant first.
    #[cfg(test)]
    pub(super) fn limbs(&self) -> Vec<u64> {
        let limb = |bytes: &[u8]| bytes.iter().fold(0, |high, byte| high << 8 | u64::from(*byte));
        self.prime.rchunks(8).map(limb).collect()
    }

    /// A `DH PARAMETERS` block (PKCS#3 §9), as `ssl_dhparam` reads it.
    pub fn to_pem(&self) -> String {
        let integers = [&self.prime, &self.generator].map(|bytes| UintRef::new(bytes));
        let der = integers.into_iter().collect::<Result<Vec<_>, _>>().and_then(|all| all.to_der());
        // Only integers of hundreds of megabytes could fail here.
        pem::encode(pem::DH_PARAMETERS, &der.unwrap_or_default()).to_string()
    }

    /// Reads a `DH PARAMETERS` block. Whether the prime is one is not tested.
    ///
    /// # Errors
    ///
    /// When there is none, or what it holds cannot be parameters.
    pub fn from_pem(text: &str) -> Result<Self, DhError> {
        let der = pem::decode(pem::DH_PARAMETERS, text)?;
        let integers = Vec::<Uint>::from_der(&der).map_err(|_| DhError::NotPkcs3)?;
        // A third one is the length of the private value.
        let ([prime, generator] | [prime, generator, _]) = integers.as_slice() else {
            return Err(DhError::NotPkcs3);
        };
        let params = Self::new(prime.as_bytes(), generator.as_bytes());
        params.check()?;
        Ok(params)
    }

    fn check(&self) -> Result<(), DhError> {
        let even = self.prime.last().is_none_or(|last| last % 2 == 0);
        let small = self.generator.len() <= 1 && self.generator.first().is_none_or(|g| *g < 2);
        let large = BigUint::from_bytes_be(&self.generator) + 1u8 >= BigUint::from_bytes_be(&self.prime);
        match () {
            () if !SIZES.contains(&self.bits()) => Err(DhError::Size(self.bits())),
            () if even => Err(DhError::Unusable("p is even")),
            () if small || large => Err(DhError::Unusable("g is not between 2 and p - 2")),
            () => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "dh_tests.rs"]
mod tests;
