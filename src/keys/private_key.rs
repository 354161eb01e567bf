//! Private keys of every kind, in one type.

use std::fmt;

use rsa::pkcs8::PrivateKeyInfo;
use zeroize::Zeroizing;

use super::{ec, rsa as rsa_key};
use crate::clock::{Entropy, NoEntropy};
use crate::model::{KeyAlgorithm, Secret};
use crate::pki::{self, PkiError, PublicKey, PublicKeyError, pem};

/// Why there is no key.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// The operating system failed; no key was made of what it gave.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The library could not make one.
    #[error("cannot generate a key of kind {algorithm}: {reason}")]
    Generate {
        /// The kind asked for.
        algorithm: &'static str,
        /// What the library says.
        reason: String,
    },
    /// Text that holds no key.
    #[error("cannot read the private key: {0}; `openssl pkcs8 -topk8 -nodes` makes one of another form")]
    Pem(#[from] PkiError),
    /// A block that holds no usable key.
    #[error("cannot read the private key: {0}")]
    Unusable(#[from] PublicKeyError),
    /// PKCS#1 asked of a key that is not RSA.
    #[error("a key of kind {0} has no PKCS#1 form, only RSA has; ask for private-key instead")]
    NotRsa(&'static str),
}

/// A private key that is known to be whole.
#[derive(Clone)]
pub struct PrivateKey {
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

impl PrivateKey {
    /// Makes a new key. RSA takes from a tenth of a second to several.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness, or the library fails.
    pub fn generate(algorithm: KeyAlgorithm, entropy: &Entropy) -> Result<Self, KeyError> {
        let pkcs8 = match algorithm.rsa_bits() {
            Some(_) => rsa_key::generate(algorithm, |bytes| entropy.fill(bytes))?,
            None if algorithm == KeyAlgorithm::Ed25519 => ec::generate_ed25519(entropy)?,
            None => {
                // ring has computed the public half from the private one just now; that they fit is looked at whenever
                // the key is read again, before it is delivered (`encodings`).
                let pkcs8 = ec::generate_ecdsa(algorithm, entropy)?;
                let public = PublicKey::stated_in_pkcs8(&pkcs8, entropy.ring())?;
                return Ok(Self { pkcs8, public });
            }
        };
        // Reading it back is the test (FIPS 186-5 §A.1.1, pairwise consistency) before anybody uses it.
        Self::from_pkcs8_der(pkcs8)
    }

    /// Reads an unencrypted `PRIVATE KEY` block.
    ///
    /// # Errors
    ///
    /// When there is none, or its key is damaged or of a kind we do not handle.
    pub fn from_pkcs8_pem(text: &Secret) -> Result<Self, KeyError> {
        Self::from_pkcs8_der(pem::decode(pem::PRIVATE_KEY, text.expose_str())?)
    }

    fn from_pkcs8_der(mut pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        // Nothing of what is read depends on this generator; see `PublicKey::of_pkcs8`.
        let public = PublicKey::of_pkcs8(&pkcs8, Entropy::system().ring())?;
        if public.algorithm == KeyAlgorithm::Ed25519 {
            pkcs8 = ec::ed25519_v1(&pkcs8).ok_or(PublicKeyError::NotPkcs8)?;
        }
        Ok(Self { pkcs8, public })
    }

    /// Its kind.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.public.algorithm
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// PKCS#8 DER (RFC 5958), version 1.
    pub fn pkcs8_der(&self) -> &[u8] {
        &self.pkcs8
    }

    /// PKCS#8 PEM.
    pub fn to_pkcs8_pem(&self) -> Secret {
        Secret::new(pem::encode(pem::PRIVATE_KEY, &self.pkcs8).as_bytes())
    }

    /// PKCS#1 PEM (RFC 8017 §A.1.2).
    ///
    /// # Errors
    ///
    /// When it is not an RSA key.
    pub fn to_pkcs1_pem(&self) -> Result<Secret, KeyError> {
        if self.algorithm().rsa_bits().is_none() {
            return Err(KeyError::NotRsa(self.algorithm().name()));
        }
        // PKCS#8 of an RSA key is a wrapper around exactly these bytes.
        let info = PrivateKeyInfo::try_from(self.pkcs8_der()).map_err(|_| PublicKeyError::NotPkcs8)?;
        Ok(Secret::new(pem::encode(pem::RSA_PRIVATE_KEY, info.private_key).as_bytes()))
    }

    /// The public half as SubjectPublicKeyInfo, PEM.
    pub fn public_key_pem(&self) -> String {
        self.public.to_pem()
    }

    /// The public half as SubjectPublicKeyInfo, DER.
    pub fn spki_der(&self) -> Vec<u8> {
        self.public.spki_der()
    }

    /// Whether the first certificate in `text` is for this key.
    pub fn matches_certificate_pem(&self, text: &str) -> bool {
        pki::spki_of_certificate(text).is_ok_and(|spki| spki == self.spki_der())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "private_key_tests.rs"]
mod tests;
