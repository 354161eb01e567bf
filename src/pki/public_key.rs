//! The public half of a private key.

use ring::digest;
use ring::rand::SecureRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use rsa::pkcs1::{RsaPrivateKey, RsaPublicKey};
use rsa::pkcs8::der::asn1::{AnyRef, BitStringRef, Null, OctetStringRef};
use rsa::pkcs8::der::{Decode, Encode, Reader, SliceReader, TagMode, TagNumber};
use rsa::pkcs8::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use rsa::pkcs8::{ObjectIdentifier, PrivateKeyInfo};

use crate::model::KeyAlgorithm;

/// id-ecPublicKey (RFC 5480 §2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// secp256r1 (RFC 5480 §2.1.1.1).
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// secp384r1.
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// id-Ed25519 (RFC 8410 §3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// rsaEncryption (RFC 8017 §A.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// What an uncompressed point begins with (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

/// Why a private key cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Not PKCS#8 at all.
    #[error("this is not an unencrypted PKCS#8 private key; `openssl pkcs8 -topk8 -nodes` makes one")]
    NotPkcs8,
    /// A kind of key that we do not handle.
    #[error("keys of this kind ({0}) are not supported: use RSA, P-256, P-384 or Ed25519")]
    Unsupported(String),
    /// RSA of another size.
    #[error("RSA keys of {0} bits are not supported: use 2048, 3072 or 4096")]
    RsaSize(usize),
    /// Parts that contradict each other, or that are missing.
    #[error("the {kind} key is damaged or incomplete ({reason})")]
    Damaged {
        /// The kind of key.
        kind: &'static str,
        /// What ring says about it.
        reason: String,
    },
}

/// A public key: its kind, and the bits that stand in a SubjectPublicKeyInfo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its kind.
    pub algorithm: KeyAlgorithm,
    /// RSAPublicKey DER (RFC 8017 §A.1.1), an uncompressed point (SEC 1 §2.3.3), or 32 octets of Ed25519.
    pub bits: Vec<u8>,
}

impl PublicKey {
    /// The public half of a PKCS#8 private key, after a check that its parts fit together.
    ///
    /// ring wants a generator to read an ECDSA key; the answer does not depend on it.
    ///
    /// # Errors
    ///
    /// When it is none, is damaged, or of a kind we do not handle.
    pub fn of_pkcs8(pkcs8: &[u8], random: &dyn SecureRandom) -> Result<Self, PublicKeyError> {
        let info = PrivateKeyInfo::try_from(pkcs8).map_err(|_| PublicKeyError::NotPkcs8)?;
        match info.algorithm.oid {
            RSA => rsa(&info),
            ED25519 => ed25519(pkcs8),
            EC => match info.algorithm.parameters_oid() {
                Ok(P256) => ecdsa(KeyAlgorithm::EcdsaP256, pkcs8, random),
                Ok(P384) => ecdsa(KeyAlgorithm::EcdsaP384, pkcs8, random),
                Ok(curve) => Err(PublicKeyError::Unsupported(format!("curve {curve}"))),
                Err(_) => Err(PublicKeyError::NotPkcs8),
            },
            other => Err(PublicKeyError::Unsupported(other.to_string())),
        }
    }

    /// The public half as the private key states it, for keys that we have made, or have checked when they came: for
    /// an ECDSA key that has it written beside it (RFC 5915 §3), nothing is computed.
    ///
    /// # Errors
    ///
    /// As [`PublicKey::of_pkcs8`] has them.
    pub fn stated_in_pkcs8(pkcs8: &[u8], random: &dyn SecureRandom) -> Result<Self, PublicKeyError> {
        let info = PrivateKeyInfo::try_from(pkcs8).map_err(|_| PublicKeyError::NotPkcs8)?;
        let algorithm = match (info.algorithm.oid, info.algorithm.parameters_oid()) {
            (EC, Ok(P256)) => KeyAlgorithm::EcdsaP256,
            (EC, Ok(P384)) => KeyAlgorithm::EcdsaP384,
            _ => return Self::of_pkcs8(pkcs8, random),
        };
        match stated_point(info.private_key, algorithm) {
            Some(bits) => Ok(Self { algorithm, bits }),
            None => Self::of_pkcs8(pkcs8, random),
        }
    }

    /// The public key of a SubjectPublicKeyInfo, DER.
    ///
    /// # Errors
    ///
    /// When it is none, or of a kind we do not handle.
    pub fn of_spki(der: &[u8]) -> Result<Self, PublicKeyError> {
        let unreadable = |_| PublicKeyError::Unsupported("one that cannot be read".to_owned());
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(unreadable)?;
        let bits = info.subject_public_key.raw_bytes().to_vec();
        let algorithm = match info.algorithm.oid {
            RSA => {
                let key = RsaPublicKey::from_der(&bits).map_err(damaged("RSA"))?;
                rsa_algorithm(key.modulus.as_bytes())?
            }
            ED25519 => KeyAlgorithm::Ed25519,
            EC => match info.algorithm.parameters_oid() {
                Ok(P256) => KeyAlgorithm::EcdsaP256,
                Ok(P384) => KeyAlgorithm::EcdsaP384,
                Ok(curve) => return Err(PublicKeyError::Unsupported(format!("curve {curve}"))),
                Err(_) => return Err(PublicKeyError::Unsupported("a curve without a name".to_owned())),
            },
            other => return Err(PublicKeyError::Unsupported(other.to_string())),
        };
        Ok(Self { algorithm, bits })
    }

    /// SubjectPublicKeyInfo, DER (RFC 5280 §4.1.2.7).
    pub fn spki_der(&self) -> Vec<u8> {
        let (oid, parameters) = match self.algorithm {
            KeyAlgorithm::EcdsaP256 => (EC, Some(AnyRef::from(&P256))),
            KeyAlgorithm::EcdsaP384 => (EC, Some(AnyRef::from(&P384))),
            KeyAlgorithm::Ed25519 => (ED25519, None),
            _ => (RSA, Some(AnyRef::from(Null))),
        };
        let encoded = BitStringRef::from_bytes(&self.bits).and_then(|subject_public_key| {
            let algorithm = AlgorithmIdentifierRef { oid, parameters };
            SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der()
        });
        // Only a key of hundreds of megabytes could fail here, and ring has read this one.
        encoded.unwrap_or_default()
    }

    /// Of an RSA key: whether its public exponent is not above 2^16, as FIPS 186-5 §5.1 asks for.
    pub fn has_small_exponent(&self) -> bool {
        let read = RsaPublicKey::from_der(&self.bits);
        let exponent = self.algorithm.rsa_bits().and_then(|_| Some(read.ok()?.public_exponent));
        exponent.is_some_and(|exponent| matches!(exponent.as_bytes(), [] | [_] | [_, _] | [1, 0, 0]))
    }

    /// SHA-256 over its SubjectPublicKeyInfo, lower-case hex.
    pub fn fingerprint_sha256(&self) -> String {
        super::hex(digest::digest(&digest::SHA256, &self.spki_der()).as_ref())
    }

    /// SubjectPublicKeyInfo, PEM.
    pub fn to_pem(&self) -> String {
        super::pem::encode(super::pem::PUBLIC_KEY, &self.spki_der()).to_string()
    }
}

fn damaged<E: ToString>(kind: &'static str) -> impl FnOnce(E) -> PublicKeyError {
    move |error| PublicKeyError::Damaged { kind, reason: error.to_string() }
}

fn ecdsa(
    algorithm: KeyAlgorithm,
    pkcs8: &[u8],
    random: &dyn SecureRandom,
) -> Result<PublicKey, PublicKeyError> {
    let ring: &'static EcdsaSigningAlgorithm = match algorithm {
        KeyAlgorithm::EcdsaP384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        _ => &ECDSA_P256_SHA256_ASN1_SIGNING,
    };
    let pair = EcdsaKeyPair::from_pkcs8(ring, pkcs8, random).map_err(damaged("ECDSA"))?;
    Ok(PublicKey { algorithm, bits: pair.public_key().as_ref().to_vec() })
}

/// The uncompressed point in an ECPrivateKey (RFC 5915 §3), where there is one.
fn stated_point(ec_private_key: &[u8], algorithm: KeyAlgorithm) -> Option<Vec<u8>> {
    let coordinate = if algorithm == KeyAlgorithm::EcdsaP384 { 48 } else { 32 };
    let written = SliceReader::new(ec_private_key).and_then(|mut reader| {
        reader.sequence(|fields| {
            fields.decode::<u8>()?;
            fields.decode::<OctetStringRef<'_>>()?;
            fields.context_specific::<ObjectIdentifier>(TagNumber::N0, TagMode::Explicit)?;
            fields.context_specific::<BitStringRef<'_>>(TagNumber::N1, TagMode::Explicit)
        })
    });
    let point = written.ok()??.as_bytes()?;
    (point.len() == 1 + 2 * coordinate && point.first() == Some(&UNCOMPRESSED)).then(|| point.to_vec())
}

fn ed25519(pkcs8: &[u8]) -> Result<PublicKey, PublicKeyError> {
    // "Maybe unchecked": PKCS#8 v1, which OpenSSL writes, holds no public key to check against.
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(damaged("Ed25519"))?;
    Ok(PublicKey { algorithm: KeyAlgorithm::Ed25519, bits: pair.public_key().as_ref().to_vec() })
}

fn rsa(info: &PrivateKeyInfo<'_>) -> Result<PublicKey, PublicKeyError> {
    let key = RsaPrivateKey::from_der(info.private_key).map_err(damaged("RSA"))?;
    // Before ring looks, which refuses other sizes in its own words.
    let algorithm = rsa_algorithm(key.modulus.as_bytes())?;
    let pair = RsaKeyPair::from_der(info.private_key).map_err(damaged("RSA"))?;
    Ok(PublicKey { algorithm, bits: pair.public().as_ref().to_vec() })
}

fn rsa_algorithm(modulus: &[u8]) -> Result<KeyAlgorithm, PublicKeyError> {
    let bits = modulus.first().map_or(0, |top| modulus.len() * 8 - top.leading_zeros() as usize);
    KeyAlgorithm::ALL
        .into_iter()
        .find(|algorithm| algorithm.rsa_bits() == Some(bits))
        .ok_or(PublicKeyError::RsaSize(bits))
}
