//! Several changes on their way into one write.

use std::collections::BTreeMap;

use super::Writer;
use crate::audit::{Entry, Position};
use crate::model::Secret;
use crate::store::journal::frame::{self, Builder, Flag, Op};
use crate::store::live::{Effect, Place};
use crate::store::seal::Tag;
use crate::store::{Change, MAX_CHANGE, MAX_KEY, MAX_VALUE, StoreError};

/// Frames that are made but not written, and what they will do once they are.
pub(super) struct Stage {
    /// The frames.
    pub(super) bytes: Vec<u8>,
    /// What they do.
    pub(super) effects: Vec<Effect>,
    /// Their lines for audit.log.
    pub(super) lines: String,
    /// Where the history stands after them.
    pub(super) position: Position,
    /// The last one's number.
    pub(super) sequence: u64,
    /// The last one's tag.
    pub(super) tag: Tag,
    /// What the records will be, where that differs from what they are.
    puts: BTreeMap<String, Option<Vec<u8>>>,
    /// Which materials will be there, likewise.
    materials: BTreeMap<String, bool>,
    /// Where the first frame goes in the file.
    at: u64,
}

impl Stage {
    /// Nothing yet, after all that `writer` has written.
    pub(super) fn new(writer: &Writer) -> Self {
        Self {
            bytes: Vec::new(),
            effects: Vec::new(),
            lines: String::new(),
            position: writer.trail.position.clone(),
            sequence: writer.sequence,
            tag: writer.state.tag,
            puts: BTreeMap::new(),
            materials: BTreeMap::new(),
            at: writer.log.length(),
        }
    }

    /// The sealed bytes of a place in the frames.
    pub(super) fn sealed(&self, place: &Place) -> &[u8] {
        let start = usize::try_from(place.offset.saturating_sub(self.at)).unwrap_or(usize::MAX);
        self.bytes.get(start..start.saturating_add(place.len)).unwrap_or_default()
    }

    /// Adds a change as one frame, if it changes anything. A change that is refused leaves no trace.
    pub(super) fn add(&mut self, writer: &Writer, mut change: Change) -> Result<u64, StoreError> {
        check(&change)?;
        self.drop_what_is_so(writer, &mut change);
        if change.puts.is_empty() && change.materials.is_empty() && change.audit.is_empty() {
            return Ok(self.sequence);
        }
        let sequence = self.sequence.saturating_add(1);
        let builder = Builder::new(&writer.state.sealer, &writer.entropy, Flag::Step, sequence);
        let start = self.at.saturating_add(self.bytes.len() as u64);
        let mut frame = Frame { builder, sequence, start, effects: Vec::new() };
        let (lines, position) = frame.fill(&change, &self.position)?;
        // What the values alone do not show: many names, long histories.
        limit("one step", frame.builder.len(), frame::MAX)?;
        let (bytes, tag) = frame.builder.finish(&self.tag);
        self.effects.append(&mut frame.effects);
        self.bytes.extend_from_slice(&bytes);
        self.lines.push_str(&lines);
        (self.position, self.sequence, self.tag) = (position, sequence, tag);
        self.materials.extend(change.materials.iter().map(|(id, secret)| (id.key(), secret.is_some())));
        self.puts.extend(change.puts);
        Ok(sequence)
    }

    /// A put of what is there already and a delete of what is not are no changes: what does nothing
    /// must not touch the disk.
    fn drop_what_is_so(&self, writer: &Writer, change: &mut Change) {
        let live = &writer.state.live;
        // The last put of a key is the one that counts.
        let last: BTreeMap<_, _> = std::mem::take(&mut change.puts).into_iter().collect();
        change.puts = last.into_iter().collect();
        change.puts.retain(|(key, value)| match self.puts.get(key) {
            Some(coming) => coming != value,
            None => match (live.records.get(key), value) {
                (Some(kept), Some(value)) => !kept.is(value),
                (kept, value) => kept.is_some() || value.is_some(),
            },
        });
        let last: BTreeMap<_, _> = std::mem::take(&mut change.materials).into_iter().collect();
        change.materials = last.into_iter().collect();
        change.materials.retain(|(id, secret)| {
            let there = self.materials.get(&id.key()).copied();
            secret.is_some() || there.unwrap_or_else(|| live.materials.contains_key(id))
        });
    }
}

fn limit(what: impl Into<String>, size: usize, limit: usize) -> Result<(), StoreError> {
    if size <= limit {
        return Ok(());
    }
    Err(StoreError::TooBig { what: what.into(), size, limit })
}

/// Refuses what is too big before anything is made of it.
pub(super) fn check(change: &Change) -> Result<(), StoreError> {
    let mut total = 0usize;
    for (key, value) in &change.puts {
        let size = value.as_ref().map_or(0, Vec::len);
        let start = key.get(..60).unwrap_or(key);
        limit(format!("the key of record {start}"), key.len(), MAX_KEY)?;
        limit(format!("record {key}"), size, MAX_VALUE)?;
        total = total.saturating_add(key.len() + size);
    }
    for (id, secret) in &change.materials {
        let size = secret.as_ref().map_or(0, Secret::len);
        limit(format!("the name {id}"), id.key().len(), MAX_KEY)?;
        limit(format!("the material of {id}"), size, MAX_VALUE)?;
        total = total.saturating_add(size);
    }
    limit("one step", total, MAX_CHANGE)
}

/// The same of its entries for the history, each by itself.
pub(super) fn check_history(change: &Change) -> Result<(), StoreError> {
    // Wherever it will stand, its number and the hashes take no more than this.
    let last = Position { seq: u64::MAX - 1, ..Position::default() };
    change.audit.iter().try_for_each(|event| check_line(&Entry::after(&last, event.clone())).map(drop))
}

/// The entry's line for audit.log.
fn check_line(entry: &Entry) -> Result<String, StoreError> {
    let line = entry.line();
    let start = entry.action.get(..60).unwrap_or(&entry.action);
    limit(format!("the audit entry `{start}`"), line.len(), MAX_VALUE)?;
    Ok(line)
}

struct Frame<'a> {
    builder: Builder<'a>,
    sequence: u64,
    /// Where it begins in the file.
    start: u64,
    effects: Vec<Effect>,
}

impl Frame<'_> {
    fn push(&mut self, op: Op, key: &str, value: &[u8]) -> Result<Place, StoreError> {
        let (at, len) = self.builder.push(op, key, self.sequence, value)?;
        Ok(Place { offset: self.start.saturating_add(at as u64), len, sequence: self.sequence })
    }

    /// Puts all of the change in, and gives the lines for audit.log and where the history then stands.
    fn fill(&mut self, change: &Change, before: &Position) -> Result<(String, Position), StoreError> {
        for (key, value) in &change.puts {
            let op = if value.is_some() { Op::Put } else { Op::Delete };
            let place = self.push(op, key, value.as_deref().unwrap_or_default())?;
            let key = key.clone();
            self.effects.push(match value.clone() {
                Some(value) => Effect::Put { key, value, place },
                None => Effect::Delete { key },
            });
        }
        for (id, secret) in &change.materials {
            let op = if secret.is_some() { Op::Keep } else { Op::Destroy };
            let bytes = secret.as_ref().map_or(&[][..], Secret::expose);
            let place = self.push(op, &id.key(), bytes)?;
            let id = id.clone();
            self.effects.push(match secret {
                Some(_) => Effect::Keep { id, place },
                None => Effect::Destroy { id },
            });
        }
        self.history(change, before)
    }

    fn history(&mut self, change: &Change, before: &Position) -> Result<(String, Position), StoreError> {
        let (mut lines, mut position) = (String::new(), before.clone());
        for event in &change.audit {
            let entry = Entry::after(&position, event.clone());
            let line = check_line(&entry)?;
            self.push(Op::Audit, &entry.seq.to_string(), line.as_bytes())?;
            position = entry.position();
            self.effects.push(Effect::Audited(entry));
            lines.push_str(&line);
            lines.push('\n');
        }
        Ok((lines, position))
    }
}
