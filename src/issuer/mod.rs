//! Who signs certificates: one trait, one module an issuer.

pub mod acme;
pub mod internal;
mod key;
mod names;

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

pub use crate::model::Usage;
use crate::model::{AssetId, Made, Material, RevocationReason, Secret};

/// All that an issuer needs for one certificate.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose it is.
    pub asset: AssetId,
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
    /// The certificate (PEM) that an ACME order replaces (RFC 9773 §5), of the same CA.
    pub replaces: Option<String>,
    /// The time of signing.
    pub now: Timestamp,
}

/// Under which root a CA's new intermediate stands.
#[derive(Debug, Clone, Copy)]
pub enum Under<'a> {
    /// Under the root of this revision, which goes on.
    Root(&'a Material),
    /// Under a new one; the root of this revision certifies it, where there is one.
    New(Option<&'a Material>),
}

/// Why there is no certificate.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct IssueError {
    /// What happened, for people; it never holds a secret.
    pub message: String,
    /// Whose fault it is: what is done about it depends on that alone.
    pub kind: IssueErrorKind,
    /// How long the issuer has asked to be left alone, clamped to a day.
    pub retry_after: Option<SignedDuration>,
    /// The names whose authorization failed.
    pub failed_names: Vec<String>,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueErrorKind {
    /// The issuer cannot be reached, or fails by itself: later, or another issuer.
    Unreachable,
    /// The issuer has had enough of us for a while: later, or another issuer.
    Limited,
    /// The issuer does not want to: its policy, the account, the names. Another issuer, or another configuration.
    Refused,
    /// The issuer has looked and has not found the proof of control; another would not find it either.
    Unproven,
    /// What the issuer has sent is not what was asked for.
    BadCertificate,
    /// The order is being worked on; it is taken up again later.
    Pending,
    /// Our own side: a hook, a listener, a name server, a key. Nobody was bothered.
    Local,
}

impl IssueErrorKind {
    /// Whether another issuer may do better.
    pub fn is_the_issuers(self) -> bool {
        matches!(self, Self::Unreachable | Self::Limited | Self::Refused)
    }
}

impl IssueError {
    /// Without any of the details.
    pub fn new(kind: IssueErrorKind, message: impl ToString) -> Self {
        Self { message: message.to_string(), kind, retry_after: None, failed_names: Vec::new() }
    }
}

/// What an issuer must not forget over a crash; the one who asks for a certificate keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The account, with its key: one an issuer.
    Account,
    /// The order that is open: one an asset and issuer.
    Order,
}

/// The state could not be read or written: nothing may be claimed, and nothing more be done.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the state cannot be read or written")]
pub struct NotKept;

impl From<NotKept> for IssueError {
    fn from(error: NotKept) -> Self {
        Self::new(IssueErrorKind::Local, error)
    }
}

/// Keeps things for one issuer (and, for its orders, one asset), sealed. What was kept is durable when `keep` returns.
#[async_trait]
pub trait Desk: Send + Sync {
    /// What was kept last.
    ///
    /// # Errors
    ///
    /// When the state cannot be read.
    async fn recall(&self, slot: Slot) -> Result<Option<Secret>, NotKept>;

    /// Keeps `value` instead of what was there; `None` forgets it. `event` goes into the history with it.
    ///
    /// # Errors
    ///
    /// When the state cannot be written: the caller must not go on.
    async fn keep(&self, slot: Slot, value: Option<Secret>, event: Option<Event<'_>>) -> Result<(), NotKept>;

    /// An order is about to be placed: it counts, also if the answer never comes.
    ///
    /// # Errors
    ///
    /// When the state cannot be written: the order must not be placed.
    async fn ordering(&self) -> Result<(), NotKept>;

    /// The order that was announced last was refused outright: it counts for nothing.
    ///
    /// # Errors
    ///
    /// When the state cannot be written.
    async fn not_ordered(&self) -> Result<(), NotKept>;
}

/// What the history says of something kept: an action, and details without secrets.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// `acme-account-created`
    pub action: &'a str,
    /// Names and values.
    pub details: Vec<(&'a str, String)>,
}

/// What a CA says about a certificate of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advice {
    /// When it should be renewed (RFC 9773 §4.2), earliest and latest; `None` where the CA does not say.
    pub window: Option<(Timestamp, Timestamp)>,
    /// Where the CA explains itself.
    pub explanation_url: Option<String>,
    /// Whether the CA has revoked it; `None` where that cannot be known.
    pub revoked: Option<bool>,
    /// How long not to ask again, clamped to between a minute and a day (RFC 9773 §4.3.1).
    pub ask_again_after: Option<SignedDuration>,
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
    async fn issue(&self, request: &Request, desk: &dyn Desk) -> Result<Made, IssueError>;

    /// What the issuer says about `certificate` (PEM), which it has issued and which is in use. Asking twice does no harm.
    ///
    /// # Errors
    ///
    /// When it cannot be asked.
    async fn advice(&self, certificate: &Material, now: Timestamp) -> Result<Advice, IssueError>;

    /// Withdraws a certificate; one that is revoked already is no error.
    ///
    /// # Errors
    ///
    /// When the issuer refuses or cannot be reached.
    async fn revoke(
        &self,
        certificate: &Material,
        reason: RevocationReason,
        desk: &dyn Desk,
    ) -> Result<(), IssueError>;
}
