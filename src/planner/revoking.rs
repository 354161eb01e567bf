//! Which certificates are to be withdrawn now?

use jiff::Timestamp;

use super::turn::next_try;
use super::{Context, Draft, later};
use crate::desired::{AssetSpec, KindSpec};
use crate::model::{
    Action, AssetRecord, Code, Problem, REVOKING_PAUSES, Revision, RevisionState, Revocation, SUCCESSOR_TIME,
    Step,
};

/// Plans the revocations of an asset's certificates.
pub(super) fn consider(context: &Context<'_>, spec: &AssetSpec, draft: &mut Draft) {
    let record = context.record(&spec.id);
    for revision in record.revisions.values() {
        match revision.awaits_revocation(context.now) {
            // That is said in `health` until it is done.
            Some(_) if is_by_hand(spec) => {}
            Some(asked) => one(context, spec, record, revision, asked, draft),
            None => say_pointless(context, spec, revision, draft),
        }
    }
}

/// Whether a person carries its certificates: then a person has them revoked, too.
pub(super) fn is_by_hand(spec: &AssetSpec) -> bool {
    matches!(&spec.kind, KindSpec::Certificate(certificate) if certificate.is_by_hand())
}

/// What a person has to have revoked.
pub(super) fn by_hand<'r>(
    spec: &'r AssetSpec,
    record: &'r AssetRecord,
    now: Timestamp,
) -> impl Iterator<Item = Problem> + 'r {
    record.revisions.values().filter_map(move |revision| {
        let (id, number) = (&spec.id, revision.number);
        let serial = revision.serial.as_deref().unwrap_or("unknown");
        let message = match &spec.kind {
            KindSpec::Ca(ca) => {
                let bad = revision.compromised && !revision.state.is_over() && revision.issued_at.is_some();
                let listed = revision.renewal.as_ref().is_some_and(|renewal| renewal.revoked_since.is_some());
                (bad && !listed && super::authority::is_by_hand(ca, Some(revision))).then(|| {
                    format!(
                        "the key of revision {number} is in wrong hands: have its root revoke the serial number {serial}, and \
                         `keyturn import {id} --crl FILE`"
                    )
                })
            }
            _ => revision.awaits_revocation(now).filter(|_| is_by_hand(spec)).map(|asked| {
                format!(
                    "have {} revoke the serial number {serial} ({}), then `keyturn revoke {id} --revision {number} --done`",
                    revision.issuer.as_deref().unwrap_or("its CA"),
                    asked.reason.name()
                )
            }),
        };
        message.map(|message| Problem::new(Code::RevokeByHand, message))
    })
}

fn one(
    context: &Context<'_>,
    spec: &AssetSpec,
    record: &AssetRecord,
    revision: &Revision,
    asked: &Revocation,
    draft: &mut Draft,
) {
    let waits = [
        for_successor(record, revision, asked),
        for_pause(spec, record, asked),
        left_alone(context, revision),
    ];
    let number = revision.number;
    let longest = waits.into_iter().flatten().filter(|(until, _)| *until > context.now).max();
    if let Some((until, why)) = longest {
        draft.defer(&spec.id, Some(until), format!("revision {number} is to be revoked: {why}"));
        return;
    }
    let reason = format!("{}, asked for by {} at {}", asked.reason.name(), asked.by, asked.at);
    let action = Action::Revoke(spec.id.clone(), number);
    draft.push(Step { at: context.now, assets: vec![spec.id.clone()], action, reason });
}

/// What is in use is replaced first, if that takes no longer than [`SUCCESSOR_TIME`].
fn for_successor(
    record: &AssetRecord,
    revision: &Revision,
    asked: &Revocation,
) -> Option<(Timestamp, String)> {
    let replaced = record.active().is_some_and(|active| active.number > revision.number);
    let until = later(asked.at, SUCCESSOR_TIME);
    (asked.after_successor && !replaced)
        .then(|| (until, "first its successor is served, if that is before then".to_owned()))
}

fn for_pause(spec: &AssetSpec, record: &AssetRecord, asked: &Revocation) -> Option<(Timestamp, String)> {
    let until = next_try(spec, record, &asked.effort, &REVOKING_PAUSES)?;
    let why = asked.effort.problem.as_ref().map_or("the last try failed", |p| p.message.as_str());
    Some((until, format!("tried again then: {why}")))
}

/// Retry-After holds over everything.
fn left_alone(context: &Context<'_>, revision: &Revision) -> Option<(Timestamp, String)> {
    let issuer = context.inventory.issuers.get(revision.issuer.as_ref()?)?;
    let until = issuer.not_before?;
    Some((until, format!("{} has asked to be left alone until then", issuer.name)))
}

/// What has ended is trusted by nobody: it need not be revoked any more. What was revoked before is listed on for some time
/// (RFC 5280 §3.3).
fn say_pointless(context: &Context<'_>, spec: &AssetSpec, revision: &Revision, draft: &mut Draft) {
    let Some(end) = revision.validity.map(|validity| validity.not_after) else { return };
    let asked = revision.to_revoke.is_some() && revision.revoked_at.is_none();
    let in_use = matches!(revision.state, RevisionState::Active | RevisionState::Retiring);
    if asked && in_use && end < context.now {
        let number = revision.number;
        draft.defer(&spec.id, None, format!("revision {number} is not revoked: it ended by itself at {end}"));
    }
}
