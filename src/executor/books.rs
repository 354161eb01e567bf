//! What we keep, in memory and in the store: changed together, durably, or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::Fatal;
use super::stock::{Drawn, Shelf};
use crate::audit::Event;
use crate::clock::{Clock, Entropy, NoEntropy};
use crate::model::{
    AssetId, AssetRecord, Inventory, IssuerRecord, Material, ObjectKind, ObjectRecord, Place, RolloutRecord,
    Secret, Spare, SpareId, Ware,
};
use crate::store::{Change, MaterialId, StateStore, StoreError};

const ASSET: &str = "asset/";
const OBJECT: &str = "object/";
const ROLLOUT: &str = "rollout/";
const ISSUER: &str = "issuer/";
/// What issuers keep, sealed like all records: their accounts with the keys, and their open orders.
const KEPT: &str = "kept/";
/// Keys and parameters that are ready for revisions to come.
const STOCK: &str = "stock/";
const LAST_SEEN: &str = "meta/last-seen";
const DIGEST_KEY: &str = "meta/digest-key";

/// Why the books cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The store's own reason.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the store gave back is not what this version writes.
    #[error("{what} in the state cannot be read: {why}")]
    Unreadable {
        /// The record's key, or whose material.
        what: String,
        /// Never the value itself.
        why: String,
    },
    /// There is no randomness for the key of the digests.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

impl BooksError {
    /// serde_json's own words could quote the value: only the place is told.
    fn unreadable(what: impl ToString, error: &serde_json::Error) -> Self {
        let why = format!("{:?} at column {}", error.classify(), error.column());
        Self::Unreadable { what: what.to_string(), why }
    }
}

/// The records, and the store that they are kept in.
pub struct Books {
    store: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    inventory: Mutex<Inventory>,
    kept: Mutex<BTreeMap<String, Secret>>,
    shelf: Shelf,
    digest_key: ring::hmac::Key,
}

impl Books {
    /// Reads what the store holds.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or holds records that this version does not understand.
    pub async fn open(
        store: Arc<dyn StateStore>,
        clock: Arc<dyn Clock>,
        entropy: &Entropy,
    ) -> Result<Self, BooksError> {
        let records = store.records().await?;
        let inventory = inventory_of(&records)?;
        let digest_key = digest_key(&store, &records, entropy).await?;
        let kept = Mutex::new(kept_in(&records));
        let shelf = Shelf::new(spares_in(&records)?);
        Ok(Self { store, clock, inventory: Mutex::new(inventory), kept, shelf, digest_key })
    }

    /// What is known now; the world in it is empty.
    pub async fn inventory(&self) -> Inventory {
        self.inventory.lock().await.clone()
    }

    /// The time that goes into records.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What a revision is made of.
    pub async fn material(&self, asset: &AssetId, revision: u32) -> Result<Option<Material>, Fatal> {
        let id = MaterialId { asset: asset.clone(), revision };
        let Some(bytes) = self.store.material(&id).await.map_err(BooksError::from)? else { return Ok(None) };
        let material =
            serde_json::from_slice(bytes.expose()).map_err(|error| BooksError::unreadable(&id, &error))?;
        Ok(Some(material))
    }

    /// What an issuer keeps under `key`.
    pub(super) async fn kept(&self, key: &str) -> Option<Secret> {
        self.kept.lock().await.get(key).cloned()
    }

    /// Sets aside something that is ready, where there is any.
    pub(super) fn draw(&self, ware: Ware) -> Option<Drawn<'_>> {
        self.shelf.draw(ware, self.now())
    }

    /// A digest that tells nothing of the bytes to who has not our state.
    pub fn digest(&self, bytes: &Secret) -> String {
        let tag = ring::hmac::sign(&self.digest_key, bytes.expose());
        crate::pki::hex(&tag.as_ref()[..16])
    }

    /// Changes records: `change` works on copies, which count only once the store has them durably.
    ///
    /// # Errors
    ///
    /// When the store cannot write; the records are then as they were.
    pub async fn edit(&self, change: impl FnOnce(&mut Edit<'_>) + Send) -> Result<(), Fatal> {
        let mut inventory = self.inventory.lock().await;
        let (touched, durable) = {
            let mut edit = Edit::new(&inventory, self.now());
            change(&mut edit);
            edit.finish()?
        };
        self.store.commit(durable).await.map_err(BooksError::from)?;
        let mut kept = self.kept.lock().await;
        for (key, value) in &touched.kept {
            match value {
                Some(value) => kept.insert(key.clone(), value.clone()),
                None => kept.remove(key),
            };
        }
        self.shelf.apply(&touched.stock);
        touched.merge_into(&mut inventory);
        Ok(())
    }
}

/// Records being changed.
pub struct Edit<'a> {
    /// The time of the change.
    pub now: Timestamp,
    base: &'a Inventory,
    touched: Touched,
    materials: Vec<(MaterialId, Option<Material>)>,
    events: Vec<Event>,
}

/// Copies of the records that an edit has touched; `None` is gone.
#[derive(Default)]
struct Touched {
    assets: BTreeMap<AssetId, AssetRecord>,
    objects: BTreeMap<(ObjectKind, String), Option<ObjectRecord>>,
    rollouts: BTreeMap<Place, Option<RolloutRecord>>,
    issuers: BTreeMap<String, IssuerRecord>,
    kept: BTreeMap<String, Option<Secret>>,
    stock: BTreeMap<SpareId, Option<Spare>>,
    last_seen: Option<Timestamp>,
}

impl Edit<'_> {
    fn new(base: &Inventory, now: Timestamp) -> Edit<'_> {
        Edit { now, base, touched: Touched::default(), materials: Vec::new(), events: Vec::new() }
    }

    /// The asset's record, made where there was none.
    pub fn asset(&mut self, id: &AssetId) -> &mut AssetRecord {
        let base = self.base;
        self.touched
            .assets
            .entry(id.clone())
            .or_insert_with(|| base.assets.get(id).cloned().unwrap_or_else(|| AssetRecord::new(id.clone())))
    }

    /// The ACME issuer's record, made where there was none.
    pub fn issuer(&mut self, name: &str) -> &mut IssuerRecord {
        let base = self.base;
        let blank = || IssuerRecord { name: name.to_owned(), ..IssuerRecord::default() };
        let known = || base.issuers.get(name).cloned().unwrap_or_else(blank);
        self.touched.issuers.entry(name.to_owned()).or_insert_with(known)
    }

    /// What an issuer is to keep under `key`; `None` forgets it.
    pub(super) fn keep(&mut self, key: String, value: Option<Secret>) {
        self.touched.kept.insert(key, value);
    }

    /// Something is ready from now on.
    pub(super) fn stock(&mut self, id: SpareId, spare: Spare) {
        self.touched.stock.insert(id, Some(spare));
    }

    /// It leaves the stock: for good, or into what else this edit writes. Both are one durable step, so that nothing
    /// is ever drawn twice.
    pub(super) fn unstock(&mut self, id: SpareId) {
        self.touched.stock.insert(id, None);
    }

    /// The object's record, where there is one.
    pub fn object(&mut self, kind: ObjectKind, name: &str) -> Option<&mut ObjectRecord> {
        let key = (kind, name.to_owned());
        let base = self.base.objects.get(&key)?;
        self.touched.objects.entry(key).or_insert_with(|| Some(base.clone())).as_mut()
    }

    /// The rollout that was begun in this place and has not ended.
    pub fn rollout(&mut self, place: &Place) -> Option<&mut RolloutRecord> {
        let base = self.base.rollouts.get(place)?;
        self.touched.rollouts.entry(place.clone()).or_insert_with(|| Some(base.clone())).as_mut()
    }

    /// A new object.
    pub fn put_object(&mut self, record: ObjectRecord) {
        self.touched.objects.insert((record.kind, record.name.clone()), Some(record));
    }

    /// An object that is gone.
    pub fn remove_object(&mut self, kind: ObjectKind, name: &str) {
        self.touched.objects.insert((kind, name.to_owned()), None);
    }

    /// A rollout that is begun.
    pub fn put_rollout(&mut self, record: RolloutRecord) {
        self.touched.rollouts.insert(record.place.clone(), Some(record));
    }

    /// A rollout that has ended.
    pub fn remove_rollout(&mut self, place: &Place) {
        if self.base.rollouts.contains_key(place) {
            self.touched.rollouts.insert(place.clone(), None);
        }
    }

    /// What a revision is made of; `None` destroys it.
    pub fn material(&mut self, asset: &AssetId, revision: u32, material: Option<Material>) {
        self.materials.push((MaterialId { asset: asset.clone(), revision }, material));
    }

    /// An entry for the audit.
    pub fn audit(&mut self, event: Event) {
        self.events.push(event);
    }

    fn finish(mut self) -> Result<(Touched, Change), BooksError> {
        let mut change = Change { audit: self.events, ..Change::default() };
        for (id, record) in &self.touched.assets {
            change.puts.push((format!("{ASSET}{id}"), encoded(Some(record))?));
        }
        for ((kind, name), record) in &self.touched.objects {
            change.puts.push((format!("{OBJECT}{kind}/{name}"), encoded(record.as_ref())?));
        }
        for (place, record) in &self.touched.rollouts {
            change.puts.push((format!("{ROLLOUT}{place}"), encoded(record.as_ref())?));
        }
        for (name, record) in &self.touched.issuers {
            change.puts.push((format!("{ISSUER}{name}"), encoded(Some(record))?));
        }
        for (key, value) in &self.touched.kept {
            let value = value.as_ref().map(|value| value.expose().to_vec());
            change.puts.push((format!("{KEPT}{key}"), value));
        }
        for (id, spare) in &self.touched.stock {
            change.puts.push((format!("{STOCK}{id}"), encoded(spare.as_ref())?));
        }
        for (id, material) in self.materials {
            change.materials.push((id, encoded(material.as_ref())?.map(Secret::new)));
        }
        let seen = self.base.last_seen.map_or(self.now, |seen| seen.max(self.now));
        self.touched.last_seen = Some(seen);
        change.puts.push((LAST_SEEN.to_owned(), encoded(Some(&seen))?));
        Ok((self.touched, change))
    }
}

impl Touched {
    fn merge_into(self, inventory: &mut Inventory) {
        inventory.assets.extend(self.assets);
        inventory.issuers.extend(self.issuers);
        inventory.last_seen = self.last_seen.or(inventory.last_seen);
        for (id, spare) in self.stock {
            match spare {
                Some(spare) => inventory.stock.insert(id, spare.made_at),
                None => inventory.stock.remove(&id),
            };
        }
        for (key, record) in self.objects {
            match record {
                Some(record) => inventory.objects.insert(key, record),
                None => inventory.objects.remove(&key),
            };
        }
        for (place, record) in self.rollouts {
            match record {
                Some(record) => inventory.rollouts.insert(place, record),
                None => inventory.rollouts.remove(&place),
            };
        }
    }
}

/// The records of a store, read.
///
/// # Errors
///
/// When one of them is not what this version writes.
pub fn inventory_of(records: &BTreeMap<String, Vec<u8>>) -> Result<Inventory, BooksError> {
    let mut inventory = Inventory::default();
    for (key, bytes) in records {
        if key.starts_with(ASSET) {
            let record: AssetRecord = decoded(key, bytes)?;
            inventory.assets.insert(record.id.clone(), record);
        } else if key.starts_with(OBJECT) {
            let record: ObjectRecord = decoded(key, bytes)?;
            inventory.objects.insert((record.kind, record.name.clone()), record);
        } else if key.starts_with(ROLLOUT) {
            let record: RolloutRecord = decoded(key, bytes)?;
            inventory.rollouts.insert(record.place.clone(), record);
        } else if key.starts_with(ISSUER) {
            let record: IssuerRecord = decoded(key, bytes)?;
            inventory.issuers.insert(record.name.clone(), record);
        } else if key == LAST_SEEN {
            inventory.last_seen = Some(decoded(key, bytes)?);
        }
    }
    inventory.stock = spares_in(records)?.into_iter().map(|(id, spare)| (id, spare.made_at)).collect();
    Ok(inventory)
}

fn spares_in(records: &BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<SpareId, Spare>, BooksError> {
    let spares = records.iter().filter_map(|(key, bytes)| Some((key, key.strip_prefix(STOCK)?, bytes)));
    let read = |(key, id, bytes): (&String, &str, &Vec<u8>)| {
        let unreadable = |why| BooksError::Unreadable { what: key.clone(), why };
        Ok((id.parse().map_err(unreadable)?, decoded(key, bytes)?))
    };
    spares.map(read).collect()
}

/// What issuers keep: bytes that only they understand.
fn kept_in(records: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Secret> {
    let kept = |(key, bytes): (&String, &Vec<u8>)| {
        Some((key.strip_prefix(KEPT)?.to_owned(), Secret::new(bytes.clone())))
    };
    records.iter().filter_map(kept).collect()
}

/// The digest's key is made once, with the state.
async fn digest_key(
    store: &Arc<dyn StateStore>,
    records: &BTreeMap<String, Vec<u8>>,
    entropy: &Entropy,
) -> Result<ring::hmac::Key, BooksError> {
    let mut bytes = [0; 32];
    match records.get(DIGEST_KEY).and_then(|kept| <[u8; 32]>::try_from(kept.as_slice()).ok()) {
        Some(kept) => bytes = kept,
        None => {
            entropy.fill(&mut bytes)?;
            let puts = vec![(DIGEST_KEY.to_owned(), Some(bytes.to_vec()))];
            store.commit(Change { puts, ..Change::default() }).await?;
        }
    }
    Ok(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &bytes))
}

fn encoded<T: Serialize>(value: Option<&T>) -> Result<Option<Vec<u8>>, BooksError> {
    let Some(value) = value else { return Ok(None) };
    let bytes = serde_json::to_vec(value)
        .map_err(|error| BooksError::unreadable("a record to be written", &error))?;
    Ok(Some(bytes))
}

fn decoded<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, BooksError> {
    serde_json::from_slice(bytes).map_err(|error| BooksError::unreadable(key, &error))
}
