//! What goes together, and what stands in the way of a rollout.

use jiff::{SignedDuration, Timestamp};

use super::Due;
use crate::desired::AssetSpec;
use crate::model::{AssetRecord, Code, Place, Problem, Service, Update};
use crate::planner::renewal::lead;
use crate::planner::{Context, Draft, authority, compromise, crl, later, life, watch};

/// The rollouts that a place could have, best first: all that has not failed before together, with what may ride on
/// it; then each that has failed alone, so that one bad asset does not hold back its neighbours for ever.
pub(super) fn groups<'a>(context: &Context<'_>, due: Vec<Due<'a>>, draft: &mut Draft) -> Vec<Vec<Due<'a>>> {
    let failures = |due: &Due<'_>| due.delivery.map_or(0, |delivery| delivery.effort.failures);
    let (riders, rest): (Vec<_>, Vec<_>) =
        due.into_iter().partition(|due| rides_until(context, due).is_some());
    let (mut fresh, mut failed): (Vec<_>, Vec<_>) = rest.into_iter().partition(|due| failures(due) == 0);
    failed.sort_by_key(|due| (failures(due), due.delivery.and_then(|delivery| delivery.effort.next_try_at)));
    if fresh.is_empty() {
        for due in &riders {
            let reason =
                format!("rides on the next rollout of {}, or goes alone then", due.site.place.name());
            draft.defer(&due.spec.id, rides_until(context, due), reason);
        }
    } else {
        fresh.extend(riders);
        fresh.sort_by(|a, b| a.spec.id.cmp(&b.spec.id));
    }
    let first = (!fresh.is_empty()).then_some(fresh);
    first.into_iter().chain(failed.into_iter().map(|due| vec![due])).collect()
}

/// Until when it waits for another's rollout: only what replaces something that is in place and good.
fn rides_until(context: &Context<'_>, due: &Due<'_>) -> Option<Timestamp> {
    let record = context.record(&due.spec.id);
    life::in_place(context, due.spec, due.site).filter(|_| !is_asked(record))?;
    let issued = record.coming().last()?.issued_at?;
    Some(later(issued, due.spec.overlap.rides)).filter(|at| *at > context.now)
}

/// Whether the operator waits for what is being delivered.
fn is_asked(record: &AssetRecord) -> bool {
    let current = record.active().map_or(0, |revision| revision.number);
    record.request.as_ref().is_some_and(|request| current <= request.after && current > 0)
}

/// Whether anything stands in the way of this rollout now; that is said, and waited for.
pub(super) fn is_stopped(
    context: &Context<'_>,
    group: &[Due<'_>],
    making: &[&AssetSpec],
    draft: &mut Draft,
) -> bool {
    let listed =
        |due: &Due<'_>| due.delivery.and_then(|delivery| crl::urgent_at(context, due.spec, delivery));
    let urgent_at =
        group.iter().flat_map(|due| urgent_at(context, due.spec).into_iter().chain(listed(due))).min();
    let urgent = urgent_at.is_some_and(|at| at < context.now);
    let asked = group.iter().any(|due| is_asked(context.record(&due.spec.id)) || is_bad(context, due))
        || group.iter().any(|due| authority::is_out_of(context, due.spec));
    // What drops a key in wrong hands brings the new standby along: that is made in a moment.
    let hurried = |record: &AssetRecord| is_asked(record) || compromise::is_anywhere(record);
    let holding = |spec: &&&AssetSpec| !asked || hurried(context.record(&spec.id));
    if let Some(spec) = making.iter().find(holding).filter(|_| !urgent) {
        defer(group, None, &format!("waits for {}, which is being made", spec.id), draft);
        return true;
    }
    let Some(service) = group.first().and_then(|due| due.site.service) else { return false };
    if urgent || is_ours(context, service) {
        return false;
    }
    if let Update::Unfinished(what) = &service.update {
        let message = format!("the last update of service {} is {what}", service.name);
        let problem = Problem::new(Code::ServiceBusy, message.clone());
        group.iter().for_each(|due| watch::note(due, Some(problem.clone()), draft));
        draft.wake(urgent_at.map(after));
        defer(group, None, &message, draft);
        return true;
    }
    if asked || context.desired.windows.are_open(context.now) {
        return false;
    }
    group.iter().for_each(|due| watch::note_free(due, draft));
    let opening = context.desired.windows.next_opening(context.now);
    let until = opening.into_iter().chain(urgent_at.map(after)).min();
    defer(group, until, "waits for a maintenance window", draft);
    true
}

/// Whether it takes away a key in wrong hands.
fn is_bad(context: &Context<'_>, due: &Due<'_>) -> bool {
    due.delivery.is_some_and(|delivery| compromise::is_in(context.record(&due.spec.id), delivery))
}

/// A rollout that we have begun is also finished.
fn is_ours(context: &Context<'_>, service: &Service) -> bool {
    context.inventory.rollouts.contains_key(&Place::Service(service.name.clone()))
}

/// All of a group waits.
pub(super) fn defer(group: &[Due<'_>], until: Option<Timestamp>, why: &str, draft: &mut Draft) {
    for due in group {
        draft.defer(&due.spec.id, until, format!("{}: {why}", due.site.place.name()));
    }
}

/// From when on less than half of what the renewal was to have in hand is left: what ends then waits for nobody.
fn urgent_at(context: &Context<'_>, spec: &AssetSpec) -> Option<Timestamp> {
    let validity = context.record(&spec.id).active()?.validity?;
    Some(later(validity.not_after, -lead(spec.overlap.turn, validity) / 2))
}

/// The first second after `at`.
fn after(at: Timestamp) -> Timestamp {
    later(at, SignedDuration::from_secs(1))
}
