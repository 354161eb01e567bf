//! What CAs allow, and what of it is used.

use jiff::{SignedDuration, Timestamp};

use super::ledger::{Counted, Ledger, frees_at};
use super::{Wait, names};
use crate::desired::{CertificateSpec, Desired};
use crate::model::{Inventory, Limits, OrderNote, Problem, Rate};
use crate::planner::turn::days;
use crate::planner::{Context, Draft};

/// How an ACME CA stands to us.
#[derive(Debug, Clone)]
pub struct IssuerUse {
    /// Its name in the configuration.
    pub name: String,
    /// The account's URL, once there is one.
    pub account: Option<String>,
    /// It has asked to be left alone until then.
    pub not_before: Option<Timestamp>,
    /// Why.
    pub problem: Option<Problem>,
    /// Its limits, as far as they are known and anything of them is used.
    pub limits: Vec<LimitUse>,
}

/// How much of one limit is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitUse {
    /// `orders`, `certificates-per-domain`, `certificates-per-set`, `failed-authorizations`.
    pub limit: &'static str,
    /// The domain, the name, or the first of the names; `None` where it is the account's.
    pub of: Option<String>,
    /// So many within the window.
    pub used: u32,
    /// At most so many.
    pub allowed: u32,
    /// Within any span of this length.
    pub window: SignedDuration,
    /// When there is room again; `None` where there is now.
    pub frees_at: Option<Timestamp>,
}

/// The configured ACME CAs, in the order of their names.
pub fn issuers(desired: &Desired, inventory: &Inventory, now: Timestamp) -> Vec<IssuerUse> {
    let ledger = Ledger::of(inventory);
    let one = |(name, acme): (&String, &crate::desired::AcmeSpec)| {
        let record = inventory.issuers.get(name).cloned().unwrap_or_default();
        let not_before = record.not_before.filter(|until| *until > now);
        IssuerUse {
            name: name.clone(),
            account: record.account,
            not_before,
            problem: record.problem.filter(|_| not_before.is_some()),
            limits: uses(desired, &ledger, name, acme.limits, now),
        }
    };
    desired.acme.iter().map(one).collect()
}

fn uses(desired: &Desired, ledger: &Ledger, name: &str, limits: Limits, now: Timestamp) -> Vec<LimitUse> {
    let mut counted: Vec<&Counted> = ledger.counted().collect();
    let orders = Counted::Orders(name.to_owned());
    counted.retain(|counted| **counted != orders);
    counted.push(&orders);
    let nothing = Ledger::default();
    let one = |counted: &Counted| {
        let (issuer, mut limit, rate) = kind(counted, limits)?;
        (issuer == name).then_some(())?;
        if let Counted::Set(_, set) = counted {
            limit.of = Some(names_of(desired, set)?);
        }
        let times = ledger.times(&nothing, counted, rate.window, now);
        limit.used = u32::try_from(times.len()).unwrap_or(u32::MAX);
        limit.frees_at = frees_at(&times, rate, now);
        (limit.used > 0 || limit.of.is_none()).then_some(limit)
    };
    let mut uses: Vec<LimitUse> = counted.into_iter().filter_map(one).collect();
    uses.sort_by(|a, b| (a.limit, &a.of).cmp(&(b.limit, &b.of)));
    uses
}

/// Whose it is, what it is called, and how much of it there is; `None` where it is no limit of a CA.
fn kind(counted: &Counted, limits: Limits) -> Option<(&str, LimitUse, Rate)> {
    let (issuer, limit, of, rate) = match counted {
        Counted::Started(_) | Counted::Retry(_) | Counted::Issued(_) => return None,
        Counted::Orders(issuer) => (issuer, "orders", None, limits.orders),
        Counted::Domain(issuer, domain) => {
            (issuer, "certificates-per-domain", Some(domain.clone()), limits.per_domain)
        }
        Counted::Set(issuer, set) => (issuer, "certificates-per-set", Some(set.clone()), limits.per_set),
        Counted::Failed(issuer, name) => (issuer, "failed-authorizations", Some(name.clone()), limits.failed),
    };
    let rate = rate?;
    let (allowed, window) = (rate.count, rate.window);
    Some((issuer, LimitUse { limit, of, used: 0, allowed, window, frees_at: None }, rate))
}

/// The names of a set, for people: as one of the certificates has them.
fn names_of(desired: &Desired, set: &str) -> Option<String> {
    let mut certificates = desired.assets.values().filter_map(|spec| match &spec.kind {
        crate::desired::KindSpec::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    let found = certificates.find(|certificate| names::set(certificate) == set)?;
    Some(names::all(found).into_iter().collect::<Vec<_>>().join(","))
}

/// Refuses to run into a limit: with the numbers, and the time at which there is room.
pub(super) fn within(
    context: &Context<'_>,
    certificate: &CertificateSpec,
    note: &OrderNote,
    draft: &Draft,
) -> Result<(), Wait> {
    let name = &note.issuer;
    let Some(acme) = context.desired.acme.get(name) else { return Ok(()) };
    let mut full: Vec<(Timestamp, String)> = Vec::new();
    for counted in asked(certificate, note) {
        let Some((_, limit, rate)) = kind(&counted, acme.limits) else { continue };
        let times = context.ledger.times(&draft.planned, &counted, rate.window, context.now);
        if let Some(until) = frees_at(&times, rate, context.now) {
            full.push((until, words(name, &limit, times.len())));
        }
    }
    // Of several that are full the last one to free a slot counts.
    match full.into_iter().max() {
        Some((until, why)) => Err(Wait::new(Some(until), why)),
        None => Ok(()),
    }
}

/// What another order like `note` would count for.
fn asked(certificate: &CertificateSpec, note: &OrderNote) -> Vec<Counted> {
    let issuer = || note.issuer.clone();
    let failed = names::all(certificate).into_iter().map(|name| Counted::Failed(issuer(), name));
    let mut asked: Vec<Counted> = failed.collect();
    if note.replaces {
        return asked;
    }
    asked.push(Counted::Orders(issuer()));
    asked.push(Counted::Set(issuer(), note.set.clone()));
    if !note.renewal {
        asked.extend(note.domains.iter().map(|domain| Counted::Domain(issuer(), domain.clone())));
    }
    asked
}

fn words(name: &str, limit: &LimitUse, used: usize) -> String {
    let what = match (limit.limit, &limit.of) {
        ("certificates-per-domain", Some(domain)) => format!("new certificates for {domain}"),
        ("certificates-per-set", _) => "certificates for exactly these names".to_owned(),
        ("failed-authorizations", Some(of)) => format!("failed authorizations for {of}"),
        _ => "orders".to_owned(),
    };
    format!("{name} allows {} {what} in {}, and {used} are used", limit.allowed, days(limit.window))
}
