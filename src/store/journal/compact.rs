//! Writing a journal's file anew: its head and its base.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::frame::{Builder, Flag, Op};
use super::header::Header;
use super::replay::{self, Replay};
use crate::clock::Entropy;
use crate::store::key::StateKey;
use crate::store::live::Live;
use crate::store::seal::{self, Sealer, Tag};
use crate::store::{StoreError, posture};

/// A frame of the base is closed when it has so many bytes: a reader holds one in memory.
const CHUNK: usize = 1 << 20;

/// Writes the first journal of a state in `state`.
pub(in crate::store) fn create(
    state: &Path,
    header: &Header,
    key: &StateKey,
    entropy: &Entropy,
) -> Result<(), StoreError> {
    rewrite(state, header, key, entropy, &Live::default(), None)?;
    switch(state)
}

/// Writes what is alive into a new file, under a fresh data key, beside the old, which stays as it is.
///
/// The new file is read back before it can take the place: a compaction must never be what loses a key.
pub(in crate::store) fn prepare(
    state: &Path,
    old: (&File, &Replay),
    sequence: u64,
    key: &StateKey,
    entropy: &Entropy,
) -> Result<(), StoreError> {
    let (file, replay) = old;
    let path = super::path(state);
    let generation = replay.header.generation.saturating_add(1);
    let header = Header { generation, sequence, ..replay.header };
    rewrite(
        state,
        &header,
        key,
        entropy,
        &replay.live,
        Some(Old { file, path: &path, sealer: &replay.sealer }),
    )
}

/// The journal that is written anew, open.
#[derive(Clone, Copy)]
struct Old<'a> {
    file: &'a File,
    path: &'a Path,
    sealer: &'a Sealer,
}

fn rewrite(
    state: &Path,
    header: &Header,
    key: &StateKey,
    entropy: &Entropy,
    live: &Live,
    old: Option<Old<'_>>,
) -> Result<(), StoreError> {
    let new = super::new_path(state);
    posture::remove_file(&new)?;
    let written = write(&new, header, key, entropy, live, old);
    if let Err(error) = written.and_then(|()| read_back(&new, key, live)) {
        // Of a full disk above all: what does not fit must not stay there either.
        let _ = posture::remove_file(&new);
        return Err(error);
    }
    Ok(())
}

/// Puts the new file in the place of the old. When this fails nobody knows which of them a reopening
/// will find, so that nothing may be written to either.
pub(in crate::store) fn switch(state: &Path) -> Result<(), StoreError> {
    let new = super::new_path(state);
    std::fs::rename(&new, super::path(state)).map_err(StoreError::io("rename", &new))?;
    posture::sync_dir(&super::dir(state))
}

fn write(
    new: &Path,
    header: &Header,
    key: &StateKey,
    entropy: &Entropy,
    live: &Live,
    old: Option<Old<'_>>,
) -> Result<(), StoreError> {
    let data_key = seal::draw_key(entropy)?;
    let sealer = Sealer::new(&data_key).ok_or(StoreError::Closed)?;
    let head = header.encode(key, &data_key, entropy)?;
    let tag = replay::first_tag(&sealer, &head);
    let mut out = BufWriter::new(posture::create_file(new)?);
    out.write_all(&head).map_err(full_or(new))?;
    let mut base = Base { out, path: new, sealer: &sealer, entropy, sequence: header.sequence, tag };
    base.write(live, old)?;
    let file = base.out.into_inner().map_err(|error| full_or(new)(error.into_error()))?;
    file.sync_all().map_err(full_or(new))
}

/// A full disk is said as such, so that the caller knows that it can go on with the old file.
fn full_or(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |error| match error.raw_os_error() {
        Some(nix::libc::ENOSPC | nix::libc::EDQUOT) => StoreError::NoSpace { path },
        _ => StoreError::io("write", &path)(error),
    }
}

struct Base<'a> {
    out: BufWriter<File>,
    path: &'a Path,
    sealer: &'a Sealer,
    entropy: &'a Entropy,
    sequence: u64,
    tag: Tag,
}

impl<'a> Base<'a> {
    fn frame(&self, flag: Flag) -> Builder<'a> {
        Builder::new(self.sealer, self.entropy, flag, self.sequence)
    }

    fn write(&mut self, live: &Live, old: Option<Old<'_>>) -> Result<(), StoreError> {
        let mut frame = self.frame(Flag::Base);
        // What is made anew has nothing yet.
        if let Some(Old { file, path, sealer }) = old {
            for (key, kept) in &live.records {
                let value = live.record(key, file, sealer).map_err(|unread| unread.said(path, key))?;
                frame.push(Op::Put, key, kept.place.sequence, &value.unwrap_or_default())?;
                frame = self.flushed(frame)?;
            }
            for (id, place) in &live.materials {
                let secret = live.material(id, file, sealer);
                let secret = secret.map_err(|unread| unread.said(path, &format!("the material of {id}")))?;
                if let Some(secret) = secret {
                    frame.push(Op::Keep, &id.key(), place.sequence, secret.expose())?;
                }
                frame = self.flushed(frame)?;
            }
        }
        self.put(frame)?;
        let mut end = self.frame(Flag::BaseEnd);
        let position = serde_json::to_vec(&live.audit).unwrap_or_default();
        end.push(Op::Position, "", self.sequence, &position)?;
        self.put(end)
    }

    /// A frame that is full is written, and another begun.
    fn flushed(&mut self, frame: Builder<'a>) -> Result<Builder<'a>, StoreError> {
        if frame.len() < CHUNK {
            return Ok(frame);
        }
        self.put(frame)?;
        Ok(self.frame(Flag::Base))
    }

    fn put(&mut self, frame: Builder<'_>) -> Result<(), StoreError> {
        let (bytes, tag) = frame.finish(&self.tag);
        self.tag = tag;
        self.out.write_all(&bytes).map_err(full_or(self.path))
    }
}

/// Whether the new file says what the old one did.
fn read_back(new: &Path, key: &StateKey, live: &Live) -> Result<(), StoreError> {
    let file = File::open(new).map_err(StoreError::io("open", new))?;
    let back = replay::read(&file, new, key)?.live;
    let same = back.records.len() == live.records.len()
        && back
            .records
            .iter()
            .zip(&live.records)
            .all(|(one, other)| one.0 == other.0 && one.1.says_what(other.1))
        && back.materials.keys().eq(live.materials.keys())
        && back.audit == live.audit;
    if same {
        return Ok(());
    }
    Err(StoreError::Damaged {
        path: new.to_owned(),
        offset: 0,
        sequence: 0,
        why: "the new journal does not read back as it was written".to_owned(),
    })
}
