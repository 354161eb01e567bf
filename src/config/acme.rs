//! `[issuers.*]` with `kind = "acme"`, and how control over names is shown to them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hyper::Uri;
use jiff::SignedDuration;

use super::target::Command;
use crate::model::Limits;

/// `[issuers.NAME]` with `kind = "acme"`: a CA that speaks RFC 8555.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeIssuer {
    pub(super) name: String,
    pub(super) server: String,
    pub(super) email: Option<String>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) profile: Option<String>,
    pub(super) preferred_chain: Option<String>,
    pub(super) eab: Option<Eab>,
    pub(super) challenge: Option<Challenge>,
    pub(super) concurrency: usize,
    pub(super) limits: Limits,
}

impl AcmeIssuer {
    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The directory's URL (RFC 8555 §7.1.1), https.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Whether it is Let's Encrypt, whose limits and rules are known.
    pub fn is_lets_encrypt(&self) -> bool {
        is_lets_encrypt(&self.server)
    }

    /// Whom the CA may write to; without `mailto:`.
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// Roots that are trusted for the directory's own TLS, beside the machine's; PEM.
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// The profile to order by, where the CA has profiles.
    pub fn profile(&self) -> Option<&str> {
        self.profile.as_deref()
    }

    /// The common name of the topmost issuer of the chain to take, where the CA offers several (RFC 8555 §7.4.2).
    pub fn preferred_chain(&self) -> Option<&str> {
        self.preferred_chain.as_deref()
    }

    /// External account binding (RFC 8555 §7.3.4).
    pub fn eab(&self) -> Option<&Eab> {
        self.eab.as_ref()
    }

    /// How control is shown, where a certificate does not say otherwise.
    pub fn challenge(&self) -> Option<&Challenge> {
        self.challenge.as_ref()
    }

    /// How many orders are worked on at once.
    pub fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// What it allows.
    pub fn limits(&self) -> Limits {
        self.limits
    }
}

/// Whether the directory at `server` is Let's Encrypt's: the live one or the one to try things with.
pub(super) fn is_lets_encrypt(server: &str) -> bool {
    let uri = server.parse::<Uri>().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    host.to_ascii_lowercase().ends_with(".api.letsencrypt.org")
}

/// External account binding: who the CA knows us as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eab {
    pub(super) kid: String,
    pub(super) hmac_file: PathBuf,
}

impl Eab {
    /// The key's name at the CA.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The file with the MAC key, base64url as CAs hand it out.
    pub fn hmac_file(&self) -> &Path {
        &self.hmac_file
    }
}

/// How control over a name is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// http-01 (RFC 8555 §8.3).
    Http01(HttpAnswer),
    /// tls-alpn-01 (RFC 8737): answered on an own listener.
    TlsAlpn01 {
        /// Where; the CA comes to port 443.
        listen: SocketAddr,
    },
    /// dns-01 (RFC 8555 §8.4).
    Dns01(Dns01),
}

impl Challenge {
    /// As the standard names it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Http01(_) => "http-01",
            Self::TlsAlpn01 { .. } => "tls-alpn-01",
            Self::Dns01(_) => "dns-01",
        }
    }
}

/// Who answers http-01.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpAnswer {
    /// An own listener: `listen` of the challenge, or `daemon.public_listen` for a web server to proxy to.
    Listen(SocketAddr),
    /// A web server that serves this folder: files go to `.well-known/acme-challenge` in it.
    Webroot(PathBuf),
}

/// How dns-01 is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns01 {
    pub(super) publisher: DnsPublisher,
    pub(super) resolvers: Vec<SocketAddr>,
    pub(super) name_servers: Vec<SocketAddr>,
    pub(super) propagation: SignedDuration,
}

impl Dns01 {
    /// Who writes the record.
    pub fn publisher(&self) -> &DnsPublisher {
        &self.publisher
    }

    /// The recursive name servers that say which ones are the zone's own; empty: the machine's.
    pub fn resolvers(&self) -> &[SocketAddr] {
        &self.resolvers
    }

    /// The zone's own name servers, where they cannot be found by asking (split horizon, other ports); empty: they are found.
    pub fn name_servers(&self) -> &[SocketAddr] {
        &self.name_servers
    }

    /// How long the zone's own name servers may take to show the record; zero: they are not asked.
    pub fn propagation(&self) -> SignedDuration {
        self.propagation
    }
}

/// Who writes the record of dns-01.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsPublisher {
    /// A program, called `COMMAND present|cleanup FQDN VALUE`.
    Hook(Command),
    /// A DNS provider's interface, RFC 2136 among them.
    Provider {
        /// As the documentation lists it: `cloudflare`, `rfc2136`, `acme-dns`, ….
        name: String,
        /// Its keys in the configuration that are no secrets.
        settings: BTreeMap<String, String>,
        /// Its secrets: the key without `_file`, and the file.
        secrets: BTreeMap<String, PathBuf>,
    },
}
