//! ACME (RFC 8555): certificates from a CA that looks whether we control the names.
//!
//! ```text
//! issue ──> account (made once, kept) ──> order (kept as soon as it is placed, resumed) ──> challenges ──> finalize
//!                                                                                             │
//!       <── what came is checked: key, dates, chain, order of issuers <── certificate <───────┘
//! ```
//!
//! The protocol is instant-acme's; under it lies a client of our own ([`http`]) that trusts nothing a CA sends.

mod account;
mod addresses;
mod authorization;
mod chain;
pub mod challenge;
mod control;
mod crl;
mod date;
mod directory;
mod http;
mod jws;
mod order;
mod refusal;
mod registration;
mod renewal;
mod resume;
mod revoke;
mod rollover;
mod silence;
mod trust;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::{Mutex, OnceCell, Semaphore};

pub use self::date::time_at;
use self::http::{Client, Line};
use self::order::{Job, SharedSolver};
use self::silence::Silence;
use super::{Advice, Desk, IssueError, IssueErrorKind, Issuer, Request};
use crate::clock::{Clock, Entropy};
use crate::model::{AssetId, Made, Material, RevocationReason};

/// What of the configuration an ACME issuer works by.
#[derive(Debug, Clone)]
pub struct AcmeConfig {
    /// Its name in the configuration.
    pub name: String,
    /// The directory's URL.
    pub server: String,
    /// Whom the CA may write to.
    pub email: Option<String>,
    /// Roots for the CA's own TLS, beside the machine's; PEM.
    pub ca_file: Option<PathBuf>,
    /// The profile to order by.
    pub profile: Option<String>,
    /// The common name of the topmost issuer of the chain to take.
    pub preferred_chain: Option<String>,
    /// External account binding.
    pub eab: Option<Eab>,
    /// How many orders are worked on at once.
    pub concurrency: usize,
}

/// External account binding (RFC 8555 §7.3.4).
#[derive(Debug, Clone)]
pub struct Eab {
    /// The key's name at the CA.
    pub kid: String,
    /// Where its MAC key is.
    pub hmac_file: PathBuf,
}

/// A CA that speaks ACME.
pub struct Acme {
    config: AcmeConfig,
    solvers: BTreeMap<AssetId, SharedSolver>,
    solver: Option<SharedSolver>,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    line: OnceCell<Arc<Line>>,
    registering: Mutex<()>,
    slots: Semaphore,
    silence: Silence,
}

/// Does it again with a fresh nonce, as long as that is all that is wrong: the library gives up after three. Of ten nonces
/// nine may be refused, and an order of ten requests must still come through.
macro_rules! patiently {
    ($call:expr) => {{
        let mut left = 20;
        loop {
            match $call.await {
                Err(error) if left > 0 && $crate::issuer::acme::refusal::is_bad_nonce(&error) => left -= 1,
                other => break other,
            }
        }
    }};
}
use patiently;

impl Acme {
    /// `solver` shows control where the certificate has none of its own in `solvers`.
    pub fn new(
        config: AcmeConfig,
        solver: Option<Arc<dyn challenge::Solver>>,
        solvers: BTreeMap<AssetId, Arc<dyn challenge::Solver>>,
        clock: Arc<dyn Clock>,
        entropy: Entropy,
    ) -> Self {
        let slots = Semaphore::new(config.concurrency.max(1));
        Self {
            config,
            solvers,
            solver,
            clock,
            entropy,
            line: OnceCell::new(),
            registering: Mutex::default(),
            slots,
            silence: Silence::default(),
        }
    }

    /// The connections to it, opened when they are needed first.
    async fn client(&self) -> Result<Client, IssueError> {
        let open = async || {
            let roots = self.roots()?;
            let line = Line::new(&self.config.server, &roots, Arc::clone(&self.clock));
            line.map(Arc::new).map_err(|error| self.local(error))
        };
        Ok(Client::new(Arc::clone(self.line.get_or_try_init(open).await?)))
    }

    /// What is trusted beside the machine's own roots, PEM.
    fn roots(&self) -> Result<Vec<u8>, IssueError> {
        let Some(file) = &self.config.ca_file else { return Ok(Vec::new()) };
        std::fs::read(file).map_err(|error| self.local(format!("ca_file {}: {error}", file.display())))
    }

    fn solver(&self, asset: &AssetId) -> Result<&SharedSolver, IssueError> {
        let own = self.solvers.get(asset).or(self.solver.as_ref());
        own.ok_or_else(|| self.local(format!("neither it nor {asset} has a challenge")))
    }

    fn refused(&self, why: impl std::fmt::Display) -> IssueError {
        IssueError::new(IssueErrorKind::Refused, format!("{}: {why}", self.config.server))
    }

    async fn order(&self, request: &Request, desk: &dyn Desk) -> Result<Made, IssueError> {
        let _slot = self.slots.acquire().await;
        self.silence.check(&self.config.server, self.clock.monotonic())?;
        let client = self.client().await?;
        let account = self.account(&client, desk).await?;
        let done = Job { acme: self, request, desk, client: client.clone(), account }.run().await;
        if done.is_ok() || self.accounts(desk).await?.of(&self.config.server).is_some() {
            return done;
        }
        // The CA had lost the account, which is forgotten now: the next one does.
        let account = self.account(&client, desk).await?;
        Job { acme: self, request, desk, client, account }.run().await
    }
}

#[async_trait]
impl Issuer for Acme {
    async fn issue(&self, request: &Request, desk: &dyn Desk) -> Result<Made, IssueError> {
        // The library has panicked on what a CA sent before; that must end one order, not the daemon.
        let ordered = AssertUnwindSafe(self.order(request, desk)).catch_unwind().await;
        let ordered = ordered.unwrap_or_else(|_| {
            let message =
                format!("{} has sent something that the ACME library cannot bear", self.config.server);
            Err(IssueError::new(IssueErrorKind::Unreachable, message))
        });
        self.silence.note(&ordered, self.clock.monotonic());
        ordered
    }

    async fn advice(&self, certificate: &Material, now: Timestamp) -> Result<Advice, IssueError> {
        let client = self.client().await?;
        let leaf = certificate.certificate.as_deref().unwrap_or_default();
        let advice = renewal::ask(client.line(), leaf).await;
        if let Some(advice) = advice.map_err(|error| self.failed("for renewal information", &error))? {
            return Ok(advice);
        }
        let revoked = crl::is_revoked(certificate, &self.roots()?, now).await;
        let revoked = revoked.map_err(|error| {
            let message = format!("the revocation list of {} could not be read: {error}", self.config.server);
            IssueError::new(IssueErrorKind::Unreachable, message)
        })?;
        Ok(Advice { revoked, ..Advice::default() })
    }

    async fn revoke(
        &self,
        certificate: &Material,
        reason: RevocationReason,
        desk: &dyn Desk,
    ) -> Result<(), IssueError> {
        self.withdraw(certificate, reason, desk).await
    }
}
