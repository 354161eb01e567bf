//! When is a CA asked what it thinks of what it has issued (RFC 9773)?

use super::left_alone;
use crate::desired::AssetSpec;
use crate::model::{Action, Revision, Step};
use crate::planner::renewal::{is_only_advised, renew_at};
use crate::planner::turn::{asked, changed};
use crate::planner::{Context, Draft};

/// Asks the CA of what is in use when to renew it, as often as the CA has said.
pub(in crate::planner) fn consult(context: &Context<'_>, spec: &AssetSpec, draft: &mut Draft) {
    let Some(active) = context.record(&spec.id).active() else { return };
    let Some(issuer) = active.issuer.as_ref().filter(|name| context.desired.acme.contains_key(*name)) else {
        return;
    };
    if !stands(context, active) || is_going(context, spec, active, draft) {
        return;
    }
    let ask_at = active.renewal.as_ref().and_then(|renewal| renewal.ask_at);
    let at = ask_at.max(left_alone(context, issuer)).filter(|at| *at > context.now);
    if at.is_some() {
        draft.wake(at);
        return;
    }
    draft.push(Step {
        at: context.now,
        assets: vec![spec.id.clone()],
        action: Action::Consult(spec.id.clone(), active.number),
        reason: "its CA may want it renewed at another time".to_owned(),
    });
}

/// What has ended, or is known to be revoked, is not asked for (RFC 9773 §4.3.3).
fn stands(context: &Context<'_>, active: &Revision) -> bool {
    let lives = active.validity.is_some_and(|validity| validity.contains(context.now));
    let revoked = active.renewal.as_ref().is_some_and(|renewal| renewal.revoked_since.is_some());
    lives && !revoked && active.revoked_at.is_none() && active.to_revoke.is_none()
}

/// What is being replaced, or is due to be, gains nothing from advice.
fn is_going(context: &Context<'_>, spec: &AssetSpec, active: &Revision, draft: &Draft) -> bool {
    let record = context.record(&spec.id);
    let newer = record.revisions.range(active.number + 1..).any(|(_, revision)| revision.issued_at.is_some());
    let due = renew_at(&spec.id, &spec.overlap, active, context.seed).is_some_and(|at| at <= context.now);
    newer
        // What is due only by advice, and held back, may get other advice.
        || due && !is_only_advised(context, spec, record, active)
        || draft.making.contains(&spec.id)
        || asked(record, active).is_some()
        || changed(spec, active).is_some()
}
