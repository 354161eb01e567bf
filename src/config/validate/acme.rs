//! `[issuers.*]` with `kind = "acme"`.

use hyper::Uri;
use toml::de::DeValue;

use super::challenge::challenge;
use super::names::host_fault;
use crate::config::acme::{AcmeIssuer, Eab, is_lets_encrypt};
use crate::config::daemon::Daemon;
use crate::config::raw::{Item, Table};
use crate::config::words::quoted;
use crate::model::{Limits, Rate};

/// What only an internal CA has.
const INTERNAL_KEYS: [&str; 7] = [
    "common_name",
    "root_lifetime",
    "intermediate_lifetime",
    "trust_before",
    "root",
    "name_constraints",
    "crl",
];

/// Why must-staple is refused; a certificate with it would soon be one that nobody accepts.
pub(super) const NO_STAPLING: &str = "no public CA answers OCSP any more (Let's Encrypt stopped in August 2025), so a \
    certificate that asks for stapled answers would be refused by browsers; take this out";

/// How an email address in `eab` and the like is written wrongly most often: the secret itself.
const EAB_VALUES: [&str; 3] = ["hmac", "hmac_key", "key"];

pub(super) fn acme(name: &str, t: &mut Table<'_>, daemon: Option<&Daemon>) -> Option<AcmeIssuer> {
    let server = t.required("server", "\"https://acme-v02.api.letsencrypt.org/directory\"", server);
    let email = t.optional("email", email);
    let ca_file = t.optional("ca_file", Item::path);
    let profile = t.optional("profile", profile);
    let preferred_chain = t.optional("preferred_chain", |item| item.line().map(str::to_owned));
    let eab = t.optional("eab", |item| item.table(eab));
    let challenge = t.optional("challenge", |item| challenge(item, daemon));
    let concurrency = t.or("concurrency", 8, |item| item.integer(1..=64));
    let usual = server.as_deref().filter(|server| is_lets_encrypt(server));
    let usual = usual.map_or(Limits::default(), |_| Limits::LETS_ENCRYPT);
    let limits = t.or("limits", usual, |item| limits(item, usual));
    t.misplaced(&INTERNAL_KEYS, "belongs to kind = \"internal\"");
    t.misplaced(&["must_staple"], NO_STAPLING);
    Some(AcmeIssuer {
        name: name.to_owned(),
        server: server?,
        email: email?,
        ca_file: ca_file?,
        profile: profile?,
        preferred_chain: preferred_chain?,
        eab: eab?,
        challenge: challenge?,
        concurrency: usize::try_from(concurrency?).ok()?,
        limits: limits?,
    })
}

/// The directory's URL. https only: accounts and orders are signed, but what the CA says is not (RFC 8555 §6.1).
fn server(item: &Item<'_>) -> Option<String> {
    let text = item.line()?;
    if text.starts_with("http://") {
        return item.fault("must be https://: only TLS shows that it is the CA who answers (RFC 8555 §6.1)");
    }
    let uri = text.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("https"));
    let Some(authority) = uri.as_ref().and_then(Uri::authority).filter(|_| !text.contains('#')) else {
        return item.fault(format!(
            "{} is not the address of a directory, such as https://acme-v02.api.letsencrypt.org/directory",
            quoted(text)
        ));
    };
    if authority.as_str().contains('@') {
        return item.fault("has a user in it; secrets are never values here");
    }
    if authority.host().is_empty() || authority.port_u16() == Some(0) {
        return item.fault(format!("{} names no host to connect to", quoted(text)));
    }
    Some(text.to_owned())
}

/// An address that a CA takes as a contact (RFC 8555 §7.3): one, and no more than one.
fn email(item: &Item<'_>) -> Option<String> {
    let text = item.line()?;
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    let local = |c: char| c.is_ascii_alphanumeric() || "!#$&'*+-/=^_`{|}~.".contains(c);
    let good = address.rsplit_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && user.chars().all(local) && host.contains('.') && host_fault(host).is_none()
    });
    if good {
        return Some(address.to_owned());
    }
    item.fault(format!("{} is not an email address, such as ops@example.org", quoted(address)))
}

fn profile(item: &Item<'_>) -> Option<String> {
    let text = item.line()?;
    if text.contains(char::is_whitespace) {
        return item.fault(format!(
            "{} has blanks in it; write a profile that the CA's directory lists, such as tlsserver",
            quoted(text)
        ));
    }
    Some(text.to_owned())
}

fn eab(t: &mut Table<'_>) -> Option<Eab> {
    let kid = t.required("kid", "\"kid-1\"", |item| item.line().map(str::to_owned));
    t.misplaced(&EAB_VALUES, "is a secret; write it into a file, and the file's name here: hmac_file = \"…\"");
    let hmac_file = t.required("hmac_file", "\"credential:eab\"", Item::secret_file);
    Some(Eab { kid: kid?, hmac_file: hmac_file? })
}

/// `"none"`, or those that are not as `usual`.
fn limits(item: &Item<'_>, usual: Limits) -> Option<Limits> {
    match item.value {
        DeValue::Table(_) => item.table(|t| {
            let orders = t.or("orders", usual.orders, rate);
            let per_domain = t.or("certificates_per_domain", usual.per_domain, rate);
            let per_set = t.or("certificates_per_set", usual.per_set, rate);
            let failed = t.or("failed_authorizations", usual.failed, rate);
            Some(Limits { orders: orders?, per_domain: per_domain?, per_set: per_set?, failed: failed? })
        }),
        _ if item.text()? == "none" => Some(Limits::default()),
        _ => item.fault("is not known; write \"none\", or such as { orders = \"300/3h\" }"),
    }
}

/// `300/3h`, or `none`; the outer `None` is a fault.
#[allow(clippy::option_option)]
fn rate(item: &Item<'_>) -> Option<Option<Rate>> {
    let text = item.text()?;
    if text == "none" {
        return Some(None);
    }
    let (count, window) = text.split_once('/').unwrap_or_default();
    let count = count.parse::<u32>().ok().filter(|count| *count > 0);
    let window = crate::config::duration::parse(window).ok().filter(|window| !window.is_zero());
    match (count, window) {
        (Some(count), Some(window)) => Some(Some(Rate { count, window })),
        _ => item.fault(format!(
            "{} is not a limit; write so many in so long, such as \"300/3h\", or \"none\"",
            quoted(text)
        )),
    }
}
