//! The facts of one plan, with what is looked up often at hand.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::Seed;
use super::objects::Bytes;
use crate::desired::{AssetSpec, Desired};
use crate::model::{AssetId, AssetRecord, Engine, Inventory, Object, ObjectKind, ObjectRecord, World};

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
    empty: BTreeMap<AssetId, AssetRecord>,
    by_bytes: BTreeMap<Bytes, &'a ObjectRecord>,
    by_name: HashMap<(ObjectKind, String), &'a Object>,
    highest: HashMap<String, u32>,
}

impl<'a> Context<'a> {
    /// Looks once over the facts.
    pub fn new(desired: &'a Desired, inventory: &'a Inventory, now: Timestamp, seed: Seed) -> Self {
        let unknown = desired.assets.keys().filter(|id| !inventory.assets.contains_key(*id));
        Self {
            desired,
            inventory,
            now,
            seed,
            empty: unknown.map(|id| (id.clone(), AssetRecord::new(id.clone()))).collect(),
            by_bytes: inventory.objects.values().map(|object| (Bytes::of(object), object)).collect(),
            by_name: by_name(&inventory.world),
            highest: highest(&inventory.world),
        }
    }

    /// What we keep of an asset; nothing, where it is new.
    pub fn record(&self, id: &AssetId) -> Option<&AssetRecord> {
        self.inventory.assets.get(id).or_else(|| self.empty.get(id))
    }

    /// The same for an asset that is wanted: there always is one.
    pub(super) fn of<'s>(&'s self, spec: &AssetSpec) -> &'s AssetRecord {
        static NOTHING: std::sync::OnceLock<AssetRecord> = std::sync::OnceLock::new();
        self.record(&spec.id).unwrap_or_else(|| NOTHING.get_or_init(|| AssetRecord::new(spec.id.clone())))
    }

    /// Whether the Swarm can be worked with.
    pub(super) fn engine_ready(&self) -> bool {
        self.inventory.world.engine == Engine::Ready
    }

    /// Our object that holds these bytes, if it is still in the engine or not made yet.
    pub(super) fn object(&self, bytes: &Bytes) -> Option<&'a ObjectRecord> {
        let record = *self.by_bytes.get(bytes)?;
        let seen = self.by_name.get(&(record.kind, record.name.to_lowercase()));
        let lost = record.id.is_some() && seen.map(|object| &object.id) != record.id.as_ref();
        (!lost).then_some(record)
    }

    /// The highest number that an object of this name without its number has in the engine.
    pub(super) fn highest(&self, stem: &str) -> u32 {
        self.highest.get(stem).copied().unwrap_or(0)
    }
}

fn by_name(world: &World) -> HashMap<(ObjectKind, String), &Object> {
    world.objects.iter().map(|object| ((object.kind, object.name.to_lowercase()), object)).collect()
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
