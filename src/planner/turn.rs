//! Is a new revision due?
//!
//! A chain of small checks; the first that says yes gives the reason. What differs between kinds is in
//! [`Overlap`], not here.

use jiff::{SignedDuration, Timestamp};

use super::{Context, Draft, Seed, later};
use crate::desired::{AssetSpec, KindSpec, Overlap, Places, Turn};
use crate::model::{
    Action, AssetId, AssetKind, AssetRecord, Effort, MAKING_PAUSES, Make, Revision, RevisionState, Signer,
    Step, Validity,
};

/// No jitter is longer than this.
const LONGEST_JITTER: SignedDuration = SignedDuration::from_hours(1);

/// When the successor of `revision` is due; `None` while it has neither validity nor use.
///
/// A little earlier than the configuration says, by a chance that is fixed for each revision (at most an
/// hour or a hundredth of its life), so that what was made together is not renewed together.
pub fn renew_at(asset: &AssetId, overlap: &Overlap, revision: &Revision, seed: Seed) -> Option<Timestamp> {
    if let Some(at) = advised(overlap, revision) {
        return Some(at);
    }
    let (due, life) = match (overlap.turn, revision.validity) {
        (Turn::Every(every), _) => (later(revision.active_at.or(revision.issued_at)?, every), every),
        (turn, Some(validity)) => (later(validity.not_after, -lead(turn, validity)), validity.lifetime()),
        _ => return None,
    };
    let span = SignedDuration::from_secs(life.as_secs() / 100).min(LONGEST_JITTER);
    let jitter = (span.as_secs() as f64 * seed.fraction(asset, revision.number)) as i64;
    Some(later(due, SignedDuration::from_secs(-jitter)))
}

/// What the revision's CA advises (RFC 9773): that goes first, but half of our own time for a renewal is kept.
fn advised(overlap: &Overlap, revision: &Revision) -> Option<Timestamp> {
    let renewal = revision.renewal.as_ref()?;
    let validity = revision.validity?;
    let latest = later(validity.not_after, -(lead(overlap.turn, validity) / 2));
    renewal.revoked_since.or(renewal.chosen).map(|at| at.min(latest))
}

/// A moment in the window that a CA has suggested for the renewal of a revision, drawn evenly (RFC 9773 §4.2), and always
/// the same for the same window.
pub fn draw(seed: Seed, asset: &AssetId, revision: u32, window: (Timestamp, Timestamp)) -> Timestamp {
    let (start, end) = window;
    let span = end.duration_since(start).as_secs().max(0) as f64;
    later(start, SignedDuration::from_secs((span * seed.fraction(asset, revision)) as i64))
}

/// How much of `validity` is left when a successor is due.
pub(super) fn lead(turn: Turn, validity: Validity) -> SignedDuration {
    let life = validity.lifetime().as_secs();
    match turn {
        Turn::ShareLeft { of, parts } => {
            SignedDuration::from_secs(life / i64::from(parts.max(1)) * i64::from(of))
        }
        // A life that came out shorter than the lead would be due at its birth, again and again.
        Turn::Left(lead) => lead.min(SignedDuration::from_secs(life / 2)),
        Turn::Every(_) => SignedDuration::ZERO,
    }
}

/// Plans the revisions that are due for one asset.
pub(super) fn consider(context: &Context<'_>, spec: &AssetSpec, draft: &mut Draft) {
    let record = context.record(&spec.id);
    let mut next = record.newest_number() + 1;
    for wish in due(context, spec, record, draft) {
        let number = wish.begun.unwrap_or(next);
        if let Some(step) = make(context, spec, record, number, wish.reason, draft) {
            next += u32::from(wish.begun.is_none());
            draft.making.insert(spec.id.clone());
            draft.push(step);
        }
    }
}

/// A revision that should be made.
struct Wish {
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
fn due(context: &Context<'_>, spec: &AssetSpec, record: &AssetRecord, draft: &mut Draft) -> Vec<Wish> {
    let mut due: Vec<Wish> = record
        .coming()
        .filter(|revision| revision.state == RevisionState::Pending && revision.made_for == spec.made_for)
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
    if gains_nothing(context, spec, revision) {
        return None;
    }
    if let Some(renewal) = &revision.renewal {
        if renewal.revoked_since.is_some() {
            return Some("its CA has revoked it".to_owned());
        }
        if renewal.chosen.is_some_and(|chosen| chosen <= context.now) {
            return Some("its CA suggests to renew it now".to_owned());
        }
    }
    Some(match (spec.overlap.turn, revision.validity) {
        (Turn::Every(every), _) => format!("in use for {}", days(every)),
        (_, Some(validity)) => format!("ends at {}", validity.not_after),
        _ => "its time has come".to_owned(),
    })
}

/// Whether a successor would end when `revision` does, since what is above it ends then: making it again and
/// again, each for a shorter life, helps nobody.
fn gains_nothing(context: &Context<'_>, spec: &AssetSpec, revision: &Revision) -> bool {
    let KindSpec::Certificate(certificate) = &spec.kind else { return clipped_by_root(spec, revision) };
    let Some(authority) = certificate.authority() else { return false };
    let above = context.record(authority).active().and_then(|authority| authority.validity);
    let (Some(own), Some(above)) = (revision.validity, above) else { return false };
    let end = above.not_after.min(later(context.now, certificate.duration));
    end.duration_since(own.not_after) <= hundredth(certificate.duration)
}

/// A new intermediate would end with its root just like this one.
pub(super) fn clipped_by_root(spec: &AssetSpec, revision: &Revision) -> bool {
    let KindSpec::Ca(ca) = &spec.kind else { return false };
    let slack = hundredth(ca.intermediate_lifetime).min(SignedDuration::from_hours(2));
    revision.validity.is_some_and(|validity| validity.lifetime() + slack < ca.intermediate_lifetime)
}

fn hundredth(duration: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(duration.as_secs() / 100)
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
    let signer = super::issuing::signer(context, spec, draft).ok()?;
    let make = Make {
        asset: spec.id.clone(),
        revision,
        made_for: spec.made_for.clone(),
        keep_key_of: kept_key(spec, record),
        signer,
    };
    let action = match spec.id.kind {
        AssetKind::Certificate => Action::Issue(make),
        _ => Action::Generate(make),
    };
    Some(Step { at: context.now, assets: vec![spec.id.clone()], action, reason })
}

/// When what has failed may be tried again: after its pause; but a pause is no longer than a twelfth of what the
/// renewal has in hand, so that a short fault cannot use it up, and what the operator has asked for since is tried
/// at once.
pub(super) fn next_try(
    spec: &AssetSpec,
    record: &AssetRecord,
    effort: &Effort,
    pauses: &[i64],
) -> Option<Timestamp> {
    let at = effort.next_try_at?;
    let tried = effort.tried_at(pauses).unwrap_or(at);
    if record.request.as_ref().is_some_and(|request| request.at > tried) {
        return None;
    }
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

/// The CA of our own and its revision that signs now, or what is waited for. A CA that is itself being made is made
/// first.
pub(super) fn signer_of_our_own(
    context: &Context<'_>,
    spec: &AssetSpec,
    id: &AssetId,
    draft: &mut Draft,
) -> Result<Signer, String> {
    let record = context.record(id);
    if draft.making.contains(id) || record.coming().any(|revision| revision.state != RevisionState::Pending) {
        draft.making.insert(spec.id.clone());
        return Err(format!("waits for {id}"));
    }
    let active = record.active().ok_or_else(|| format!("waits for {id}"))?;
    match active.validity {
        Some(validity) if !validity.contains(context.now) => {
            Err(format!("waits for {id}: its revision {} is not valid now", active.number))
        }
        _ => Ok(Signer::Internal(id.clone(), active.number)),
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
