//! What proves a delivery: fresh TLS handshakes, and a JWKS as its verifiers serve it.
//!
//! Identity is what is proven: that the server shows exactly this leaf, and signs with its key.
//! Whether the chain, the names and the dates please a client is reported beside it, as remarks: a
//! staging CA's certificate is as well delivered as any other.

mod chain;
mod handshake;
mod jwks;
pub mod probe;
mod witness;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use crate::clock::Clock;
use crate::model::KeyAlgorithm;

/// How long one handshake may take, from the first packet of TCP on.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long fetching a JWKS may take in all.
pub const JWKS_TIMEOUT: Duration = Duration::from_secs(10);

/// The certificate to be seen, and where.
#[derive(Debug, Clone)]
pub struct Handshakes {
    /// `host:port`, each of which must show it.
    pub connect: Vec<String>,
    /// What is asked for by SNI (RFC 6066 §3), and what the leaf should be valid for. Without it, the host.
    pub server_name: Option<String>,
    /// Handshakes in all, spread over `connect`; each gets at least one.
    pub count: usize,
    /// The leaf: SHA-256 over its DER, lower-case hex.
    pub fingerprint_sha256: String,
    /// The leaf's key: only signatures of this type are offered, so that a server with an RSA and
    /// an ECDSA certificate shows the one that is meant.
    pub key_algorithm: KeyAlgorithm,
    /// Roots in PEM, for the remarks about the chain; none asked for where there are none.
    pub anchors: Vec<String>,
    /// For each handshake; [`HANDSHAKE_TIMEOUT`] unless there is a reason.
    pub timeout: Duration,
}

/// A proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// How many handshakes (of a JWKS: answers) showed what was expected; all that were made.
    pub handshakes: usize,
    /// What a client may mind nonetheless, each once: chain, name, dates.
    pub remarks: Vec<String>,
}

/// A leaf that was shown in place of the expected one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OtherLeaf {
    /// SHA-256 over its DER, lower-case hex.
    pub fingerprint_sha256: String,
    /// Its serial number, lower-case hex; empty where the certificate cannot be read.
    pub serial: String,
    /// Its subject (RFC 4514 style); empty where it has none.
    pub subject: String,
    /// The last second of its validity.
    pub not_after: Option<Timestamp>,
}

/// What was wrong at one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It showed another leaf.
    Other {
        /// `host:port`.
        endpoint: String,
        /// Which.
        leaf: OtherLeaf,
        /// In how many handshakes.
        times: usize,
    },
    /// No handshake came about; the rest of its share was not tried.
    Unreachable {
        /// `host:port`.
        endpoint: String,
        /// Why, for people.
        reason: String,
    },
}

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be asked for like this; only another configuration helps.
    #[error("{0}")]
    Ask(String),
    /// Not every handshake showed the expected leaf.
    #[error("{proven} of {of} handshakes showed the expected certificate; {}", join(faults))]
    Handshakes {
        /// How many showed it.
        proven: usize,
        /// How many were asked for.
        of: usize,
        /// What was wrong where.
        faults: Vec<Fault>,
    },
    /// The JWKS was not to be had, or lacks a key.
    #[error("{url}: {reason}")]
    Jwks {
        /// Where it was looked for.
        url: String,
        /// What was wrong.
        reason: String,
    },
}

impl VerifyError {
    /// Whether the same question can have another answer later.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Ask(_))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other { endpoint, leaf, times } => {
                write!(f, "{endpoint} showed another one {times} times ({leaf})")
            }
            Self::Unreachable { endpoint, reason } => write!(f, "{endpoint}: {reason}"),
        }
    }
}

impl fmt::Display for OtherLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256 {}", self.fingerprint_sha256)?;
        if !self.serial.is_empty() {
            write!(f, ", serial {}", self.serial)?;
        }
        if !self.subject.is_empty() {
            write!(f, ", subject {}", self.subject)?;
        }
        self.not_after.map_or(Ok(()), |end| write!(f, ", valid until {end}"))
    }
}

fn join(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Looks at what is served.
///
/// One call is one round: it changes nothing, keeps nothing, and may be repeated at will. Whether
/// and when to ask again after an error is the caller's. A call takes at most `timeout` for each handshake of
/// the endpoint with the largest share, because an endpoint that does not answer is not asked twice.
#[async_trait]
pub trait Verifier: Send + Sync {
    /// Makes fresh handshakes, without resumption; all must show the expected leaf.
    ///
    /// # Errors
    ///
    /// When one shows another leaf or does not come about, with every such endpoint named.
    async fn handshakes(&self, ask: &Handshakes) -> Result<Seen, VerifyError>;

    /// Fetches a JWKS (RFC 7517 §5) by http; every one of `kids` must be in it.
    ///
    /// # Errors
    ///
    /// When it cannot be fetched within [`JWKS_TIMEOUT`] and 1 MiB, is no JWKS, or lacks one.
    async fn jwks(&self, url: &str, kids: &[String]) -> Result<Seen, VerifyError>;
}

/// What a client of today may mind about a chain (leaf first, DER) that a server shows: dates, name, and the way to one of
/// `anchors` (PEM).
pub fn remarks(chain: &[Vec<u8>], name: &str, anchors: &[String], now: Timestamp) -> Vec<String> {
    let chain: Vec<CertificateDer<'_>> =
        chain.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    chain::remarks(&chain, name, anchors, now)
}

/// Looks over the network of this machine.
#[derive(Clone)]
pub struct Live {
    clock: Arc<dyn Clock>,
}

impl Live {
    /// `clock` says whether what is served has expired.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

#[async_trait]
impl Verifier for Live {
    async fn handshakes(&self, ask: &Handshakes) -> Result<Seen, VerifyError> {
        let chains = handshake::round(ask).await?;
        let mut remarks = BTreeSet::new();
        for (name, chain) in &chains.distinct {
            remarks.extend(chain::remarks(chain, name, &ask.anchors, self.clock.now()));
        }
        Ok(Seen { handshakes: chains.count, remarks: remarks.into_iter().collect() })
    }

    async fn jwks(&self, url: &str, kids: &[String]) -> Result<Seen, VerifyError> {
        jwks::check(url, kids, JWKS_TIMEOUT).await?;
        Ok(Seen { handshakes: 1, remarks: Vec::new() })
    }
}
