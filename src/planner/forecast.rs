//! What would happen if everything went well: the planner asked again and again, each time about the world that
//! its own last plan leaves behind.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};

use super::{Seed, later, plan};
use crate::desired::{AssetSpec, Desired, KindSpec};
use crate::model::{
    Action, AssetId, AssetRecord, Delivery, DeliveryState, Effort, Facts, Inventory, Issued, Labels, Make,
    NewObject, Object, ObjectRecord, Parcel, Place, Plan, Proof, Reference, Renewal, Revision, RevisionState,
    RevocationReason, Rollout, Signer, Step, Validity,
};

/// No forecast takes more steps than this; one that does says so.
const MOST_STEPS: usize = 20_000;

/// What a public CA gives, where nothing is known of it.
const USUAL: SignedDuration = SignedDuration::from_hours(90 * 24);

/// What would be done, when and why.
#[derive(Debug, Clone, Default)]
pub struct Forecast {
    /// All steps, in the order of their times.
    pub steps: Vec<Step>,
    /// The plan for now, with what waits and what is wrong.
    pub first: Plan,
    /// What would go badly with the services that any of the steps touches.
    pub warnings: BTreeSet<String>,
    /// Set where there were too many steps to go on, or nobody wanted more of them.
    pub cut_short: bool,
}

/// Plans from `now` until `until`, as if every step worked at once. Of many assets and a long time it takes minutes: it
/// is given up as soon as it is not `wanted` any more.
pub fn forecast(
    desired: &Desired,
    inventory: &Inventory,
    (now, until): (Timestamp, Timestamp),
    seed: Seed,
    wanted: impl Fn() -> bool,
) -> Forecast {
    let look = |_: &Inventory| if wanted() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
    play(desired, inventory.clone(), (now, until), seed, MOST_STEPS, look)
}

/// The forecast, of little more than `most` steps; `look` is shown the inventory after each change, and says whether to go on.
pub(super) fn play(
    desired: &Desired,
    mut inventory: Inventory,
    (now, until): (Timestamp, Timestamp),
    seed: Seed,
    most: usize,
    mut look: impl FnMut(&Inventory) -> ControlFlow<()>,
) -> Forecast {
    let mut at = now;
    let mut forecast = Forecast { first: plan(desired, &inventory, now, seed), ..Forecast::default() };
    let mut next = forecast.first.clone();
    loop {
        let mut go_on = ControlFlow::Continue(());
        for step in &next.steps {
            assume(desired, &mut inventory, step, at);
            go_on = look(&inventory);
        }
        let idle = next.steps.is_empty();
        forecast.steps.append(&mut next.steps);
        forecast.warnings.append(&mut next.warnings.into_iter().collect());
        forecast.cut_short = forecast.steps.len() > most || go_on.is_break();
        match next.next_wake {
            _ if forecast.cut_short => return forecast,
            _ if !idle => {}
            Some(wake) if wake <= until => at = wake,
            _ => return forecast,
        }
        next = plan(desired, &inventory, at, seed);
    }
}

/// The inventory as it is after `step` has worked at `at`.
pub fn assume(desired: &Desired, inventory: &mut Inventory, step: &Step, at: Timestamp) {
    match &step.action {
        Action::Generate(make) | Action::Issue(make) => made(desired, inventory, make, &step.reason, at),
        Action::List(make) => {
            inventory.issued.retain(|_, one| one.ca != make.asset || !one.is_past(make.every, at));
            let of_it = inventory.issued.values_mut().filter(|one| one.ca == make.asset);
            of_it.for_each(|one| one.listed = one.revoked.is_some());
            on_record(inventory, &make.asset, |record| record.listed(make, 0, at));
        }
        Action::Publish(object) => published(desired, inventory, object, at),
        Action::Announce(id, number) => {
            on_record(inventory, id, |record| record.published(*number, at));
        }
        Action::Activate(id, number) => {
            on_record(inventory, id, |record| record.activated(*number, at));
        }
        Action::Retire(id, number) => {
            on_record(inventory, id, |record| record.ended(*number, RevisionState::Retired, at));
        }
        Action::Revoke(id, number) => revoked(inventory, id, *number, at),
        Action::Consult(id, number) => on_record(inventory, id, |record| {
            if let Some(revision) = record.revisions.get_mut(number) {
                // Nobody knows what the CA will say: as if it had nothing to say for as long as the certificate lasts.
                let ask_at = Some(revision.validity.map_or(Timestamp::MAX, |validity| validity.not_after));
                revision.renewal = Some(Renewal { ask_at, ..revision.renewal.clone().unwrap_or_default() });
            }
        }),
        Action::Rollout(rollout) | Action::Verify(rollout) => rolled_out(inventory, rollout, at),
        Action::Forget(forget) => {
            let Place::Service(name) = &forget.place else { return };
            if let Some(service) = inventory.world.services.get_mut(name) {
                service.previous = service.references.iter().map(|reference| reference.id.clone()).collect();
            }
        }
        Action::Delete(old) => {
            inventory.objects.remove(&(old.kind, old.name.clone()));
            inventory.world.objects.retain(|object| (object.kind, &object.name) != (old.kind, &old.name));
        }
        Action::Note(id, place, problem) => on_record(inventory, id, |record| {
            record.deliveries.or_default(place.clone()).note.clone_from(problem);
        }),
    }
}

fn on_record(inventory: &mut Inventory, id: &AssetId, change: impl FnOnce(&mut AssetRecord)) {
    change(inventory.record_mut(id));
}

fn revoked(inventory: &mut Inventory, id: &AssetId, number: u32, at: Timestamp) {
    let Some(revision) = inventory.record(id).and_then(|record| record.revisions.get(&number)) else {
        return;
    };
    let reason = revision.to_revoke.as_ref().map_or(RevocationReason::Unspecified, |asked| asked.reason);
    if let Some(issued) = Issued::of(id, revision) {
        let key = (issued.ca.clone(), issued.serial.clone());
        inventory.issued.insert(key, Issued { revoked: Some((at, reason)), ..issued });
    }
    on_record(inventory, id, |record| record.revoked(number, at));
}

fn made(desired: &Desired, inventory: &mut Inventory, make: &Make, reason: &str, at: Timestamp) {
    let Some(spec) = desired.assets.get(&make.asset) else { return };
    let facts = facts(spec, inventory, make, at);
    on_record(inventory, &make.asset, |record| {
        let mut revision = Revision::pending(make.revision, reason, &make.made_for, at);
        if matches!(spec.kind, KindSpec::Ca(_)) {
            revision.root = Some(record.root_of(make));
        }
        record.begin(revision);
        record.prepared(make.revision, &facts, make.signer.as_ref(), at);
    });
}

/// The facts that a revision would have.
fn facts(spec: &AssetSpec, inventory: &Inventory, make: &Make, at: Timestamp) -> Facts {
    let named = format!("{}#{}", make.asset, make.revision);
    let lasting =
        |lifetime: SignedDuration| Some(Validity { not_before: at, not_after: later(at, lifetime) });
    match &spec.kind {
        KindSpec::Ca(ca) => {
            let root = root_end(inventory, make).unwrap_or_else(|| later(at, ca.root_lifetime));
            let end = later(at, ca.intermediate_lifetime).min(root);
            let validity = Some(Validity { not_before: at, not_after: end });
            Facts { validity, root_ends: Some(root), ..Facts::default() }
        }
        KindSpec::Certificate(certificate) => {
            let authority = match &make.signer {
                Some(Signer::Internal(id, number)) => {
                    inventory.assets.get(id).and_then(|record| record.revisions.get(number)?.validity)
                }
                _ => None,
            };
            let mut validity = lasting(match &make.signer {
                Some(Signer::Acme { name, .. }) => likely(inventory, make, name),
                _ => certificate.duration,
            });
            if let (Some(validity), Some(authority)) = (&mut validity, authority) {
                validity.not_after = validity.not_after.min(authority.not_after);
            }
            Facts {
                validity,
                serial: Some(named.clone()),
                fingerprint_sha256: Some(named),
                ..Facts::default()
            }
        }
        KindSpec::JwtKey { .. } => Facts { kid: Some(named), ..Facts::default() },
        KindSpec::DhParams { .. } => Facts::default(),
    }
}

/// An ACME CA decides by itself: it will do as it did.
fn likely(inventory: &Inventory, make: &Make, issuer: &str) -> SignedDuration {
    let last = |record: &AssetRecord| {
        let by = |revision: &&Revision| revision.issuer.as_deref() == Some(issuer);
        record.revisions.values().rev().filter(by).find_map(|revision| revision.validity)
    };
    let before = inventory.record(&make.asset).and_then(last);
    before.map_or(USUAL, |validity| validity.lifetime())
}

/// When the root that goes on ends.
fn root_end(inventory: &Inventory, make: &Make) -> Option<Timestamp> {
    inventory.assets.get(&make.asset)?.revisions.get(&make.keep_key_of?)?.root_ends
}

fn published(desired: &Desired, inventory: &mut Inventory, new: &NewObject, at: Timestamp) {
    let NewObject { kind, name, asset, part, revisions, password } = new.clone();
    let id = format!("id-{kind}-{name}");
    if let Some((_, number)) = name.rsplit_once('.')
        && let Ok(number) = number.parse()
    {
        on_record(inventory, &asset, |record| {
            record.numbers.insert(part.name().to_owned(), number);
        });
    }
    let labels = Labels {
        instance: desired.instance.clone(),
        asset: asset.clone(),
        revision: revisions.last().copied().unwrap_or(0),
        part,
        digest: String::new(),
    };
    inventory.world.objects.push(Object {
        kind,
        name: name.clone(),
        id: id.clone(),
        labels: Some(labels),
        created_at: at,
    });
    let record = ObjectRecord {
        kind,
        name: name.clone(),
        asset,
        part,
        revisions,
        password,
        id: Some(id),
        created_at: at,
        replaced_at: None,
    };
    inventory.objects.insert((kind, name), record);
}

fn rolled_out(inventory: &mut Inventory, rollout: &Rollout, at: Timestamp) {
    inventory.rollouts.remove(&rollout.place);
    if let Place::Service(name) = &rollout.place
        && let Some(service) = inventory.world.services.get_mut(name)
        && !rollout.applied
    {
        service.previous = service.references.iter().map(|reference| reference.id.clone()).collect();
    }
    for parcel in &rollout.parcels {
        let shown = parcel.shown_before(|before| {
            let object = inventory.objects.get(&(before.kind, before.name.clone()));
            object.filter(|object| object.id.as_ref() == Some(&before.id)).map(|o| o.revisions.clone())
        });
        swap(inventory, &rollout.place, parcel, at);
        if let Some(install) = &parcel.install {
            let dirs = inventory.world.dirs.entry(parcel.asset.clone()).or_default();
            dirs.insert(install.dir.clone(), install.identity.clone());
        }
        on_record(inventory, &parcel.asset, |record| {
            let delivery = record.deliveries.or_default(rollout.place.clone());
            delivery.forget_unshown(parcel, shown);
            delivery.know(&parcel.content, at);
            *delivery = delivered(rollout, parcel, delivery, at);
        });
    }
}

fn swap(inventory: &mut Inventory, place: &Place, parcel: &Parcel, at: Timestamp) {
    let Place::Service(name) = place else { return };
    let Some(service) = inventory.world.services.get_mut(name) else { return };
    for swap in &parcel.swaps {
        if let Some(before) = &swap.before {
            service.references.retain(|reference| reference != before);
            for object in inventory.objects.values_mut().filter(|o| o.id.as_ref() == Some(&before.id)) {
                object.replaced_at = Some(at);
            }
        }
        let id =
            inventory.objects.get(&(swap.kind, swap.object.clone())).and_then(|object| object.id.clone());
        service.references.push(Reference {
            kind: swap.kind,
            path: swap.path.clone(),
            name: swap.object.clone(),
            id: id.unwrap_or_default(),
            uid: swap.uid.clone().unwrap_or_else(|| "0".to_owned()),
            gid: swap.gid.clone().unwrap_or_else(|| "0".to_owned()),
            mode: swap.mode.unwrap_or(0o444),
        });
    }
    service.tasks = service.references.iter().map(|reference| reference.id.clone()).collect();
}

fn delivered(rollout: &Rollout, parcel: &Parcel, before: &Delivery, at: Timestamp) -> Delivery {
    let proof = parcel.proof.gives();
    let same = rollout.applied && before.content == parcel.content;
    Delivery {
        content: parcel.content.clone(),
        revision: parcel.revision,
        state: DeliveryState::after(proof, parcel.asset.kind),
        proof: Some(proof),
        delivered_at: before.delivered_at.filter(|_| same).or(Some(at)),
        known_since: before.known_since.clone(),
        verified_at: (proof != Proof::Converged).then_some(at),
        service_id: rollout.service_id.clone(),
        effort: Effort::default(),
        note: None,
    }
}
