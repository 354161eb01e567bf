//! `[issuers.*]`.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::acme::acme;
use super::names::{common_name, host_name};
use super::{Read, SHORTEST_LIFETIME};
use crate::config::acme::AcmeIssuer;
use crate::config::daemon::Daemon;
use crate::config::duration::duration_text;
use crate::config::issuer::InternalCa;
use crate::config::raw::{Item, Table, not_one_of, not_yet};

/// What only an ACME issuer has.
const ACME_KEYS: [&str; 9] =
    ["server", "email", "ca_file", "profile", "preferred_chain", "eab", "challenge", "concurrency", "limits"];

/// A new root is known before for at most this share of an intermediate's life, so that there is time left to use it.
const TRUST_SHARE: i32 = 4;

/// Whoever signs.
pub(super) enum Issuer {
    Internal(InternalCa),
    Acme(Box<AcmeIssuer>),
}

/// The issuers by name; `None`: there, and faulty.
pub(super) type Issuers = Read<Issuer>;

/// `daemon` is `None` where it is faulty.
pub(super) fn issuer(name: &str, item: &Item<'_>, daemon: Option<&Daemon>) -> Option<Issuer> {
    item.table(|t| match t.required("kind", "\"internal\" or \"acme\"", Item::text) {
        Some("internal") => internal(name, t).map(Issuer::Internal),
        Some("acme") => acme(name, t, daemon).map(|issuer| Issuer::Acme(Box::new(issuer))),
        other => {
            // Which keys are right depends on the kind.
            t.ignore_rest();
            t.fault("kind", not_one_of(other?, &["internal", "acme"]))
        }
    })
}

/// The internal ones and the others, where all are good.
pub(super) fn by_kind(
    issuers: Issuers,
) -> Option<(BTreeMap<String, InternalCa>, BTreeMap<String, AcmeIssuer>)> {
    let (mut internal, mut acme) = (BTreeMap::new(), BTreeMap::new());
    for (name, issuer) in issuers {
        match issuer? {
            Issuer::Internal(ca) => drop(internal.insert(name, ca)),
            Issuer::Acme(issuer) => drop(acme.insert(name, *issuer)),
        }
    }
    Some((internal, acme))
}

fn internal(name: &str, t: &mut Table<'_>) -> Option<InternalCa> {
    let common_name = t.required("common_name", "\"Example Internal CA\"", common_name);
    let root = t.or("root_lifetime", days(3650), |item| item.duration(SHORTEST_LIFETIME));
    let intermediate = t.or("intermediate_lifetime", days(365), |item| item.duration(SHORTEST_LIFETIME));
    let permitted = t.or("name_constraints", Vec::new(), name_constraints);
    let kept = t.or("root", (), root_kept);
    let trust_before = t.optional("trust_before", |item| item.duration(SignedDuration::ZERO));
    let crl = t.optional("crl", |item| {
        item.table(|t| t.required("lifetime", "\"30d\"", |item| item.duration(SHORTEST_LIFETIME)))
    });
    t.misplaced(&ACME_KEYS, "belongs to kind = \"acme\"");

    let (root, intermediate) = (root?, intermediate?);
    if intermediate >= root {
        return t.fault(
            "intermediate_lifetime",
            format!(
                "must be shorter than root_lifetime {} (it is {})",
                duration_text(root),
                duration_text(intermediate)
            ),
        );
    }
    kept?;
    // A short-lived CA has not a week for it.
    let longest = intermediate / TRUST_SHARE;
    let trust_before = trust_before?.unwrap_or(days(7).min(longest / 2));
    if trust_before > longest {
        return t.fault(
            "trust_before",
            format!(
                "must be at most a quarter of intermediate_lifetime {} (it is {})",
                duration_text(intermediate),
                duration_text(trust_before)
            ),
        );
    }
    Some(InternalCa {
        name: name.to_owned(),
        common_name: common_name?,
        root_lifetime: root,
        intermediate_lifetime: intermediate,
        permitted_dns: permitted?,
        trust_before,
        crl: crl?,
    })
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

fn root_kept(item: &Item<'_>) -> Option<()> {
    match item.text()? {
        "state" => Some(()),
        "offline" => item.fault(not_yet("an offline root comes") + ", or write \"state\""),
        other => item.fault(not_one_of(other, &["state"])),
    }
}

fn name_constraints(item: &Item<'_>) -> Option<Vec<String>> {
    item.table(|t| t.required("permitted_dns", "[\"internal.example.org\"]", permitted_dns))
}

fn permitted_dns(item: &Item<'_>) -> Option<Vec<String>> {
    let names = item.distinct(|item| {
        if item.text()?.starts_with('.') {
            return item.fault("leave the dot at the beginning out; the names below are permitted as well");
        }
        host_name(item)
    })?;
    if names.is_empty() {
        return item.fault(
            "is empty, so that nothing could be signed; leave name_constraints out to permit any name",
        );
    }
    Some(names)
}
