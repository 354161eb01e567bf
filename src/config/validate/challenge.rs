//! `challenge`, of an ACME issuer or of a certificate: how control over names is shown.

use std::net::SocketAddr;

use super::daemon::address;
use super::dns01::dns01;
use crate::config::acme::{Challenge, HttpAnswer};
use crate::config::daemon::Daemon;
use crate::config::raw::{Item, Table, not_one_of};

/// What only dns-01 has, beside its providers' keys.
const DNS_KEYS: [&str; 6] = ["hook", "timeout", "provider", "resolvers", "name_servers", "propagation"];

/// `daemon` is `None` where it is faulty.
pub(super) fn challenge(item: &Item<'_>, daemon: Option<&Daemon>) -> Option<Challenge> {
    item.table(|t| match t.required("kind", "\"http-01\"", Item::text) {
        Some("http-01") => http01(t, daemon).map(Challenge::Http01),
        Some("tls-alpn-01") => tls_alpn01(t, daemon),
        Some("dns-01") => dns01(t).map(Challenge::Dns01),
        other => {
            // Which keys are right depends on the kind.
            t.ignore_rest();
            t.fault("kind", not_one_of(other?, &["http-01", "tls-alpn-01", "dns-01"]))
        }
    })
}

fn http01(t: &mut Table<'_>, daemon: Option<&Daemon>) -> Option<HttpAnswer> {
    let listen = t.optional("listen", address);
    let webroot = t.optional("webroot", Item::path);
    t.misplaced(&DNS_KEYS, "belongs to kind = \"dns-01\"");
    match (listen?, webroot?) {
        (Some(_), Some(_)) => {
            t.fault("webroot", "stands beside listen; either a web server answers, or Keyturn does")
        }
        (None, Some(webroot)) => Some(HttpAnswer::Webroot(webroot)),
        (Some(listen), None) => Some(HttpAnswer::Listen(listen)),
        (None, None) => daemon.map(|daemon| HttpAnswer::Listen(daemon.public_address())),
    }
}

fn tls_alpn01(t: &mut Table<'_>, daemon: Option<&Daemon>) -> Option<Challenge> {
    let listen = t.or("listen", SocketAddr::from(([0, 0, 0, 0], 443)), address);
    t.misplaced(&["webroot"], "belongs to kind = \"http-01\"");
    t.misplaced(&DNS_KEYS, "belongs to kind = \"dns-01\"");
    let listen = listen?;
    if daemon.is_some_and(|daemon| daemon.listen() == listen || daemon.public_listen() == Some(listen)) {
        return t.fault("listen", "is where the daemon speaks HTTP; write another port");
    }
    Some(Challenge::TlsAlpn01 { listen })
}
