//! Bytes that must not be seen, and what a revision is made of.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Bytes that are wiped when dropped and that no `Debug` shows.
///
/// It serialises to its text, because the state is where secrets are kept (sealed), and the control socket is where
/// they are taken in and handed out; it must never be part of a value that is logged, audited or sent elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The bytes themselves. Look twice where they go.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, where they are PEM; empty where they are not UTF-8.
    pub fn expose_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Err(serde::ser::Error::custom("a secret that is kept must be text")),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// All that a revision is made of. What a kind does not have is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Material {
    /// PKCS#8 PEM; of a CA, the signing intermediate's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<Secret>,
    /// The leaf (of a CA, the signing intermediate), PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The intermediates above it, PEM each, issuing one first, without the root.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
    /// The roots it is trusted through, PEM each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anchors: Vec<String>,
    /// Of a CA whose root is kept in the state: the root's key, PKCS#8 PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor_key: Option<Secret>,
    /// Of a CA whose root has replaced another: the root's name and key, certified by the old root, PEM. Who knows only
    /// the old one finds its way through it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cross: Option<String>,
    /// Of a CA: where its revocation lists are fetched, where they are served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl_urls: Option<super::CrlUrls>,
    /// `DH PARAMETERS` PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dh_params: Option<String>,
    /// Of a JWT key: the algorithm it signs with, which its JWK names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jws: Option<super::JwsAlgorithm>,
    /// Of a JWT key that was in use before: the ID that its tokens name; the others have their thumbprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// PKCS#12 files of it, as they were made once: each making gives other bytes. The newest is the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pkcs12: Vec<Packed>,
}

/// A PKCS#12 file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// The keyed digest of the password that it was made with.
    pub password: String,
    /// DER in base64.
    pub bytes: Secret,
}
