//! Is a new revision due?
//!
//! A chain of small checks; the first that says yes gives the reason. What differs between kinds is in
//! [`Overlap`], not here.

use jiff::{SignedDuration, Timestamp};

use super::{Context, Draft, Seed};
use crate::desired::{AssetSpec, KindSpec, Overlap, Turn};
use crate::model::{
    Action, AssetId, AssetKind, AssetRecord, Code, Make, Problem, Revision, RevisionState, Step,
};

/// No jitter is longer than this.
const LONGEST_JITTER: SignedDuration = SignedDuration::from_hours(1);

/// When the successor of `revision` is due; `None` while it has neither validity nor use.
///
/// A little earlier than the configuration says, by a chance that is fixed for each revision (at most an
/// hour or a hundredth of its life), so that what was made together is not renewed together.
pub fn renew_at(asset: &AssetId, overlap: &Overlap, revision: &Revision, seed: Seed) -> Option<Timestamp> {
    let (due, life) = match (overlap.turn, revision.validity) {
        (Turn::Every(every), _) => (revision.active_at.or(revision.issued_at)? + every, every),
        (Turn::ShareLeft { of, parts }, Some(validity)) => {
            let life = validity.lifetime();
            let lead = life.as_secs() / i64::from(parts.max(1)) * i64::from(of);
            (validity.not_after - SignedDuration::from_secs(lead), life)
        }
        (Turn::Left(lead), Some(validity)) => {
            // A life that came out shorter than the lead would be due at its birth, again and again.
            let life = validity.lifetime();
            let half = SignedDuration::from_secs(life.as_secs() / 2);
            (validity.not_after - lead.min(half), life)
        }
        _ => return None,
    };
    let span = SignedDuration::from_secs(life.as_secs() / 100).min(LONGEST_JITTER);
    let jitter = (span.as_secs() as f64 * seed.fraction(asset, revision.number)) as i64;
    Some(due - SignedDuration::from_secs(jitter))
}

/// Plans the revisions that are due for one asset.
pub(super) fn consider(context: &Context<'_>, spec: &AssetSpec, draft: &mut Draft) {
    let record = context.of(spec);
    let due = due(context, spec, record, draft);
    for (revision, reason) in due {
        if let Some(step) = make(context, spec, record, revision, reason, draft) {
            draft.push(step);
        }
    }
}

/// The revisions to be made, each with its reason.
fn due(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &AssetRecord,
    draft: &mut Draft,
) -> Vec<(Option<u32>, String)> {
    let unfinished = record
        .coming()
        .filter(|revision| revision.state == RevisionState::Pending && revision.made_for == spec.made_for)
        .map(|revision| (Some(revision.number), revision.reason.clone()));
    let mut due: Vec<_> = unfinished.collect();
    if spec.overlap.standby {
        due.extend(missing_standby(spec, record).into_iter().map(|reason| (None, reason)));
        return due;
    }
    let live =
        record.revisions.values().rev().find(|r| r.state.is_coming() || r.state == RevisionState::Active);
    match live {
        None => due.push((None, "there is none yet".to_owned())),
        Some(newest) if newest.state == RevisionState::Pending && newest.made_for == spec.made_for => {}
        Some(newest) => {
            due.extend(successor(context, spec, record, newest, draft).map(|reason| (None, reason)))
        }
    }
    due
}

/// Where a successor must be known beforehand, one is always in stock: two at the very beginning.
fn missing_standby(spec: &AssetSpec, record: &AssetRecord) -> Vec<String> {
    let coming = record.coming().filter(|revision| revision.made_for == spec.made_for).count();
    let in_use = record.active().is_some_and(|revision| revision.made_for == spec.made_for);
    match (coming, in_use) {
        (0, false) => vec!["there is none yet".to_owned(), "the standby".to_owned()],
        (0, true) | (1, false) => vec!["the standby".to_owned()],
        _ => Vec::new(),
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
    asked(record, newest).or_else(|| changed(spec, newest)).or_else(|| aged(context, spec, newest, draft))
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

/// Its time has come.
pub(super) fn aged(
    context: &Context<'_>,
    spec: &AssetSpec,
    revision: &Revision,
    draft: &mut Draft,
) -> Option<String> {
    let at = renew_at(&spec.id, &spec.overlap, revision, context.seed)?;
    if at > context.now {
        draft.wake(Some(at));
        return None;
    }
    if clipped_by_root(spec, revision) {
        return None;
    }
    Some(match (spec.overlap.turn, revision.validity) {
        (Turn::Every(every), _) => format!("in use for {}", days(every)),
        (_, Some(validity)) => format!("ends at {}", validity.not_after),
        _ => "its time has come".to_owned(),
    })
}

/// A new intermediate would end with its root just like this one: making it again and again helps nobody.
pub(super) fn clipped_by_root(spec: &AssetSpec, revision: &Revision) -> bool {
    let KindSpec::Ca(ca) = &spec.kind else { return false };
    let slack = SignedDuration::from_hours(2);
    revision.validity.is_some_and(|validity| validity.lifetime() + slack < ca.intermediate_lifetime)
}

/// The step that makes a revision, unless something stands in the way.
fn make(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &AssetRecord,
    revision: Option<u32>,
    reason: String,
    draft: &mut Draft,
) -> Option<Step> {
    if !record.effort.may_try(context.now) && record.effort.against.as_ref() == Some(&spec.made_for) {
        let why = record.effort.problem.as_ref().map_or("the last try failed", |p| p.message.as_str());
        draft.defer(&spec.id, record.effort.next_try_at, format!("tried again then: {why}"));
        return None;
    }
    let authority = match &spec.kind {
        KindSpec::Certificate(certificate) => match signer(context, &certificate.authority) {
            Ok(authority) => Some(authority),
            Err(problem) => {
                draft.defer(&spec.id, None, problem.message);
                return None;
            }
        },
        _ => None,
    };
    let begun = draft.plan.steps.iter().filter(|step| step.assets.contains(&spec.id)).count() as u32;
    let make = Make {
        asset: spec.id.clone(),
        revision: revision.unwrap_or(record.newest_number() + 1 + begun),
        made_for: spec.made_for.clone(),
        keep_key_of: kept_key(spec, record),
        authority,
    };
    let action = match spec.id.kind {
        AssetKind::Certificate => Action::Issue(make),
        _ => Action::Generate(make),
    };
    Some(Step { at: context.now, assets: vec![spec.id.clone()], action, reason })
}

/// The CA revision that signs now. A CA that is itself due is made first.
fn signer(context: &Context<'_>, id: &AssetId) -> Result<(AssetId, u32), Problem> {
    let missing = || Problem::new(Code::AuthorityMissing, format!("waits for {id}"));
    let record = context.record(id).ok_or_else(missing)?;
    let spec = context.desired.assets.get(id).ok_or_else(missing)?;
    let active = record.active().ok_or_else(missing)?;
    let due = renew_at(id, &spec.overlap, active, context.seed).is_some_and(|at| at <= context.now);
    let replaceable = due && !clipped_by_root(spec, active) && record.effort.may_try(context.now);
    let requested = asked(record, active).is_some() || changed(spec, active).is_some();
    if replaceable || (requested && record.effort.may_try(context.now)) {
        Err(missing())
    } else {
        Ok((id.clone(), active.number))
    }
}

/// The revision whose key (of a CA: whose root) goes on.
fn kept_key(spec: &AssetSpec, record: &AssetRecord) -> Option<u32> {
    let last =
        record.revisions.values().rev().find(|r| r.state >= RevisionState::Prepared && !r.state.is_over())?;
    match &spec.kind {
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
