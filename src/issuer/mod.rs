//! Who signs certificates: one trait, one module an issuer.

pub mod internal;

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

pub use crate::model::Usage;
use crate::model::{Made, Material, Secret};

/// All that an issuer needs for one certificate.
#[derive(Debug, Clone)]
pub struct Request {
    /// Subject common name; no subject without.
    pub common_name: Option<String>,
    /// dNSName SANs, lower case, wildcards allowed.
    pub dns_names: Vec<String>,
    /// iPAddress SANs.
    pub ip_addresses: Vec<IpAddr>,
    /// Extended key usages; an ACME CA decides by itself.
    pub usages: Vec<Usage>,
    /// The lifetime asked for; an ACME CA decides by itself.
    pub duration: SignedDuration,
    /// The subject's private key, PKCS#8 PEM.
    pub private_key: Secret,
    /// The signing CA's material, where the issuer is ours.
    pub authority: Option<Material>,
    /// The time of signing.
    pub now: Timestamp,
}

/// Why there is no certificate.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct IssueError {
    /// What happened, for people; it never holds a secret.
    pub message: String,
    /// Whether the same request can work later. `false`: only another configuration helps.
    pub transient: bool,
}

/// Signs certificates.
///
/// `issue` may be called again for the same request after a crash: an issuer that keeps orders
/// resumes, one that does not signs afresh under a new serial; what was signed before and not stored
/// is never deployed. It returns a certificate for exactly the key and names of the request, or an
/// error; the caller checks that again before anything is published.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// Gets one certificate. The returned material holds key, leaf, chain and anchors.
    ///
    /// # Errors
    ///
    /// When the issuer refuses, cannot be reached, or cannot keep what was asked.
    async fn issue(&self, request: &Request) -> Result<Made, IssueError>;
}
