//! One round of handshakes over all endpoints.

use std::collections::{BTreeMap, HashSet};

use futures_util::future::join_all;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::witness::{Chain, Witness};
use super::{Fault, Handshakes, OtherLeaf, VerifyError};
use crate::pki::hex;

/// What a good round gives.
#[derive(Debug)]
pub(super) struct Chains {
    /// Handshakes made.
    pub(super) count: usize,
    /// The different chains that came with the expected leaf, with the name that was asked for.
    pub(super) distinct: HashSet<(String, Chain)>,
}

/// What one endpoint showed.
#[derive(Debug, Default)]
struct Endpoint {
    proven: usize,
    chains: HashSet<(String, Chain)>,
    others: BTreeMap<OtherLeaf, usize>,
    unreachable: Option<String>,
}

/// All endpoints at once, each endpoint's own share one after the other.
pub(super) async fn round(ask: &Handshakes) -> Result<Chains, VerifyError> {
    let names = names(ask)?;
    let count = ask.count.max(names.len());
    let shares = (0..names.len()).map(|index| share(count, names.len(), index));
    let visits = names.iter().zip(shares).map(|((endpoint, name), share)| visit(ask, endpoint, name, share));
    let seen = join_all(visits).await;

    let proven = seen.iter().map(|endpoint| endpoint.proven).sum();
    let (chains, faults): (Vec<_>, Vec<_>) =
        ask.connect.iter().zip(seen).map(|(address, endpoint)| endpoint.sort_out(address)).unzip();
    let faults: Vec<Fault> = faults.into_iter().flatten().collect();
    if faults.is_empty() {
        Ok(Chains { count: proven, distinct: chains.into_iter().flatten().collect() })
    } else {
        Err(VerifyError::Handshakes { proven, of: count, faults })
    }
}

/// How many of `count` fall to the `index`th of `endpoints`.
fn share(count: usize, endpoints: usize, index: usize) -> usize {
    count / endpoints + usize::from(index < count % endpoints)
}

/// Each endpoint with the name to ask it for.
fn names(ask: &Handshakes) -> Result<Vec<(&str, ServerName<'static>)>, VerifyError> {
    if ask.connect.is_empty() {
        return Err(VerifyError::Ask("verify.connect names no address: write host:port".to_owned()));
    }
    let given = ask.server_name.as_deref();
    let name = |endpoint| name_for(endpoint, given).map(|name| (endpoint, name));
    ask.connect.iter().map(String::as_str).map(name).collect()
}

pub(super) fn name_for(
    endpoint: &str,
    server_name: Option<&str>,
) -> Result<ServerName<'static>, VerifyError> {
    let port = |(host, port): (&'_ str, &str)| port.parse::<u16>().is_ok().then(|| host.to_owned());
    let host = endpoint.rsplit_once(':').and_then(port);
    let host =
        host.ok_or_else(|| VerifyError::Ask(format!("verify.connect: `{endpoint}` is not host:port")))?;
    let name = server_name.unwrap_or_else(|| host.trim_matches(['[', ']']));
    ServerName::try_from(name.to_owned()).map_err(|_| {
        VerifyError::Ask(format!("verify.server_name: `{name}` is neither a DNS name nor an IP address"))
    })
}

async fn visit(ask: &Handshakes, endpoint: &str, name: &ServerName<'static>, share: usize) -> Endpoint {
    let mut seen = Endpoint::default();
    for _ in 0..share {
        match one(ask, endpoint, name).await {
            Ok(chain) => seen.note(chain, name, &ask.fingerprint_sha256),
            Err(reason) => {
                // Twenty time-outs in a row would tell nothing more than the first.
                seen.unreachable = Some(reason);
                break;
            }
        }
    }
    seen
}

/// One handshake on a fresh connection: the chain whose key signed it.
async fn one(ask: &Handshakes, endpoint: &str, name: &ServerName<'static>) -> Result<Chain, String> {
    let witness = Witness::new(ask.key_algorithm);
    let config = witness.client().map_err(|error| error.to_string())?;
    let attempt = async {
        let tcp = TcpStream::connect(endpoint).await.map_err(|error| format!("cannot connect: {error}"))?;
        let done = TlsConnector::from(config).connect(name.clone(), tcp).await;
        done.map(drop).map_err(|error| {
            let offered = ask.key_algorithm.name();
            format!("the TLS handshake failed, with only {offered} offered: {error}")
        })
    };
    let ended = tokio::time::timeout(ask.timeout, attempt).await;
    // What was proven before the handshake failed or took too long is proven all the same.
    match (witness.proven(), ended) {
        (Some(chain), _) => Ok(chain),
        (None, Err(_)) => Err(format!("no handshake within {} s", ask.timeout.as_secs_f32())),
        (None, Ok(Err(reason))) => Err(reason),
        (None, Ok(Ok(()))) => Err("the server showed no certificate".to_owned()),
    }
}

impl Endpoint {
    fn note(&mut self, chain: Chain, name: &ServerName<'_>, expected: &str) {
        let leaf = chain.first().map(AsRef::as_ref).unwrap_or_default();
        if fingerprint(leaf).eq_ignore_ascii_case(expected) {
            self.proven += 1;
            self.chains.insert((name.to_str().into_owned(), chain));
        } else {
            *self.others.entry(describe(leaf)).or_default() += 1;
        }
    }

    fn sort_out(self, address: &str) -> (HashSet<(String, Chain)>, Vec<Fault>) {
        let endpoint = || address.to_owned();
        let other = |(leaf, times)| Fault::Other { endpoint: endpoint(), leaf, times };
        let unreachable = |reason| Fault::Unreachable { endpoint: endpoint(), reason };
        let faults = self.others.into_iter().map(other);
        (self.chains, faults.chain(self.unreachable.map(unreachable)).collect())
    }
}

/// SHA-256 in lower-case hex.
pub(super) fn fingerprint(der: &[u8]) -> String {
    hex(digest(&SHA256, der).as_ref())
}

fn describe(der: &[u8]) -> OtherLeaf {
    let fingerprint_sha256 = fingerprint(der);
    let Ok((_, leaf)) = X509Certificate::from_der(der) else {
        return OtherLeaf {
            fingerprint_sha256,
            serial: String::new(),
            subject: String::new(),
            not_after: None,
        };
    };
    OtherLeaf {
        fingerprint_sha256,
        serial: hex(leaf.raw_serial()),
        subject: leaf.subject().to_string(),
        not_after: Timestamp::from_second(leaf.validity().not_after.timestamp()).ok(),
    }
}
