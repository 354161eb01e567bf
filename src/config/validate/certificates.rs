//! `[certificates.*]`.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::names::{common_name, dns_name, host_fault, ip_address};
use super::targets::{About, targets};
use super::{Read, SHORTEST_LIFETIME};
use crate::config::certificate::{Certificate, KeyRotation};
use crate::config::duration::{RenewBefore, duration_text};
use crate::config::issuer::InternalCa;
use crate::config::raw::{Item, Table, not_one_of, not_yet};
use crate::config::words::quoted;
use crate::model::{AssetId, AssetKind, KeyAlgorithm, Usage};

/// The issuers by name; `None`: there, and faulty.
pub(super) type Issuers = Read<InternalCa>;

pub(super) fn certificate(name: &str, item: &Item<'_>, issuers: &Issuers) -> Option<Certificate> {
    item.table(|t| read(name, t, issuers))
}

fn read(name: &str, t: &mut Table<'_>, issuers: &Issuers) -> Option<Certificate> {
    let issuer = issuer(t, issuers);
    let common_name = t.optional("common_name", common_name);
    let dns_names = t.or("dns_names", Vec::new(), |item| item.distinct(dns_name));
    let ip_addresses = t.or("ip_addresses", Vec::new(), |item| item.distinct(ip_address));
    let usages = t.or("usages", vec![Usage::ServerAuth], usages);
    let key = t.or("private_key", (KeyAlgorithm::EcdsaP256, KeyRotation::Always), private_key);
    let duration =
        t.or("duration", SignedDuration::from_hours(24 * 90), |item| item.duration(SHORTEST_LIFETIME));
    let third = RenewBefore::Share { numerator: 1, denominator: 3 };
    let renew_before = t.or("renew_before", third, renew_before);
    t.not_yet(&["challenge"], "ACME challenges come");
    let about = About {
        asset: AssetId::new(AssetKind::Certificate, name),
        rsa: key.is_none_or(|(algorithm, _)| algorithm.rsa_bits().is_some()),
        names: dns_names.clone().unwrap_or_default(),
    };
    let targets = targets(t, &about);

    let (key_algorithm, key_rotation) = key?;
    let certificate = Certificate {
        name: name.to_owned(),
        issuer: issuer?,
        common_name: common_name?,
        dns_names: dns_names?,
        ip_addresses: ip_addresses?,
        usages: usages?,
        key_algorithm,
        key_rotation,
        duration: duration?,
        renew_before: renew_before?,
        targets: targets?,
    };
    check_names(t, &certificate);
    check_lifetimes(t, &certificate, issuers);
    check_constraints(t, &certificate, issuers);
    Some(certificate)
}

/// The one issuer; it may be left unsaid where there is only one.
fn issuer(t: &mut Table<'_>, issuers: &Issuers) -> Option<String> {
    let Some(item) = t.item("issuers") else {
        let mut names = issuers.keys();
        return match (names.next(), names.next()) {
            (Some(only), None) => Some(only.clone()),
            (None, _) => t.fault(
                "issuers",
                "is missing, and there is no issuer; add [issuers.NAME] with kind = \"internal\"",
            ),
            (Some(first), Some(_)) => t.fault(
                "issuers",
                format!("is missing, and there are several issuers; write issuers = [{first:?}]"),
            ),
        };
    };
    let mut named = item.distinct(|item| known_issuer(item, issuers))?;
    match named.len() {
        0 => item.fault("is empty; name an issuer"),
        1 => named.pop(),
        _ => item.fault(not_yet("a second issuer to fall back on comes") + ", and name one"),
    }
}

fn known_issuer(item: &Item<'_>, issuers: &BTreeMap<String, Option<InternalCa>>) -> Option<String> {
    let name = item.text()?;
    if issuers.contains_key(name) {
        return Some(name.to_owned());
    }
    if item.cx.findings.is_full() {
        return item.fault("unknown issuer");
    }
    let known: Vec<&str> = issuers.keys().map(String::as_str).collect();
    item.fault(format!("no such issuer: {}", not_one_of(name, &known)))
}

fn usages(item: &Item<'_>) -> Option<Vec<Usage>> {
    let usages = item.distinct(|item| item.choice(&Usage::ALL, Usage::name))?;
    if usages.is_empty() {
        return item.fault("is empty; write \"server-auth\", \"client-auth\" or both");
    }
    Some(usages)
}

fn private_key(item: &Item<'_>) -> Option<(KeyAlgorithm, KeyRotation)> {
    item.table(|t| {
        let algorithm = t.or("algorithm", KeyAlgorithm::EcdsaP256, |item| {
            item.choice(&KeyAlgorithm::ALL, KeyAlgorithm::name)
        });
        let rotation = t.or("rotation", KeyRotation::Always, |item| {
            item.choice(&[KeyRotation::Always, KeyRotation::Never], |rotation| match rotation {
                KeyRotation::Always => "always",
                KeyRotation::Never => "never",
            })
        });
        Some((algorithm?, rotation?))
    })
}

fn renew_before(item: &Item<'_>) -> Option<RenewBefore> {
    match RenewBefore::parse(item.text()?) {
        Ok(RenewBefore::Fixed(time)) if time.is_zero() => {
            item.fault("must be more than nothing: a certificate is renewed before its end")
        }
        Ok(renew_before) => Some(renew_before),
        Err(message) => item.fault(message),
    }
}

/// A server is known by its SANs; a client may have just a common name.
fn check_names(t: &Table<'_>, certificate: &Certificate) {
    let has_san = !certificate.dns_names.is_empty() || !certificate.ip_addresses.is_empty();
    let is_server = certificate.usages.contains(&Usage::ServerAuth);
    match &certificate.common_name {
        None if !has_san => {
            t.fault::<()>(
                "dns_names",
                "a certificate needs a name: write dns_names, ip_addresses or common_name",
            );
        }
        Some(_) if !has_san && is_server => {
            t.fault::<()>(
                "dns_names",
                "a server certificate needs dns_names or ip_addresses: TLS clients do not read the common name",
            );
        }
        Some(name) if is_server && host_fault(name).is_none() && !is_named(name, certificate) => {
            t.warning(
                "common_name",
                format!("{} is not in dns_names, so no TLS client accepts it", quoted(name)),
            );
        }
        _ => {}
    }
}

fn is_named(common_name: &str, certificate: &Certificate) -> bool {
    certificate.dns_names.iter().any(|name| name.eq_ignore_ascii_case(common_name))
}

/// The lifetime must fit into the issuer's, and the renewal into the lifetime.
fn check_lifetimes(t: &Table<'_>, certificate: &Certificate, issuers: &Issuers) {
    let duration = certificate.duration;
    if let Some(Some(ca)) = issuers.get(&certificate.issuer)
        && duration >= ca.intermediate_lifetime()
    {
        t.fault::<()>(
            "duration",
            format!(
                "must be shorter than intermediate_lifetime {} of issuers.{} (it is {})",
                duration_text(ca.intermediate_lifetime()),
                ca.name(),
                duration_text(duration)
            ),
        );
    }
    let early = certificate.renew_before.of(duration);
    if early >= duration {
        t.fault::<()>(
            "renew_before",
            format!(
                "must be shorter than the lifetime {} (it is {}); write e.g. \"30d\" or \"1/3\"",
                duration_text(duration),
                duration_text(early)
            ),
        );
    }
}

/// A CA whose name constraints exclude a name cannot sign for it: verifiers would refuse the leaf.
fn check_constraints(t: &Table<'_>, certificate: &Certificate, issuers: &Issuers) {
    let Some(Some(ca)) = issuers.get(&certificate.issuer) else { return };
    let outside = |name: &str| {
        format!(
            "{} lies outside of what issuers.{} may sign for (name_constraints.permitted_dns: {})",
            quoted(name),
            ca.name(),
            ca.permitted_dns().join(", ")
        )
    };
    for name in certificate.dns_names.iter().filter(|name| !ca.permits(name)) {
        t.fault::<()>("dns_names", outside(name));
    }
    // OpenSSL holds a common name that looks like a DNS name to the constraints, where there is no dNSName.
    if let Some(name) = &certificate.common_name
        && certificate.dns_names.is_empty()
        && name.contains('.')
        && host_fault(name).is_none()
        && !ca.permits(&name.to_ascii_lowercase())
    {
        t.fault::<()>("common_name", outside(name));
    }
}
