//! Each asset's revisions over time, past and to come, with their overlaps: the forecast of each asset by itself, together
//! with the CA that signs for it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use jiff::Timestamp;

use super::forecast::play;
use super::{Seed, sites};
use crate::desired::{AssetSpec, Desired, KindSpec};
use crate::model::{
    AssetId, AssetRecord, Inventory, Object, ObjectRecord, Revision, RevisionState, Step, World,
};

/// One asset's revisions, and what leads to them.
#[derive(Debug, Clone)]
pub struct Lane {
    /// Whose.
    pub asset: AssetId,
    /// Oldest first.
    pub spans: Vec<Span>,
    /// What is to come, in the order of its times.
    pub coming: Vec<Step>,
}

/// The life of a revision, as far as it is known or foreseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Of the revision.
    pub number: u32,
    /// Whether there is nothing of it yet.
    pub foreseen: bool,
    /// What it is now; of a foreseen one, nothing is said.
    pub state: Option<RevisionState>,
    /// From when it is there, whole.
    pub from: Timestamp,
    /// From when it is in use.
    pub active: Option<Timestamp>,
    /// From when its successor is in use instead.
    pub replaced: Option<Timestamp>,
    /// From when nobody needs it.
    pub gone: Option<Timestamp>,
    /// Of a certificate: the last second of its validity.
    pub not_after: Option<Timestamp>,
}

/// The lanes of all assets from now `until` then, as if every step worked at once. Each is looked at by itself: what
/// shares a rollout with others in truth may come a little earlier or later.
pub fn timeline(
    desired: &Desired,
    inventory: &Inventory,
    now: Timestamp,
    until: Timestamp,
    seed: Seed,
) -> Vec<Lane> {
    let by_asset = ByAsset::of(inventory);
    let lane = |spec: &AssetSpec| {
        let family = family(desired, spec);
        let (alone, known) = (wanted(desired, &family), by_asset.inventory(inventory, desired, &family));
        let mut spans = BTreeMap::new();
        let mut look = |after: &Inventory| {
            let before = inventory.assets.get(&spec.id);
            spans.extend(after.assets.get(&spec.id).into_iter().flat_map(|record| of(record, before)));
        };
        look(&known);
        let mut coming = play(&alone, known, (now, until), seed, look).steps;
        coming.retain(|step| step.assets.contains(&spec.id) && !step.action.is_silent());
        Lane { asset: spec.id.clone(), spans: spans.into_values().collect(), coming }
    };
    desired.assets.values().map(lane).collect()
}

/// The family without the others.
fn wanted(desired: &Desired, family: &[&AssetId]) -> Desired {
    let spec = |id: &&AssetId| Some(((*id).clone(), desired.assets.get(*id)?.clone()));
    Desired {
        instance: desired.instance.clone(),
        windows: desired.windows.clone(),
        acme: desired.acme.clone(),
        listeners: desired.listeners.clone(),
        assets: family.iter().filter_map(spec).collect(),
        ..*desired
    }
}

/// Who has a say in the asset's life: the asset, and the CA of our own among its issuers; of a CA, the certificate that
/// needs it for the longest.
fn family<'a>(desired: &'a Desired, spec: &'a AssetSpec) -> Vec<&'a AssetId> {
    let relative = match &spec.kind {
        KindSpec::Certificate(certificate) => certificate.authority(),
        KindSpec::Ca(_) => {
            let signed = desired.assets.values().filter_map(|other| match &other.kind {
                KindSpec::Certificate(leaf) if leaf.authority() == Some(&spec.id) => {
                    Some((leaf.duration, &other.id))
                }
                _ => None,
            });
            signed.max().map(|(_, id)| id)
        }
        _ => None,
    };
    [Some(&spec.id), relative].into_iter().flatten().collect()
}

/// What there is of each asset in a Swarm, found once for all lanes.
struct ByAsset<'a> {
    seen: HashMap<&'a AssetId, Vec<&'a Object>>,
    kept: HashMap<&'a AssetId, Vec<&'a ObjectRecord>>,
    dirs: HashMap<&'a AssetId, Vec<(&'a PathBuf, &'a String)>>,
}

impl<'a> ByAsset<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let mut all = Self { seen: HashMap::new(), kept: HashMap::new(), dirs: HashMap::new() };
        for object in &inventory.world.objects {
            if let Some(labels) = &object.labels {
                all.seen.entry(&labels.asset).or_default().push(object);
            }
        }
        for object in inventory.objects.values() {
            all.kept.entry(&object.asset).or_default().push(object);
        }
        for ((id, dir), identity) in &inventory.world.dirs {
            all.dirs.entry(id).or_default().push((dir, identity));
        }
        all
    }

    /// What is known of the family, and of where it goes.
    fn inventory(&self, inventory: &Inventory, desired: &Desired, family: &[&AssetId]) -> Inventory {
        let record = |id: &&AssetId| Some(((*id).clone(), inventory.assets.get(*id)?.clone()));
        let kept = family.iter().filter_map(|id| self.kept.get(*id)).flatten();
        Inventory {
            assets: family.iter().filter_map(record).collect(),
            objects: kept.map(|object| ((object.kind, object.name.clone()), (*object).clone())).collect(),
            issuers: inventory.issuers.clone(),
            last_seen: inventory.last_seen,
            world: self.world(inventory, desired, family),
            ..Inventory::default()
        }
    }

    fn world(&self, inventory: &Inventory, desired: &Desired, family: &[&AssetId]) -> World {
        let mut world = World { engine: inventory.world.engine.clone(), ..World::default() };
        for id in family {
            let seen = self.seen.get(*id).into_iter().flatten();
            world.objects.extend(seen.map(|object| (*object).clone()));
            let dirs = self.dirs.get(*id).into_iter().flatten();
            world
                .dirs
                .extend(dirs.map(|(dir, identity)| (((*id).clone(), (*dir).clone()), (*identity).clone())));
            let Some(spec) = desired.assets.get(*id) else { continue };
            let nothing = AssetRecord::new((*id).clone());
            let record = inventory.assets.get(*id).unwrap_or(&nothing);
            let services = sites(spec, record, &inventory.world).into_iter().filter_map(|site| site.service);
            world.services.extend(services.map(|service| (service.name.clone(), service.clone())));
        }
        world
    }
}

/// What `after` holds, by numbers; what `before` does not have is foreseen. (Old ones are forgotten in the course of a year.)
fn of(after: &AssetRecord, before: Option<&AssetRecord>) -> impl Iterator<Item = (u32, Span)> {
    let span = move |revision: &Revision| {
        let known = before.and_then(|record| record.revisions.get(&revision.number));
        let span = Span {
            number: revision.number,
            foreseen: known.is_none_or(|known| known.issued_at.is_none()),
            state: known.map(|known| known.state),
            from: revision.issued_at?,
            active: revision.active_at,
            replaced: revision.replaced_at,
            gone: revision.ended_at,
            not_after: revision.validity.map(|validity| validity.not_after),
        };
        Some((revision.number, span))
    };
    after.revisions.values().filter_map(span)
}
