//! `[issuers.*]`.

use std::collections::{BTreeMap, BTreeSet};

use http::Uri;
use jiff::SignedDuration;

use super::acme::acme;
use super::names::{common_name, host_name};
use super::{Read, SHORTEST_LIFETIME, signing};
use crate::config::acme::AcmeIssuer;
use crate::config::daemon::Daemon;
use crate::config::duration::duration_text;
use crate::config::issuer::{Crl, InternalCa};
use crate::config::raw::{Item, Table, not_one_of};
use crate::config::words::quoted;
use crate::model::Network;

/// What only an ACME issuer has.
const ACME_KEYS: [&str; 9] =
    ["server", "email", "ca_file", "profile", "preferred_chain", "eab", "challenge", "concurrency", "limits"];

/// A new root is known before for at most this share of an intermediate's life, so that there is time left to use it.
const TRUST_SHARE: i32 = 4;

/// Within the life of a revocation list at least so many are made.
const LISTS: i32 = 2;

/// Whoever signs.
pub(super) enum Issuer {
    Internal(Box<InternalCa>),
    Acme(Box<AcmeIssuer>),
    /// A person, who carries requests to a CA and certificates back.
    Manual(String),
}

/// The issuers by name; `None`: there, and faulty.
pub(super) type Issuers = Read<Issuer>;

/// `daemon` is `None` where it is faulty.
pub(super) fn issuer(name: &str, item: &Item<'_>, daemon: Option<&Daemon>) -> Option<Issuer> {
    item.table(|t| match t.required("kind", "\"internal\" or \"acme\"", Item::text) {
        Some("internal") => internal(name, t).map(|ca| Issuer::Internal(Box::new(ca))),
        Some("acme") => acme(name, t, daemon).map(|issuer| Issuer::Acme(Box::new(issuer))),
        Some("manual") => Some(Issuer::Manual(name.to_owned())),
        other => {
            // Which keys are right depends on the kind.
            t.ignore_rest();
            t.fault("kind", not_one_of(other?, &["internal", "acme", "manual"]))
        }
    })
}

/// The issuers of each kind.
#[derive(Default)]
pub(super) struct Kinds {
    pub(super) internal: BTreeMap<String, InternalCa>,
    pub(super) acme: BTreeMap<String, AcmeIssuer>,
    pub(super) manual: BTreeSet<String>,
}

/// Those of each kind, where all are good.
pub(super) fn by_kind(issuers: Issuers) -> Option<Kinds> {
    let mut kinds = Kinds::default();
    for (name, issuer) in issuers {
        match issuer? {
            Issuer::Internal(ca) => drop(kinds.internal.insert(name, *ca)),
            Issuer::Acme(issuer) => drop(kinds.acme.insert(name, *issuer)),
            Issuer::Manual(_) => drop(kinds.manual.insert(name)),
        }
    }
    Some(kinds)
}

fn internal(name: &str, t: &mut Table<'_>) -> Option<InternalCa> {
    let common_name = t.required("common_name", "\"Example Internal CA\"", common_name);
    let root = t.or("root_lifetime", days(3650), |item| item.duration(SHORTEST_LIFETIME));
    let intermediate = t.or("intermediate_lifetime", days(365), |item| item.duration(SHORTEST_LIFETIME));
    let permitted = t.or("name_constraints", (Vec::new(), Vec::new()), name_constraints);
    let root_offline = t.or("root", false, root_is_offline);
    let trust_before = t.optional("trust_before", |item| item.duration(SignedDuration::ZERO));
    let crl = t.optional("crl", |item| item.table(lists));
    let sign = t.or("sign", Vec::new(), signing::roles);
    t.misplaced(&ACME_KEYS, "belongs to kind = \"acme\"");

    let offline = root_offline == Some(true);
    if offline && t.has("root_lifetime") {
        return t.fault(
            "root_lifetime",
            "belongs to root = \"state\"; how long an offline root lives is not up to us",
        );
    }
    let (root, intermediate) = (root?, intermediate?);
    if intermediate >= root && !offline {
        return t.fault(
            "intermediate_lifetime",
            format!(
                "must be shorter than root_lifetime {} (it is {})",
                duration_text(root),
                duration_text(intermediate)
            ),
        );
    }
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
    let (permitted_dns, permitted_ip_ranges) = permitted?;
    let ca = InternalCa {
        name: name.to_owned(),
        common_name: common_name?,
        root_lifetime: root,
        intermediate_lifetime: intermediate,
        permitted_dns,
        permitted_ip_ranges,
        trust_before,
        root_offline: root_offline?,
        crl: crl?,
        sign: sign?,
    };
    signing::check(t, &ca);
    Some(ca)
}

/// How long revocation lists are valid, how often they are made, and where they are fetched.
fn lists(t: &mut Table<'_>) -> Option<Crl> {
    let lifetime = t.or("lifetime", days(90), |item| item.duration(SHORTEST_LIFETIME));
    let every = t.optional("every", |item| item.duration(SHORTEST_LIFETIME / LISTS));
    let url = t.optional("url", base_url);
    let lifetime = lifetime?;
    let every = every?.unwrap_or(days(15).min(lifetime / LISTS));
    if every > lifetime / LISTS {
        return t.fault(
            "every",
            format!(
                "must be at most half of lifetime {} (it is {}): a list must not end before its successor is there",
                duration_text(lifetime),
                duration_text(every)
            ),
        );
    }
    Some(Crl { lifetime, every, url: url? })
}

/// An address that paths are added to, as it stands in certificates.
fn base_url(item: &Item<'_>) -> Option<String> {
    let text = item.line()?.trim_end_matches('/');
    if text.starts_with("https://") {
        return item.fault(
            "must be http://: who checks a list over TLS would have to check that server's certificate first, and the list \
             is signed anyway",
        );
    }
    let uri =
        text.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("http") && uri.query().is_none());
    let authority = uri.as_ref().and_then(Uri::authority);
    match authority {
        Some(authority) if !authority.host().is_empty() && !authority.as_str().contains('@') => {
            Some(text.to_owned())
        }
        _ => item.fault(format!("{} is not an address as http://pki.example.org", quoted(text))),
    }
}

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

fn root_is_offline(item: &Item<'_>) -> Option<bool> {
    match item.text()? {
        "state" => Some(false),
        "offline" => Some(true),
        other => item.fault(not_one_of(other, &["state", "offline"])),
    }
}

fn name_constraints(item: &Item<'_>) -> Option<(Vec<String>, Vec<Network>)> {
    item.table(|t| {
        let names = t.required("permitted_dns", "[\"internal.example.org\"]", permitted_dns);
        let ranges = t.or("permitted_ip_ranges", Vec::new(), |item| item.list(signing::network));
        Some((names?, ranges?))
    })
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
