//! The one who writes: journal first, synced; then audit.log and sled, which can be completed from it.

mod open;
mod stage;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::index::{Index, Stamp};
use super::journal::append::Appender;
use super::journal::replay::{self, Replay};
use super::journal::{self, compact, frame};
use super::key::StateKey;
use super::live::Place;
use super::lock::Lock;
use super::trail::Trail;
use super::{Change, MaterialId, StoreError};
use crate::clock::Entropy;
use crate::model::Secret;
use stage::Stage;

/// Below this a journal is not worth rewriting: it reads in a few milliseconds.
const COMPACT_FLOOR: u64 = 1 << 20;
/// Rewriting at four times the live content writes each byte about once more than appending did,
/// and bounds the file.
const COMPACT_FACTOR: u64 = 4;
/// audit.log is synced when nobody waits, and after so many steps also while somebody does.
const MOST_BEHIND: u32 = 32;

/// Refuses what no frame takes.
pub(super) fn check(change: &Change) -> Result<(), StoreError> {
    stage::check(change)?;
    stage::check_history(change)
}

/// The open state.
pub(super) struct Writer {
    dir: PathBuf,
    key: StateKey,
    entropy: Entropy,
    /// The journal as it has been read and written; its `end` and `torn` are of the opening.
    state: Replay,
    /// The last number given to a step, here or in a state that was ahead of the journal.
    sequence: u64,
    log: Appender,
    trail: Trail,
    /// `None` when sled does not work: the journal answers then.
    index: Option<Index>,
    /// Why nothing is written any more.
    failed: Option<StoreError>,
    /// No compaction before the journal has this length, after one has failed.
    postponed: u64,
    /// Let go of last.
    _lock: Lock,
}

impl Writer {
    fn stamp(&self) -> Stamp {
        Stamp::new(&self.state.header, self.state.sequence, self.sequence)
    }

    /// The small records.
    pub(super) fn records(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let mut records = BTreeMap::new();
        for key in self.state.live.records.keys() {
            let read = self.state.live.record(key, self.log.file(), &self.state.sealer);
            let value = read.map_err(|unread| unread.said(self.log.path(), key))?;
            records.extend(value.map(|value| (key.clone(), value.into_owned())));
        }
        Ok(records)
    }

    /// Writes several changes with one sync; each has its own answer.
    pub(super) fn commit(&mut self, changes: Vec<Change>) -> Vec<Result<u64, StoreError>> {
        if let Some(failed) = &self.failed {
            return changes.iter().map(|_| Err(failed.clone())).collect();
        }
        let mut stage = Stage::new(self);
        let answers: Vec<_> = changes.into_iter().map(|change| stage.add(self, change)).collect();
        if stage.bytes.is_empty() {
            return answers;
        }
        match self.write(&stage) {
            Ok(()) => self.take(stage),
            Err(error) => {
                return answers.into_iter().map(|answer| answer.and(Err(error.clone()))).collect();
            }
        }
        answers
    }

    /// Makes the frames durable, with the entries of the history that are in them, and hands the lines over for
    /// audit.log; or takes both back.
    fn write(&mut self, stage: &Stage) -> Result<(), StoreError> {
        let before = self.log.length();
        let mut written = self.log.append(&stage.bytes);
        if written.is_ok() && !stage.lines.is_empty() {
            written = self.trail.log.hand_over(stage.lines.as_bytes());
            if matches!(written, Err(StoreError::NoSpace { .. })) {
                written = self.log.cut(before).and(written);
            }
        }
        if let Err(error) = &written
            && !matches!(error, StoreError::NoSpace { .. })
        {
            self.failed = Some(error.clone());
        }
        written
    }

    /// Whether audit.log waits for its sync.
    pub(super) fn is_behind(&self) -> bool {
        self.failed.is_none() && self.trail.log.behind() > 0
    }

    /// Syncs audit.log. What it renders is durable in the journal already, which completes it after a crash; so what was
    /// acknowledged stays true when this fails, and nothing more is.
    pub(super) fn sync_trail(&mut self) -> Result<(), StoreError> {
        self.trail.log.catch_up().inspect_err(|error| {
            tracing::error!("{error}: nothing is written any more until the state is opened again");
            self.failed = Some(error.clone());
        })
    }

    /// What is durable becomes what is asked.
    fn take(&mut self, stage: Stage) {
        self.sequence = stage.sequence;
        self.state.sequence = stage.sequence;
        let stamp = self.stamp();
        let applied = self
            .index
            .as_mut()
            .map_or(Ok(()), |index| index.apply(&stage.effects, |place| stage.sealed(place), stamp));
        self.state.tag = stage.tag;
        self.trail.position = stage.position;
        for effect in stage.effects {
            self.state.live.apply(effect);
        }
        if let Err(fault) = applied {
            self.mend(&fault);
        }
    }

    /// sled has failed: it is built anew, once; if that fails too, the journal answers until the
    /// next opening.
    fn mend(&mut self, fault: &str) {
        tracing::warn!(fault, "the index failed and is built anew from the journal");
        if let Some(index) = self.index.take() {
            index.close();
        }
        self.rebuild();
    }

    fn rebuild(&mut self) {
        let built = Index::build(&self.dir.join("db"), &self.state.live, self.log.file(), self.stamp());
        match built {
            Ok(index) => self.index = Some(index),
            Err(error) => tracing::warn!(%error, "the index cannot be built; the journal answers"),
        }
    }

    /// The material of one revision, from sled; from the journal where sled has it otherwise.
    pub(super) fn material(&mut self, id: &MaterialId) -> Result<Option<Secret>, StoreError> {
        let Some(place) = self.state.live.materials.get(id).copied() else {
            return Ok(None);
        };
        match self.ask_index(id, &place) {
            Ok(Some(secret)) => return Ok(Some(secret)),
            Ok(None) => {}
            Err(fault) => self.mend(&fault),
        }
        let read = self.state.live.material(id, self.log.file(), &self.state.sealer);
        read.map_err(|unread| unread.said(self.log.path(), &format!("the material of {id}")))
    }

    fn ask_index(&self, id: &MaterialId, place: &Place) -> Result<Option<Secret>, String> {
        let Some(index) = &self.index else {
            return Ok(None);
        };
        let sealed = index.material(id, place)?;
        let aad = frame::aad(frame::Op::Keep, &id.key(), place.sequence);
        let opened = self.state.sealer.open(&sealed, &aad);
        opened.map(Some).ok_or_else(|| format!("the material of {id} does not open"))
    }

    /// Whether there is something to do when nobody asks for anything.
    pub(super) fn has_chores(&self) -> bool {
        let index = self.index.as_ref().is_some_and(|index| index.is_dirty() || index.is_full());
        index || self.must_bury() || self.is_long()
    }

    /// What is done when nobody asks for anything, and before the end.
    pub(super) fn do_chores(&mut self) {
        if self.must_bury() || self.is_long() {
            self.compact_by_itself();
        }
        if let Some(Err(fault)) = self.index.as_mut().filter(|index| index.is_dirty()).map(Index::flush) {
            self.mend(&fault);
        }
    }

    /// Makes sled let go of the memory that it has taken.
    pub(super) fn lighten(&mut self) {
        let Some(index) = self.index.take_if(|index| index.is_full()) else { return };
        match index.reopen(&self.stamp()) {
            Ok(index) => self.index = Some(index),
            Err(fault) => self.mend(&fault),
        }
        crate::memory::give_back();
    }

    /// Compacts when the journal has grown out of proportion; audit.log is not left behind for long.
    pub(super) fn keep_short(&mut self) {
        if self.trail.log.behind() >= MOST_BEHIND && self.is_behind() {
            let _ = self.sync_trail();
        }
        if self.is_long() {
            self.compact_by_itself();
        }
    }

    fn may_compact(&self) -> bool {
        self.failed.is_none() && self.log.length() >= self.postponed
    }

    /// Destroyed keys are to be off the disk soon, not only when the file is long.
    fn must_bury(&self) -> bool {
        self.state.live.buried && self.may_compact()
    }

    fn is_long(&self) -> bool {
        let live = self.state.live.bytes.saturating_mul(COMPACT_FACTOR);
        self.log.length() > COMPACT_FLOOR.max(live) && self.may_compact()
    }

    fn compact_by_itself(&mut self) {
        if let Err(error) = self.compact() {
            tracing::warn!(%error, "the journal was not compacted; it goes on as it is");
            self.postponed = self.log.length().saturating_add(COMPACT_FLOOR);
        }
    }

    /// Rewrites the journal with what is alive, under a fresh data key, and `db/` with it.
    pub(super) fn compact(&mut self) -> Result<(), StoreError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        // The new file will not have the entries.
        self.sync_trail()?;
        let old = (self.log.file(), &self.state);
        compact::prepare(&self.dir, old, self.sequence, &self.key, &self.entropy)?;
        self.change_over().inspect_err(|error| self.failed = Some(error.clone()))
    }

    /// Gives the new file the journal's name, and goes on with it.
    fn change_over(&mut self) -> Result<(), StoreError> {
        compact::switch(&self.dir)?;
        self.log = Appender::open(&journal::path(&self.dir))?;
        self.state = replay::read(self.log.file(), self.log.path(), &self.key)?;
        self.state.live.forget_all_but_places();
        self.postponed = 0;
        if let Some(index) = self.index.take() {
            index.close();
        }
        self.rebuild();
        Ok(())
    }

    /// Puts the state under another key.
    pub(super) fn rekey(&mut self, key: StateKey) -> Result<(), StoreError> {
        let old = std::mem::replace(&mut self.key, key);
        self.compact().inspect_err(|_| {
            if self.failed.is_none() {
                self.key = old;
            }
        })
    }

    /// The end.
    pub(super) fn close(mut self) {
        if self.is_behind() {
            let _ = self.sync_trail();
        }
        self.do_chores();
        if let Some(index) = self.index.take() {
            index.close();
        }
    }
}
