//! `verify`: what proves that the new revision is the one served.

use hyper::Uri;

use super::names::{host_fault, host_name};
use super::targets::About;
use crate::config::raw::{Item, Table, not_yet};
use crate::config::target::{Endpoint, Verify};
use crate::config::words::quoted;
use crate::model::AssetKind;

pub(super) fn verify(item: &Item<'_>, about: &About) -> Option<Verify> {
    match about.asset.kind {
        AssetKind::Certificate => item.table(|t| handshake(t, about)),
        AssetKind::JwtKey => item.table(jwks),
        AssetKind::DhParams | AssetKind::Ca => {
            item.fault("nothing can be asked for its DH parameters; take this out, convergence is the proof")
        }
    }
}

fn handshake(t: &mut Table<'_>, about: &About) -> Option<Verify> {
    t.not_yet(&["via"], "verifying from inside the service's networks comes");
    t.misplaced(&["url"], "belongs to JWT keys; a certificate is verified by connect = [\"HOST:PORT\"]");
    let connect = t.required("connect", "[\"127.0.0.1:443\"]", endpoints);
    let server_name = t.optional("server_name", |item| server_name(item, about));
    let usual = about.names.iter().find(|name| !name.starts_with("*.")).cloned();
    Some(Verify::Handshake { connect: connect?, server_name: server_name?.or(usual) })
}

fn endpoints(item: &Item<'_>) -> Option<Vec<Endpoint>> {
    let endpoints = item.distinct(endpoint)?;
    if endpoints.is_empty() {
        return item.fault("is empty; write at least one \"HOST:PORT\"");
    }
    Some(endpoints)
}

fn endpoint(item: &Item<'_>) -> Option<Endpoint> {
    let text = item.line()?;
    if text.starts_with("tasks:") {
        return item.fault(not_yet("connecting to each task comes") + ", or write HOST:PORT");
    }
    split(text).or_else(|| {
        item.fault(format!("{} is not HOST:PORT, such as 127.0.0.1:443 or [::1]:443", quoted(text)))
    })
}

fn split(text: &str) -> Option<Endpoint> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse::<u16>().ok())??;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            host.parse::<std::net::Ipv4Addr>().is_ok() || host_fault(&host.to_ascii_lowercase()).is_none()
        }
    };
    (good && port != 0).then(|| Endpoint { host: bare.unwrap_or(host).to_ascii_lowercase(), port })
}

/// The name that is sent and checked.
fn server_name(item: &Item<'_>, about: &About) -> Option<String> {
    let name = host_name(item)?;
    let covers = |pattern: &String| match pattern.strip_prefix("*.") {
        Some(base) => name.split_once('.').is_some_and(|(_, rest)| rest == base),
        None => *pattern == name,
    };
    if !about.names.is_empty() && !about.names.iter().any(covers) {
        item.warning(format!("{} is none of the certificate's dns_names", quoted(&name)));
    }
    Some(name)
}

fn jwks(t: &mut Table<'_>) -> Option<Verify> {
    t.not_yet(&["via"], "verifying from inside the service's networks comes");
    t.misplaced(
        &["connect", "server_name"],
        "belongs to certificates; a JWT key is verified by url = \"http://…\"",
    );
    let url = t.required("url", "\"http://127.0.0.1:8080/.well-known/jwks.json\"", url)?;
    Some(Verify::Jwks { url })
}

fn url(item: &Item<'_>) -> Option<Uri> {
    let text = item.line()?;
    if text.starts_with("https://") {
        return item.fault(
            "not yet: https comes with a later version; write the http:// address of the service itself",
        );
    }
    let uri = text.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("http"));
    let authority = uri.as_ref().and_then(Uri::authority);
    match (&uri, authority) {
        (_, Some(authority)) if authority.as_str().contains('@') => {
            item.fault("has a user in it; secrets are never values here")
        }
        (Some(uri), Some(authority)) if !authority.host().is_empty() && authority.port_u16() != Some(0) => {
            Some(uri.clone())
        }
        _ => item.fault(format!("{} is not an http:// address", quoted(text))),
    }
}
