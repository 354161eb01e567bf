//! How control over a name is shown to a CA (RFC 8555 §8): one trait, one file a way.

pub mod dns;
pub mod http;
mod listener;
mod registry;
pub mod tls_alpn;

use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// What is to be shown for one identifier of an order.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Whom it is about; a wildcard's base domain.
    pub subject: Subject,
    /// The challenge's token: `[A-Za-z0-9_-]{16,128}`, checked.
    pub token: String,
    /// `token.thumbprint` (RFC 8555 §8.1).
    pub key_authorization: String,
}

/// A name or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// A-labels, lower case, no wildcard.
    Dns(String),
    /// For RFC 8738.
    Ip(IpAddr),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proof({})", self.subject)
    }
}

/// Why the proof could not be shown: our own side's fault, always.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct SolveError(pub String);

/// Shows proofs where the CA will look for them.
///
/// All proofs of an order come together, since several may share a place: the apex and the wildcard of a domain have
/// their records under one name. Both calls may come again for the same proofs, after a crash too: `present` of what is
/// there already and `clean_up` of what is gone are no errors. `clean_up` takes away only what these proofs put there.
#[async_trait]
pub trait Solver: Send + Sync {
    /// `http-01`, `tls-alpn-01` or `dns-01`.
    fn challenge(&self) -> &'static str;

    /// Whether what it shows is still there when the process is not: then it is put on record before, so that the next
    /// one takes it away.
    fn outlasts_us(&self) -> bool {
        true
    }

    /// Shows them, and returns when the CA can see them: a listener listens, a record is on every name server of its zone.
    ///
    /// # Errors
    ///
    /// When that cannot be had; the caller cleans up then, too.
    async fn present(&self, proofs: &[Proof]) -> Result<(), SolveError>;

    /// Takes them away.
    ///
    /// # Errors
    ///
    /// When something stays; nothing is the worse for it but tidiness.
    async fn clean_up(&self, proofs: &[Proof]) -> Result<(), SolveError>;
}
