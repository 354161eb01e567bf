//! tls-alpn-01 (RFC 8737): a handshake that only a CA asks for, with a certificate that only it understands.

mod certificate;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::listener::{Limits, Listener, Place, Speaker};
use super::registry::{Entry, Registry};
use super::{Proof, SolveError, Solver, Subject};
use crate::clock::{Clock, Entropy};

/// The protocol's name (RFC 8737 §6.2).
const ACME_TLS: &[u8] = b"acme-tls/1";

const WHEN_TAKEN: &str = "the CA comes to port 443, where mostly a TLS server is already: take http-01 or dns-01, or listen on \
     another port and have a proxy in front send connections with the ALPN protocol acme-tls/1 there, TLS untouched";

/// Shows proofs by TLS.
///
/// All orders of the process that use its address must share one solver. Every `present` counts, and wants its own
/// `clean_up`. A name has one proof at a time: an order whose name another order is showing waits for it.
pub struct TlsAlpnSolver {
    listener: Listener<Arc<CertifiedKey>>,
    entropy: Entropy,
    clock: Arc<dyn Clock>,
}

impl TlsAlpnSolver {
    /// Answers at `address` while there is something to show. The CA comes to port 443.
    ///
    /// # Errors
    ///
    /// When the TLS library cannot be set up.
    pub fn new(address: SocketAddr, entropy: Entropy, clock: Arc<dyn Clock>) -> Result<Self, SolveError> {
        Self::limited(address, entropy, clock, Limits::USUAL)
    }

    fn limited(
        address: SocketAddr,
        entropy: Entropy,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Result<Self, SolveError> {
        let place = Place { challenge: "tls-alpn-01", address, when_taken: WHEN_TAKEN };
        let registry = Arc::new(Registry::default());
        let config = server(Arc::clone(&registry)).map_err(|error| SolveError(error.to_string()))?;
        let handshakes = Arc::new(Handshakes(TlsAcceptor::from(Arc::new(config))));
        let listener = Listener::new(place, limits, registry, handshakes, Arc::clone(&clock));
        Ok(Self { listener, entropy, clock })
    }

    fn entry(&self, proof: &Proof) -> Result<Entry<Arc<CertifiedKey>>, SolveError> {
        let made = certificate::make(proof, &self.entropy, self.clock.now()).map_err(|error| {
            SolveError(format!(
                "could not make the certificate that shows control of {}: {error}",
                proof.subject
            ))
        })?;
        let key_authorization = proof.key_authorization.clone();
        Ok(Entry { key: server_name(&proof.subject), key_authorization, answer: Arc::new(made) })
    }
}

#[async_trait]
impl Solver for TlsAlpnSolver {
    fn challenge(&self) -> &'static str {
        self.listener.challenge()
    }

    fn outlasts_us(&self) -> bool {
        false
    }

    async fn present(&self, proofs: &[Proof]) -> Result<(), SolveError> {
        let entries = proofs.iter().map(|proof| self.entry(proof)).collect::<Result<Vec<_>, _>>()?;
        self.listener.show(&entries).await
    }

    async fn clean_up(&self, proofs: &[Proof]) -> Result<(), SolveError> {
        self.listener.hide(proofs.iter().map(|proof| (server_name(&proof.subject), proof))).await
    }
}

/// What the CA asks for by SNI; of an address it is the name of its PTR record (RFC 8738 §6).
fn server_name(subject: &Subject) -> String {
    match subject {
        Subject::Dns(name) => name.to_ascii_lowercase(),
        Subject::Ip(IpAddr::V4(ip)) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Subject::Ip(IpAddr::V6(ip)) => {
            let nibbles =
                ip.octets().into_iter().rev().map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4));
            nibbles.collect::<String>() + "ip6.arpa"
        }
    }
}

fn server(registry: Arc<Registry<Arc<CertifiedKey>>>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Names(registry)));
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    // A handshake that takes up an older one would show no certificate.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Who is asked for decides; without a certificate rustls refuses by an alert.
struct Names(Arc<Registry<Arc<CertifiedKey>>>);

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls refuses other protocols by itself, but would do without any.
        hello.alpn().is_some().then_some(())?;
        self.0.get(&hello.server_name()?.to_ascii_lowercase())
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

struct Handshakes(TlsAcceptor);

#[async_trait]
impl Speaker for Handshakes {
    async fn speak(&self, connection: TcpStream) {
        // The handshake is all there is to say (RFC 8737 §3).
        let talk = async { self.0.accept(connection).await?.shutdown().await };
        if let Err(error) = talk.await {
            tracing::debug!("a connection for tls-alpn-01 ended early: {error}");
        }
    }
}
