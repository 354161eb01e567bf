//! What is alive in the journal: the small records themselves, and where each value stands.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::MaterialId;
use super::journal::frame::{self, Op, RECORD, Record};
use super::seal::Sealer;
use crate::audit::{Entry, Position};
use crate::model::Secret;

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
    pub(super) records: BTreeMap<String, (Vec<u8>, Place)>,
    /// Where each revision's material stands.
    pub(super) materials: BTreeMap<MaterialId, Place>,
    /// Where the history stands.
    pub(super) audit: Position,
    /// The history's entries that this file of the journal has, for as long as somebody may ask for them.
    pub(super) entries: Vec<Entry>,
    forgets_history: bool,
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
                let old = self.records.insert(key.clone(), (value, place));
                self.forget(key.len(), old.map(|(_, place)| place));
            }
            Effect::Delete { key } => {
                let old = self.records.remove(&key);
                self.forget(key.len(), old.map(|(_, place)| place));
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
                if !self.forgets_history {
                    self.entries.push(entry);
                }
            }
            Effect::Position(position) => self.audit = position,
        }
    }

    /// Who has completed audit.log needs the entries no more: they would be most of what is kept in memory.
    pub(super) fn forget_history(&mut self) {
        self.entries = Vec::new();
        self.forgets_history = true;
    }

    fn forget(&mut self, key: usize, place: Option<Place>) {
        let freed = place.map_or(0, |place| cost(key, &place));
        self.bytes = self.bytes.saturating_sub(freed);
    }

    /// A revision's material, read from the journal's file.
    pub(super) fn material(&self, id: &MaterialId, file: &File, sealer: &Sealer) -> MaterialRead {
        let Some(place) = self.materials.get(id) else {
            return Ok(None);
        };
        let sealed = place.read(file).map_err(Some)?;
        sealer.open(&sealed, &frame::aad(Op::Keep, &id.key(), place.sequence)).map(Some).ok_or(None)
    }
}

/// A material, `Ok(None)` where there is none; `Err(None)` where its bytes do not open any more.
pub(super) type MaterialRead = Result<Option<Secret>, Option<std::io::Error>>;
