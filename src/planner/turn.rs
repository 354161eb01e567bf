//! Is a new revision due?
//!
//! A chain of small checks; the first that says yes gives the reason. What differs between kinds is in
//! [`crate::desired::Overlap`], not here.

use jiff::{SignedDuration, Timestamp};

use super::renewal::{aged, lead};
use super::{Context, Draft, authority, later};
use crate::desired::{AssetSpec, KindSpec, Places};
use crate::model::{
    Action, AssetKind, AssetRecord, Effort, MAKING_PAUSES, Make, Revision, RevisionState, Signer, Step,
};

/// Plans the making of the revisions that are due for one asset.
pub(super) fn consider(context: &Context<'_>, spec: &AssetSpec, due: Vec<Wish>, draft: &mut Draft) {
    let record = context.record(&spec.id);
    let mut next = record.newest_number() + 1;
    for wish in due {
        let number = wish.begun.unwrap_or(next);
        if let Some(step) = make(context, spec, record, number, wish.reason, draft) {
            next += u32::from(wish.begun.is_none());
            draft.making.insert(spec.id.clone());
            draft.push(step);
        }
    }
}

/// A revision that should be made.
pub(super) struct Wish {
    /// Its number, where a crash has interrupted its making.
    begun: Option<u32>,
    reason: String,
}

impl Wish {
    fn new(reason: String) -> Self {
        Self { begun: None, reason }
    }
}

/// The revisions to be made, each with its reason.
pub(super) fn due(context: &Context<'_>, spec: &AssetSpec, draft: &mut Draft) -> Vec<Wish> {
    let record = context.record(&spec.id);
    let mut due: Vec<Wish> = record
        .coming()
        .filter(|revision| revision.state == RevisionState::Pending && revision.made_for == spec.made_for)
        .filter(|revision| !revision.compromised)
        .map(|revision| Wish { begun: Some(revision.number), reason: revision.reason.clone() })
        .collect();
    if spec.overlap.standby {
        due.extend(missing_standby(spec, record).into_iter().map(Wish::new));
    } else if due.is_empty() {
        due.extend(next(context, spec, record, draft).map(Wish::new));
    }
    due
}

/// Where a successor must be known beforehand, one is always in stock: two at the very beginning.
fn missing_standby(spec: &AssetSpec, record: &AssetRecord) -> Vec<String> {
    let coming = record.coming().filter(|revision| revision.made_for == spec.made_for).count();
    let active = record.active();
    let first = match active {
        None => Some("there is none yet".to_owned()),
        Some(active) => changed(spec, active),
    };
    let both = first.into_iter().chain(["the standby".to_owned()]);
    both.skip(coming).collect()
}

/// Why the newest revision needs a successor now, where it does.
fn next(context: &Context<'_>, spec: &AssetSpec, record: &AssetRecord, draft: &mut Draft) -> Option<String> {
    let live = |revision: &&Revision| revision.state.is_coming() || revision.state == RevisionState::Active;
    match record.revisions.values().rev().find(live) {
        None => Some("there is none yet".to_owned()),
        Some(newest) => successor(context, spec, record, newest, draft),
    }
}

/// Why `newest` needs a successor now.
fn successor(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &AssetRecord,
    newest: &Revision,
    draft: &mut Draft,
) -> Option<String> {
    asked(record, newest)
        .or_else(|| changed(spec, newest))
        .or_else(|| withdrawn(newest))
        .or_else(|| authority::uprooted(context, spec, newest, draft))
        .or_else(|| aged(context, spec, newest, draft))
}

/// It was revoked before its successor was there.
fn withdrawn(revision: &Revision) -> Option<String> {
    revision.revoked_at.map(|at| format!("revision {} was revoked at {at}", revision.number))
}

/// The operator has asked for it.
pub(super) fn asked(record: &AssetRecord, revision: &Revision) -> Option<String> {
    let request = record.request.as_ref()?;
    (revision.number <= request.after).then(|| format!("asked for by {} at {}", request.by, request.at))
}

/// The configuration asks for something else.
pub(super) fn changed(spec: &AssetSpec, revision: &Revision) -> Option<String> {
    (revision.made_for != spec.made_for)
        .then(|| format!("the configuration now asks for {} (was {})", spec.made_for, revision.made_for))
}

/// The step that makes a revision, unless something stands in the way.
fn make(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &AssetRecord,
    revision: u32,
    reason: String,
    draft: &mut Draft,
) -> Option<Step> {
    let next_try = next_try(spec, record, &record.effort, &MAKING_PAUSES).filter(|at| *at > context.now);
    if next_try.is_some() && record.effort.against.as_ref() == Some(&spec.made_for) {
        let why = record.effort.problem.as_ref().map_or("the last try failed", |p| p.message.as_str());
        draft.defer(&spec.id, next_try, format!("tried again then: {why}"));
        return None;
    }
    if let Some(problem) = waits_for_engine(context, spec) {
        draft.defer(
            &spec.id,
            None,
            format!("{reason}, but nothing is made before it can go anywhere: {problem}"),
        );
        return None;
    }
    if let KindSpec::Ca(ca) = &spec.kind
        && authority::is_by_hand(ca, record.active())
    {
        draft.defer(&spec.id, None, format!("{reason}; {}", authority::by_hand(&spec.id)));
        return None;
    }
    let signer = super::issuing::signer(context, spec, draft).ok()?;
    let make = Make {
        asset: spec.id.clone(),
        revision,
        made_for: spec.made_for.clone(),
        keep_key_of: kept_key(context, spec, record),
        crossed: crossed(context, spec, record, signer.as_ref()),
        signer,
    };
    let action = match spec.id.kind {
        AssetKind::Certificate => Action::Issue(make),
        _ => Action::Generate(make),
    };
    Some(Step { at: context.now, assets: vec![spec.id.clone()], action, reason })
}

/// When what has failed may be tried again: after its pause; but a pause is no longer than a twelfth of what the
/// renewal has in hand, so that a short fault cannot use it up. (What the operator asks for is tried at once:
/// [`AssetRecord::ask`] forgets what has failed.)
pub(super) fn next_try(
    spec: &AssetSpec,
    record: &AssetRecord,
    effort: &Effort,
    pauses: &[i64],
) -> Option<Timestamp> {
    let at = effort.next_try_at?;
    let tried = effort.tried_at(pauses).unwrap_or(at);
    let in_hand = record.active().and_then(|active| active.validity).map(|all| lead(spec.overlap.turn, all));
    let longest = in_hand.map(|lead| later(tried, SignedDuration::from_secs((lead.as_secs() / 12).max(60))));
    Some(longest.map_or(at, |longest| at.min(longest)))
}

/// What goes to a Swarm only is not made while there is none to work with: nothing is changed before the operator
/// has read why. The first revision of a CA waits like those that it would sign.
fn waits_for_engine(context: &Context<'_>, spec: &AssetSpec) -> Option<String> {
    let problem = context.engine_problem()?;
    let signs = |other: &&AssetSpec| matches!(&other.kind, KindSpec::Certificate(certificate) if certificate.authority() == Some(&spec.id));
    let waits = match spec.kind {
        KindSpec::Ca(_) if context.record(&spec.id).active().is_some() => false,
        KindSpec::Ca(_) => {
            let mut signed = context.desired.assets.values().filter(signs).peekable();
            signed.peek().is_some() && signed.all(only_swarm)
        }
        _ => only_swarm(spec),
    };
    waits.then_some(problem)
}

fn only_swarm(spec: &AssetSpec) -> bool {
    let swarm = |target: &crate::desired::TargetSpec| matches!(target.places, Places::Services { .. });
    !spec.targets.is_empty() && spec.targets.iter().all(swarm)
}

/// While a root is rolled over: the CA's revision under the old one.
fn crossed(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &AssetRecord,
    signer: Option<&Signer>,
) -> Option<u32> {
    match (&spec.kind, signer) {
        (KindSpec::Ca(_), _) if kept_key(context, spec, record).is_none() => {
            // What a root in wrong hands certifies is worth nothing.
            record.active().filter(|active| !active.compromised).map(|active| active.number)
        }
        (_, Some(Signer::Internal(ca, number))) => authority::under_old_root(context.record(ca), *number),
        _ => None,
    }
}

/// The revision whose key (of a CA: whose root) goes on.
fn kept_key(context: &Context<'_>, spec: &AssetSpec, record: &AssetRecord) -> Option<u32> {
    let last =
        record.revisions.values().rev().find(|r| r.state >= RevisionState::Prepared && !r.state.is_over())?;
    match &spec.kind {
        KindSpec::Ca(ca) if authority::wants_new_root(context, ca, record, last) => None,
        KindSpec::Ca(_) => Some(last.number),
        KindSpec::Certificate(certificate) if certificate.keep_key && !last.compromised => Some(last.number),
        _ => None,
    }
}

/// "60 days", "36 hours": for people.
pub(super) fn days(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=119 => format!("{seconds} seconds"),
        120..=7199 => format!("{} minutes", seconds / 60),
        7200..=172_799 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
