//! Under which names the pages for people are served.
//!
//! A web page elsewhere can have its own name lead to this machine's loopback address, and then read what is served here through
//! the browser of whoever looks at it (DNS rebinding). It cannot have the browser say another name than its own.

use std::collections::BTreeSet;
use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

/// The names that are ours.
#[derive(Debug, Clone, Default)]
pub struct Hosts(BTreeSet<String>);

impl Hosts {
    /// These, in lower case, beside addresses and the names that nobody elsewhere can have.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().collect())
    }

    /// Whether a request for this authority (RFC 9110 §7.2) is for us. Names without a dot are of this network: no registry
    /// gives them to anybody.
    fn has(&self, authority: &str) -> bool {
        let name = host_of(authority).trim_end_matches('.').to_ascii_lowercase();
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        is_address || !name.contains('.') || name.ends_with(".localhost") || self.0.contains(&name)
    }
}

/// Without the port.
fn host_of(authority: &str) -> &str {
    let Some((host, port)) = authority.rsplit_once(':') else { return authority };
    if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { authority }
}

/// Refuses what was not asked of us.
pub(super) async fn only_ours(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let asked = request.headers().get(header::HOST);
    if asked.is_none_or(|host| host.to_str().is_ok_and(|host| hosts.has(host))) {
        return next.run(request).await;
    }
    let why = "this page is served under this machine's addresses, names without a dot, and those in daemon.hosts\n";
    (StatusCode::MISDIRECTED_REQUEST, why).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_local_names_and_those_that_are_configured() {
        let hosts = Hosts::new(["keys.example.org".to_owned()]);
        for ours in [
            "127.0.0.1:9780",
            "10.1.2.3",
            "[::1]:9780",
            "[fe80::1]",
            "localhost:9780",
            "LOCALHOST",
            "keyturn.localhost",
            "keyturn",
            "manager1:9780",
            "keys.example.org:9780",
            "Keys.Example.org.",
        ] {
            assert!(hosts.has(ours), "{ours}");
        }
        for foreign in [
            "evil.example",
            "evil.example:9780",
            "127.0.0.1.evil.example",
            "keys.example.org.evil.example",
            "localhost.evil.example",
            "evil-localhost.example",
            "127.0.0.1:9780.evil.example",
        ] {
            assert!(!hosts.has(foreign), "{foreign}");
        }
    }
}
