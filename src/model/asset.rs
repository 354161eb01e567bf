//! What can be rotated, and how it is named.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The kinds of asset; a kind's name is its section of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssetKind {
    /// A certification authority: a root, and the signing intermediate under it.
    Ca,
    /// An end-entity certificate with its key.
    Certificate,
    /// Diffie-Hellman parameters.
    DhParams,
    /// A JWT signing key with its place in a JWKS.
    JwtKey,
}

impl AssetKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Ca, Self::Certificate, Self::DhParams, Self::JwtKey];

    /// The first half of an asset's name: `certificates` in `certificates/edge`.
    pub fn section(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Certificate => "certificates",
            Self::DhParams => "dh_params",
            Self::JwtKey => "jwt_keys",
        }
    }

    /// The first part of the names of its Docker objects: `cert` in `cert.edge.fullchain.7`.
    pub fn short(self) -> &'static str {
        match self {
            Self::Ca => "ca",
            Self::Certificate => "cert",
            Self::DhParams => "dh",
            Self::JwtKey => "jwt",
        }
    }

    /// In a sentence: "the certificate edge".
    pub fn noun(self) -> &'static str {
        match self {
            Self::Ca => "CA",
            Self::Certificate => "certificate",
            Self::DhParams => "DH parameters",
            Self::JwtKey => "JWT key",
        }
    }
}

/// The name of an asset: `certificates/edge`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetId {
    /// What it is.
    pub kind: AssetKind,
    /// Its name in the configuration.
    pub name: String,
}

impl AssetId {
    /// `kind` and `name` together; the configuration has checked the name.
    pub fn new(kind: AssetKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.section(), self.name)
    }
}

/// Text that names no asset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an asset: write certificates/NAME, jwt_keys/NAME, dh_params/NAME or ca/NAME")]
pub struct BadName(pub String);

impl FromStr for AssetId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = || BadName(text.to_owned());
        let (section, name) = text.split_once('/').ok_or_else(bad)?;
        let kind = AssetKind::ALL.into_iter().find(|kind| kind.section() == section);
        match kind {
            Some(kind) if !name.is_empty() => Ok(Self::new(kind, name)),
            _ => Err(bad()),
        }
    }
}

impl Serialize for AssetId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AssetId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The kinds of private key, as the configuration spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum KeyAlgorithm {
    /// NIST P-256.
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    /// NIST P-384.
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    /// Ed25519 (RFC 8032).
    #[serde(rename = "ed25519")]
    Ed25519,
    /// RSA of 2048 bits.
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// RSA of 3072 bits.
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    /// RSA of 4096 bits.
    #[serde(rename = "rsa-4096")]
    Rsa4096,
}

impl KeyAlgorithm {
    /// All of them, in the order the documentation lists them.
    pub const ALL: [Self; 6] =
        [Self::EcdsaP256, Self::EcdsaP384, Self::Ed25519, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    /// As the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    /// The size of an RSA modulus in bits.
    pub fn rsa_bits(self) -> Option<usize> {
        match self {
            Self::Rsa2048 => Some(2048),
            Self::Rsa3072 => Some(3072),
            Self::Rsa4096 => Some(4096),
            _ => None,
        }
    }
}

/// JWS algorithms (RFC 7518 §3.1, RFC 8037 §3.1) that a JWT key can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum JwsAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// The same with SHA-384.
    #[serde(rename = "RS384")]
    Rs384,
    /// The same with SHA-512.
    #[serde(rename = "RS512")]
    Rs512,
    /// RSASSA-PSS with SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// The same with SHA-384.
    #[serde(rename = "PS384")]
    Ps384,
    /// The same with SHA-512.
    #[serde(rename = "PS512")]
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA on P-384 with SHA-384.
    #[serde(rename = "ES384")]
    Es384,
    /// EdDSA on Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl JwsAlgorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The `alg` value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The kind of key that it signs with, where there is only one; RSA keys have sizes to choose from.
    pub fn only_key(self) -> Option<KeyAlgorithm> {
        match self {
            Self::Es256 => Some(KeyAlgorithm::EcdsaP256),
            Self::Es384 => Some(KeyAlgorithm::EcdsaP384),
            Self::EdDsa => Some(KeyAlgorithm::Ed25519),
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => None,
        }
    }
}

/// What a certificate may be used for (RFC 5280 §4.2.1.12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Usage {
    /// id-kp-serverAuth.
    ServerAuth,
    /// id-kp-clientAuth.
    ClientAuth,
}

impl Usage {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::ServerAuth, Self::ClientAuth];

    /// As the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServerAuth => "server-auth",
            Self::ClientAuth => "client-auth",
        }
    }
}
