//! When is the successor of what there is due, by its age or by the word of its CA?

use jiff::{SignedDuration, Timestamp};

use super::turn::{asked, changed, days};
use super::{Context, Draft, Seed, authority, later};
use crate::desired::{AssetSpec, KindSpec, Overlap, Turn};
use crate::model::{AssetId, AssetRecord, Revision, Validity};

/// No jitter is longer than this.
const LONGEST_JITTER: SignedDuration = SignedDuration::from_hours(1);

/// Whose word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Our own.
    Age,
    /// Its CA suggests it.
    Advice,
    /// Its CA has revoked it.
    Revoked,
}

/// When the successor of `revision` is due; `None` while it has neither validity nor use.
///
/// What its CA says goes first (RFC 9773 §4.2), but enough of our own lead is kept whatever it says. Else a little earlier
/// than the configuration says, by a chance that is fixed for each revision (at most an hour or a hundredth of its
/// life), so that what was made together is not renewed together.
pub fn renew_at(asset: &AssetId, overlap: &Overlap, revision: &Revision, seed: Seed) -> Option<Timestamp> {
    due(asset, overlap, revision, seed).map(|(at, _)| at)
}

fn due(asset: &AssetId, overlap: &Overlap, revision: &Revision, seed: Seed) -> Option<(Timestamp, Cause)> {
    let own = |keep| own(asset, overlap, revision, seed, keep);
    let Some(renewal) = &revision.renewal else { return Some((own(Keep::All)?, Cause::Age)) };
    if let Some(since) = renewal.revoked_since {
        return Some((since, Cause::Revoked));
    }
    let Some(chosen) = renewal.chosen else { return Some((own(Keep::All)?, Cause::Age)) };
    let latest = own(Keep::Enough)?;
    Some(if chosen <= latest { (chosen, Cause::Advice) } else { (latest, Cause::Age) })
}

/// How much of our own lead there is to be in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    All,
    /// Half of it; but not so little that the renewal is called late before it is due (`health`: a fifth of the life).
    Enough,
}

impl Keep {
    fn of(self, lead: SignedDuration, life: SignedDuration) -> SignedDuration {
        match self {
            Self::All => lead,
            Self::Enough => (lead / 2).max(lead.min(life / 4)),
        }
    }
}

/// When it is due by its age.
fn own(asset: &AssetId, overlap: &Overlap, revision: &Revision, seed: Seed, keep: Keep) -> Option<Timestamp> {
    let (due, life) = match (overlap.turn, revision.validity) {
        (Turn::Every(every), _) => (later(revision.active_at.or(revision.issued_at)?, every), every),
        (turn, Some(all)) => {
            let life = all.lifetime();
            (later(all.not_after, -at_birth(revision, all, keep.of(lead(turn, all), life))), life)
        }
        _ => return None,
    };
    let span = SignedDuration::from_secs(life.as_secs() / 100).min(LONGEST_JITTER);
    let jitter = (span.as_secs() as f64 * seed.fraction(asset, revision.number)) as i64;
    Some(later(due, SignedDuration::from_secs(-jitter)))
}

/// `lead`, or its share of what was left when the certificate was handed out: one that came with little of its life left
/// would be due at its birth, and so would the next.
fn at_birth(revision: &Revision, all: Validity, lead: SignedDuration) -> SignedDuration {
    let (life, left) = (all.lifetime(), revision.issued_at.map_or(all.lifetime(), |at| all.left(at)));
    if left >= life - life / 10 {
        return lead;
    }
    let share = left.as_secs().max(0) as f64 / life.as_secs().max(1) as f64;
    SignedDuration::from_secs((lead.as_secs() as f64 * share) as i64)
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

/// Its time has come.
pub(super) fn aged(
    context: &Context<'_>,
    spec: &AssetSpec,
    revision: &Revision,
    draft: &mut Draft,
) -> Option<String> {
    let (at, cause) = due(&spec.id, &spec.overlap, revision, context.seed)?;
    if at > context.now {
        draft.wake(Some(at));
        return None;
    }
    let only_ours = match &spec.kind {
        // Who else is asked may sign for longer.
        KindSpec::Certificate(certificate) => certificate.issuers.len() == 1,
        _ => true,
    };
    if only_ours && gains_nothing(context, spec, revision) {
        return None;
    }
    Some(match (cause, spec.overlap.turn, revision.validity) {
        (Cause::Revoked, ..) => format!("its CA has revoked revision {}", revision.number),
        (Cause::Advice, ..) => format!("its CA suggests to renew it at {at}"),
        (_, Turn::Every(every), _) => format!("in use for {}", days(every)),
        (_, _, Some(validity)) => format!("ends at {}", validity.not_after),
        _ => "its time has come".to_owned(),
    })
}

/// Whether only its CA wants `revision` renewed now: neither we nor the operator would yet.
pub(super) fn is_only_advised(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &AssetRecord,
    revision: &Revision,
) -> bool {
    let theirs = due(&spec.id, &spec.overlap, revision, context.seed);
    let ours = own(&spec.id, &spec.overlap, revision, context.seed, Keep::Enough);
    theirs.is_some_and(|(at, cause)| cause != Cause::Age && at <= context.now)
        && ours.is_none_or(|at| at > context.now)
        && asked(record, revision).is_none()
        && changed(spec, revision).is_none()
}

/// Whether a successor would end when `revision` does, since what is above it ends then: making it again and
/// again, each for a shorter life, helps nobody.
pub(super) fn gains_nothing(context: &Context<'_>, spec: &AssetSpec, revision: &Revision) -> bool {
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
    let short = |validity: Validity| {
        validity.lifetime() + authority::slack(ca.intermediate_lifetime) < ca.intermediate_lifetime
    };
    // How long another root lets its intermediates live is not ours to judge.
    !authority::can_have_new_root(ca, revision)
        && !authority::is_by_hand(ca, Some(revision))
        && revision.validity.is_some_and(short)
}

fn hundredth(duration: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(duration.as_secs() / 100)
}
