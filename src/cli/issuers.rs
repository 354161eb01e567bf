//! Who signs, as the configuration has them: the internal CAs, and the ACME CAs with what shows them control.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use super::fail::Failure;
use super::workshop;
use crate::clock::{Clock, Entropy};
use crate::config::{AcmeIssuer, Certificate, Challenge, Config, HttpAnswer};
use crate::issuer::Issuer;
use crate::issuer::acme::challenge::Solver;
use crate::issuer::acme::challenge::dns::DnsSolver;
use crate::issuer::acme::challenge::http::HttpSolver;
use crate::issuer::acme::challenge::tls_alpn::TlsAlpnSolver;
use crate::issuer::acme::{Acme, AcmeConfig, Eab};
use crate::model::AssetId;

/// All of them, by their names in the configuration. Where `pages` is served at the public address, http-01 is
/// answered there.
pub(super) fn all(
    config: &Config,
    clock: &Arc<dyn Clock>,
    entropy: &Entropy,
    pages: Option<&Arc<HttpSolver>>,
) -> Result<BTreeMap<String, Arc<dyn Issuer>>, Failure> {
    let internal = workshop::authorities(config, entropy).into_iter();
    let mut issuers: BTreeMap<String, Arc<dyn Issuer>> =
        internal.map(|(id, authority)| (id.name, Arc::new(authority) as Arc<dyn Issuer>)).collect();
    for (name, acme) in acme(config, clock, entropy, pages)? {
        issuers.insert(name, acme);
    }
    Ok(issuers)
}

/// The ACME CAs alone.
pub(super) fn acme(
    config: &Config,
    clock: &Arc<dyn Clock>,
    entropy: &Entropy,
    pages: Option<&Arc<HttpSolver>>,
) -> Result<BTreeMap<String, Arc<Acme>>, Failure> {
    let mut solvers =
        Solvers { clock, entropy, http: BTreeMap::new(), tls: BTreeMap::new(), webroots: BTreeMap::new() };
    if let Some(pages) = pages {
        let address = config.daemon().public_address();
        solvers.http.insert(address, Arc::clone(pages) as Arc<dyn Solver>);
    }
    let mut issuers = BTreeMap::new();
    for (name, issuer) in config.acme_issuers() {
        issuers.insert(name.clone(), Arc::new(one(config, issuer, &mut solvers)?));
    }
    Ok(issuers)
}

fn one(config: &Config, issuer: &AcmeIssuer, solvers: &mut Solvers<'_>) -> Result<Acme, Failure> {
    let settings = AcmeConfig {
        name: issuer.name().to_owned(),
        server: issuer.server().to_owned(),
        email: issuer.email().map(str::to_owned),
        ca_file: issuer.ca_file().map(PathBuf::from),
        profile: issuer.profile().map(str::to_owned),
        preferred_chain: issuer.preferred_chain().map(str::to_owned),
        eab: issuer.eab().map(|eab| Eab { kid: eab.kid().to_owned(), hmac_file: eab.hmac_file().to_owned() }),
        concurrency: issuer.concurrency(),
    };
    let solver = issuer.challenge().map(|challenge| solvers.of(challenge)).transpose()?;
    let mut own: BTreeMap<AssetId, Arc<dyn Solver>> = BTreeMap::new();
    let uses = |certificate: &&Certificate| certificate.issuers().iter().any(|name| name == issuer.name());
    for certificate in config.certificates().values().filter(uses) {
        if let Some(challenge) = certificate.challenge() {
            own.insert(certificate.id(), solvers.of(challenge)?);
        }
    }
    Ok(Acme::new(settings, solver, own, Arc::clone(solvers.clock), solvers.entropy.clone()))
}

/// One solver an address or folder: orders of several certificates share a listener, and none takes away a file that
/// another still shows.
struct Solvers<'a> {
    clock: &'a Arc<dyn Clock>,
    entropy: &'a Entropy,
    http: BTreeMap<SocketAddr, Arc<dyn Solver>>,
    tls: BTreeMap<SocketAddr, Arc<dyn Solver>>,
    webroots: BTreeMap<PathBuf, Arc<dyn Solver>>,
}

impl Solvers<'_> {
    fn of(&mut self, challenge: &Challenge) -> Result<Arc<dyn Solver>, Failure> {
        Ok(match challenge {
            Challenge::Http01(HttpAnswer::Listen(address)) => {
                let new =
                    || Arc::new(HttpSolver::listening(*address, Arc::clone(self.clock))) as Arc<dyn Solver>;
                Arc::clone(self.http.entry(*address).or_insert_with(new))
            }
            Challenge::Http01(HttpAnswer::Webroot(folder)) => {
                let new = || Arc::new(HttpSolver::webroot(folder.clone())) as Arc<dyn Solver>;
                Arc::clone(self.webroots.entry(folder.clone()).or_insert_with(new))
            }
            Challenge::TlsAlpn01 { listen } => match self.tls.get(listen) {
                Some(solver) => Arc::clone(solver),
                None => {
                    let solver = TlsAlpnSolver::new(*listen, self.entropy.clone(), Arc::clone(self.clock));
                    let solver: Arc<dyn Solver> = Arc::new(solver.map_err(Failure::failed)?);
                    self.tls.insert(*listen, Arc::clone(&solver));
                    solver
                }
            },
            Challenge::Dns01(dns) => Arc::new(DnsSolver::new(dns.clone(), Arc::clone(self.clock))),
        })
    }
}
