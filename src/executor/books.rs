//! What we keep, in memory and in the store: changed together, durably, or not at all.
//!
//! Edits that come while the store is at work gather, and become durable together, in one step: twenty orders side by
//! side wait for a handful of syncs, not for twenty times as many ([`pages`]).

mod approvals;
mod edit;
mod pages;
mod records;
mod tidings;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::{Mutex, MutexGuard};

use super::Fatal;
use super::stock::{Drawn, Taken};
use crate::clock::{Clock, Entropy, NoEntropy};
use crate::model::{AssetId, Inventory, Material, Secret, Tidings, Ware};
use crate::store::{Change, MaterialId, StateStore, StoreError};
use pages::{Flight, Pages};
use records::DIGEST_KEY;

pub use edit::Edit;
pub(super) use records::KEPT;
pub use records::inventory_of;

/// Why the books cannot be read or written.
#[derive(Debug, Clone, thiserror::Error)]
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
    pages: Arc<Mutex<Pages>>,
    taken: Taken,
    digester: Digester,
    /// Held by who makes a PKCS#12 file.
    pub(super) packing: Mutex<()>,
}

/// Makes digests that tell nothing to who has not our state.
#[derive(Debug, Clone)]
pub struct Digester(ring::hmac::Key);

impl Digester {
    /// With the key that is in `records`; with none that anybody else has, where there are no records yet.
    pub fn of(records: &BTreeMap<String, Vec<u8>>) -> Self {
        let key = records.get(DIGEST_KEY).map_or(&[][..], Vec::as_slice);
        Self(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key))
    }

    /// Of these bytes.
    pub fn digest(&self, bytes: &Secret) -> String {
        let tag = ring::hmac::sign(&self.0, bytes.expose());
        crate::pki::hex(&tag.as_ref()[..16])
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
        let pages = Arc::new(Mutex::new(Pages::of(&records)?));
        let digester = Digester(digest_key(&store, &records, entropy).await?);
        let (taken, packing) = (Taken::default(), Mutex::default());
        Ok(Self { store, clock, pages, taken, digester, packing })
    }

    /// What is known now; the world in it is empty. It has every edit that was asked for before, unless that has failed.
    pub async fn inventory(&self) -> Inventory {
        self.look(Clone::clone).await
    }

    /// The same for who needs only a part: with thousands of assets, a copy of all is not made for each of them.
    pub(super) async fn look<T>(&self, at: impl FnOnce(&Inventory) -> T) -> T {
        at(&self.settled(Pages::is_at_work).await.inventory)
    }

    /// What is kept about telling, alone.
    pub async fn tidings(&self) -> Tidings {
        self.look_at_tidings(Clone::clone).await
    }

    /// The same for who needs only a part.
    pub(super) async fn look_at_tidings<T>(&self, at: impl FnOnce(&Tidings) -> T) -> T {
        at(&self.settled(Pages::is_telling).await.inventory.tidings)
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

    /// The lists of those above a CA, PEM, as a person has brought them.
    pub async fn upper_lists(&self, ca: &AssetId) -> Option<Secret> {
        self.kept(&super::upper_lists_key(ca)).await
    }

    /// What an issuer keeps under `key`.
    pub(super) async fn kept(&self, key: &str) -> Option<Secret> {
        self.settled(|pages| pages.is_changing(key)).await.kept.get(key).cloned()
    }

    /// Sets aside something that is ready, where there is any.
    pub(super) async fn draw(&self, ware: Ware) -> Option<Drawn<'_>> {
        // Who wanted to use a piece up may have gone before the answer: it is not free until that is known.
        let pages = self.settled(Pages::is_drawing).await;
        self.taken.draw(&pages.spares, ware, self.now())
    }

    /// A digest that tells nothing of the bytes to who has not our state.
    pub fn digest(&self, bytes: &Secret) -> String {
        self.digester.digest(bytes)
    }

    /// Changes records: `change` works on copies, which count only once the store has them durably. What comes while
    /// the store is at work builds on that, and becomes durable after it or not at all.
    ///
    /// # Errors
    ///
    /// When the store cannot write this edit, or one that it builds on. The records are then as they were; where the
    /// store cannot tell (a failed sync, edits that nobody waits for any more), as the store has them when it answers
    /// again.
    pub async fn edit(&self, change: impl FnOnce(&mut Edit<'_>) + Send) -> Result<(), Fatal> {
        let mut pages = self.open_for_edits().await?;
        let (touched, durable) = {
            let mut edit = Edit::new(pages.newest(), self.now());
            change(&mut edit);
            edit.finish()?
        };
        // Refused alone: of what becomes durable in one step, all is kept or nothing.
        durable.check().map_err(BooksError::from)?;
        let flight = match pages.boarding() {
            Some(flight) => {
                pages.join(touched, durable);
                flight
            }
            None => {
                let flight = take_off(Arc::clone(&self.store), Arc::clone(&self.pages), pages.flying_now());
                pages.wait(touched, durable, &flight);
                flight
            }
        };
        drop(pages);
        Ok(flight.await?)
    }

    /// The pages, when they take an edit.
    async fn open_for_edits(&self) -> Result<MutexGuard<'_, Pages>, BooksError> {
        loop {
            let mut pages = self.pages.lock().await;
            pages.forget_the_abandoned();
            let Some(flight) = pages.closed() else {
                self.catch_up(&mut pages).await?;
                return Ok(pages);
            };
            drop(pages);
            // Whose fault it is, is told to those who are in it.
            let _ = flight.await;
        }
    }

    /// The pages, after the edits that were asked for before this, where `matters` says so. A store that cannot be read
    /// takes no writes either: they will say so.
    async fn settled(&self, matters: impl Fn(&Pages) -> bool) -> MutexGuard<'_, Pages> {
        let mut pages = self.pages.lock().await;
        pages.forget_the_abandoned();
        if matters(&pages)
            && let Some(last) = pages.last()
        {
            drop(pages);
            let _ = last.await;
            pages = self.pages.lock().await;
            pages.forget_the_abandoned();
        }
        if let Err(error) = self.catch_up(&mut pages).await {
            tracing::warn!("the state could not be read again: {error}");
        }
        pages
    }

    /// Reads again what the store holds, where it may be ahead. To write over it from memory would lose a step that is
    /// durable already, and what came with it: a private key that no record knows of would be kept for ever.
    async fn catch_up(&self, pages: &mut Pages) -> Result<(), BooksError> {
        if pages.is_behind() {
            pages.read_again(&self.store.records().await?)?;
        }
        Ok(())
    }
}

/// Makes durable what waits by then, when all that it builds on is.
fn take_off(store: Arc<dyn StateStore>, pages: Arc<Mutex<Pages>>, before: Option<Flight>) -> Flight {
    let flight = async move {
        match before {
            // It has failed: then so has this, and `pages` know.
            Some(before) => drop(before.await),
            // Who else is ready to write comes along.
            None => tokio::task::yield_now().await,
        }
        let change = pages.lock().await.take_off()?;
        let committed = store.commit(change).await;
        pages.lock().await.land(committed)
    };
    flight.boxed().shared()
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
