//! `[certificates.*]`.

use jiff::SignedDuration;

use super::SHORTEST_LIFETIME;
use super::acme::NO_STAPLING;
use super::challenge::challenge;
use super::issuers::Issuers;
use super::named::Named;
use super::names::{common_name, dns_name, ip_address};
use super::ordered::{self, Wish};
use super::subject::{Names, check_constraints, check_names};
use super::targets::{About, targets};
use crate::config::certificate::{Certificate, KeyRotation};
use crate::config::daemon::Daemon;
use crate::config::duration::{RenewBefore, duration_text};
use crate::config::issuer::InternalCa;
use crate::config::raw::{Item, Table};
use crate::model::{AssetId, AssetKind, KeyAlgorithm, Usage};

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
    let named = Named::read(t, issuers);
    let ca = named.as_ref().and_then(|named| named.internal);
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
            ip_addresses: ip_addresses.clone(),
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
        authority: named.as_ref().is_none_or(|named| !named.only_acme()),
        lists: ca.is_none_or(|ca| ca.crl.is_some()),
    };
    let targets = targets(t, &about);
    t.misplaced(&["must_staple"], NO_STAPLING);

    if named.as_ref().is_some_and(Named::only_acme) {
        warn_duration(t);
    } else {
        check_lifetimes(t, duration, renew_before, ca);
    }
    let named = named?;
    let wish = Wish {
        challenge: challenge.as_ref().map(Option::as_ref),
        dns_names: dns_names.as_deref().unwrap_or_default(),
        ip_addresses: ip_addresses.as_deref().unwrap_or_default(),
        usages: usages.as_deref().unwrap_or_default(),
        algorithm: key.map(|(algorithm, _)| algorithm),
    };
    ordered::check(t, &named, &wish);
    let common_name = common_name_for(t, &named, common_name?, dns_names.as_deref());
    let (key_algorithm, key_rotation) = key?;
    Some(Certificate {
        name: name.to_owned(),
        maker: named.maker?,
        issuers: named.names,
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

/// As it is for an internal CA alone; for ACME it must be one of the names that control is shown over.
#[allow(clippy::option_option)]
fn common_name_for(
    t: &Table<'_>,
    named: &Named<'_>,
    common_name: Option<String>,
    dns_names: Option<&[String]>,
) -> Option<Option<String>> {
    match (common_name, dns_names) {
        (Some(common_name), Some(dns_names)) if !named.acme.is_empty() => {
            ordered::common_name(t, &common_name, dns_names).map(Some)
        }
        (common_name, _) => Some(common_name),
    }
}

fn warn_duration(t: &Table<'_>) {
    if t.has("duration") {
        t.warning("duration", "has no effect: an ACME CA decides by itself how long its certificates live");
    }
}

pub(super) fn usages(item: &Item<'_>) -> Option<Vec<Usage>> {
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
