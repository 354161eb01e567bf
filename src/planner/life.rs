//! The overlap engine: announced before it is used, used everywhere before the old one goes, kept for as long as
//! anyone may need it.

use jiff::{SignedDuration, Timestamp};

use super::turn::{aged, asked, changed, days};
use super::{Context, Draft, Site, sites};
use crate::desired::{AssetSpec, KindSpec};
use crate::model::{Action, AssetRecord, Delivery, Part, Place, Revision, RevisionState, Step};

/// Plans what can be noted of an asset's revisions: announced, activated, retired.
pub(super) fn consider(context: &Context<'_>, spec: &AssetSpec, draft: &mut Draft) {
    let record = context.of(spec);
    for revision in record.revisions.values() {
        let step = match revision.state {
            RevisionState::Prepared if may_announce(context, spec, record, revision) => {
                Some((Action::Announce(spec.id.clone(), revision.number), "all who verify have it"))
            }
            RevisionState::Prepared | RevisionState::Published => {
                explain_waiting(context, spec, record, revision, draft);
                may_activate(context, spec, record, revision)
                    .then(|| (Action::Activate(spec.id.clone(), revision.number), "every target has it"))
            }
            RevisionState::Retiring => may_retire(context, spec, record, revision, draft)
                .then(|| (Action::Retire(spec.id.clone(), revision.number), "nobody needs it any more")),
            _ => None,
        };
        if let Some((action, reason)) = step {
            let assets = vec![spec.id.clone()];
            draft.push(Step { at: context.now, assets, action, reason: reason.to_owned() });
        }
    }
}

/// The revisions that verifiers must know: those that sign, will sign, or have signed what is still valid.
pub(super) fn known<'r>(
    spec: &AssetSpec,
    record: &'r AssetRecord,
    now: Timestamp,
) -> impl Iterator<Item = &'r Revision> {
    let linger = spec.overlap.linger;
    record.revisions.values().filter(move |revision| match revision.state {
        RevisionState::Prepared | RevisionState::Published | RevisionState::Active => !revision.compromised,
        RevisionState::Retiring => {
            !revision.compromised && last_needed(revision, linger).is_none_or(|at| now < at)
        }
        _ => false,
    })
}

/// When the last of what `revision` has signed dies; `None` while it may still sign.
pub fn last_needed(revision: &Revision, linger: SignedDuration) -> Option<Timestamp> {
    revision.replaced_at.map(|at| at + linger)
}

/// The revision that signs now: the one in use, or its successor once that is due and has been known for long
/// enough.
pub(super) fn in_turn<'r>(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &'r AssetRecord,
) -> Option<&'r Revision> {
    let Some(active) = record.active() else {
        return record.coming().find(|revision| revision.state == RevisionState::Published);
    };
    let ready = successor(spec, record, active)
        .filter(|next| ready_at(spec, next).is_some_and(|at| at <= context.now))
        .filter(|_| turn_is_due(context, spec, record, active).is_some());
    Some(ready.unwrap_or(active))
}

fn successor<'r>(spec: &AssetSpec, record: &'r AssetRecord, active: &Revision) -> Option<&'r Revision> {
    record
        .coming()
        .filter(|revision| revision.number > active.number && revision.made_for == spec.made_for)
        .find(|revision| revision.state != RevisionState::Pending)
}

/// From when an announced revision may be used: everyone who asked for the old set has asked again.
fn ready_at(spec: &AssetSpec, revision: &Revision) -> Option<Timestamp> {
    revision.published_at.map(|at| at + spec.overlap.publish_before)
}

fn turn_is_due(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &AssetRecord,
    active: &Revision,
) -> Option<String> {
    let mut ignored = Draft::new(context.now);
    asked(record, active)
        .or_else(|| changed(spec, active))
        .or_else(|| aged(context, spec, active, &mut ignored))
}

/// Says until when a turn that is due must wait for its overlap, and when the next is due.
fn explain_waiting(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &AssetRecord,
    revision: &Revision,
    draft: &mut Draft,
) {
    let Some(active) = record.active().filter(|_| spec.overlap.standby) else { return };
    if successor(spec, record, active).is_none_or(|next| next.number != revision.number) {
        return;
    }
    if let Some(due) = turn_is_due(context, spec, record, active) {
        let before = days(spec.overlap.publish_before);
        match ready_at(spec, revision) {
            Some(at) if at > context.now => draft.defer(
                &spec.id,
                Some(at),
                format!("{due}; the standby must have been in every JWKS for {before} first"),
            ),
            Some(_) => {}
            None => draft.defer(&spec.id, None, format!("{due}; the standby is not in every JWKS yet")),
        }
    } else {
        draft.wake(super::renew_at(&spec.id, &spec.overlap, active, context.seed));
    }
}

/// Only where someone must know it beforehand is there anything to announce.
fn may_announce(context: &Context<'_>, spec: &AssetSpec, record: &AssetRecord, revision: &Revision) -> bool {
    spec.overlap.standby && is_announced(context, spec, record, revision.number, None)
}

/// Whether every site that must know revision `number` has been proven to; `except` is not asked.
pub(super) fn is_announced(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &AssetRecord,
    number: u32,
    except: Option<&Place>,
) -> bool {
    sites(spec, record, &context.inventory.world)
        .iter()
        .filter(|site| site.has_spanning() && Some(&site.place) != except)
        .all(|site| delivered(record, site).is_some_and(|delivery| delivery.content.announces(number)))
}

/// What the site has, if it is there and proven.
fn delivered<'r>(record: &'r AssetRecord, site: &Site<'_>) -> Option<&'r Delivery> {
    record.deliveries.get(&site.place).filter(|delivery| delivery.state.is_there())
}

/// In use everywhere? A CA and what has no target is in use when it is there.
fn may_activate(context: &Context<'_>, spec: &AssetSpec, record: &AssetRecord, revision: &Revision) -> bool {
    if spec.overlap.standby
        && in_turn(context, spec, record).is_none_or(|turn| turn.number != revision.number)
    {
        return false;
    }
    sites(spec, record, &context.inventory.world).iter().all(|site| {
        delivered(record, site)
            .is_some_and(|delivery| !site.has_single() || delivery.content.uses(revision.number))
    })
}

/// Of no use to anyone: what it signed is dead, no place and no object has it, and the retention has passed.
fn may_retire(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &AssetRecord,
    revision: &Revision,
    draft: &mut Draft,
) -> bool {
    let linger = match spec.kind {
        KindSpec::Ca(_) => spec.overlap.linger,
        _ => spec.overlap.linger.max(context.desired.retention),
    };
    if let Some(at) = last_needed(revision, spec.overlap.linger) {
        draft.wake(Some(at));
    }
    let Some(at) = last_needed(revision, linger) else { return false };
    if at > context.now {
        draft.wake(Some(at));
        return false;
    }
    let placed = record.deliveries.values().any(|delivery| delivery.content.mentions(revision.number));
    let kept = context.inventory.objects.values().any(|object| {
        object.asset == spec.id && !spans(object.part) && object.revisions.contains(&revision.number)
    });
    !placed && !kept
}

fn spans(part: Part) -> bool {
    part.spans_revisions()
}
