//! Who makes a certificate now: the first of its issuers that may be asked.
//!
//! Each issuer goes through a chain of small questions (has it asked to be left alone, is it resting after a failure of
//! its own, does a limit stand in the way); the first that says no gives the reason and the time.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::turn::{next_try, signer_of_our_own};
use super::{Context, Draft, later};
use crate::desired::{AssetSpec, CertificateSpec, IssuerRef, KindSpec};
use crate::model::{Action, AssetRecord, MAKING_PAUSES, OrderNote, Rate, Revision, Signer, Step};

/// Orders that nobody has planned, at most, for one set of names (FAULTS.md, I5).
const RETRIES: Rate = Rate { count: 3, window: SignedDuration::from_hours(7 * 24) };
/// Where validity would run out otherwise, one such order a day is right nonetheless.
const LAST_RESORT: SignedDuration = SignedDuration::from_hours(24);
/// Of renewals that a CA asks for at once, so many orders start in so long: a CA that has revoked all is busy enough.
const AT_ONCE: Rate = Rate { count: 20, window: SignedDuration::from_secs(60) };

/// Why an issuer may not be asked now, and until when.
struct Wait {
    until: Option<Timestamp>,
    why: String,
}

impl Wait {
    fn until(until: Timestamp, why: String) -> Self {
        Self { until: Some(until), why }
    }
}

/// Who signs; `None` where nobody may now, which is then deferred.
pub(super) fn signer(
    context: &Context<'_>,
    spec: &AssetSpec,
    draft: &mut Draft,
) -> Result<Option<Signer>, ()> {
    let KindSpec::Certificate(certificate) = &spec.kind else { return Ok(None) };
    let mut waits = Vec::new();
    for issuer in &certificate.issuers {
        let found = match issuer {
            IssuerRef::Internal(id) => {
                signer_of_our_own(context, spec, id, draft).map_err(|why| Wait { until: None, why })
            }
            IssuerRef::Acme(name) => acme(context, spec, certificate, name, draft),
        };
        match found {
            Ok(signer) => return Ok(Some(signer)),
            Err(wait) => waits.push(wait),
        }
    }
    let first = waits.iter().filter_map(|wait| wait.until).min();
    let reasons: Vec<String> = waits.into_iter().map(|wait| wait.why).collect();
    draft.defer(&spec.id, first, reasons.join("; "));
    Err(())
}

/// The ACME CA `name`, if nothing stands in the way.
fn acme(
    context: &Context<'_>,
    spec: &AssetSpec,
    certificate: &CertificateSpec,
    name: &str,
    draft: &Draft,
) -> Result<Signer, Wait> {
    let replaces = replaced(context, spec, name);
    left_alone(context, name)?;
    resting(context, spec, name)?;
    // An order that is open is gone on with: that costs nothing.
    if !is_open(context.record(&spec.id), name) {
        retried_enough(context, spec, certificate)?;
        within_limits(context, spec, certificate, name, replaces.is_some(), draft)?;
        one_after_the_other(context, spec, name, draft)?;
    }
    Ok(Signer::Acme { name: name.to_owned(), replaces })
}

/// Retry-After holds over everything, also over the operator's wish.
fn left_alone(context: &Context<'_>, name: &str) -> Result<(), Wait> {
    let Some(record) = context.inventory.issuers.get(name) else { return Ok(()) };
    match record.not_before.filter(|until| *until > context.now) {
        Some(until) => Err(Wait::until(until, format!("{name} has asked to be left alone until {until}"))),
        None => Ok(()),
    }
}

fn resting(context: &Context<'_>, spec: &AssetSpec, name: &str) -> Result<(), Wait> {
    let record = context.record(&spec.id);
    let Some(effort) = record.by_issuer.get(name) else { return Ok(()) };
    let next = next_try(spec, record, effort, &MAKING_PAUSES).filter(|at| *at > context.now);
    match next.filter(|_| effort.against.as_ref() == Some(&spec.made_for)) {
        Some(until) => {
            let why = effort.problem.as_ref().map_or("the last try failed", |p| p.message.as_str());
            Err(Wait::until(until, format!("tried again then: {why}")))
        }
        None => Ok(()),
    }
}

/// The revision in use, where it is of the same CA: the order says that it takes its place (RFC 9773 §5).
fn replaced(context: &Context<'_>, spec: &AssetSpec, name: &str) -> Option<u32> {
    let active = context.record(&spec.id).active()?;
    let same = active.issuer.as_deref() == Some(name) && active.revoked_at.is_none();
    let lives = active.validity.is_some_and(|validity| validity.contains(context.now));
    let advised = active.renewal.as_ref().is_some_and(|renewal| renewal.window.is_some());
    (same && lives && advised).then_some(active.number)
}

fn is_open(record: &AssetRecord, name: &str) -> bool {
    let last = record.orders.last();
    last.is_some_and(|order| order.issuer == name && order.outcome == crate::model::OrderOutcome::Open)
}

/// A name whose orders come to nothing again and again needs a person, not more orders; but nothing may run out over it.
fn retried_enough(
    context: &Context<'_>,
    spec: &AssetSpec,
    certificate: &CertificateSpec,
) -> Result<(), Wait> {
    let record = context.record(&spec.id);
    let asked = record.request.as_ref().map(|request| request.at);
    let notes =
        same_set(context, certificate).filter(|order| order.retry && asked.is_none_or(|at| order.at > at));
    let mut until = freed_at(RETRIES, notes.map(|order| order.at), context.now);
    let last = record.orders.last().map(|order| later(order.at, LAST_RESORT));
    if is_urgent(record, context.now) {
        until = until.min(last.or(until));
    }
    match until.filter(|until| *until > context.now) {
        Some(until) => {
            let why = format!(
                "its last {} orders came to nothing; `keyturn rotate {}` tries at once",
                RETRIES.count, spec.id
            );
            Err(Wait::until(until, why))
        }
        None => Ok(()),
    }
}

/// Whether nothing is served, or less than a fifth of its life is left.
fn is_urgent(record: &AssetRecord, now: Timestamp) -> bool {
    record
        .active()
        .and_then(|active| active.validity)
        .is_none_or(|validity| validity.left(now).as_secs() < validity.lifetime().as_secs() / 5)
}

/// What the CA allows, as far as it is known.
fn within_limits(
    context: &Context<'_>,
    spec: &AssetSpec,
    certificate: &CertificateSpec,
    name: &str,
    replaces: bool,
    draft: &Draft,
) -> Result<(), Wait> {
    for use_of in uses(context, spec, certificate, name, replaces, draft) {
        if let Some(until) = use_of.frees_at.filter(|until| *until > context.now) {
            let Use { limit, used, rate, .. } = use_of;
            let why = format!("{name} allows {} {limit}, and {used} are used", rate.count);
            return Err(Wait::until(until, why));
        }
    }
    Ok(())
}

/// How much of one limit is used.
#[derive(Debug, Clone)]
pub(super) struct Use {
    limit: String,
    used: u32,
    rate: Rate,
    /// When there is room again; `None` where there is now.
    frees_at: Option<Timestamp>,
}

fn uses(
    context: &Context<'_>,
    spec: &AssetSpec,
    certificate: &CertificateSpec,
    name: &str,
    replaces: bool,
    draft: &Draft,
) -> Vec<Use> {
    let limits = context.desired.acme.get(name).map(|acme| acme.limits).unwrap_or_default();
    let planned = planned(draft, name);
    let mut uses = Vec::new();
    let mut count = |rate: Option<Rate>, limit: String, times: Vec<Timestamp>, new: u32| {
        let Some(rate) = rate else { return };
        let mut times: Vec<Timestamp> = times.into_iter().chain((0..new).map(|_| context.now)).collect();
        times.retain(|at| context.now.duration_since(*at) < rate.window);
        let used = u32::try_from(times.len()).unwrap_or(u32::MAX);
        uses.push(Use { limit, used, rate, frees_at: freed_at(rate, times.into_iter(), context.now) });
    };
    if !replaces {
        let orders = all_orders(context, name).filter(|order| !order.replaces).map(|order| order.at);
        count(limits.orders, "new orders in its window".to_owned(), orders.collect(), planned);
        let set = same_set(context, certificate).filter(|order| order.issuer == name && !order.replaces);
        let issued =
            set.filter(|order| order.outcome != crate::model::OrderOutcome::Failed).map(|order| order.at);
        count(limits.per_set, "certificates a week for exactly these names".to_owned(), issued.collect(), 0);
        if !has_had(context, spec, name) {
            for domain in domains(certificate) {
                let times = first_ones(context, name, &domain);
                count(limits.per_domain, format!("new certificates a week for {domain}"), times, 0);
            }
        }
    }
    for dns in &certificate.dns_names {
        let failed =
            all_orders(context, name).filter(|order| order.failed_names.contains(dns)).map(|order| order.at);
        count(limits.failed, format!("failed authorizations an hour for {dns}"), failed.collect(), 0);
    }
    uses
}

/// When one of `times` leaves the window, so that there is room for one more; `None` where there is.
fn freed_at(rate: Rate, times: impl Iterator<Item = Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let mut recent: Vec<Timestamp> = times.filter(|at| now.duration_since(*at) < rate.window).collect();
    recent.sort_unstable();
    let over = recent.len().checked_sub(rate.count as usize)?;
    recent.get(over).map(|at| later(*at, rate.window))
}

fn all_orders<'c>(context: &'c Context<'_>, name: &'c str) -> impl Iterator<Item = &'c OrderNote> {
    let all = context.inventory.assets.values().flat_map(|record| &record.orders);
    all.filter(move |order| order.issuer == name)
}

/// The orders of all assets with exactly these names, whatever their keys.
fn same_set<'c>(
    context: &'c Context<'_>,
    certificate: &'c CertificateSpec,
) -> impl Iterator<Item = &'c OrderNote> {
    let names = set(certificate);
    let same = move |spec: &&AssetSpec| match &spec.kind {
        KindSpec::Certificate(other) => set(other) == names,
        _ => false,
    };
    context.desired.assets.values().filter(same).flat_map(|spec| &context.record(&spec.id).orders)
}

fn set(certificate: &CertificateSpec) -> BTreeSet<String> {
    let ip = certificate.ip_addresses.iter().map(ToString::to_string);
    certificate.dns_names.iter().cloned().chain(ip).collect()
}

/// Whether the CA has issued for this asset before: a renewal then, which a domain's limit does not count.
fn has_had(context: &Context<'_>, spec: &AssetSpec, name: &str) -> bool {
    let had =
        |revision: &Revision| revision.issuer.as_deref() == Some(name) && revision.made_for == spec.made_for;
    context.record(&spec.id).revisions.values().any(had)
}

/// The registered domains of a certificate's names, as CAs count by them.
fn domains(certificate: &CertificateSpec) -> BTreeSet<String> {
    let domain = |name: &String| psl::domain_str(name.trim_start_matches("*.")).map(str::to_owned);
    certificate.dns_names.iter().filter_map(domain).collect()
}

/// When assets with a name under `domain` got their first certificate of this CA.
fn first_ones(context: &Context<'_>, name: &str, domain: &str) -> Vec<Timestamp> {
    let under = |spec: &&AssetSpec| match &spec.kind {
        KindSpec::Certificate(other) => domains(other).contains(domain),
        _ => false,
    };
    let specs = context.desired.assets.values().filter(under);
    let first = |spec: &AssetSpec| {
        context.record(&spec.id).orders.iter().find(|order| order.issuer == name).map(|o| o.at)
    };
    specs.filter_map(first).collect()
}

/// Orders of this plan with the same CA.
fn planned(draft: &Draft, name: &str) -> u32 {
    let with = |step: &&Step| match &step.action {
        Action::Issue(make) => {
            matches!(&make.signer, Some(Signer::Acme { name: other, .. }) if other == name)
        }
        _ => false,
    };
    u32::try_from(draft.plan.steps.iter().filter(with).count()).unwrap_or(u32::MAX)
}

/// Renewals that the CA has asked for at once are spread.
fn one_after_the_other(
    context: &Context<'_>,
    spec: &AssetSpec,
    name: &str,
    draft: &Draft,
) -> Result<(), Wait> {
    let hurried = context.record(&spec.id).active().is_some_and(|active| is_hurried(active, context.now));
    if !hurried {
        return Ok(());
    }
    let times = all_orders(context, name).map(|order| order.at);
    let times = times.chain((0..planned(draft, name)).map(|_| context.now));
    match freed_at(AT_ONCE, times, context.now) {
        Some(until) => Err(Wait::until(until, format!("{name} has many to renew at once; this one in turn"))),
        None => Ok(()),
    }
}

/// Whether the CA wants it renewed now.
fn is_hurried(revision: &Revision, now: Timestamp) -> bool {
    revision.renewal.as_ref().is_some_and(|renewal| {
        renewal.revoked_since.is_some() || renewal.chosen.is_some_and(|chosen| chosen <= now)
    })
}

/// Asks the CA of what is in use when to renew it, as often as the CA has said.
pub(super) fn consult(context: &Context<'_>, spec: &AssetSpec, draft: &mut Draft) {
    let Some(active) = context.record(&spec.id).active() else { return };
    if !is_advised(context, active) {
        return;
    }
    let ask_at = active.renewal.as_ref().and_then(|renewal| renewal.ask_at);
    if ask_at.is_some_and(|at| at > context.now) {
        draft.wake(ask_at);
        return;
    }
    draft.push(Step {
        at: context.now,
        assets: vec![spec.id.clone()],
        action: Action::Consult(spec.id.clone(), active.number),
        reason: "its CA may want it renewed at another time".to_owned(),
    });
}

/// Never of what has ended or is replaced (RFC 9773 §4.3.3), and not of what is known to be revoked.
fn is_advised(context: &Context<'_>, active: &Revision) -> bool {
    let by_acme = active.issuer.as_ref().is_some_and(|name| context.desired.acme.contains_key(name));
    let lives = active.validity.is_some_and(|validity| validity.contains(context.now));
    let revoked = active.renewal.as_ref().is_some_and(|renewal| renewal.revoked_since.is_some());
    by_acme && lives && !revoked && active.revoked_at.is_none()
}
