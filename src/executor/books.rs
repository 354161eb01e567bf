//! What we keep, in memory and in the store: changed together, durably, or not at all.

mod edit;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::Fatal;
use super::stock::{Drawn, Taken};
use crate::clock::{Clock, Entropy, NoEntropy};
use crate::model::{
    AssetId, AssetRecord, Inventory, Issued, IssuerRecord, Material, ObjectRecord, RolloutRecord, Secret,
    Spare, SpareId, Ware,
};
use crate::store::{Change, MaterialId, StateStore, StoreError};

pub use edit::Edit;

const ASSET: &str = "asset/";
const OBJECT: &str = "object/";
const ROLLOUT: &str = "rollout/";
const ISSUER: &str = "issuer/";
/// What issuers keep, sealed like all records: their accounts with the keys, and their open orders.
pub(super) const KEPT: &str = "kept/";
/// Keys and parameters that are ready for revisions to come.
const STOCK: &str = "stock/";
const LAST_SEEN: &str = "meta/last-seen";
/// What our own CAs remember of single certificates.
const ISSUED: &str = "issued/";
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
    pages: Mutex<Pages>,
    taken: Taken,
    digest_key: ring::hmac::Key,
}

/// What the store holds, as far as it has answered.
struct Pages {
    inventory: Inventory,
    kept: BTreeMap<String, Secret>,
    spares: BTreeMap<SpareId, Spare>,
    /// A write has not been answered, or not clearly: the store may be ahead of this.
    behind: bool,
}

impl Pages {
    fn of(records: &BTreeMap<String, Vec<u8>>) -> Result<Self, BooksError> {
        let (inventory, kept, spares) = (inventory_of(records)?, kept_in(records), spares_in(records)?);
        Ok(Self { inventory, kept, spares, behind: false })
    }
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
        let pages = Mutex::new(Pages::of(&records)?);
        let digest_key = digest_key(&store, &records, entropy).await?;
        Ok(Self { store, clock, pages, taken: Taken::default(), digest_key })
    }

    /// What is known now; the world in it is empty.
    pub async fn inventory(&self) -> Inventory {
        let mut pages = self.pages.lock().await;
        self.catch_up_to_read(&mut pages).await;
        pages.inventory.clone()
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

    /// An edition of a CA's revocation lists, PEM, as it was made; the last two are kept.
    pub async fn revocation_lists(&self, ca: &AssetId, edition: u32) -> Option<Secret> {
        self.kept(&super::crl_key(ca, edition)).await
    }

    /// What an issuer keeps under `key`.
    pub(super) async fn kept(&self, key: &str) -> Option<Secret> {
        let mut pages = self.pages.lock().await;
        self.catch_up_to_read(&mut pages).await;
        pages.kept.get(key).cloned()
    }

    /// Sets aside something that is ready, where there is any.
    pub(super) async fn draw(&self, ware: Ware) -> Option<Drawn<'_>> {
        let mut pages = self.pages.lock().await;
        self.catch_up_to_read(&mut pages).await;
        self.taken.draw(&pages.spares, ware, self.now())
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
    /// When the store cannot write. The records are then as they were; where the store cannot tell (a failed sync, an
    /// edit that was dropped while it was under way), as the store has them when it answers again.
    pub async fn edit(&self, change: impl FnOnce(&mut Edit<'_>) + Send) -> Result<(), Fatal> {
        let mut pages = self.pages.lock().await;
        self.catch_up(&mut pages).await?;
        let (touched, durable) = {
            let mut edit = Edit::new(&pages.inventory, self.now());
            change(&mut edit);
            edit.finish()?
        };
        // Whoever drops this future while the store works leaves the mark.
        pages.behind = true;
        let committed = self.store.commit(durable).await;
        pages.behind = committed.as_ref().is_err_and(|error| !keeps_nothing(error));
        committed.map_err(BooksError::from)?;
        touched.merge_into(&mut pages);
        Ok(())
    }

    /// Reads again what the store holds, where it may be ahead. To write over it from memory would lose a step that is
    /// durable already, and what came with it: a private key that no record knows of would be kept for ever.
    async fn catch_up(&self, pages: &mut Pages) -> Result<(), BooksError> {
        if pages.behind {
            *pages = Pages::of(&self.store.records().await?)?;
        }
        Ok(())
    }

    /// The same, for who only reads. A store that cannot be read takes no writes either: they will say so.
    async fn catch_up_to_read(&self, pages: &mut Pages) {
        if let Err(error) = self.catch_up(pages).await {
            tracing::warn!("the state could not be read again: {error}");
        }
    }
}

/// Whether the store promises that it has kept nothing of a step that it has refused.
fn keeps_nothing(error: &StoreError) -> bool {
    matches!(error, StoreError::NoSpace { .. } | StoreError::TooBig { .. })
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
        } else if key.starts_with(ISSUED) {
            let one: Issued = decoded(key, bytes)?;
            inventory.issued.insert((one.ca.clone(), one.serial.clone()), one);
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
