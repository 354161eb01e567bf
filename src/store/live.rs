//! What is alive in the journal: the small records themselves, and where each value stands.

mod value;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::journal::frame::{self, Op, RECORD, Record};
use super::seal::Sealer;
use super::{MaterialId, StoreError};
use crate::audit::{Entry, Position};
use crate::model::Secret;

pub(super) use value::Kept;

/// Where a sealed value stands in the journal's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Its first byte.
    pub(super) offset: u64,
    /// Its length in bytes.
    pub(super) len: usize,
    /// The step that wrote it; part of what it is bound to.
    pub(super) sequence: u64,
}

impl Place {
    /// The sealed bytes.
    pub(super) fn read(&self, file: &File) -> std::io::Result<Vec<u8>> {
        let mut sealed = vec![0; self.len];
        file.read_exact_at(&mut sealed, self.offset)?;
        Ok(sealed)
    }
}

/// What one record of a frame does to what is alive.
#[derive(PartialEq, Eq)]
pub(super) enum Effect {
    /// A record has a value.
    Put { key: String, value: Vec<u8>, place: Place },
    /// A record is gone.
    Delete { key: String },
    /// A revision has material.
    Keep { id: MaterialId, place: Place },
    /// A revision's material is gone.
    Destroy { id: MaterialId },
    /// The history has gone on.
    Audited(Entry),
    /// The history stood here.
    Position(Position),
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put { key, .. } => write!(f, "put {key}"),
            Self::Delete { key } => write!(f, "delete {key}"),
            Self::Keep { id, .. } => write!(f, "keep {id}"),
            Self::Destroy { id } => write!(f, "destroy {id}"),
            Self::Audited(entry) => write!(f, "audit {}", entry.seq),
            Self::Position(position) => write!(f, "position {}", position.seq),
        }
    }
}

impl Effect {
    /// Where the value stands that it brings.
    pub(super) fn place(&self) -> Option<&Place> {
        match self {
            Self::Put { place, .. } | Self::Keep { place, .. } => Some(place),
            _ => None,
        }
    }

    /// Reads a record of the frame that begins at `frame_at`; nothing where it does not open.
    pub(super) fn of(record: &Record<'_>, frame_at: u64, sealer: &Sealer) -> Option<Self> {
        let value = record.open(sealer)?;
        let offset = frame_at.checked_add(record.at as u64)?;
        let place = Place { offset, len: record.sealed.len(), sequence: record.sequence };
        let key = record.key.to_owned();
        Some(match record.op {
            Op::Put => Self::Put { key, value: value.expose().to_vec(), place },
            Op::Delete => Self::Delete { key },
            Op::Keep => Self::Keep { id: MaterialId::from_key(&key)?, place },
            Op::Destroy => Self::Destroy { id: MaterialId::from_key(&key)? },
            Op::Audit => Self::Audited(serde_json::from_slice(value.expose()).ok()?),
            Op::Position => Self::Position(serde_json::from_slice(value.expose()).ok()?),
        })
    }
}

/// All that is alive after some step.
#[derive(Default)]
pub(super) struct Live {
    /// The small records, with where they stand.
    pub(super) records: BTreeMap<String, Kept>,
    /// Where each revision's material stands.
    pub(super) materials: BTreeMap<MaterialId, Place>,
    /// Where the history stands.
    pub(super) audit: Position,
    /// The history's entries that this file of the journal has, for as long as somebody may ask for them.
    pub(super) entries: Vec<Entry>,
    /// Whether only as much is kept as who writes must know.
    is_writers: bool,
    /// Bytes that a base of all this would have.
    pub(super) bytes: u64,
    /// Whether the file still holds material that was destroyed.
    pub(super) buried: bool,
}

fn cost(key: usize, place: &Place) -> u64 {
    (RECORD + key + place.len) as u64
}

impl Live {
    /// Takes one effect in.
    pub(super) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Put { key, value, place } => {
                self.bytes = self.bytes.saturating_add(cost(key.len(), &place));
                let length = key.len();
                let mut kept = Kept::whole(value, place);
                if self.is_writers {
                    kept.forget();
                }
                let old = self.records.insert(key, kept);
                self.forget(length, old.map(|old| old.place));
            }
            Effect::Delete { key } => {
                let old = self.records.remove(&key);
                self.forget(key.len(), old.map(|old| old.place));
            }
            Effect::Keep { id, place } => {
                let key = id.key().len();
                self.bytes = self.bytes.saturating_add(cost(key, &place));
                let old = self.materials.insert(id, place);
                self.forget(key, old);
            }
            Effect::Destroy { id } => {
                let old = self.materials.remove(&id);
                self.buried |= old.is_some();
                self.forget(id.key().len(), old);
            }
            Effect::Audited(entry) => {
                self.audit = entry.position();
                if !self.is_writers {
                    self.entries.push(entry);
                }
            }
            Effect::Position(position) => self.audit = position,
        }
    }

    /// Keeps, from now on, only what who writes must know. Who has completed audit.log needs the history's entries no more,
    /// and the values are read from the file when someone asks: both would be most of what is kept in memory.
    pub(super) fn forget_all_but_places(&mut self) {
        self.entries = Vec::new();
        self.records.values_mut().for_each(Kept::forget);
        self.is_writers = true;
    }

    fn forget(&mut self, key: usize, place: Option<Place>) {
        let freed = place.map_or(0, |place| cost(key, &place));
        self.bytes = self.bytes.saturating_sub(freed);
    }

    /// The small records that are at hand as a whole: of who only reads, all of them.
    pub(super) fn values(&self) -> impl Iterator<Item = (&String, &[u8])> {
        self.records.iter().filter_map(|(key, kept)| Some((key, kept.value()?)))
    }

    /// A revision's material, read from the journal's file; nothing where there is none.
    pub(super) fn material(
        &self,
        id: &MaterialId,
        file: &File,
        sealer: &Sealer,
    ) -> Result<Option<Secret>, Unread> {
        let Some(place) = self.materials.get(id) else {
            return Ok(None);
        };
        open(place, Op::Keep, &id.key(), file, sealer).map(Some)
    }

    /// What a small record says, from the journal's file where it is not at hand; nothing where there is none.
    pub(super) fn record<'l>(
        &'l self,
        key: &str,
        file: &File,
        sealer: &Sealer,
    ) -> Result<Option<Cow<'l, [u8]>>, Unread> {
        let Some(kept) = self.records.get(key) else {
            return Ok(None);
        };
        if let Some(value) = kept.value() {
            return Ok(Some(Cow::Borrowed(value)));
        }
        let secret = open(&kept.place, Op::Put, key, file, sealer)?;
        Ok(Some(Cow::Owned(secret.expose().to_vec())))
    }
}

fn open(place: &Place, op: Op, key: &str, file: &File, sealer: &Sealer) -> Result<Secret, Unread> {
    let sealed = place.read(file).map_err(|error| Unread { place: *place, error: Some(error) })?;
    let opened = sealer.open(&sealed, &frame::aad(op, key, place.sequence));
    opened.ok_or(Unread { place: *place, error: None })
}

/// What stands at a place cannot be had: the disk does not give it, or it does not open any more.
#[derive(Debug)]
pub(super) struct Unread {
    place: Place,
    error: Option<std::io::Error>,
}

impl Unread {
    /// In the journal at `path`; `what` is what was asked for.
    pub(super) fn said(self, path: &Path, what: &str) -> StoreError {
        match self.error {
            Some(error) => StoreError::io("read", path)(error),
            None => StoreError::Damaged {
                path: path.to_owned(),
                offset: self.place.offset,
                sequence: self.place.sequence,
                why: format!("{what} does not open any more"),
            },
        }
    }
}
