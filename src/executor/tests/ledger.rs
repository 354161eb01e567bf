//! A store in memory that outlives the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;

use super::Bug;
use super::fuse::Fuse;
use crate::audit::Event;
use crate::clock::{Clock, Virtual};
use crate::model::{Material, Secret};
use crate::store::{Change, MaterialId, StateStore, StoreError};

#[derive(Default, Clone)]
struct Kept {
    records: BTreeMap<String, Vec<u8>>,
    materials: BTreeMap<MaterialId, Secret>,
    events: Vec<Event>,
    destroyed: Vec<(String, Timestamp)>,
    commits: u64,
}

pub(super) struct Ledger {
    clock: Arc<Virtual>,
    fuse: Arc<Fuse>,
    bug: Option<Bug>,
    kept: Mutex<Kept>,
    before: Mutex<Kept>,
}

impl Ledger {
    pub(super) fn new(clock: Arc<Virtual>, fuse: Arc<Fuse>, bug: Option<Bug>) -> Self {
        Self { clock, fuse, bug, kept: Mutex::default(), before: Mutex::default() }
    }

    /// Whether a crash at this moment would leave the record.
    pub(super) fn has(&self, key: &str) -> bool {
        let durable = if self.bug == Some(Bug::LosesLastStep) { &self.before } else { &self.kept };
        durable.lock().unwrap().records.contains_key(key)
    }

    /// The history.
    pub(super) fn events(&self) -> Vec<Event> {
        self.kept.lock().unwrap().events.clone()
    }

    /// How many steps there were.
    pub(super) fn commits(&self) -> u64 {
        self.kept.lock().unwrap().commits
    }

    /// Whose material is kept.
    pub(super) fn materials(&self) -> Vec<u32> {
        self.kept.lock().unwrap().materials.keys().map(|id| id.revision).collect()
    }

    /// The text of every record under `prefix`.
    pub(super) fn records_under(&self, prefix: &str) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        let under = kept.records.iter().filter(|(key, _)| key.starts_with(prefix));
        under.map(|(_, value)| String::from_utf8(value.clone()).unwrap()).collect()
    }

    /// The private keys of all revisions.
    pub(super) fn keys(&self) -> Vec<String> {
        self.kept.lock().unwrap().materials.values().map(key_of).collect()
    }

    /// The keys that were destroyed, and when.
    pub(super) fn destroyed(&self) -> Vec<(String, Timestamp)> {
        self.kept.lock().unwrap().destroyed.clone()
    }

    /// What a crash does to a disk that lies.
    pub(super) fn restarted(&self) {
        match self.bug {
            Some(Bug::LosesLastStep) => self.kept.lock().unwrap().clone_from(&self.before.lock().unwrap()),
            Some(Bug::LosesState) => *self.kept.lock().unwrap() = Kept::default(),
            _ => {}
        }
    }

    fn keep(&self, change: Change) -> u64 {
        let mut kept = self.kept.lock().unwrap();
        self.before.lock().unwrap().clone_from(&kept);
        for (key, value) in change.puts {
            match value {
                Some(value) => kept.records.insert(key, value),
                None => kept.records.remove(&key),
            };
        }
        for (id, material) in change.materials {
            match material {
                Some(material) => drop(kept.materials.insert(id, material)),
                None => {
                    let gone = kept.materials.remove(&id).map(|bytes| key_of(&bytes));
                    let now = self.clock.now();
                    kept.destroyed.extend(gone.map(|key| (key, now)));
                }
            }
        }
        kept.events.extend(change.audit);
        kept.commits += 1;
        kept.commits
    }
}

/// The key that a material is.
fn key_of(bytes: &Secret) -> String {
    let material: Material = serde_json::from_slice(bytes.expose()).unwrap();
    material.private_key.map(|key| key.expose_str().to_owned()).unwrap_or_default()
}

#[async_trait]
impl StateStore for Ledger {
    async fn commit(&self, change: Change) -> Result<u64, StoreError> {
        self.fuse.through(|| StoreError::Closed, || Ok(self.keep(change))).await
    }

    async fn records(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        Ok(self.kept.lock().unwrap().records.clone())
    }

    async fn material(&self, id: &MaterialId) -> Result<Option<Secret>, StoreError> {
        Ok(self.kept.lock().unwrap().materials.get(id).cloned())
    }
}
