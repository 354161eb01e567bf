//! Reading a state without its lock, also while its writer runs.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::journal::replay::{self, Replay};
use super::{MaterialId, StateKey, StoreError, journal, posture, trail};
use crate::audit::Position;
use crate::model::Secret;

/// How often a journal is read again that a writer may be cutting back under us.
const TRIES: usize = 5;

/// The state as it stood at one moment. Nothing is locked and no byte is written.
pub struct Snapshot {
    dir: PathBuf,
    /// Held open: after a compaction under us the old file is still readable by it.
    file: File,
    replay: Replay,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("dir", &self.dir).field("sequence", &self.sequence()).finish()
    }
}

impl Snapshot {
    /// Reads the journal in `dir`. A step that is being written just now is not there yet.
    ///
    /// # Errors
    ///
    /// `Missing` where there is no state; `Posture`, `WrongKey`, `Newer`, `Damaged` as on opening.
    pub fn read(dir: &Path, key: &StateKey) -> Result<Self, StoreError> {
        // Without a slash at its end, with which the system follows a symlink unasked.
        let dir: &Path = &dir.components().collect::<PathBuf>();
        let path = journal::path(dir);
        let mut left = TRIES;
        loop {
            let file = open(dir, &path)?;
            match replay::read(&file, &path, key) {
                Ok(replay) => {
                    return Ok(Self { dir: dir.to_owned(), file, replay });
                }
                // A writer that takes back a step for want of space changes bytes that we may be reading.
                Err(StoreError::Damaged { .. } | StoreError::Storage { .. }) if left > 1 => {
                    left -= 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The last step's number.
    pub fn sequence(&self) -> u64 {
        self.replay.sequence
    }

    /// When the state was made.
    pub fn created_at(&self) -> Timestamp {
        self.replay.header.created_at
    }

    /// One record.
    pub fn record(&self, key: &str) -> Option<&[u8]> {
        self.replay.live.records.get(key)?.value()
    }

    /// All records.
    pub fn records(&self) -> BTreeMap<String, Vec<u8>> {
        let values = self.replay.live.values();
        values.map(|(key, value)| (key.clone(), value.to_vec())).collect()
    }

    /// Which materials there are.
    pub fn materials(&self) -> impl Iterator<Item = &MaterialId> {
        self.replay.live.materials.keys()
    }

    /// The material of one revision.
    ///
    /// # Errors
    ///
    /// When it cannot be read any more.
    pub fn material(&self, id: &MaterialId) -> Result<Option<Secret>, StoreError> {
        let read = self.replay.live.material(id, &self.file, &self.replay.sealer);
        read.map_err(|unread| unread.said(&journal::path(&self.dir), &format!("the material of {id}")))
    }

    /// Where the journal says that the history stands: a shortened `audit.log` verifies by itself, but
    /// ends before this.
    pub fn audit_position(&self) -> &Position {
        &self.replay.live.audit
    }

    /// The lines of `audit.log` as they are, and after them those that only the journal has yet.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn audit_lines(&self) -> Result<Vec<String>, StoreError> {
        let path = trail::path(&self.dir);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read.map_err(StoreError::io("read", &path))?,
        };
        let text = String::from_utf8_lossy(trail::whole(&bytes, &self.replay.live.entries));
        // What follows the last newline is being written, or was cut short; the journal has it whole.
        let whole = text.rfind('\n').and_then(|end| text.get(..end));
        let mut lines: Vec<String> =
            whole.map(|text| text.split('\n').map(str::to_owned).collect()).unwrap_or_default();
        let last = lines.last().and_then(|line| serde_json::from_str::<crate::audit::Entry>(line).ok());
        let last = last.map_or(0, |entry| entry.seq);
        let entries = &self.replay.live.entries;
        if last > 0 || lines.is_empty() {
            lines.extend(entries.iter().filter(|entry| entry.seq > last).map(crate::audit::Entry::line));
        }
        Ok(lines)
    }
}

fn open(dir: &Path, path: &Path) -> Result<File, StoreError> {
    let missing = || StoreError::Missing { dir: dir.to_owned() };
    if std::fs::symlink_metadata(dir).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Err(missing());
    }
    posture::check_dir(dir)?;
    if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        let left = dir.join("db");
        let gone = StoreError::JournalGone { journal: path.to_owned(), left: left.clone() };
        return Err(if left.exists() { gone } else { missing() });
    }
    posture::open_file(path, OpenOptions::new().read(true))
}

#[cfg(test)]
impl Snapshot {
    /// Where a material's sealed bytes stand in the journal.
    pub(super) fn replay_place(&self, id: &MaterialId) -> std::ops::Range<usize> {
        let place = self.replay.live.materials[id];
        let start = place.offset as usize;
        start..start + place.len
    }

    /// The step that the file's base stands for.
    pub(super) fn base(&self) -> u64 {
        self.replay.header.sequence
    }
}
