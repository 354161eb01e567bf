//! What a private key in wrong hands asks for beside an ordinary turn: nothing may bring it back, and nothing of it is
//! kept for longer than it is served.

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, Draft, life};
use crate::desired::AssetSpec;
use crate::model::{
    Action, AssetId, AssetRecord, Delivery, Forget, ObjectRecord, Place, Revision, Service, Step, Update,
};

/// Whether an object tells or trusts a key in wrong hands: as a secret, or in a set of public keys.
pub(super) fn is_known_of(context: &Context<'_>, object: &ObjectRecord) -> bool {
    !object.part.is_the_issuers() && mentions(context.record(&object.asset), &object.revisions)
}

/// Whether a place has, by our own books, a key in wrong hands.
pub(super) fn is_in(record: &AssetRecord, delivery: &Delivery) -> bool {
    let mut own = delivery.content.files.values().filter(|file| !file.part.is_the_issuers());
    own.any(|file| mentions(record, &file.revisions))
}

/// Whether any place has one.
pub(super) fn is_anywhere(record: &AssetRecord) -> bool {
    record.deliveries.values().any(|delivery| is_in(record, delivery))
}

/// Whether the successor of a key in wrong hands is still to be made or to be taken into use.
pub(super) fn is_open(record: &AssetRecord) -> bool {
    let asked = record.request.as_ref().is_some_and(|request| request.compromised);
    let replaced = |revision: &Revision| !revision.compromised;
    asked && !record.active().is_some_and(replaced)
}

fn mentions(record: &AssetRecord, revisions: &[u32]) -> bool {
    revisions.iter().any(|number| record.revisions.get(number).is_some_and(|revision| revision.compromised))
}

/// Plans that services forget: once the successor is proven, a rollback must not find the old objects.
pub(super) fn consider(context: &Context<'_>, replaced: &[&AssetSpec], draft: &mut Draft) {
    if !context.has_engine() || replaced.is_empty() {
        return;
    }
    let mut forgetting: BTreeMap<&str, (&Service, Vec<AssetId>)> = BTreeMap::new();
    for spec in replaced {
        let bad: Vec<&str> = context
            .objects(&spec.id)
            .iter()
            .filter(|object| is_known_of(context, object))
            .filter_map(|object| object.id.as_deref())
            .collect();
        for service in context.inventory.world.services.values().filter(|it| names_in_past(it, &bad)) {
            forgetting.entry(&service.name).or_insert_with(|| (service, Vec::new())).1.push(spec.id.clone());
        }
    }
    let moving = moving(draft);
    for (service, assets) in
        forgetting.into_values().filter(|(service, _)| is_free(context, service, &moving))
    {
        let place = Place::Service(service.name.clone());
        let action = Action::Forget(Forget { place, service_id: service.id.clone() });
        let reason = "so that no rollback brings back a key in wrong hands; nothing restarts".to_owned();
        draft.push(Step { at: context.now, assets, action, reason });
    }
}

/// Whether the asset has a key in wrong hands, and its successor is proven everywhere.
pub(super) fn is_replaced(context: &Context<'_>, spec: &AssetSpec) -> bool {
    let record = context.record(&spec.id);
    record.revisions.values().any(|revision| revision.compromised)
        && record.active().is_some_and(|active| !active.compromised)
        && context.sites(spec).iter().all(|site| life::in_place(context, spec, site).is_some())
}

/// Whether only the service's `PreviousSpec` names any of the objects.
fn names_in_past(service: &Service, objects: &[&str]) -> bool {
    let now = |id: &str| service.references.iter().any(|reference| reference.id == id);
    let past = |id: &str| service.previous.contains(id) && !service.tasks.contains(id) && !now(id);
    objects.iter().any(|id| past(id))
}

/// An update on top of another's would end that one half done.
fn is_free(context: &Context<'_>, service: &Service, moving: &BTreeSet<Place>) -> bool {
    let place = Place::Service(service.name.clone());
    service.update == Update::Quiet
        && !context.inventory.rollouts.contains_key(&place)
        && !moving.contains(&place)
}

/// Where the plan has rollouts.
fn moving(draft: &Draft) -> BTreeSet<Place> {
    let place = |step: &Step| match &step.action {
        Action::Rollout(rollout) => Some(rollout.place.clone()),
        _ => None,
    };
    draft.plan.steps.iter().filter_map(place).collect()
}
