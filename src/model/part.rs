//! The parts an asset is delivered in.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::AssetKind;

/// One rendering of an asset that a file can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The leaf alone, PEM.
    Certificate,
    /// The intermediates, PEM, issuing one first.
    Chain,
    /// Leaf and intermediates, PEM.
    Fullchain,
    /// PKCS#8 PEM.
    PrivateKey,
    /// PKCS#1 PEM; RSA only.
    PrivateKeyPkcs1,
    /// Private key and fullchain in one PEM file, as HAProxy reads it.
    Combined,
    /// The trust bundle, PEM; in a rollover the old and the new root.
    Ca,
    /// PKCS#12 with key and chain.
    Pkcs12,
    /// SubjectPublicKeyInfo PEM.
    PublicKey,
    /// All current public keys, PEM, one after another.
    PublicKeys,
    /// The key ID: an RFC 7638 thumbprint.
    Kid,
    /// JWK Set (RFC 7517 §5).
    Jwks,
    /// `DH PARAMETERS` PEM (PKCS#3).
    Dhparam,
    /// Certificate revocation list.
    Crl,
}

impl Part {
    /// All of them, in the order the documentation lists them.
    pub const ALL: [Self; 14] = [
        Self::Certificate,
        Self::Chain,
        Self::Fullchain,
        Self::PrivateKey,
        Self::PrivateKeyPkcs1,
        Self::Combined,
        Self::Ca,
        Self::Pkcs12,
        Self::PublicKey,
        Self::PublicKeys,
        Self::Kid,
        Self::Jwks,
        Self::Dhparam,
        Self::Crl,
    ];

    /// As the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Chain => "chain",
            Self::Fullchain => "fullchain",
            Self::PrivateKey => "private-key",
            Self::PrivateKeyPkcs1 => "private-key-pkcs1",
            Self::Combined => "combined",
            Self::Ca => "ca",
            Self::Pkcs12 => "pkcs12",
            Self::PublicKey => "public-key",
            Self::PublicKeys => "public-keys",
            Self::Kid => "kid",
            Self::Jwks => "jwks",
            Self::Dhparam => "dhparam",
            Self::Crl => "crl",
        }
    }

    /// The part of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Whether everyone may read it. What is not public is never a Docker config.
    pub fn is_public(self) -> bool {
        !matches!(self, Self::PrivateKey | Self::PrivateKeyPkcs1 | Self::Combined | Self::Pkcs12)
    }

    /// Whether it is made of all current revisions, not of one.
    pub fn spans_revisions(self) -> bool {
        matches!(self, Self::Ca | Self::PublicKeys | Self::Jwks | Self::Crl)
    }

    /// Whether a certificate has it from its CA: the numbers it is made of are not the certificate's own, but the CA's
    /// revisions that made each root, or the edition of the CA's revocation lists.
    pub fn is_the_issuers(self) -> bool {
        matches!(self, Self::Ca | Self::Crl)
    }

    /// Whether an asset of `kind` has it.
    pub fn is_of(self, kind: AssetKind) -> bool {
        match kind {
            AssetKind::Certificate => matches!(
                self,
                Self::Certificate
                    | Self::Chain
                    | Self::Fullchain
                    | Self::PrivateKey
                    | Self::PrivateKeyPkcs1
                    | Self::Combined
                    | Self::Ca
                    | Self::Crl
                    | Self::Pkcs12
                    | Self::PublicKey
            ),
            AssetKind::JwtKey => matches!(
                self,
                Self::PrivateKey
                    | Self::PrivateKeyPkcs1
                    | Self::PublicKey
                    | Self::PublicKeys
                    | Self::Kid
                    | Self::Jwks
            ),
            AssetKind::DhParams => self == Self::Dhparam,
            AssetKind::Ca => {
                matches!(self, Self::Certificate | Self::Chain | Self::Fullchain | Self::Ca | Self::Crl)
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The two kinds of Docker object that carry parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// A Docker secret: its data never comes back from the engine.
    Secret,
    /// A Docker config: public.
    Config,
}

impl ObjectKind {
    /// As Docker says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Config => "config",
        }
    }

    /// The largest object the engine takes, in bytes (tried on Engine 20.10).
    pub fn size_limit(self) -> usize {
        match self {
            Self::Secret => 511_999,
            Self::Config => 1_023_999,
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
