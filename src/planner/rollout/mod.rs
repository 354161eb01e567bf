//! Which places differ from what they should hold, and may they be touched now?
//!
//! The unit is the place: all that is due there is one rollout, and each thing that stands in its way is said.

mod gate;
mod parcel;

use std::borrow::Cow;
use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};

use jiff::Timestamp;

use super::{Context, Draft, Site, content, identity, life, objects, turn, watch};
use crate::desired::AssetSpec;
use crate::model::{
    Action, AssetId, Code, Content, DELIVERY_PAUSES, Delivery, DeliveryState, Mount, Numbers, Place, Problem,
    Rollout, RolloutRecord, Step,
};

pub(super) use parcel::{assemble, parcel_of};

/// One asset in one place, and what it should have there.
pub(super) struct Due<'a> {
    pub(super) spec: &'a AssetSpec,
    pub(super) site: &'a Site<'a>,
    pub(super) wanted: Cow<'a, Content>,
    pub(super) delivery: Option<&'a Delivery>,
}

impl<'a> Due<'a> {
    fn of(context: &'a Context<'_>, spec: &'a AssetSpec, site: &'a Site<'a>) -> Self {
        let wanted = content::wanted(context, spec, site);
        let delivery = context.record(&spec.id).deliveries.get(&site.place);
        Self { spec, site, wanted, delivery }
    }
}

/// Whether all places of an asset have what they should, and there is nothing to be said of it.
pub(super) fn is_at_rest(context: &Context<'_>, spec: &AssetSpec, draft: &mut Draft) -> bool {
    let mut heard = Draft::new(context.now);
    let rests = |site: &Site<'_>| !is_due(context, &Due::of(context, spec, site), &mut heard);
    let at_rest = !is_moving(context, spec) && context.sites(spec).iter().all(rests) && heard.is_silent();
    if at_rest {
        draft.wake(heard.plan.next_wake);
    }
    at_rest
}

/// Whether a rollout of it was begun and not ended.
fn is_moving(context: &Context<'_>, spec: &AssetSpec) -> bool {
    let rollouts = &context.inventory.rollouts;
    !rollouts.is_empty()
        && (rollouts.values().any(|rollout| rollout.assets.contains(&spec.id))
            || context.sites(spec).iter().any(|site| rollouts.contains_key(&site.place)))
}

/// Plans the rollouts and the proofs of the places of `specs`: those that are not at rest, and who meets others on a path.
pub(super) fn consider<'a>(
    context: &'a Context<'a>,
    specs: impl Iterator<Item = &'a AssetSpec>,
    contested: &HashSet<String>,
    draft: &mut Draft,
) {
    let mut places: HashMap<&Place, Vec<Due<'a>>> = HashMap::new();
    for spec in specs {
        for site in context.sites(spec) {
            places.entry(&site.place).or_default().push(Due::of(context, spec, site));
        }
    }
    let making = making(context, &places, draft);
    for record in context.inventory.rollouts.values().filter(|record| !places.contains_key(&record.place)) {
        if let Some(step) = undoing(context, record, &[]) {
            draft.push(step);
        }
    }
    let mut places: Vec<_> = places.into_iter().collect();
    places.sort_unstable_by(|(one, _), (other, _)| in_order(one).cmp(&in_order(other)));
    for (place, dues) in places {
        let in_conflict = matches!(place, Place::Service(name) if contested.contains(name));
        let dues = if in_conflict { without_conflicts(dues, draft) } else { dues };
        // Who has lost a conflict is not waited for.
        let goes = |spec: &&&AssetSpec| !in_conflict || dues.iter().any(|due| due.spec.id == spec.id);
        let making: Vec<&AssetSpec> = making.get(place).into_iter().flatten().filter(goes).copied().collect();
        one_place(context, place, dues, &making, draft);
    }
}

/// For each of the places, those of its assets that are being made: a rollout waits for all of them.
fn making<'a>(
    context: &'a Context<'a>,
    places: &HashMap<&'a Place, Vec<Due<'a>>>,
    draft: &Draft,
) -> HashMap<&'a Place, Vec<&'a AssetSpec>> {
    let mut making: HashMap<&Place, Vec<&AssetSpec>> = HashMap::new();
    if places.is_empty() {
        return making;
    }
    for spec in draft.making.iter().filter_map(|id| context.desired.assets.get(id)) {
        for site in context.sites(spec).iter().filter(|site| places.contains_key(&*site.place)) {
            making.entry(&site.place).or_default().push(spec);
        }
    }
    making
}

/// By the bytes of their names: paths compare themselves part by part, which takes most of a plan of thousands.
fn in_order(place: &Place) -> (bool, &[u8]) {
    match place {
        Place::Service(name) => (false, name.as_bytes()),
        Place::Dir(dir) => (true, dir.as_os_str().as_encoded_bytes()),
    }
}

fn one_place<'a>(
    context: &'a Context<'a>,
    place: &Place,
    dues: Vec<Due<'a>>,
    making: &[&AssetSpec],
    draft: &mut Draft,
) {
    if let Some(record) = context.inventory.rollouts.get(place)
        && let Some(step) = undoing(context, record, &dues)
    {
        draft.push(step);
        return;
    }
    let due: Vec<Due<'_>> = dues.into_iter().filter(|due| is_due(context, due, draft)).collect();
    let Some(first) = due.first() else { return };
    if matches!(place, Place::Service(_)) && first.site.service.is_none() {
        wait_for_service(context, &due, draft);
        return;
    }
    let mut started = false;
    for group in gate::groups(context, due, draft) {
        if started {
            gate::defer(&group, None, "tried apart from the others, since it has failed", draft);
        } else if !gate::is_stopped(context, &group, making, draft) {
            started = true;
            let reason = reason(&group);
            let rollout = parcel::rollout(context, place, &group, draft);
            let assets = rollout.assets();
            draft.push(Step { at: context.now, assets, action: Action::Rollout(rollout), reason });
        }
    }
}

/// An undoing that a crash has interrupted comes before everything else in its place.
fn undoing(context: &Context<'_>, record: &RolloutRecord, dues: &[Due<'_>]) -> Option<Step> {
    let problem = record.undoing.clone()?;
    let service = match &record.place {
        Place::Service(_) if context.engine_problem().is_some() => return None,
        // A service that was made anew since has nothing of ours to be undone.
        Place::Service(name) => context
            .inventory
            .world
            .services
            .get(name)
            .filter(|service| record.service_id.as_ref().is_none_or(|id| *id == service.id)),
        Place::Dir(_) if context.silent(&record.place).is_some() => return None,
        Place::Dir(_) if dues.iter().all(|due| !record.assets.contains(&due.spec.id)) => return None,
        Place::Dir(_) => None,
    };
    let is_anew =
        matches!(&record.place, Place::Service(name) if context.inventory.world.services.contains_key(name));
    if is_anew && service.is_none() {
        return None;
    }
    // What a service had is in the record; what a directory showed is what was delivered there last.
    let in_dir = dues.iter().filter(|due| due.site.dir.is_some() && record.assets.contains(&due.spec.id));
    let parcels = in_dir.map(|due| parcel_of(context, due, Vec::new())).collect();
    let rollout = Rollout {
        place: record.place.clone(),
        service_id: service.map(|service| service.id.clone()),
        parcels,
        preflight: Vec::new(),
        deadline: context.desired.rollout_deadline,
        applied: true,
        undo: Some(problem),
    };
    let reason = "an earlier rollout failed and was not undone to the end".to_owned();
    Some(Step { at: context.now, assets: record.assets.clone(), action: Action::Rollout(rollout), reason })
}

/// Whether the place differs from what it should hold. What it says beside that goes into the draft.
fn is_due(context: &Context<'_>, due: &Due<'_>, draft: &mut Draft) -> bool {
    if due.wanted.files.is_empty() {
        return false;
    }
    let name = || due.site.place.name();
    if let (Place::Service(_), Some(problem)) = (&*due.site.place, context.engine_problem()) {
        draft.defer(&due.spec.id, None, format!("{} waits: {problem}", name()));
        return false;
    }
    watch::note_silent(context, due, draft);
    if let Some(problem) = context.silent(&due.site.place) {
        draft.defer(&due.spec.id, None, format!("{} waits: {problem}", name()));
        return false;
    }
    let missing = due.site.dir.is_none() && due.site.service.is_none();
    match due.delivery {
        _ if missing => true,
        Some(delivery) if is_settled(context, due) => {
            let repair = is_wanted_for_turn(context, due);
            if !repair {
                watch::consider(context, due, delivery, draft);
            }
            repair
        }
        Some(delivery) => match next_try(context, due, delivery) {
            Some(at) => {
                let problem = delivery.effort.problem.as_ref().map_or("", |p| p.message.as_str());
                draft.defer(&due.spec.id, Some(at), format!("{} is tried again then: {problem}", name()));
                watch::note_free(due, draft);
                false
            }
            None => true,
        },
        None => true,
    }
}

/// Whether the place has what it should, by our own books. (What is really there is watched.)
fn is_settled(context: &Context<'_>, due: &Due<'_>) -> bool {
    life::in_place(context, due.spec, due.site).is_some_and(|delivery| delivery.content == *due.wanted)
        && (due.site.dir.is_none() || context.shows(&due.spec.id, &due.site.place, &due.wanted))
}

/// A verifier whose JWKS a person has changed would hold back a turn that is due: then it is repaired first.
fn is_wanted_for_turn(context: &Context<'_>, due: &Due<'_>) -> bool {
    let active = context.record(&due.spec.id).active();
    due.spec.overlap.standby
        && due.site.has_spanning()
        && active.is_some_and(|active| life::turn_is_due(context, due.spec, active).is_some())
        && !watch::drift(context, due.site, &due.wanted).is_empty()
}

/// A failed delivery is tried again when its time has come, or at once when the service's spec has changed or
/// something else is to be delivered.
fn next_try(context: &Context<'_>, due: &Due<'_>, delivery: &Delivery) -> Option<Timestamp> {
    let record = context.record(&due.spec.id);
    let same = delivery.effort.against.as_ref() == Some(&against(due));
    turn::next_try(due.spec, record, &delivery.effort, &DELIVERY_PAUSES)
        .filter(|at| same && *at > context.now)
}

/// What a failure is remembered against: the content and the service's spec.
fn against(due: &Due<'_>) -> String {
    let spec = due.site.service.map_or("", |service| service.spec_digest.as_str());
    format!("{}:{spec}", identity(&due.wanted))
}

/// The service is not there: its objects are made, so that it can be deployed, and it is waited for.
fn wait_for_service(context: &Context<'_>, due: &[Due<'_>], draft: &mut Draft) {
    for due in due {
        for file in due.wanted.files.values() {
            objects::provide(context, &due.spec.id, file, draft);
        }
        let reason = format!("waits for service {}", due.site.place.name());
        watch::note(due, Some(Problem::new(Code::ServiceMissing, reason.clone())), draft);
        draft.defer(&due.spec.id, None, reason);
    }
}

/// Two assets on one path (one of them found by label): one of them is left out, and said so. Who has been delivered
/// there stays.
fn without_conflicts<'a>(mut dues: Vec<Due<'a>>, draft: &mut Draft) -> Vec<Due<'a>> {
    let is_new = |due: &Due<'_>| due.delivery.is_none_or(|delivery| delivery.content.files.is_empty());
    let mut taken: HashMap<Mount<'a>, &AssetId> = HashMap::new();
    dues.sort_by(|a, b| (is_new(a), &a.spec.id).cmp(&(is_new(b), &b.spec.id)));
    dues.retain(|due| {
        let id = &due.spec.id;
        for path in due.site.mounts() {
            // An asset can meet itself: where it is named and labelled.
            let other = match taken.entry(path) {
                Entry::Occupied(other) => *other.get(),
                Entry::Vacant(free) => {
                    free.insert(id);
                    continue;
                }
            };
            let message = format!("{id} and {other} both write {path} of {}", due.site.place.name());
            draft.plan.problems.push((id.clone(), Problem::new(Code::PathConflict, message.clone())));
            draft.defer(id, None, message);
            return false;
        }
        true
    });
    dues.sort_by(|a, b| a.spec.id.cmp(&b.spec.id));
    dues
}

fn reason(group: &[Due<'_>]) -> String {
    let each = group.iter().map(|due| {
        let why = match due.delivery.map(|delivery| (delivery.state, delivery)) {
            Some((DeliveryState::Delivering, _)) => "was begun and not finished",
            Some((DeliveryState::Failed, _)) => "is tried again",
            Some((state, before)) if state.is_there() => difference(&before.content, &due.wanted),
            _ => "is new here",
        };
        format!("{} {why}", due.spec.id)
    });
    each.collect::<Vec<_>>().join(", ")
}

/// What is different from what was delivered last.
fn difference(before: &Content, wanted: &Content) -> &'static str {
    let made_of = |content: &Content, spanning: bool| -> Vec<Numbers> {
        let files = content.files.values().filter(|file| file.part.spans_revisions() == spanning);
        files.map(|file| file.revisions.clone()).collect()
    };
    if before == wanted {
        "is not there any more"
    } else if made_of(before, false) != made_of(wanted, false) {
        "has turned"
    } else if made_of(before, true) != made_of(wanted, true) {
        "has other public keys to show"
    } else {
        "is wanted in another way"
    }
}
