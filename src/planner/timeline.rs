//! Each asset's revisions over time, past and to come, with their overlaps: the forecast of each asset by itself, together
//! with the CA that signs for it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use jiff::Timestamp;

use super::forecast::play;
use super::{Labelled, Seed, Site, sites};
use crate::desired::{AssetSpec, Desired, KindSpec};
use crate::model::{
    AssetId, AssetRecord, Inventory, Mount, Object, ObjectRecord, Reference, Revision, RevisionState,
    Service, Step, World,
};

/// A lane that has more steps to come than this (certificates of minutes) ends there: nobody could tell them apart.
const MOST_STEPS: usize = 400;

/// One asset's revisions, and what leads to them.
#[derive(Debug, Clone)]
pub struct Lane {
    /// Whose.
    pub asset: AssetId,
    /// Oldest first.
    pub spans: Vec<Span>,
    /// What is to come, in the order of its times.
    pub coming: Vec<Ahead>,
}

/// A step to come, without what carrying it out would need: a year of thousands of assets is kept for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// When.
    pub at: Timestamp,
    /// What, by the action's name.
    pub action: &'static str,
    /// Why, for people.
    pub reason: String,
    /// The services that would restart.
    pub services: Vec<String>,
}

impl From<Step> for Ahead {
    fn from(step: Step) -> Self {
        let (action, services) = (step.action.name(), step.action.services());
        Self { at: step.at, action, reason: step.reason, services }
    }
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
    let by_asset = ByAsset::of(inventory, desired);
    let lane = |spec: &AssetSpec| {
        let family = by_asset.family(spec);
        let (alone, known) = (wanted(desired, &family), by_asset.inventory(inventory, desired, &family));
        let mut spans = BTreeMap::new();
        let mut look = |after: &Inventory| {
            let before = inventory.record(&spec.id);
            spans.extend(after.record(&spec.id).into_iter().flat_map(|record| of(record, before)));
            ControlFlow::Continue(())
        };
        let _ = look(&known);
        let steps = play(&alone, known, (now, until), seed, MOST_STEPS, look).steps;
        let its = |step: &Step| step.assets.contains(&spec.id) && !step.action.is_silent();
        let coming = steps.into_iter().filter(its).map(Ahead::from).collect();
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

/// Of each CA of our own the certificate that needs it for the longest.
fn longest(desired: &Desired) -> HashMap<&AssetId, &AssetId> {
    let mut longest = HashMap::new();
    for spec in desired.assets.values() {
        let KindSpec::Certificate(leaf) = &spec.kind else { continue };
        let Some(authority) = leaf.authority() else { continue };
        let needs = (leaf.duration, &spec.id);
        let most = longest.entry(authority).or_insert(needs);
        *most = needs.max(*most);
    }
    longest.into_iter().map(|(authority, (_, leaf))| (authority, leaf)).collect()
}

/// What there is of each asset, found once for all lanes.
struct ByAsset<'a> {
    seen: HashMap<&'a AssetId, Vec<&'a Object>>,
    kept: HashMap<&'a AssetId, Vec<&'a ObjectRecord>>,
    labelled: Labelled<'a>,
    /// Of each CA, the certificate that needs it for the longest.
    longest: HashMap<&'a AssetId, &'a AssetId>,
}

impl<'a> ByAsset<'a> {
    fn of(inventory: &'a Inventory, desired: &'a Desired) -> Self {
        let mut all = Self {
            seen: HashMap::new(),
            kept: HashMap::new(),
            labelled: Labelled::of(&inventory.world),
            longest: longest(desired),
        };
        for object in &inventory.world.objects {
            if let Some(labels) = &object.labels {
                all.seen.entry(&labels.asset).or_default().push(object);
            }
        }
        for object in inventory.objects.values() {
            all.kept.entry(&object.asset).or_default().push(object);
        }
        all
    }

    /// Who has a say in the asset's life: the asset, and the CA of our own among its issuers; of a CA, the certificate that
    /// needs it for the longest.
    fn family(&self, spec: &'a AssetSpec) -> Vec<&'a AssetId> {
        let relative = match &spec.kind {
            KindSpec::Certificate(certificate) => certificate.authority(),
            KindSpec::Ca(_) => self.longest.get(&spec.id).copied(),
            _ => None,
        };
        [Some(&spec.id), relative].into_iter().flatten().collect()
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
            world.dirs.extend(inventory.world.dirs.get(*id).map(|dirs| ((*id).clone(), dirs.clone())));
            let Some(spec) = desired.assets.get(*id) else { continue };
            for site in sites(spec, inventory.record(id), &inventory.world, &self.labelled) {
                let Some(service) = site.service else { continue };
                let known = world.services.entry(service.name.clone());
                let known = known.or_insert_with(|| without_references(service));
                self.add_references(known, service, &site, id);
            }
        }
        world
    }

    /// What `service` shows on the site's paths, and where our own objects of the asset are named besides.
    fn add_references(&self, known: &mut Service, service: &Service, site: &Site<'_>, id: &AssetId) {
        let paths: HashSet<Mount<'_>> = site.mounts().collect();
        let objects = self.kept.get(id).into_iter().flatten().filter_map(|object| object.id.as_ref());
        let objects: HashSet<&String> = objects.collect();
        let concerns = |reference: &&Reference| {
            objects.contains(&reference.id) || paths.contains(&Mount::of(reference.kind, &reference.path))
        };
        known.references.extend(service.references.iter().filter(concerns).cloned());
        let ours = |named: &BTreeSet<String>| -> Vec<String> {
            objects.iter().filter(|object| named.contains(**object)).map(|object| (*object).clone()).collect()
        };
        known.previous.extend(ours(&service.previous));
        known.tasks.extend(ours(&service.tasks));
    }
}

/// A service as a lane's plans see it: hundreds of references of others would be gone through at every step.
fn without_references(service: &Service) -> Service {
    Service {
        id: service.id.clone(),
        name: service.name.clone(),
        labelled: service.labelled.clone(),
        references: Vec::new(),
        previous: BTreeSet::new(),
        tasks: BTreeSet::new(),
        replicas: service.replicas,
        running: service.running,
        update: service.update.clone(),
        spec_digest: service.spec_digest.clone(),
        habits: Vec::new(),
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
