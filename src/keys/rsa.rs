//! RSA keys: their primes are found by AWS-LC, what comes out is read and checked by the `rsa` crate.
//!
//! Both are needed. AWS-LC searches as FIPS 186-5 §A.1.3 says, in constant time, in a third of the time that `rsa`
//! takes (docs/keys.md has the figures). `rsa` is independent of it: a fault of either shows up before anybody has
//! used the key.
//!
//! AWS-LC has a generator of its own (CTR_DRBG, SP 800-90A), seeded by the operating system, and takes no other, so
//! that a key cannot be made from given bytes. Where the operating system gives nothing it ends the process. Ours is
//! asked first, so that a failure is an error of this step, and the process goes on.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use rsa::{BigUint, RsaPrivateKey};
use zeroize::Zeroizing;

use super::KeyError;
use crate::clock::NoEntropy;
use crate::model::KeyAlgorithm;

/// The public exponent of all our keys: the usual one, and inside of FIPS 186-5's bounds (§A.1.1).
const EXPONENT: u32 = 65_537;

/// The difference of the primes must be above 2^(bits/2 - 100) (FIPS 186-5 §A.1.3, step 5.4).
const DISTANCE: usize = 100;

/// A new key as PKCS#8 DER; `fill` gives randomness, or says that there is none.
pub(super) fn generate(
    algorithm: KeyAlgorithm,
    fill: impl FnOnce(&mut [u8]) -> Result<(), NoEntropy>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let failed = |reason: &str| KeyError::Generate { algorithm: algorithm.name(), reason: reason.to_owned() };
    let (size, bits) = size(algorithm).ok_or_else(|| failed("it is not RSA"))?;
    fill(&mut Zeroizing::new([0; 32])[..])?;
    let pair = KeyPair::generate(size).map_err(|_| failed("the library found no primes; try again"))?;
    let document: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| failed("the library cannot encode it"))?;
    let document = Zeroizing::new(document.as_ref().to_vec());
    let key = RsaPrivateKey::from_pkcs8_der(&document).map_err(|error| failed(&error.to_string()))?;
    match fault(&key, bits) {
        None => Ok(document),
        Some(fault) => Err(failed(&format!("{fault}; try again"))),
    }
}

fn size(algorithm: KeyAlgorithm) -> Option<(KeySize, usize)> {
    let size = match algorithm {
        KeyAlgorithm::Rsa2048 => KeySize::Rsa2048,
        KeyAlgorithm::Rsa3072 => KeySize::Rsa3072,
        KeyAlgorithm::Rsa4096 => KeySize::Rsa4096,
        _ => return None,
    };
    Some((size, algorithm.rsa_bits()?))
}

/// What FIPS 186-5 §A.1 asks of a key and this one has not. That the parts fit together (n = pq, de = 1 modulo p - 1
/// and q - 1) was seen when it was read.
fn fault(key: &RsaPrivateKey, bits: usize) -> Option<&'static str> {
    let [p, q] = key.primes() else { return Some("it has not two primes") };
    let exponent = BigUint::from(EXPONENT);
    let shares_a_factor = |prime: &BigUint| (prime - 1u8) % &exponent == BigUint::from(0u8);
    // Each is above √2 · 2^(bits/2 - 1) when its square has all of n's bits.
    let is_high = |prime: &BigUint| prime.bits() == bits / 2 && (prime * prime).bits() == bits;
    let checks = [
        (*key.e() == exponent, "its public exponent is not 65537"),
        (key.n().bits() == bits, "its modulus has not the full size"),
        (is_high(p) && is_high(q), "a prime of it is too small"),
        (!shares_a_factor(p) && !shares_a_factor(q), "a prime of it does not go with the exponent"),
        (are_far_apart(p, q, bits), "its primes are too close to each other"),
        (key.d().bits() > bits / 2, "its private exponent is too small"),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map(|(_, fault)| fault)
}

fn are_far_apart(p: &BigUint, q: &BigUint, bits: usize) -> bool {
    let distance = if p > q { p - q } else { q - p };
    distance.bits() > bits / 2 - DISTANCE
}

#[cfg(test)]
#[path = "rsa_tests.rs"]
mod tests;
