//! The facts of one plan, with what is looked up often at hand: everything here is one look over the facts.

use std::cell::Cell;
use std::collections::HashMap;

use jiff::Timestamp;

use super::issuing::Ledger;
use super::site::{self, Labelled};
use super::{Seed, Site};
use crate::desired::{AssetSpec, Desired};
use crate::model::{
    AssetId, AssetKind, AssetRecord, Content, Engine, FileContent, Inventory, Object, ObjectKind,
    ObjectRecord, Place, Problem, Reference, Service, World, mount_path,
};

/// What every question is asked of.
pub struct Context<'a> {
    /// What is wanted.
    pub desired: &'a Desired,
    /// What is known.
    pub inventory: &'a Inventory,
    /// The moment it is planned for.
    pub now: Timestamp,
    /// Where jitter comes from.
    pub seed: Seed,
    /// The orders placed so far.
    pub(super) ledger: Ledger,
    /// What is kept of an asset that is new: nothing.
    blank: AssetRecord,
    wanted: Vec<Known<'a>>,
    /// Where each asset is among them.
    index: HashMap<&'a AssetId, usize>,
    /// Those that were asked for last: questions about an asset, and about the CA that signs for it, come in a row.
    last: Cell<[usize; 2]>,
    named: HashMap<&'a str, Namer<'a>>,
    references: HashMap<&'a str, HashMap<String, &'a Reference>>,
    highest: HashMap<String, u32>,
}

/// What is known of an asset that is wanted: it is asked for dozens of times in a plan.
struct Known<'a> {
    id: &'a AssetId,
    /// `None` where it is new.
    record: Option<&'a AssetRecord>,
    sites: Vec<Site<'a>>,
    objects: Vec<&'a ObjectRecord>,
    /// Those of them that can be shown, see [`is_usable`].
    usable: Vec<&'a ObjectRecord>,
}

/// Who names an object, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Namer<'a> {
    service: &'a str,
    how: &'static str,
    /// Whether a task may read it now: by the spec or by a task, not by `PreviousSpec`.
    pub(super) in_use: bool,
}

impl std::fmt::Display for Namer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of service {}", self.how, self.service)
    }
}

impl<'a> Context<'a> {
    /// Looks once over the facts.
    pub fn new(desired: &'a Desired, inventory: &'a Inventory, now: Timestamp, seed: Seed) -> Self {
        let mut context = Self {
            desired,
            inventory,
            now,
            seed,
            ledger: Ledger::of(inventory),
            blank: AssetRecord::new(AssetId::new(AssetKind::Ca, "")),
            wanted: Vec::with_capacity(desired.assets.len()),
            index: desired.assets.keys().enumerate().map(|(at, id)| (id, at)).collect(),
            last: Cell::default(),
            named: named(&inventory.world),
            references: references(&inventory.world),
            highest: highest(&inventory.world),
        };
        let labelled = Labelled::of(&inventory.world);
        for (id, spec) in &desired.assets {
            let record = inventory.record(id);
            let sites = site::sites(spec, record.unwrap_or(&context.blank), &inventory.world, &labelled);
            context.wanted.push(Known { id, record, sites, objects: Vec::new(), usable: Vec::new() });
        }
        let seen = seen(&inventory.world);
        for object in inventory.objects.values() {
            // Of what is not wanted any more nobody asks.
            let Some(known) = context.index.get(&object.asset).and_then(|at| context.wanted.get_mut(*at))
            else {
                continue;
            };
            known.objects.push(object);
            if is_usable(desired, &inventory.world, &seen, object) {
                known.usable.push(object);
            }
        }
        context
    }

    fn known(&self, id: &AssetId) -> Option<&Known<'a>> {
        let [last, other] = self.last.get();
        let is = |at: usize| self.wanted.get(at).filter(|known| known.id == id);
        if let Some(known) = is(last) {
            return Some(known);
        }
        let at = if is(other).is_some() { other } else { *self.index.get(id)? };
        self.last.set([at, last]);
        self.wanted.get(at)
    }

    /// What we keep of an asset; nothing, where it is new.
    pub fn record(&self, id: &AssetId) -> &AssetRecord {
        let record = self.known(id).map_or_else(|| self.inventory.record(id), |known| known.record);
        record.unwrap_or(&self.blank)
    }

    /// The places that a wanted asset goes to.
    pub fn sites(&self, spec: &AssetSpec) -> &[Site<'a>] {
        self.known(&spec.id).map_or(&[], |known| &known.sites)
    }

    /// Why the Swarm cannot be worked with; `None` where it can.
    pub(super) fn engine_problem(&self) -> Option<String> {
        match &self.inventory.world.engine {
            Engine::Ready => None,
            Engine::Down(Problem { message, .. }) => Some(message.clone()),
            Engine::Unneeded => Some("the Swarm was not looked at".to_owned()),
        }
    }

    /// Why the directory cannot be worked with; `None` where it can.
    pub(super) fn silent(&self, place: &Place) -> Option<&'a Problem> {
        let Place::Dir(dir) = place else { return None };
        self.inventory.world.silent.get(dir)
    }

    /// Our objects of an asset.
    pub(super) fn objects(&self, asset: &AssetId) -> &[&'a ObjectRecord] {
        self.known(asset).map_or(&[], |known| &known.objects)
    }

    /// Our object that holds the bytes of a file, if it is still in the engine or not made yet.
    pub(super) fn object(&self, asset: &AssetId, file: &FileContent) -> Option<&'a ObjectRecord> {
        let holds = |object: &&&ObjectRecord| {
            file.kind == Some(object.kind)
                && object.part == file.part
                && object.revisions == file.revisions
                && object.password == file.password
        };
        self.known(asset)?.usable.iter().rev().find(holds).copied()
    }

    /// Who still names an object.
    pub(super) fn named_by(&self, object: &ObjectRecord) -> Option<Namer<'a>> {
        self.named.get(object.id.as_deref()?).copied()
    }

    /// What the spec of a service has on a path.
    pub(super) fn reference(&self, service: &Service, mount: &str) -> Option<&'a Reference> {
        self.references.get(service.name.as_str())?.get(mount).copied()
    }

    /// The highest number that an object of this name without its number has in the engine.
    pub(super) fn highest(&self, stem: &str) -> u32 {
        self.highest.get(stem).copied().unwrap_or(0)
    }

    /// Whether the link of the asset's directory shows `content`.
    pub(super) fn shows(&self, asset: &AssetId, place: &Place, content: &Content) -> bool {
        let Place::Dir(dir) = place else { return false };
        let shown = self.inventory.world.dirs.get(asset).and_then(|dirs| dirs.get(dir));
        shown.is_some_and(|shown| *shown == super::identity(content))
    }
}

/// What the engine has, by kind and name.
fn seen(world: &World) -> HashMap<(ObjectKind, String), &Object> {
    world.objects.iter().map(|object| ((object.kind, object.name.to_lowercase()), object)).collect()
}

/// Not usable are those that the engine has lost or whose name another has taken: what they hold is made again, under a new
/// name.
fn is_usable(
    desired: &Desired,
    world: &World,
    seen: &HashMap<(ObjectKind, String), &Object>,
    record: &ObjectRecord,
) -> bool {
    match (&record.id, seen.get(&(record.kind, record.name.to_lowercase()))) {
        (Some(id), Some(object)) => object.id == *id,
        (Some(_), None) => world.engine != Engine::Ready,
        // Intended, and perhaps made before a crash: then it has our labels.
        (None, Some(object)) => object.labels.as_ref().is_some_and(|labels| {
            labels.instance == desired.instance && labels.asset == record.asset && labels.part == record.part
        }),
        (None, None) => true,
    }
}

fn named(world: &World) -> HashMap<&str, Namer<'_>> {
    let mut named = HashMap::new();
    for service in world.services.values() {
        let namer = |how, in_use| Namer { service: &service.name, how, in_use };
        for id in &service.previous {
            named.entry(id.as_str()).or_insert(namer("the PreviousSpec", false));
        }
        for id in &service.tasks {
            named.insert(id.as_str(), namer("a task", true));
        }
        for reference in &service.references {
            named.insert(reference.id.as_str(), namer("the spec", true));
        }
    }
    named
}

/// The references of each service, by the path that a container sees: a service can have hundreds, and each is asked for.
fn references(world: &World) -> HashMap<&str, HashMap<String, &Reference>> {
    let mut of_all: HashMap<&str, HashMap<String, &Reference>> = HashMap::new();
    for service in world.services.values() {
        let of_one = of_all.entry(service.name.as_str()).or_default();
        for reference in &service.references {
            of_one.entry(mount_path(reference.kind, &reference.path)).or_insert(reference);
        }
    }
    of_all
}

/// Numbers go up over secrets and configs together, ours and foreign: a name is never used twice.
fn highest(world: &World) -> HashMap<String, u32> {
    let mut highest = HashMap::new();
    for object in &world.objects {
        let Some((stem, number)) = object.name.rsplit_once('.') else { continue };
        let Ok(number) = number.parse::<u32>() else { continue };
        let seen = highest.entry(stem.to_lowercase()).or_insert(0);
        *seen = number.max(*seen);
    }
    highest
}
