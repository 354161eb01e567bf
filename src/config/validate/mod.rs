//! The second stage: from a tree to a `Config` that cannot be wrong. One file a section.

mod acme;
mod certificates;
mod challenge;
mod commands;
mod daemon;
mod dh_params;
mod dns01;
mod files;
mod hooks;
mod issuers;
mod jwt_keys;
mod keys;
mod named;
mod names;
mod notify;
mod ordered;
mod overlap;
mod roles;
mod schedule;
mod signing;
mod subject;
mod targets;
mod verify;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::SignedDuration;

use super::raw::{Item, Table};
use super::target::Account;
use super::{Certificate, Config, DhParams, JwtKey};
use crate::model::{AssetId, AssetKind, Guarded};
pub(super) use overlap::Claim;

/// Nothing that is turned over lives shorter: a pass, a rollout and a handshake take their time.
const SHORTEST_LIFETIME: SignedDuration = SignedDuration::from_secs(60);

/// Something to be looked up on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OwnerCheck {
    /// The owner of a directory's files.
    User(Account),
    /// Their group.
    Group(Account),
    /// The file with the password of PKCS#12 files.
    Password(PathBuf),
}

/// A section's entries by name; `None`: there, and faulty, so that what refers to it is not at fault as well.
type Read<T> = BTreeMap<String, Option<T>>;

/// Reads the whole file. `None` only where faults were noted; but faults may be noted beside `Some`.
pub(super) fn root(t: &mut Table<'_>) -> Option<Config> {
    let daemon = t.section("daemon", daemon::daemon);
    let schedule = t.section("schedule", schedule::schedule);
    let docker = t.section("docker", daemon::docker);
    let delivery = t.section("delivery", daemon::delivery);
    let keys = t.section("keys", keys::keys);
    let roles = t.section("roles", roles::roles);
    let guarded = t.has("approvals");
    let guards = t.section("approvals", |t| roles::approvals(t, guarded, roles.as_ref()));
    let issuers =
        named(t, "issuers", AssetKind::Ca, |name, item| issuers::issuer(name, item, daemon.as_ref()));
    let certificates = named(t, "certificates", AssetKind::Certificate, |name, item| {
        certificates::certificate(name, item, &issuers, daemon.as_ref())
    });
    let jwt_keys = named(t, "jwt_keys", AssetKind::JwtKey, jwt_keys::jwt_key);
    let dh_params = named(t, "dh_params", AssetKind::DhParams, dh_params::dh_params);
    let channels = notify::channels(t);
    let hooks = hooks::hooks(t, &asset_names(&issuers, &certificates, &jwt_keys, &dh_params));
    refuse_later_sections(t);
    overlap::check(t.cx);
    let issuers = issuers::by_kind(issuers)?;
    let config = Config {
        daemon: daemon?,
        schedule: schedule?,
        docker: docker?,
        delivery: delivery?,
        keys: keys?,
        roles: roles?,
        guards: guards?,
        internal_cas: issuers.internal,
        acme_issuers: issuers.acme,
        manual_issuers: issuers.manual,
        certificates: whole(certificates)?,
        jwt_keys: whole(jwt_keys)?,
        dh_params: whole(dh_params)?,
        channels: whole(channels)?,
        hooks: hooks?,
        digest: String::new(),
        warnings: Vec::new(),
        owners: Vec::new(),
    };
    warn_unused(t, &config);
    warn_idle_approvers(t, &config);
    Some(config)
}

/// Of all assets, also of faulty ones; an issuer that is no CA of our own does no harm among them.
fn asset_names(
    issuers: &issuers::Issuers,
    certificates: &Read<Certificate>,
    jwt_keys: &Read<JwtKey>,
    dh_params: &Read<DhParams>,
) -> Vec<String> {
    let named = |kind, name: &String| AssetId::new(kind, name).to_string();
    let cas = issuers.keys().map(|name| named(AssetKind::Ca, name));
    let certificates = certificates.keys().map(|name| named(AssetKind::Certificate, name));
    let jwt_keys = jwt_keys.keys().map(|name| named(AssetKind::JwtKey, name));
    let dh_params = dh_params.keys().map(|name| named(AssetKind::DhParams, name));
    cas.chain(certificates).chain(jwt_keys).chain(dh_params).collect()
}

fn refuse_later_sections(t: &mut Table<'_>) {
    t.not_yet(&["backup"], "backups come");
    t.not_yet(&["cluster"], "several managers come");
}

/// A section whose keys are the site's own names.
fn named<'a, T>(
    t: &mut Table<'a>,
    key: &'static str,
    kind: AssetKind,
    read: impl Fn(&str, &Item<'a>) -> Option<T>,
) -> Read<T> {
    let Some(entries) = t.item(key).and_then(|item| item.entries()) else {
        return BTreeMap::new();
    };
    let mut variables = BTreeMap::new();
    let entry = |(name, item): (&'a str, Item<'a>)| {
        let good = names::asset_name(name, kind, &item);
        if good.is_some() {
            refuse_same_variable(name, &item, &mut variables);
        }
        let value = read(name, &item);
        (name.to_owned(), good.and(value))
    };
    entries.into_iter().map(entry).collect()
}

/// `stack-env` makes variables of names, and variables know no `-`.
fn refuse_same_variable<'a>(name: &'a str, item: &Item<'_>, variables: &mut BTreeMap<String, &'a str>) {
    if let Some(other) = variables.insert(name.replace('-', "_"), name) {
        item.fault::<()>(format!(
            "differs from {other} only in - and _, so both would be one variable of stack-env"
        ));
    }
}

fn whole<T>(read: Read<T>) -> Option<BTreeMap<String, T>> {
    read.into_iter().map(|(name, value)| Some((name, value?))).collect()
}

fn warn_idle_approvers(t: &Table<'_>, config: &Config) {
    if !config.roles.approve.is_empty() && Guarded::ALL.into_iter().all(|what| !config.guards.requires(what))
    {
        t.warning("roles", "approve names who may approve, and nothing needs it: [approvals] is not there");
    }
}

fn warn_unused(t: &mut Table<'_>, config: &Config) {
    let named = config.certificates.values().flat_map(Certificate::issuers);
    let used: BTreeSet<&str> = named.map(String::as_str).collect();
    let issuers = t.item("issuers").and_then(|item| item.entries()).unwrap_or_default();
    for (name, item) in issuers.into_iter().filter(|(name, _)| !used.contains(name)) {
        item.warning(match config.internal_cas.contains_key(name) {
            true => "no certificate names it; its CA is made and kept all the same",
            false => "no certificate names it; nothing is asked of it",
        });
    }
}
