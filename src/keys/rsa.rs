//! RSA keys, made by the `rsa` crate.
//!
//! Its generator gives what FIPS 186-5 §A.1.3 asks for the sizes used here: e = 65537, two primes of half
//! the size with both top bits set (so that n has its full size), tested by Baillie-PSW and 20 rounds of
//! Miller-Rabin. That |p - q| is large it leaves to chance; [`generate`] looks.

use ring::digest;
use rsa::pkcs8::EncodePrivateKey;
use rsa::rand_core::{self, CryptoRng, RngCore};
use rsa::traits::PrivateKeyParts;
use rsa::{BigUint, RsaPrivateKey};
use zeroize::Zeroizing;

use super::KeyError;
use crate::clock::NoEntropy;
use crate::model::KeyAlgorithm;

/// The difference of the primes must be above 2^(bits/2 - 100) (FIPS 186-5 §A.1.3, step 5.4).
const DISTANCE: usize = 100;

/// A new key as PKCS#8 DER; `fill` gives the randomness.
pub(super) fn generate(
    algorithm: KeyAlgorithm,
    bits: usize,
    fill: impl FnMut(&mut [u8]) -> Result<(), NoEntropy>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let failed = |reason: String| KeyError::Generate { algorithm: algorithm.name(), reason };
    let mut random = Random { fill, filler: None };
    let key = RsaPrivateKey::new(&mut random, bits);
    if random.filler.is_some() {
        return Err(NoEntropy.into());
    }
    let key = key.map_err(|error| failed(error.to_string()))?;
    if !are_far_apart(key.primes(), bits) {
        return Err(failed("the primes are too close to each other; try again".to_owned()));
    }
    let document = key.to_pkcs8_der().map_err(|error| failed(error.to_string()))?;
    Ok(document.to_bytes())
}

fn are_far_apart(primes: &[BigUint], bits: usize) -> bool {
    match primes {
        [p, q] if p > q => (p - q).bits() > bits / 2 - DISTANCE,
        [p, q] => (q - p).bits() > bits / 2 - DISTANCE,
        _ => false,
    }
}

/// The randomness as `rsa` wants it: a generator that cannot fail.
///
/// Ours can. From its first failure on this one gives a fixed sequence, so that the search still ends,
/// and [`generate`] throws away what it found.
struct Random<F> {
    fill: F,
    filler: Option<u64>,
}

impl<F: FnMut(&mut [u8]) -> Result<(), NoEntropy>> Random<F> {
    fn fill_or_pretend(&mut self, bytes: &mut [u8]) {
        if self.filler.is_none() && (self.fill)(bytes).is_ok() {
            return;
        }
        let counter = self.filler.get_or_insert(0);
        for chunk in bytes.chunks_mut(digest::SHA256_OUTPUT_LEN) {
            *counter += 1;
            let block = digest::digest(&digest::SHA256, &counter.to_be_bytes());
            chunk.iter_mut().zip(block.as_ref()).for_each(|(to, from)| *to = *from);
        }
    }
}

impl<F: FnMut(&mut [u8]) -> Result<(), NoEntropy>> RngCore for Random<F> {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.fill_or_pretend(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_or_pretend(bytes);
        Ok(())
    }
}

impl<F: FnMut(&mut [u8]) -> Result<(), NoEntropy>> CryptoRng for Random<F> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Entropy;

    /// Whenever the operating system fails, there is an error and no key, and the search ends.
    #[test]
    fn a_failing_generator_gives_no_key() {
        for good_calls in [0, 1, 2] {
            let mut calls = 0;
            let result = generate(KeyAlgorithm::Rsa2048, 1024, |bytes| {
                calls += 1;
                bytes.fill(calls as u8 ^ 0x5a);
                if calls > good_calls { Err(NoEntropy) } else { Ok(()) }
            });
            assert!(matches!(result, Err(KeyError::NoEntropy(_))), "{good_calls}");
        }
    }

    #[test]
    fn primes_that_are_too_close_are_noticed() {
        let at = |distance: usize| {
            [BigUint::from(1u8) << 1023, (BigUint::from(1u8) << 1023) + (BigUint::from(1u8) << distance)]
        };
        for (distance, far) in [(0, false), (923, false), (924, true), (1000, true)] {
            let [p, q] = at(distance);
            assert_eq!(are_far_apart(&[p.clone(), q.clone()], 2048), far, "{distance}");
            assert_eq!(are_far_apart(&[q, p], 2048), far, "{distance}");
        }
        let key = RsaPrivateKey::new(
            &mut Random { fill: |bytes: &mut [u8]| Entropy::system().fill(bytes), filler: None },
            1024,
        );
        assert!(are_far_apart(key.unwrap().primes(), 1024));
    }
}
