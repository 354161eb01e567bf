//! dns-01 (RFC 8555 §8.4): a TXT record under `_acme-challenge`, written by a program or a DNS provider, and seen on every
//! name server of its zone before the CA is told to look.

mod acme_dns;
mod ask;
mod hook;
mod lookup;
mod propagation;
mod provider;
mod value;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::acme_dns::AcmeDns;
use self::lookup::{Recursive, Server};
use self::provider::Provider;
use self::value::Entry;
use super::{Proof, SolveError, Solver};
use crate::clock::Clock;
use crate::config::{Dns01, DnsPublisher};

/// Shows proofs in DNS.
pub struct DnsSolver {
    config: Dns01,
    clock: Arc<dyn Clock>,
}

impl DnsSolver {
    /// Secrets are read when they are used, each time: one that was turned over is taken up.
    pub fn new(config: Dns01, clock: Arc<dyn Clock>) -> Self {
        Self { config, clock }
    }

    fn propagation(&self) -> Duration {
        Duration::try_from(self.config.propagation()).unwrap_or_default()
    }

    /// A hook that is trusted to wait by itself needs nobody to look names up.
    fn looks(&self) -> bool {
        !self.propagation().is_zero() || matches!(self.config.publisher(), DnsPublisher::Provider { .. })
    }

    /// What is to be written, at the end of each name's CNAMEs: CAs follow them.
    async fn entries(&self, proofs: &[Proof]) -> Result<Vec<Entry>, String> {
        let mut entries = value::entries(proofs)?;
        if self.looks() {
            let names = self.names()?;
            for entry in &mut entries {
                entry.fqdn = names.end_of_chain(&entry.fqdn).await?;
            }
        }
        entries.into_iter().map(value::checked).collect()
    }

    async fn write(&self, entry: &Entry) -> Result<(), String> {
        match self.config.publisher() {
            DnsPublisher::Hook(command) => hook::present(command, entry).await,
            DnsPublisher::Provider { name, settings, secrets } if name == acme_dns::NAME => {
                AcmeDns::new(settings, secrets)?.present(entry).await
            }
            DnsPublisher::Provider { name, settings, secrets } => {
                Provider { name, settings, secrets }.present(entry, &self.zone(entry).await?).await
            }
        }
    }

    async fn erase(&self, entry: &Entry) -> Result<(), String> {
        match self.config.publisher() {
            DnsPublisher::Hook(command) => hook::clean_up(command, entry).await,
            // It has no way to take a value away; the next ones push it out.
            DnsPublisher::Provider { name, .. } if name == acme_dns::NAME => Ok(()),
            DnsPublisher::Provider { name, settings, secrets } => {
                Provider { name, settings, secrets }.clean_up(entry, &self.zone(entry).await?).await
            }
        }
    }

    async fn seen(&self, entry: &Entry) -> Result<(), String> {
        if self.propagation().is_zero() {
            return Ok(());
        }
        let servers = self.servers(entry).await?;
        propagation::wait(self.clock.as_ref(), entry, &servers, self.propagation()).await
    }

    /// The zone's own name servers, or those that the configuration names.
    async fn servers(&self, entry: &Entry) -> Result<Vec<Server>, String> {
        let named = self.config.name_servers();
        if !named.is_empty() {
            return Ok(named
                .iter()
                .map(|address| Server { name: String::new(), address: *address })
                .collect());
        }
        self.names()?.servers_of(&self.zone(entry).await?).await
    }

    /// Who is asked where a name is.
    fn names(&self) -> Result<Recursive, String> {
        Recursive::new(self.config.resolvers())
    }

    async fn zone(&self, entry: &Entry) -> Result<String, String> {
        self.names()?.zone_of(&entry.fqdn).await
    }
}

#[async_trait]
impl Solver for DnsSolver {
    fn challenge(&self) -> &'static str {
        "dns-01"
    }

    async fn present(&self, proofs: &[Proof]) -> Result<(), SolveError> {
        let entries = self.entries(proofs).await.map_err(SolveError)?;
        // All are written before any is waited for: they spread at the same time.
        for entry in &entries {
            self.write(entry).await.map_err(SolveError)?;
        }
        for entry in &entries {
            self.seen(entry).await.map_err(SolveError)?;
        }
        Ok(())
    }

    async fn clean_up(&self, proofs: &[Proof]) -> Result<(), SolveError> {
        let mut outcome = Ok(());
        for entry in self.entries(proofs).await.map_err(SolveError)? {
            outcome = outcome.and(self.erase(&entry).await.map_err(SolveError));
        }
        outcome
    }
}
