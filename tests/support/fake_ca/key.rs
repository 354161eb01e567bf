//! Public keys as JOSE has them (RFC 7517, RFC 7638), enough of them to verify a request.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use serde_json::{Value, json};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::problem::Problem;

/// Who signs: an account's key, or that of a certificate which is to be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// An uncompressed point.
    P256(Vec<u8>),
    /// An uncompressed point.
    P384(Vec<u8>),
    /// Modulus and exponent, without leading zeros.
    Rsa(Vec<u8>, Vec<u8>),
}

impl Key {
    /// Reads a JWK.
    pub fn of(jwk: &Value) -> Result<Self, Problem> {
        Self::parse(jwk).ok_or_else(|| Problem::new(400, "badPublicKey", "that is no key we take"))
    }

    fn parse(jwk: &Value) -> Option<Self> {
        match (jwk["kty"].as_str()?, jwk["crv"].as_str()) {
            ("EC", Some("P-256")) => Some(Self::P256(point(jwk, 32)?)),
            ("EC", Some("P-384")) => Some(Self::P384(point(jwk, 48)?)),
            ("RSA", _) => Some(Self::Rsa(bytes(&jwk["n"])?, bytes(&jwk["e"])?)),
            _ => None,
        }
    }

    /// The key of a certificate or a CSR.
    pub fn of_spki(spki: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        match spki.parsed().ok()? {
            PublicKey::EC(point) if point.data().len() == 65 => Some(Self::P256(point.data().to_vec())),
            PublicKey::EC(point) if point.data().len() == 97 => Some(Self::P384(point.data().to_vec())),
            PublicKey::RSA(key) => Some(Self::Rsa(trimmed(key.modulus), trimmed(key.exponent))),
            _ => None,
        }
    }

    /// The algorithm that goes with it.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::P384(_) => "ES384",
            Self::Rsa(..) => "RS256",
        }
    }

    /// Whether it signed `message`.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Self::P384(point) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            Self::Rsa(n, e) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
        };
        verified.is_ok()
    }

    /// RFC 7638 §3: the same key gives the same text, however its JWK was written.
    pub fn thumbprint(&self) -> String {
        let canonical = match self {
            Self::P256(point) => curve("P-256", point),
            Self::P384(point) => curve("P-384", point),
            Self::Rsa(n, e) => json!({ "e": encode(e), "kty": "RSA", "n": encode(n) }),
        };
        encode(ring::digest::digest(&ring::digest::SHA256, canonical.to_string().as_bytes()).as_ref())
    }
}

fn curve(name: &str, point: &[u8]) -> Value {
    let (x, y) = point[1..].split_at(point.len() / 2);
    json!({ "crv": name, "kty": "EC", "x": encode(x), "y": encode(y) })
}

fn point(jwk: &Value, length: usize) -> Option<Vec<u8>> {
    let (x, y) = (bytes(&jwk["x"])?, bytes(&jwk["y"])?);
    (x.len() == length && y.len() == length).then(|| [vec![4], x, y].concat())
}

fn trimmed(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
}

/// Decodes base64url without padding.
pub fn bytes(value: &Value) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(value.as_str()?).ok()
}

/// Encodes base64url without padding.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
