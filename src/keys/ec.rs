//! Keys on elliptic curves, made by ring.

use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair};
use rsa::pkcs8::PrivateKeyInfo;
use zeroize::Zeroizing;

use super::KeyError;
use crate::clock::{Entropy, NoEntropy};
use crate::model::KeyAlgorithm;

/// PKCS#8 v1 of an Ed25519 key up to its seed (RFC 8410 §7).
///
/// ring writes v2, with the public key in it, which OpenSSL 3.0 refuses to read; everybody reads v1.
const ED25519_V1: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The length of an Ed25519 seed (RFC 8032 §5.1.5), in octets.
const SEED: usize = 32;

pub(super) fn generate_ecdsa(
    algorithm: KeyAlgorithm,
    entropy: &Entropy,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let ring = match algorithm {
        KeyAlgorithm::EcdsaP384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        _ => &ECDSA_P256_SHA256_ASN1_SIGNING,
    };
    let document = EcdsaKeyPair::generate_pkcs8(ring, entropy.ring()).map_err(|_| NoEntropy)?;
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

pub(super) fn generate_ed25519(entropy: &Entropy) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    // Any 32 octets are a seed.
    let mut seed = Zeroizing::new([0; SEED]);
    entropy.fill(seed.as_mut())?;
    Ok(v1(seed.as_ref()))
}

/// The same key as PKCS#8 v1, whichever version it came in.
pub(super) fn ed25519_v1(pkcs8: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let info = PrivateKeyInfo::try_from(pkcs8).ok()?;
    // CurvePrivateKey is an OCTET STRING inside the OCTET STRING (RFC 8410 §7).
    let seed = info.private_key.strip_prefix(&[0x04, SEED as u8])?;
    (seed.len() == SEED).then(|| v1(seed))
}

fn v1(seed: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut document = Zeroizing::new(Vec::with_capacity(ED25519_V1.len() + SEED));
    document.extend_from_slice(&ED25519_V1);
    document.extend_from_slice(seed);
    document
}
