//! What a server offers to who knocks: which versions, suites and groups, and what it sends along.
//!
//! Up to TLS 1.2 each question is a ClientHello of our own, of which only the first answer is read: rustls knows neither
//! old versions nor weak suites, and that is what is looked for. TLS 1.3, the chain, the staple and HTTP are seen in
//! whole handshakes by rustls. It changes nothing, and takes some thirty short connections.

mod hello;
mod reply;
mod suites;
mod talk;
mod ticket;

use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{HANDSHAKE_TIMEOUT, VerifyError, handshake};
use crate::model::{TlsOffer, TlsVersion};
use reply::{Accepted, Reply};
use talk::Talk;

/// What `endpoint` (`host:port`) offers under `server_name`, or under its host.
///
/// # Errors
///
/// When it cannot be reached, or does not speak TLS of any kind.
pub async fn look(endpoint: &str, server_name: Option<&str>) -> Result<TlsOffer, VerifyError> {
    let name = handshake::name_for(endpoint, server_name)?;
    let fault = |reason| unreachable(endpoint, reason);
    let knock = Knock { endpoint, name: &name, timeout: HANDSHAKE_TIMEOUT };
    let mut versions = Vec::new();
    let all: Vec<u16> = suites::SUITES.iter().map(|suite| suite.id).collect();
    for version in [TlsVersion::Ssl3, TlsVersion::Tls10, TlsVersion::Tls11] {
        let accepted = knock.once(version, &all).await.map_err(fault)?;
        if accepted.is_some_and(|accepted| accepted.version == hello::on_the_wire(version)) {
            versions.push(version);
        }
    }
    let old = knock.all_suites(all).await.map_err(fault)?;
    versions.extend((!old.is_empty()).then_some(TlsVersion::Tls12));
    let newest = talk::talk(endpoint, &name, TlsVersion::Tls13).await;
    versions.extend(newest.is_ok().then_some(TlsVersion::Tls13));
    let talk = match newest {
        Ok(talk) => talk,
        Err(_) if old.is_empty() && !versions.is_empty() => Talk::default(),
        Err(_) => talk::talk(endpoint, &name, TlsVersion::Tls12).await.unwrap_or_default(),
    };
    if versions.is_empty() {
        return Err(fault("it accepts no version of TLS that was offered".to_owned()));
    }
    let tickets = (!old.is_empty()).then(|| old.iter().any(|accepted| accepted.ticket));
    let ticket_lifetime = match tickets {
        Some(true) => ticket::lifetime(endpoint, &name).await,
        _ => None,
    };
    Ok(TlsOffer {
        versions,
        suites: old.iter().map(|accepted| accepted.suite).collect(),
        dh: old.iter().find_map(|accepted| accepted.dh.clone()),
        tickets,
        ticket_lifetime,
        chain: talk.chain,
        stapled: talk.stapled,
        http: talk.http,
    })
}

fn unreachable(endpoint: &str, reason: String) -> VerifyError {
    let faults = vec![super::Fault::Unreachable { endpoint: endpoint.to_owned(), reason }];
    VerifyError::Handshakes { proven: 0, of: 1, faults }
}

/// One who asks, and goes away before the handshake is over.
struct Knock<'k> {
    endpoint: &'k str,
    name: &'k ServerName<'static>,
    timeout: Duration,
}

impl Knock<'_> {
    /// Every suite that is accepted with TLS 1.2: the one that was chosen is left out of the next question.
    async fn all_suites(&self, mut offered: Vec<u16>) -> Result<Vec<Accepted>, String> {
        let mut found = Vec::new();
        while !offered.is_empty() {
            let Some(accepted) = self.once(TlsVersion::Tls12, &offered).await? else { break };
            if accepted.version != hello::on_the_wire(TlsVersion::Tls12) {
                break;
            }
            let before = offered.len();
            offered.retain(|id| *id != accepted.suite.id);
            found.push(accepted);
            if offered.len() == before {
                return Err("it answers with a cipher suite that was not offered".to_owned());
            }
        }
        Ok(found)
    }

    /// What comes back to one ClientHello; `None`: it was refused.
    async fn once(&self, version: TlsVersion, suites: &[u16]) -> Result<Option<Accepted>, String> {
        let hello = hello::client_hello(version, suites, self.name);
        let asked = tokio::time::timeout(self.timeout, self.exchange(&hello)).await;
        match asked.map_err(|_| format!("no answer within {} s", self.timeout.as_secs_f32()))?? {
            Reply::Refused => Ok(None),
            Reply::Accepted(accepted) => Ok(Some(accepted)),
        }
    }

    async fn exchange(&self, hello: &[u8]) -> Result<Reply, String> {
        let connected = TcpStream::connect(self.endpoint).await;
        let mut tcp = connected.map_err(|error| format!("cannot connect: {error}"))?;
        // Who hangs up instead of answering refuses as well.
        if tcp.write_all(hello).await.is_err() {
            return Ok(Reply::Refused);
        }
        let mut bytes = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let count = tcp.read(&mut piece).await.unwrap_or(0);
            if count == 0 {
                return Ok(Reply::Refused);
            }
            bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
            if let Some(reply) = reply::read(&bytes).map_err(|error| error.to_string())? {
                return Ok(reply);
            }
            if bytes.len() > reply::LONGEST {
                return Err("its first answer has no end".to_owned());
            }
        }
    }
}
