//! What is wrong already? Asked of the records alone, so that it can be answered while a rollout runs.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::pairs::pairs;
use super::{Seed, authority, crl, later, renew_at, revoking};
use crate::desired::{AssetSpec, Desired, KindSpec};
use crate::model::{
    AssetId, AssetRecord, Code, DeliveryState, Engine, Inventory, Problem, Proof, Revision, RevisionState,
    RolloutRecord, Validity,
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
    let (mut problems, mut unwanted) = (Vec::new(), Vec::new());
    let checkup = Checkup::new(desired, inventory, now, seed);
    for (spec, record) in pairs(desired, inventory) {
        let Some(spec) = spec else {
            unwanted.extend(record);
            continue;
        };
        checkup.of_one(spec, record, &mut |problem| problems.push((spec.id.clone(), problem)));
    }
    problems.extend(of_no_spec(&unwanted, inventory));
    problems
}

/// What is asked of one asset after the other.
pub(super) struct Checkup<'a> {
    desired: &'a Desired,
    inventory: &'a Inventory,
    now: Timestamp,
    seed: Seed,
    /// Rollouts that failed, and whose undoing has failed.
    not_put_back: Vec<&'a RolloutRecord>,
}

impl<'a> Checkup<'a> {
    pub(super) fn new(desired: &'a Desired, inventory: &'a Inventory, now: Timestamp, seed: Seed) -> Self {
        let not_put_back = inventory.rollouts.values().filter(|rollout| rollout.not_put_back).collect();
        Self { desired, inventory, now, seed, not_put_back }
    }

    /// Says what is wrong with an asset that is wanted.
    pub(super) fn of_one(
        &self,
        spec: &AssetSpec,
        record: Option<&AssetRecord>,
        say: &mut impl FnMut(Problem),
    ) {
        let Self { desired, inventory, now, seed, not_put_back } = self;
        if let Some(record) = record {
            of_record(spec, record, *now, *seed, say);
            crl::old_in_place(desired, inventory, spec, record, *now).for_each(&mut *say);
        }
        undone(not_put_back, &spec.id).for_each(&mut *say);
        passwords(inventory, spec).for_each(&mut *say);
        if let Engine::Down(problem) = &inventory.world.engine
            && spec.needs_engine()
        {
            say(problem.clone());
        }
    }
}

fn of_record(
    spec: &AssetSpec,
    record: &AssetRecord,
    now: Timestamp,
    seed: Seed,
    say: &mut impl FnMut(Problem),
) {
    // A failure of one issuer is none of the asset's once another has issued.
    let issuers = record.by_issuer.values().filter_map(|effort| effort.problem.as_ref());
    let failed = record.effort.problem.iter().chain(issuers);
    let known = failed.clone().any(|problem| !needs_nobody(problem.code)) || is_undelivered(record);
    failed.cloned().for_each(&mut *say);
    record.active().and_then(revoked).into_iter().for_each(&mut *say);
    let unrevoked = record.revisions.values().filter_map(|revision| revision.awaits_revocation(now));
    unrevoked.filter_map(|asked| asked.effort.problem.clone()).for_each(&mut *say);
    revoking::by_hand(spec, record, now).for_each(&mut *say);
    for (place, delivery) in &record.deliveries {
        delivery.effort.problem.iter().chain(&delivery.note).cloned().for_each(&mut *say);
        if delivery.state == DeliveryState::Delivered
            && delivery.proof == Some(Proof::Converged)
            && matches!(spec.kind, KindSpec::Certificate(_))
        {
            let message = ["no handshake has shown that ", &place.as_text(), " serves it"].concat();
            say(Problem::new(Code::ProofWeak, message));
        }
    }
    let lists = [crl::not_made(spec, record), crl::late(spec, record, now), crl::late_above(record, now)];
    lists.into_iter().flatten().for_each(&mut *say);
    if let Some(revision) = record.active() {
        // One fault, one alert: what fails need not be called late as well.
        let said = |problem: &Problem| known && problem.code == Code::Overdue;
        life(spec, revision, now, seed).filter(|problem| !said(problem)).into_iter().for_each(&mut *say);
    }
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

/// What has not been put back of an asset.
fn undone<'i>(not_put_back: &'i [&RolloutRecord], id: &'i AssetId) -> impl Iterator<Item = Problem> + 'i {
    not_put_back.iter().filter(|rollout| rollout.assets.contains(id)).filter_map(|rollout| {
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

/// What is wrong with what is kept of assets that nobody wants any more, and with what is no asset's.
pub(super) fn of_no_spec(unwanted: &[&AssetRecord], inventory: &Inventory) -> Vec<(AssetId, Problem)> {
    let lives = |record: &&&AssetRecord| record.revisions.values().any(|r| r.state == RevisionState::Active);
    let gone = unwanted.iter().filter(lives).map(|record| {
        let message = format!("{} is in the state, but not in the configuration", record.id);
        (record.id.clone(), Problem::new(Code::NotConfigured, message))
    });
    gone.chain(super::tidings::of_hooks(&inventory.tidings)).collect()
}
