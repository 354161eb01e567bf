//! The overlap engine: announced before it is used, used everywhere before the old one goes, kept for as long as
//! anyone may need it.

use jiff::{SignedDuration, Timestamp};

use super::renewal::{aged, lead};
use super::turn::{asked, changed, days};
use super::{Context, Draft, Site, authority, compromise, later, watch};
use crate::desired::{AssetSpec, KindSpec};
use crate::model::{
    Action, AssetId, AssetRecord, Delivery, FileContent, Part, Place, Revision, RevisionState, Step,
};

/// Plans what can be noted of an asset's revisions: announced, activated, retired.
pub(super) fn consider(context: &Context<'_>, spec: &AssetSpec, draft: &mut Draft) {
    type Noted = fn(AssetId, u32) -> Action;
    for revision in context.record(&spec.id).revisions.values() {
        let step: Option<(Noted, &str)> = match revision.state {
            RevisionState::Prepared if may_announce(context, spec, revision) => {
                Some((Action::Announce, "all who verify have it"))
            }
            RevisionState::Prepared | RevisionState::Published => {
                explain_waiting(context, spec, revision, draft);
                may_activate(context, spec, revision).then_some((Action::Activate, "every target has it"))
            }
            RevisionState::Retiring => may_retire(context, spec, revision, draft)
                .then_some((Action::Retire, "nobody needs it any more")),
            _ => None,
        };
        if let Some((action, reason)) = step {
            let (assets, action) = (vec![spec.id.clone()], action(spec.id.clone(), revision.number));
            draft.push(Step { at: context.now, assets, action, reason: reason.to_owned() });
        }
    }
}

/// The revisions that verifiers must know: those that sign, will sign, or have signed what is still valid. A
/// compromised key is known only for as long as it is the one in use.
pub(super) fn known<'c>(context: &'c Context<'_>, spec: &'c AssetSpec) -> impl Iterator<Item = &'c Revision> {
    context.record(&spec.id).revisions.values().filter(move |revision| match revision.state {
        RevisionState::Active => true,
        RevisionState::Prepared | RevisionState::Published => !revision.compromised,
        RevisionState::Retiring => {
            !revision.compromised && needed_until(context, spec, revision).is_none_or(|at| context.now < at)
        }
        _ => false,
    })
}

/// When the last of what `revision` has signed dies; `None` while it may still sign.
pub fn last_needed(revision: &Revision, linger: SignedDuration) -> Option<Timestamp> {
    revision.replaced_at.map(|at| later(at, linger))
}

/// The same, with an eye on the world: a key that a person has brought back by a rollback signs again.
fn needed_until(context: &Context<'_>, spec: &AssetSpec, revision: &Revision) -> Option<Timestamp> {
    let single = |part: Part| !part.spans_revisions();
    let own = context.objects(&spec.id).iter().filter(|object| single(object.part));
    let mut last = revision.replaced_at?;
    for object in own.filter(|object| object.revisions[..] == [revision.number]) {
        if context.named_by(object).is_some_and(|namer| namer.in_use) {
            return None;
        }
        last = last.max(object.replaced_at.unwrap_or(last));
    }
    // What a key in wrong hands has signed is worth nothing.
    let linger = if revision.compromised { SignedDuration::ZERO } else { spec.overlap.linger };
    let signed = match spec.kind {
        KindSpec::Ca(_) if revision.compromised => authority::trusted_until(context, &spec.id, revision),
        KindSpec::Ca(_) => authority::last_end(context, spec, revision.number),
        _ => None,
    };
    Some(later(last, linger).max(signed.unwrap_or(last)))
}

/// The revision that signs now: the one in use, or its successor once that is due and has been known for long
/// enough.
pub(super) fn in_turn<'c>(context: &'c Context<'_>, spec: &AssetSpec) -> Option<&'c Revision> {
    let record = context.record(&spec.id);
    let Some(active) = record.active() else {
        return record.coming().find(|revision| revision.state == RevisionState::Published);
    };
    let next = successor(spec, record, active)
        .filter(|next| has_begun(record, next) || is_ready(context, spec, active, next));
    Some(next.unwrap_or(active))
}

fn successor<'r>(spec: &AssetSpec, record: &'r AssetRecord, active: &Revision) -> Option<&'r Revision> {
    record
        .coming()
        .filter(|revision| revision.number > active.number && revision.made_for == spec.made_for)
        .find(|revision| revision.state != RevisionState::Pending)
}

/// Once a signer has it, the others follow: going back and forth would only cost rollouts.
fn has_begun(record: &AssetRecord, next: &Revision) -> bool {
    record.deliveries.values().any(|delivery| delivery.content.uses(next.number))
}

fn is_ready(context: &Context<'_>, spec: &AssetSpec, active: &Revision, next: &Revision) -> bool {
    ready_at(context, spec, next).is_some_and(|at| at <= context.now)
        && turn_is_due(context, spec, active).is_some()
}

/// From when an announced revision may be used: everyone who asked for the old set has asked again, counted from the
/// last proof. `None` while a verifier is not proven to have it.
fn ready_at(context: &Context<'_>, spec: &AssetSpec, revision: &Revision) -> Option<Timestamp> {
    // An intermediate under a root that is known is ready at once.
    let known_as = revision.root.unwrap_or(revision.number);
    let mut last = if known_as == revision.number { revision.published_at? } else { Timestamp::MIN };
    for (owner, site) in knowers(context, spec) {
        let delivery = knows(context, owner, site, revision)?;
        let since = delivery.known_since.get(&known_as).copied().or(delivery.delivered_at);
        last = last.max(since.unwrap_or(last));
    }
    let overlap = &spec.overlap;
    let hurried = compromise::is_open(context.record(&spec.id));
    Some(later(last, if hurried { overlap.max_age } else { overlap.publish_before }))
}

/// The places that must know a revision before it is used, each with the asset that it has it from.
fn knowers<'c>(
    context: &'c Context<'_>,
    spec: &'c AssetSpec,
) -> Box<dyn Iterator<Item = (&'c AssetSpec, &'c Site<'c>)> + 'c> {
    match spec.kind {
        KindSpec::Ca(_) => Box::new(authority::knowers(context, &spec.id)),
        _ => Box::new(
            context.sites(spec).iter().filter(|site| site.has_spanning()).map(move |site| (spec, site)),
        ),
    }
}

/// Why the key in use should be replaced now, where it should.
pub(super) fn turn_is_due(context: &Context<'_>, spec: &AssetSpec, active: &Revision) -> Option<String> {
    let mut ignored = Draft::new(context.now);
    asked(context.record(&spec.id), active)
        .or_else(|| changed(spec, active))
        .or_else(|| aged(context, spec, active, &mut ignored))
}

/// Says until when a turn that is due must wait for its overlap, and when the next is due.
fn explain_waiting(context: &Context<'_>, spec: &AssetSpec, revision: &Revision, draft: &mut Draft) {
    let record = context.record(&spec.id);
    if !spec.overlap.standby {
        explain_told(context, spec, revision, draft);
        return;
    }
    let Some(active) = record.active() else {
        explain_first(context, spec, revision, draft);
        return;
    };
    if successor(spec, record, active).is_none_or(|next| next.number != revision.number) {
        return;
    }
    let Some(due) = turn_is_due(context, spec, active) else {
        draft.wake(super::renew_at(&spec.id, &spec.overlap, active, context.seed));
        return;
    };
    let hurried = compromise::is_open(record);
    let before = days(if hurried { spec.overlap.max_age } else { spec.overlap.publish_before });
    match ready_at(context, spec, revision) {
        Some(at) if at > context.now => {
            let reason = format!("{due}; the standby must have been in every JWKS for {before} first");
            draft.defer(&spec.id, Some(at), reason);
        }
        Some(_) => {}
        None => {
            let unproven = unproven(context, spec, revision);
            draft.defer(&spec.id, None, format!("{due}; the standby is not in every JWKS yet{unproven}"));
        }
    }
}

/// Says what a new root waits for, where it does.
fn explain_told(context: &Context<'_>, spec: &AssetSpec, revision: &Revision, draft: &mut Draft) {
    if !spec.overlap.told || may_activate(context, spec, revision) {
        return;
    }
    let number = revision.number;
    draft.wake(hurries_at(context, spec));
    match ready_at(context, spec, revision) {
        Some(at) => {
            let before = days(spec.overlap.publish_before);
            let reason = format!(
                "revision {number}: its root must have been in every trust bundle for {before} first"
            );
            draft.defer(&spec.id, Some(at), reason);
        }
        None => {
            let unproven = unproven(context, spec, revision);
            draft.defer(
                &spec.id,
                None,
                format!("revision {number}: its root is not in every trust bundle yet{unproven}"),
            );
        }
    }
}

/// Says which verifiers the very first key waits for.
fn explain_first(context: &Context<'_>, spec: &AssetSpec, revision: &Revision, draft: &mut Draft) {
    let first = context.record(&spec.id).coming().next();
    let unproven = unproven(context, spec, revision);
    if first.is_some_and(|first| first.number == revision.number) && !unproven.is_empty() {
        draft.defer(
            &spec.id,
            None,
            format!("nothing signs with it before every verifier knows it{unproven}"),
        );
    }
}

/// `: not proven in api_gateway, api_users`; empty where nobody is waited for.
fn unproven(context: &Context<'_>, spec: &AssetSpec, revision: &Revision) -> String {
    let missing =
        knowers(context, spec).filter(|(owner, site)| knows(context, owner, site, revision).is_none());
    let mut names: Vec<String> = missing.map(|(_, site)| site.place.name()).collect();
    names.dedup();
    if names.is_empty() { String::new() } else { format!(": not proven in {}", names.join(", ")) }
}

/// Only where someone must know it beforehand is there anything to announce.
fn may_announce(context: &Context<'_>, spec: &AssetSpec, revision: &Revision) -> bool {
    let first = context.record(&spec.id).active().is_none();
    let waited_for = spec.overlap.standby || !first;
    spec.overlap.told && waited_for && is_announced(context, spec, revision, None)
}

/// Whether every site that must know the revision has been proven to; `except` is not asked.
pub(super) fn is_announced(
    context: &Context<'_>,
    spec: &AssetSpec,
    revision: &Revision,
    except: Option<&Place>,
) -> bool {
    knowers(context, spec)
        .filter(|(_, site)| Some(&*site.place) != except)
        .all(|(owner, site)| knows(context, owner, site, revision).is_some())
}

/// The delivery by which the site knows the revision, if it is proven and still stands; `owner` is what is delivered
/// there: a CA's root comes with the certificates that it signs.
fn knows<'c>(
    context: &'c Context<'_>,
    owner: &AssetSpec,
    site: &Site<'_>,
    revision: &Revision,
) -> Option<&'c Delivery> {
    let delivery = in_place(context, owner, site)?;
    let mut wanted = site.files.iter().filter(|(_, file)| file.file.part.spans_revisions());
    let has = |path: &str| delivery.content.files.get(path).is_some_and(|file| tells_of(file, revision));
    let stands =
        wanted.all(|(path, _)| has(path)) && watch::drift(context, site, &delivery.content).is_empty();
    stands.then_some(delivery)
}

/// Whether a file that spans revisions tells of this one: by its key, its root, or its revocation list.
fn tells_of(file: &FileContent, revision: &Revision) -> bool {
    match file.part {
        Part::Ca => revision.root.is_some_and(|root| file.revisions.contains(&root)),
        Part::Crl => revision.crl_since.is_some_and(|first| file.revisions.iter().any(|it| *it >= first)),
        _ => file.revisions.contains(&revision.number),
    }
}

/// What the site has, if it was shown to be there: a service that was made anew has nothing yet.
pub(super) fn in_place<'c>(
    context: &'c Context<'_>,
    spec: &AssetSpec,
    site: &Site<'_>,
) -> Option<&'c Delivery> {
    let delivery = context.record(&spec.id).deliveries.get(&site.place)?;
    let same = match &*site.place {
        Place::Service(_) => {
            site.service.is_some_and(|service| delivery.service_id.as_ref() == Some(&service.id))
        }
        Place::Dir(_) => true,
    };
    (same && delivery.state.is_there()).then_some(delivery)
}

/// Whether a revision that others must know may be used by now. The very first waits for nobody, nor does what brings
/// nothing new; and where little is left of the one in use, who does not know its successor yet must find the way over the
/// old root.
fn is_trusted(context: &Context<'_>, spec: &AssetSpec, revision: &Revision) -> bool {
    context.record(&spec.id).active().is_none_or(|active| brings_nothing_new(spec, active, revision))
        || ready_at(context, spec, revision).is_some_and(|at| at <= context.now)
        || hurries_at(context, spec).is_some_and(|at| at <= context.now)
}

/// An intermediate under the root that is in use, of a CA without revocation lists: whoever trusts the one trusts the other.
/// A place that hangs in the middle of something else need not be asked.
fn brings_nothing_new(spec: &AssetSpec, active: &Revision, revision: &Revision) -> bool {
    let listed = !matches!(&spec.kind, KindSpec::Ca(ca) if ca.crl.is_none());
    !listed && revision.root.is_some() && revision.root == active.root
}

/// From when on the successor of what is in use is waited for by nobody: half of what the turn had in hand is left, or the
/// one in use is in wrong hands.
fn hurries_at(context: &Context<'_>, spec: &AssetSpec) -> Option<Timestamp> {
    let record = context.record(&spec.id);
    let validity = record.active()?.validity?;
    let short = later(validity.not_after, -lead(spec.overlap.turn, validity) / 2);
    Some(authority::signs_anyway_at(record).map_or(short, |at| at.min(short)))
}

/// Whether a revision that is made waits only for its time; then its predecessor goes on.
pub(super) fn waits_to_be_known(context: &Context<'_>, spec: &AssetSpec, revision: &Revision) -> bool {
    spec.overlap.told && !spec.overlap.standby && !is_trusted(context, spec, revision)
}

/// In use everywhere? A CA and what has no target is in use when it is there.
fn may_activate(context: &Context<'_>, spec: &AssetSpec, revision: &Revision) -> bool {
    if spec.overlap.standby && in_turn(context, spec).is_none_or(|turn| turn.number != revision.number) {
        return false;
    }
    let told = spec.overlap.told && !spec.overlap.standby;
    if told && (revision.compromised || !is_trusted(context, spec, revision)) {
        return false;
    }
    context.sites(spec).iter().all(|site| {
        in_place(context, spec, site)
            .is_some_and(|delivery| !site.has_single() || delivery.content.uses(revision.number))
    })
}

/// Of no use to anyone: what it signed is dead, no place and no object has it, and the retention has passed.
fn may_retire(context: &Context<'_>, spec: &AssetSpec, revision: &Revision, draft: &mut Draft) -> bool {
    if revision.awaits_revocation(context.now).is_some() {
        return false;
    }
    let Some(unneeded) = needed_until(context, spec, revision) else { return false };
    let retention = match spec.kind {
        KindSpec::Ca(_) => SignedDuration::ZERO,
        _ if revision.compromised => SignedDuration::ZERO,
        _ => context.desired.retention,
    };
    let at = unneeded.max(later(revision.replaced_at.unwrap_or(unneeded), retention));
    draft.wake(Some(unneeded));
    draft.wake(Some(at));
    at <= context.now && !has_traces(context, spec, revision.number)
}

/// Whether a directory or a Docker object is made of revision `number`. What a service has is an object; a service
/// that is no target any more would be remembered for ever.
fn has_traces(context: &Context<'_>, spec: &AssetSpec, number: u32) -> bool {
    let deliveries = &context.record(&spec.id).deliveries;
    let current = |place: &Place| context.sites(spec).iter().any(|site| *site.place == *place);
    deliveries
        .iter()
        .filter(|(place, _)| matches!(place, Place::Dir(_)) || current(place))
        .any(|(_, delivery)| delivery.content.mentions(number))
        || context
            .objects(&spec.id)
            .iter()
            .any(|object| !object.part.spans_revisions() && object.revisions.contains(&number))
}
