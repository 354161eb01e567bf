//! What an ACME CA asks of a certificate: names that control can be shown over, and nothing that no such CA gives.

use std::net::IpAddr;

use super::named::Named;
use super::names::a_labels;
use crate::config::acme::{AcmeIssuer, Challenge, Dns01, DnsPublisher};
use crate::config::dns_providers::dns_provider;
use crate::config::raw::Table;
use crate::config::words::quoted;
use crate::model::{KeyAlgorithm, Usage};

/// What is ordered; what is faulty itself is left out.
pub(super) struct Wish<'a> {
    /// The certificate's own; the outer `None`: faulty.
    pub(super) challenge: Option<Option<&'a Challenge>>,
    pub(super) dns_names: &'a [String],
    pub(super) ip_addresses: &'a [IpAddr],
    pub(super) usages: &'a [Usage],
    pub(super) algorithm: Option<KeyAlgorithm>,
}

/// Notes what stands in the way of an order.
pub(super) fn check(t: &Table<'_>, named: &Named<'_>, wish: &Wish<'_>) {
    if named.no_acme() {
        if wish.challenge.flatten().is_some() {
            t.fault::<()>("challenge", "is for ACME, and none of the issuers is of that kind; take this out");
        }
        return;
    }
    check_proofs(t, named, wish);
    if !named.acme.is_empty() && wish.usages.contains(&Usage::ClientAuth) {
        t.fault::<()>(
            "usages",
            "client-auth is no longer given by public CAs (Let's Encrypt stopped in July 2026); take it out, or name an \
             internal CA alone",
        );
    }
    for issuer in &named.acme {
        check_key(t, issuer, wish);
        if issuer.is_lets_encrypt() {
            check_lets_encrypt(t, issuer, wish);
        }
    }
}

/// How control is shown to one issuer, and who says so.
struct Proof<'a> {
    challenge: &'a Challenge,
    said_by: String,
}

fn check_proofs(t: &Table<'_>, named: &Named<'_>, wish: &Wish<'_>) {
    let Some(own) = wish.challenge else { return };
    if let Some(challenge) = own {
        return check_proof(t, &Proof { challenge, said_by: "challenge here".to_owned() }, wish);
    }
    for issuer in &named.acme {
        match issuer.challenge() {
            Some(challenge) => {
                let said_by = format!("issuers.{}.challenge", issuer.name());
                check_proof(t, &Proof { challenge, said_by }, wish);
            }
            None => miss_challenge(t, issuer, wish),
        }
    }
}

fn miss_challenge(t: &Table<'_>, issuer: &AcmeIssuer, wish: &Wish<'_>) {
    let example = match wish.dns_names.iter().any(is_wildcard) {
        true => "challenge = { kind = \"dns-01\", hook = \"PROGRAM\" }",
        false => "challenge = { kind = \"http-01\" }",
    };
    t.fault::<()>(
        "challenge",
        format!("is missing, and issuers.{} has none either; write {example} here or there", issuer.name()),
    );
}

/// A wildcard is shown by dns-01 only, an IP address by anything but that (RFC 8738 §7).
fn check_proof(t: &Table<'_>, proof: &Proof<'_>, wish: &Wish<'_>) {
    let (kind, said_by) = (proof.challenge.name(), &proof.said_by);
    let by_dns = matches!(proof.challenge, Challenge::Dns01(_));
    let wildcard = wish.dns_names.iter().find(|name| is_wildcard(name));
    if let Some(name) = wildcard.filter(|_| !by_dns) {
        t.fault::<()>(
            "dns_names",
            format!(
                "control over {} is shown by dns-01 only, and {said_by} is {kind}; write \
                 challenge = {{ kind = \"dns-01\", … }}",
                quoted(name)
            ),
        );
    }
    if let Challenge::Dns01(dns01) = proof.challenge {
        check_values(t, dns01, wish);
    }
    if let Some(address) = wish.ip_addresses.first().filter(|_| by_dns) {
        let way_out = match wildcard {
            Some(_) => "give it a certificate of its own, without a wildcard",
            None => "write challenge = { kind = \"http-01\" }, or give it a certificate of its own",
        };
        t.fault::<()>(
            "ip_addresses",
            format!("control over {address} is shown by http-01 or tls-alpn-01 only, and {said_by} is {kind}; {way_out}"),
        );
    }
}

/// A name and its wildcard have two values at one name, and not every provider can have that.
fn check_values(t: &Table<'_>, dns01: &Dns01, wish: &Wish<'_>) {
    let DnsPublisher::Provider { name: provider, .. } = dns01.publisher() else { return };
    if !dns_provider(provider).is_some_and(|spec| spec.keeps_one) {
        return;
    }
    let bases = wish.dns_names.iter().filter_map(|name| name.strip_prefix("*."));
    if let Some(base) = bases.into_iter().find(|base| wish.dns_names.iter().any(|name| name == base)) {
        t.fault::<()>(
            "dns_names",
            format!(
                "{} and its wildcard need two values at one name, and {provider} keeps one; write two certificates",
                quoted(base)
            ),
        );
    }
}

fn is_wildcard(name: impl AsRef<str>) -> bool {
    name.as_ref().starts_with("*.")
}

/// The names of a CSR are those of its order (RFC 8555 §7.4), the common name among them.
pub(super) fn common_name(t: &Table<'_>, common_name: &str, dns_names: &[String]) -> Option<String> {
    let name = a_labels(common_name);
    if dns_names.contains(&name) {
        return Some(name);
    }
    t.fault(
        "common_name",
        format!(
            "{} must be one of dns_names for an ACME CA; add it there, or leave it out",
            quoted(common_name)
        ),
    )
}

/// Ed25519 is not among the keys of public certificates (CA/Browser Forum BR §6.1.5); a private CA may take it.
fn check_key(t: &Table<'_>, issuer: &AcmeIssuer, wish: &Wish<'_>) {
    if wish.algorithm != Some(KeyAlgorithm::Ed25519) {
        return;
    }
    if issuer.is_lets_encrypt() {
        t.fault::<()>("private_key", "no public CA certifies ed25519 keys; write algorithm = \"ecdsa-p256\"");
    } else {
        let message =
            format!("ed25519 is refused by public CAs; issuers.{} must be one that takes it", issuer.name());
        t.warning("private_key", message);
    }
}

fn check_lets_encrypt(t: &Table<'_>, issuer: &AcmeIssuer, wish: &Wish<'_>) {
    let private = |name: &&String| !name.contains('.') || name.contains('_');
    for name in wish.dns_names.iter().filter(private) {
        let message = format!("{} is no public name, and Let's Encrypt certifies no others", quoted(name));
        t.fault::<()>("dns_names", message);
    }
    if !wish.ip_addresses.is_empty() && issuer.profile() != Some("shortlived") {
        t.warning(
            "ip_addresses",
            format!(
                "Let's Encrypt certifies addresses by one profile only; write issuers.{}.profile = \"shortlived\"",
                issuer.name()
            ),
        );
    }
}
