//! `[certificates.*]`.

use jiff::SignedDuration;

use super::SHORTEST_LIFETIME;
use super::challenge::challenge;
use super::issuers::Issuers;
use super::named::Named;
use super::names::{common_name, dns_name, host_fault, ip_address};
use super::targets::{About, targets};
use crate::config::certificate::{Certificate, KeyRotation};
use crate::config::daemon::Daemon;
use crate::config::duration::{RenewBefore, duration_text};
use crate::config::issuer::InternalCa;
use crate::config::raw::{Item, Table};
use crate::config::words::quoted;
use crate::model::{AssetId, AssetKind, KeyAlgorithm, Usage};

/// What the names of a certificate may take in DER, in bytes: in PEM, with its chain and its key, it is then still one
/// record of the state (64 KiB), and far from what a Docker secret holds (511,999 bytes).
const MOST_NAMES: usize = 40_000;

/// `daemon` is `None` where it is faulty.
pub(super) fn certificate(
    name: &str,
    item: &Item<'_>,
    issuers: &Issuers,
    daemon: Option<&Daemon>,
) -> Option<Certificate> {
    item.table(|t| read(name, t, issuers, daemon))
}

fn read(name: &str, t: &mut Table<'_>, issuers: &Issuers, daemon: Option<&Daemon>) -> Option<Certificate> {
    let issuers = Named::read(t, issuers);
    let ca = issuers.as_ref().and_then(|named| named.internal);
    let challenge = t.optional("challenge", |item| challenge(item, daemon));
    let common_name = t.optional("common_name", common_name);
    let dns_names = t.or("dns_names", Vec::new(), |item| item.distinct(dns_name));
    let ip_addresses = t.or("ip_addresses", Vec::new(), |item| item.distinct(ip_address));
    let usages = t.or("usages", vec![Usage::ServerAuth], usages);
    if let (Some(common_name), Some(dns_names), Some(ip_addresses)) =
        (&common_name, &dns_names, &ip_addresses)
    {
        let names = Names {
            common_name: common_name.clone(),
            dns_names: dns_names.clone(),
            has_ip: !ip_addresses.is_empty(),
            is_server: usages.as_ref().is_none_or(|usages| usages.contains(&Usage::ServerAuth)),
        };
        check_names(t, &names);
        ca.into_iter().for_each(|ca| check_constraints(t, &names, ca));
    }
    let key = t.or("private_key", (KeyAlgorithm::EcdsaP256, KeyRotation::Always), private_key);
    let duration =
        t.or("duration", SignedDuration::from_hours(24 * 90), |item| item.duration(SHORTEST_LIFETIME));
    let third = RenewBefore::Share { numerator: 1, denominator: 3 };
    let renew_before = t.or("renew_before", third, renew_before);
    let about = About {
        asset: AssetId::new(AssetKind::Certificate, name),
        rsa: key.is_none_or(|(algorithm, _)| algorithm.rsa_bits().is_some()),
        names: dns_names.clone().unwrap_or_default(),
    };
    let targets = targets(t, &about);

    check_lifetimes(t, duration, renew_before, ca);
    let (key_algorithm, key_rotation) = key?;
    Some(Certificate {
        name: name.to_owned(),
        issuers: issuers?.names,
        challenge: challenge?,
        common_name: common_name?,
        dns_names: dns_names?,
        ip_addresses: ip_addresses?,
        usages: usages?,
        key_algorithm,
        key_rotation,
        duration: duration?,
        renew_before: renew_before?,
        targets: targets?,
    })
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

/// The subject's names, each list faultless in itself.
struct Names {
    common_name: Option<String>,
    dns_names: Vec<String>,
    has_ip: bool,
    is_server: bool,
}

/// A server is known by its SANs; a client may have just a common name.
fn check_names(t: &Table<'_>, names: &Names) {
    // Each has a tag and a length of two to four bytes before it.
    let size: usize = names.dns_names.iter().map(|name| name.len() + 4).sum();
    if size > MOST_NAMES {
        let message = format!(
            "{} names take {size} bytes, and a certificate that can be kept and delivered has room for {MOST_NAMES}; \
             split them over several certificates, or use a wildcard",
            names.dns_names.len()
        );
        t.fault::<()>("dns_names", message);
    }
    let has_san = !names.dns_names.is_empty() || names.has_ip;
    match &names.common_name {
        None if !has_san => {
            t.fault::<()>(
                "dns_names",
                "a certificate needs a name: write dns_names, ip_addresses or common_name",
            );
        }
        Some(_) if !has_san && names.is_server => {
            t.fault::<()>(
                "dns_names",
                "a server certificate needs dns_names or ip_addresses: TLS clients do not read the common name",
            );
        }
        Some(name) if names.is_server && host_fault(name).is_none() && !is_named(name, names) => {
            t.warning(
                "common_name",
                format!("{} is not in dns_names, so no TLS client accepts it", quoted(name)),
            );
        }
        _ => {}
    }
}

fn is_named(common_name: &str, names: &Names) -> bool {
    names.dns_names.iter().any(|name| name.eq_ignore_ascii_case(common_name))
}

/// A CA whose name constraints exclude a name cannot sign for it: verifiers would refuse the leaf.
fn check_constraints(t: &Table<'_>, names: &Names, ca: &InternalCa) {
    let outside = |name: &str| {
        format!(
            "{} lies outside of what issuers.{} may sign for (name_constraints.permitted_dns: {})",
            quoted(name),
            ca.name(),
            ca.permitted_dns().join(", ")
        )
    };
    for name in names.dns_names.iter().filter(|name| !ca.permits(name)) {
        t.fault::<()>("dns_names", outside(name));
    }
    // OpenSSL holds a common name that looks like a DNS name to the constraints, where there is no dNSName.
    if let Some(name) = &names.common_name
        && names.dns_names.is_empty()
        && name.contains('.')
        && host_fault(name).is_none()
        && !ca.permits(&name.to_ascii_lowercase())
    {
        t.fault::<()>("common_name", outside(name));
    }
}

/// The lifetime must fit into the issuer's, and the renewal into the lifetime.
fn check_lifetimes(
    t: &Table<'_>,
    duration: Option<SignedDuration>,
    renew_before: Option<RenewBefore>,
    ca: Option<&InternalCa>,
) -> Option<()> {
    let duration = duration?;
    if let Some(ca) = ca.filter(|ca| duration >= ca.intermediate_lifetime()) {
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
    let early = renew_before?.of(duration);
    if early < duration {
        return Some(());
    }
    t.fault(
        "renew_before",
        format!(
            "must be shorter than the lifetime {} (it is {}); write e.g. \"30d\" or \"1/3\"",
            duration_text(duration),
            duration_text(early)
        ),
    )
}
