//! The state: a sealed journal as the truth, and sled as the state to ask.
//!
//! ```text
//! commit ──> one frame of journal/log, synced ──> audit.log, db/ (sled) ──> answer ──> audit.log synced
//! open   ──> lock ──> journal read and checked ──> db/ compared, or built anew ──> audit.log completed
//! ```
//!
//! sled 0.34 is not trusted with anything: its `flush` is no fsync, it can fail or panic when it is
//! opened after an abrupt stop, and its `flush_async` can hang. One thread owns it and the journal;
//! whatever it does, the journal answers.
//!
//! The entries of the history are in the journal's frames. audit.log is their rendering: each line is in it before the
//! answer, and synced when nobody waits (20 ms later, or 32 steps); after a power cut it is completed from the journal.
//! A sync takes longer than all else that a step does: one of the two files' is enough.
//!
//! The store knows bytes by key; what they mean is its callers' business.

mod error;
mod index;
mod journal;
mod key;
mod live;
mod lock;
mod posture;
mod seal;
mod snapshot;
mod thread;
mod trail;
mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;

use crate::audit::Event;
use crate::model::{AssetId, Secret};

pub use error::{Notice, NoticeKind, StoreError};
pub use key::{KeySource, StateKey};
pub use snapshot::Snapshot;
pub use thread::{OpenOptions, Store};

/// No record or material has more bytes: sled gets slow and hungry with larger ones.
pub const MAX_VALUE: usize = 64 * 1024 - 512;
/// No record's key has more bytes.
pub const MAX_KEY: usize = 255;
/// No step has more bytes.
pub const MAX_CHANGE: usize = 16 << 20;

/// Names the material of one revision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MaterialId {
    /// Whose it is.
    pub asset: AssetId,
    /// The revision's number.
    pub revision: u32,
}

impl MaterialId {
    /// The material of revision `revision` of `asset`.
    pub fn new(asset: AssetId, revision: u32) -> Self {
        Self { asset, revision }
    }

    /// `certificates/edge/7`: what its sealed bytes are bound to.
    fn key(&self) -> String {
        format!("{}/{}", self.asset, self.revision)
    }

    fn from_key(key: &str) -> Option<Self> {
        let (asset, revision) = key.rsplit_once('/')?;
        Some(Self { asset: asset.parse().ok()?, revision: revision.parse().ok()? })
    }
}

impl fmt::Display for MaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} revision {}", self.asset, self.revision)
    }
}

/// One durable step: all of it or nothing.
#[derive(Default, Clone)]
pub struct Change {
    /// Records by key (`asset/certificates/edge`); `None` deletes.
    pub puts: Vec<(String, Option<Vec<u8>>)>,
    /// Materials; `None` destroys, and the next compaction takes the bytes off the disk.
    pub materials: Vec<(MaterialId, Option<Secret>)>,
    /// What goes into the history with it.
    pub audit: Vec<Event>,
}

impl Change {
    /// Bytes of what it puts and keeps.
    pub fn size(&self) -> usize {
        let puts = self.puts.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len));
        let materials = self.materials.iter().map(|(_, secret)| secret.as_ref().map_or(0, Secret::len));
        puts.chain(materials).sum()
    }

    /// Refuses what no store takes, before anything is made of it.
    ///
    /// # Errors
    ///
    /// `TooBig`, with what.
    pub fn check(&self) -> Result<(), StoreError> {
        writer::check(self)
    }

    /// Takes in what comes after this, so that both are one step.
    pub fn extend(&mut self, later: Self) {
        self.puts.extend(later.puts);
        self.materials.extend(later.materials);
        self.audit.extend(later.audit);
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names only: a record may hold an account's key.
        let puts: Vec<_> = self.puts.iter().map(|(key, value)| (key, value.is_some())).collect();
        let mut out = f.debug_struct("Change");
        out.field("puts", &puts).field("materials", &self.materials).field("audit", &self.audit).finish()
    }
}

/// Keeps the state.
///
/// Steps are in one order, that of their sequence numbers. A reader that asks after a commit has
/// returned sees it, and never sees half a step.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Makes `change` durable and returns the sequence number of the last durable step: this one, or
    /// the one before where `change` changes nothing (a value put that is there already, a delete of
    /// what is not there). Returns only when the step, with its audit entries, is on the disk.
    ///
    /// # Errors
    ///
    /// `NoSpace` and `TooBig`: nothing was kept, later steps can work. `Storage`: the step may or may
    /// not be kept, and nothing works until the state is opened again.
    async fn commit(&self, change: Change) -> Result<u64, StoreError>;

    /// All records: the small ones, without materials.
    ///
    /// # Errors
    ///
    /// When the store is gone.
    async fn records(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError>;

    /// The material of one revision; `None` where there is none (yet, or any more).
    ///
    /// # Errors
    ///
    /// When its bytes cannot be read, or are not as they were written.
    async fn material(&self, id: &MaterialId) -> Result<Option<Secret>, StoreError>;
}
