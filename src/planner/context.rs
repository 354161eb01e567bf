//! The facts of one plan, with what is looked up often at hand: everything here is one look over the facts.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use jiff::Timestamp;

use super::issuing::Ledger;
use super::pairs::pairs;
use super::site::{self, Labelled};
use super::{Seed, Site};
use crate::desired::{AssetSpec, Desired};
use crate::model::{
    AssetId, AssetKind, AssetRecord, Content, Engine, FileContent, Inventory, Mount, Object, ObjectKind,
    ObjectRecord, Place, Problem, Reference, Service, World,
};

/// What every question is asked of.
///
/// What is rarely asked for is found when it is: a daemon asks every five minutes whether anything is due, and nothing is.
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
    /// In the order of their names.
    wanted: Vec<Known<'a>>,
    /// What is kept of assets that nobody wants any more.
    pub(super) unwanted: Vec<&'a AssetRecord>,
    /// Those that were asked for last: questions about an asset, and about the CA that signs for it, come in a row.
    last: Cell<[usize; 2]>,
    /// Our objects, by the assets that are wanted.
    objects: Vec<&'a ObjectRecord>,
    /// Which of them can be shown, see [`Context::is_usable`].
    usable: Vec<OnceCell<bool>>,
    /// What the engine has, by kind and ID.
    seen: OnceCell<HashSet<(ObjectKind, &'a str)>>,
    /// The same, by kind and name.
    seen_names: OnceCell<HashMap<(ObjectKind, Cow<'a, str>), &'a Object>>,
    labelled: Labelled<'a>,
    references: HashMap<&'a str, (&'a Service, OnceCell<References<'a>>)>,
    named: OnceCell<HashMap<&'a str, Namer<'a>>>,
    highest: OnceCell<HashMap<String, u32>>,
}

/// What is known of an asset that is wanted: it is asked for dozens of times in a plan.
struct Known<'a> {
    spec: &'a AssetSpec,
    /// `None` where it is new.
    record: Option<&'a AssetRecord>,
    sites: OnceCell<Vec<Site<'a>>>,
    /// Where its objects are among all.
    objects: Range<usize>,
}

/// The references of a service, by the path that a container sees: there can be hundreds, and each is asked for.
type References<'a> = HashMap<Mount<'a>, &'a Reference>;

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
        let world = &inventory.world;
        let (mut wanted, mut unwanted) = (Vec::with_capacity(desired.assets.len()), Vec::new());
        for pair in pairs(desired, inventory) {
            match pair {
                (Some(spec), record) => {
                    wanted.push(Known { spec, record, sites: OnceCell::new(), objects: 0..0 });
                }
                (None, record) => unwanted.extend(record),
            }
        }
        let mut context = Self {
            desired,
            inventory,
            now,
            seed,
            ledger: Ledger::of(inventory),
            blank: AssetRecord::new(AssetId::new(AssetKind::Ca, "")),
            wanted,
            unwanted,
            last: Cell::default(),
            objects: Vec::new(),
            usable: Vec::new(),
            seen: OnceCell::new(),
            seen_names: OnceCell::new(),
            labelled: Labelled::of(world),
            references: world
                .services
                .iter()
                .map(|(name, it)| (name.as_str(), (it, OnceCell::new())))
                .collect(),
            named: OnceCell::new(),
            highest: OnceCell::new(),
        };
        context.take_up_objects();
        context
    }

    /// Gives each asset its objects. Of what is not wanted any more nobody asks.
    fn take_up_objects(&mut self) {
        let all = &self.inventory.objects;
        let mut objects = Vec::with_capacity(all.len());
        objects.extend(all.values().filter_map(|object| Some((self.at(&object.asset)?, object))));
        // They are in the order of their names, which begin with their assets': nearly nothing is to be done.
        objects.sort_by_key(|(at, _)| *at);
        let mut from = 0;
        for of_one in objects.chunk_by(|(one, _), (other, _)| one == other) {
            if let [(at, _), ..] = of_one {
                self.wanted[*at].objects = from..from + of_one.len();
            }
            from += of_one.len();
        }
        self.objects = objects.into_iter().map(|(_, object)| object).collect();
        self.usable = vec![OnceCell::new(); self.objects.len()];
    }

    /// How many assets are wanted.
    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }

    /// The asset that is number `at` of those that are wanted. What is asked about it next is found without a search.
    pub(super) fn turn_to(&self, at: usize) -> &'a AssetSpec {
        let [last, other] = self.last.get();
        self.last.set([at, if at == last { other } else { last }]);
        self.wanted[at].spec
    }

    /// Forgets where an asset goes, of which nothing more will be asked: to write that into memory, to read it again and to
    /// give it back took more than to find it.
    pub(super) fn let_go(&mut self, at: usize) {
        self.wanted[at].sites.take();
    }

    /// Which of those that are wanted it is.
    fn at(&self, id: &AssetId) -> Option<usize> {
        let [last, other] = self.last.get();
        let is = |at: &usize| {
            self.wanted.get(*at).is_some_and(|known| std::ptr::eq(&known.spec.id, id) || known.spec.id == *id)
        };
        if is(&last) {
            return Some(last);
        }
        let near = [other, last + 1].into_iter().find(is);
        let at = near.or_else(|| self.wanted.binary_search_by(|known| known.spec.id.cmp(id)).ok())?;
        self.last.set([at, last]);
        Some(at)
    }

    fn known(&self, id: &AssetId) -> Option<&Known<'a>> {
        self.at(id).map(|at| &self.wanted[at])
    }

    /// What we keep of an asset; nothing, where it is new.
    pub fn record(&self, id: &AssetId) -> &AssetRecord {
        self.known_record(id).unwrap_or(&self.blank)
    }

    /// The same; `None` where it is new.
    pub(super) fn known_record(&self, id: &AssetId) -> Option<&'a AssetRecord> {
        self.known(id).map_or_else(|| self.inventory.record(id), |known| known.record)
    }

    /// The places that a wanted asset goes to.
    pub fn sites(&self, spec: &AssetSpec) -> &[Site<'a>] {
        let Some(known) = self.known(&spec.id) else { return &[] };
        known
            .sites
            .get_or_init(|| site::sites(known.spec, known.record, &self.inventory.world, &self.labelled))
    }

    /// Whether the Swarm can be worked with.
    pub(super) fn has_engine(&self) -> bool {
        self.inventory.world.engine == Engine::Ready
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
        self.known(asset).map_or(&[], |known| &self.objects[known.objects.clone()])
    }

    /// Our object that holds the bytes of a file, if it is still in the engine or not made yet.
    pub(super) fn object(&self, asset: &AssetId, file: &FileContent) -> Option<&'a ObjectRecord> {
        self.object_beside(asset, file, None)
    }

    /// The same, beside what a service names today: that exists, since the engine removes nothing that is named.
    pub(super) fn object_beside(
        &self,
        asset: &AssetId,
        file: &FileContent,
        named: Option<&Reference>,
    ) -> Option<&'a ObjectRecord> {
        let holds = |object: &ObjectRecord| {
            file.kind == Some(object.kind)
                && object.part == file.part
                && object.revisions == file.revisions
                && object.password == file.password
        };
        let is_named = |object: &ObjectRecord| {
            named.is_some_and(|it| it.kind == object.kind && object.id.as_ref() == Some(&it.id))
        };
        let range = self.known(asset)?.objects.clone();
        let mut own = self.objects[range.clone()].iter().copied().zip(&self.usable[range]).rev();
        let is_it = |(object, usable): &(&'a ObjectRecord, &OnceCell<bool>)| {
            holds(object) && *usable.get_or_init(|| is_named(object) || self.is_usable(object))
        };
        own.find(is_it).map(|(object, _)| object)
    }

    /// Not usable are those that the engine has lost or whose name another has taken: what they hold is made again, under a
    /// new name.
    fn is_usable(&self, record: &ObjectRecord) -> bool {
        let objects = &self.inventory.world.objects;
        if let Some(id) = &record.id {
            let by_id = || objects.iter().map(|object| (object.kind, object.id.as_str())).collect();
            return !self.has_engine() || self.seen.get_or_init(by_id).contains(&(record.kind, id.as_str()));
        }
        // Intended, and perhaps made before a crash: then it has our labels.
        let by_name =
            || objects.iter().map(|object| ((object.kind, in_lower_case(&object.name)), object)).collect();
        let made = self.seen_names.get_or_init(by_name).get(&(record.kind, in_lower_case(&record.name)));
        made.is_none_or(|object| {
            object.labels.as_ref().is_some_and(|labels| {
                labels.instance == self.desired.instance
                    && labels.asset == record.asset
                    && labels.part == record.part
            })
        })
    }

    /// Who still names an object.
    pub(super) fn named_by(&self, object: &ObjectRecord) -> Option<Namer<'a>> {
        self.named.get_or_init(|| named(&self.inventory.world)).get(object.id.as_deref()?).copied()
    }

    /// What the spec of a service has on a path.
    pub(super) fn reference(&self, service: &Service, mount: Mount<'_>) -> Option<&'a Reference> {
        let (service, of_it) = self.references.get(service.name.as_str())?;
        of_it.get_or_init(|| references(service)).get(&mount).copied()
    }

    /// The highest number that an object of this name without its number has in the engine.
    pub(super) fn highest(&self, stem: &str) -> u32 {
        self.highest.get_or_init(|| highest(&self.inventory.world)).get(stem).copied().unwrap_or(0)
    }

    /// Whether the link of the asset's directory shows `content`.
    pub(super) fn shows(&self, asset: &AssetId, place: &Place, content: &Content) -> bool {
        let Place::Dir(dir) = place else { return false };
        let shown = self.inventory.world.dirs.get(asset).and_then(|dirs| dirs.get(dir));
        shown.is_some_and(|shown| super::content::is_identity(shown, content))
    }
}

/// Nearly all names are.
fn in_lower_case(name: &str) -> Cow<'_, str> {
    let is_lower = name.bytes().all(|octet| octet.is_ascii() && !octet.is_ascii_uppercase());
    if is_lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_lowercase()) }
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

/// The first of its references on each path.
fn references(service: &Service) -> References<'_> {
    let mut references = HashMap::with_capacity(service.references.len());
    for reference in &service.references {
        references.entry(Mount::of(reference.kind, &reference.path)).or_insert(reference);
    }
    references
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
