//! What is wrong already? Asked of the records alone, so that it can be answered while a rollout runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Seed, authority, crl, later, renew_at, revoking};
use crate::desired::{AssetSpec, Desired, KindSpec};
use crate::model::{
    AssetId, AssetRecord, Code, DeliveryState, Engine, Inventory, Problem, Proof, Revision, RevisionState,
    Validity,
};

/// A renewal may take this long before it is called overdue: two passes and a rollout.
const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// So long after it was issued, or a 24th of its life, nothing is called overdue.
const PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// The problems of all assets.
pub fn health(
    desired: &Desired,
    inventory: &Inventory,
    now: Timestamp,
    seed: Seed,
) -> Vec<(AssetId, Problem)> {
    // Nothing else that a wrong clock makes of the records would be true.
    if let Some(problem) = super::clock_behind(inventory, now) {
        return desired.assets.keys().map(|id| (id.clone(), problem.clone())).collect();
    }
    let mut problems = Vec::new();
    for spec in desired.assets.values() {
        let id = &spec.id;
        if let Some(record) = inventory.assets.get(id) {
            let found = of_asset(spec, record, now, seed);
            problems.extend(found.into_iter().map(|problem| (id.clone(), problem)));
        }
        problems
            .extend(crl::old_in_place(desired, inventory, spec, now).map(|problem| (id.clone(), problem)));
        problems.extend(undone(inventory, id).map(|problem| (id.clone(), problem)));
        problems.extend(passwords(inventory, spec).map(|problem| (id.clone(), problem)));
        if let Engine::Down(problem) = &inventory.world.engine
            && spec.needs_engine()
        {
            problems.push((id.clone(), problem.clone()));
        }
    }
    problems.extend(unconfigured(desired, inventory));
    problems.extend(super::tidings::of_hooks(&inventory.tidings));
    problems
}

fn of_asset(spec: &AssetSpec, record: &AssetRecord, now: Timestamp, seed: Seed) -> Vec<Problem> {
    let mut problems: Vec<Problem> = record.effort.problem.iter().cloned().collect();
    // A failure of one issuer is none of the asset's once another has issued.
    problems.extend(record.by_issuer.values().filter_map(|effort| effort.problem.clone()));
    let known = problems.iter().any(|problem| !needs_nobody(problem.code)) || is_undelivered(record);
    problems.extend(record.active().and_then(revoked));
    let unrevoked = record.revisions.values().filter_map(|revision| revision.awaits_revocation(now));
    problems.extend(unrevoked.filter_map(|asked| asked.effort.problem.clone()));
    problems.extend(revoking::by_hand(spec, record, now));
    for (place, delivery) in &record.deliveries {
        problems.extend(delivery.effort.problem.clone());
        problems.extend(delivery.note.clone());
        if delivery.state == DeliveryState::Delivered
            && delivery.proof == Some(Proof::Converged)
            && matches!(spec.kind, KindSpec::Certificate(_))
        {
            let message = format!("no handshake has shown that {} serves it", place.name());
            problems.push(Problem::new(Code::ProofWeak, message));
        }
    }
    problems.extend(crl::not_made(spec, record));
    problems.extend(crl::late(spec, record, now));
    problems.extend(crl::late_above(record, now));
    if let Some(revision) = record.active() {
        // One fault, one alert: what fails need not be called late as well.
        let said = |problem: &Problem| known && problem.code == Code::Overdue;
        problems.extend(life(spec, revision, now, seed).filter(|problem| !said(problem)));
    }
    problems
}

/// What is wrong with the passwords of its PKCS#12 files.
fn passwords<'i>(inventory: &'i Inventory, spec: &'i AssetSpec) -> impl Iterator<Item = Problem> + 'i {
    let files = spec.targets.iter().flat_map(|target| target.files.values());
    let sources: BTreeSet<_> = files.filter_map(|file| file.password.as_ref()).collect();
    sources.into_iter().filter_map(|source| inventory.world.passwords.get(source)?.as_ref().err().cloned())
}

/// A CA that wants to be left alone for a while, or is still at work, is no fault until it has taken too long.
fn needs_nobody(code: Code) -> bool {
    matches!(code, Code::IssuerLimited | Code::OrderPending)
}

/// A try to deliver has failed.
fn is_undelivered(record: &AssetRecord) -> bool {
    record.deliveries.values().any(|delivery| delivery.effort.problem.is_some())
}

/// That the CA has revoked what is in use.
fn revoked(revision: &Revision) -> Option<Problem> {
    let renewal = revision.renewal.as_ref()?;
    let since = renewal.revoked_since?;
    let explained = renewal.explanation_url.as_ref().map_or_else(String::new, |url| format!(" ({url})"));
    let message = format!("revision {} is known to be revoked since {since}{explained}", revision.number);
    Some(Problem::new(Code::CertificateRevoked, message))
}

/// Rollouts of the asset that failed, and whose undoing has failed.
fn undone<'i>(inventory: &'i Inventory, id: &'i AssetId) -> impl Iterator<Item = Problem> + 'i {
    let failed = inventory.rollouts.values().filter(|rollout| rollout.not_put_back);
    failed.filter(|rollout| rollout.assets.contains(id)).filter_map(|rollout| {
        let problem = rollout.undoing.as_ref()?;
        let message = format!("{} is not put back yet; before that: {problem}", rollout.place.name());
        Some(Problem::new(Code::PutBackFailed, message))
    })
}

/// What is in use, by its dates.
fn life(spec: &AssetSpec, revision: &Revision, now: Timestamp, seed: Seed) -> Option<Problem> {
    if let Some(validity) = revision.validity {
        let end = validity.not_after;
        if end < now {
            return Some(Problem::new(Code::Expired, format!("revision {} ended at {end}", revision.number)));
        }
        if super::renewal::clipped_by_root(spec, revision) {
            return Some(Problem::new(Code::AuthorityEnding, format!("the root ends at {end}")));
        }
        if needs_a_person(spec, revision) {
            return nagged(validity, revision.number, now);
        }
        if validity.left(now).as_secs() < validity.lifetime().as_secs() / 5 {
            return Some(Problem::new(Code::Expiring, format!("revision {} ends at {end}", revision.number)));
        }
    }
    let due = renew_at(&spec.id, &spec.overlap, revision, seed)?.max(settled_at(revision));
    // A new root is made known first; that takes as long again where places are in the way.
    let told = spec.overlap.told && !spec.overlap.standby;
    let known = if told { spec.overlap.publish_before * 2 } else { SignedDuration::ZERO };
    (later(later(due, spec.overlap.rides + known), GRACE) < now)
        .then(|| Problem::new(Code::Overdue, format!("its successor was due at {due}")))
}

/// A CA may want what it has just issued renewed, again and again: that is followed with pauses, and not late at once.
fn settled_at(revision: &Revision) -> Timestamp {
    let Some(at) = revision.issued_at else { return Timestamp::MIN };
    let pause = revision.validity.map_or(PAUSE, |all| PAUSE.min(all.lifetime() / 24));
    later(at, pause)
}

/// Whether its successor is not ours to make: a certificate that is carried by hand, an intermediate whose root's key is
/// elsewhere.
fn needs_a_person(spec: &AssetSpec, revision: &Revision) -> bool {
    match &spec.kind {
        KindSpec::Certificate(certificate) => certificate.is_by_hand(),
        KindSpec::Ca(ca) => authority::is_by_hand(ca, Some(revision)),
        _ => false,
    }
}

/// So many days before its end a person is told, again each time.
const NAGS: [i64; 5] = [30, 14, 7, 3, 1];

/// The last of those days that is reached, in words. What lives shortly is not told of from its birth on.
pub(super) fn within(validity: Validity, now: Timestamp) -> Option<String> {
    let (left, life) = (validity.left(now), validity.lifetime());
    let reached = |days: &i64| {
        let before = SignedDuration::from_hours(24 * days);
        left <= before && before < life / 2
    };
    let days = NAGS.into_iter().rev().find(reached)?;
    Some(if days == 1 { "a day".to_owned() } else { format!("{days} days") })
}

fn nagged(validity: Validity, number: u32, now: Timestamp) -> Option<Problem> {
    let within = within(validity, now)?;
    let message = format!(
        "revision {number} ends at {}, within {within}, and a person has to have its successor issued",
        validity.not_after
    );
    Some(Problem::new(Code::Expiring, message))
}

/// What we keep of assets that nobody wants any more.
fn unconfigured(desired: &Desired, inventory: &Inventory) -> Vec<(AssetId, Problem)> {
    let lives =
        |record: &&Arc<AssetRecord>| record.revisions.values().any(|r| r.state == RevisionState::Active);
    let gone =
        inventory.assets.values().filter(|record| !desired.assets.contains_key(&record.id)).filter(lives);
    gone.map(|record| {
        let message = format!("{} is in the state, but not in the configuration", record.id);
        (record.id.clone(), Problem::new(Code::NotConfigured, message))
    })
    .collect()
}
