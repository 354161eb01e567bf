//! Reading a journal from its head to its last whole frame.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::frame::{self, Checked, FOOT, Flag, HEAD, Head};
use super::header::{self, BadHeader, Header, SCHEMA};
use crate::store::StoreError;
use crate::store::key::StateKey;
use crate::store::live::{Effect, Live};
use crate::store::seal::{Sealer, TAG_LEN, Tag};

/// What a journal says.
pub(in crate::store) struct Replay {
    /// Its head.
    pub(in crate::store) header: Header,
    /// Opens its records.
    pub(in crate::store) sealer: Sealer,
    /// What is alive.
    pub(in crate::store) live: Live,
    /// The last step's number.
    pub(in crate::store) sequence: u64,
    /// The last frame's tag.
    pub(in crate::store) tag: Tag,
    /// Where the last whole frame ends.
    pub(in crate::store) end: u64,
    /// Bytes after it, which a crash has left.
    pub(in crate::store) torn: u64,
    /// Whether the base is not all read yet.
    in_base: bool,
}

/// Why reading does not go on at a frame.
enum Stop {
    /// The file ends here.
    End,
    /// A crash has cut this frame short: it was never acknowledged.
    Torn,
    /// It was written otherwise.
    Bad(&'static str),
    /// The disk.
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads the whole of `file`, checking everything and writing nothing.
pub(in crate::store) fn read(file: &File, path: &Path, key: &StateKey) -> Result<Replay, StoreError> {
    let length = file.metadata().map_err(StoreError::io("look at", path))?.len();
    // What is appended from now on is not there yet.
    let reader = Reader { file, length };
    let mut replay = begin(&reader, path, key)?;
    let stop = loop {
        if let Err(stop) = reader.step(&mut replay) {
            break stop;
        }
    };
    let why = match stop {
        Stop::End | Stop::Torn if replay.in_base => "what was there at the last compaction is cut short",
        Stop::End => return Ok(replay),
        Stop::Torn => {
            replay.torn = length.saturating_sub(replay.end);
            return Ok(replay);
        }
        Stop::Bad(why) => why,
        Stop::Io(error) => return Err(StoreError::io("read", path)(error)),
    };
    Err(damaged(path, replay.end, replay.sequence, why))
}

fn damaged(path: &Path, offset: u64, sequence: u64, why: &str) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), offset, sequence, why: why.to_owned() }
}

fn begin(reader: &Reader<'_>, path: &Path, key: &StateKey) -> Result<Replay, StoreError> {
    let size = usize::try_from(reader.length).unwrap_or(usize::MAX).min(header::LEN);
    let bytes = reader.bytes(0, size).map_err(StoreError::io("read", path))?;
    let (header, data_key) = Header::decode(&bytes, key).map_err(|bad| match bad {
        BadHeader::Damaged(why) => damaged(path, 0, 0, why),
        BadHeader::Newer(found) => StoreError::Newer { path: path.to_owned(), found, known: SCHEMA },
        BadHeader::WrongKey => StoreError::WrongKey { path: path.to_owned() },
    })?;
    let sealer = Sealer::new(&data_key).ok_or_else(|| damaged(path, 0, 0, "the data key makes no sense"))?;
    Ok(Replay {
        tag: first_tag(&sealer, &bytes),
        sequence: header.sequence,
        end: size as u64,
        torn: 0,
        in_base: true,
        live: Live::default(),
        header,
        sealer,
    })
}

/// What the first frame is chained to: the header.
pub(in crate::store) fn first_tag(sealer: &Sealer, header: &[u8]) -> Tag {
    sealer.chain(&[0; TAG_LEN], header)
}

struct Reader<'a> {
    file: &'a File,
    length: u64,
}

impl Reader<'_> {
    fn bytes(&self, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    /// Reads, checks and applies the frame at `replay.end`.
    fn step(&self, replay: &mut Replay) -> Result<(), Stop> {
        let at = replay.end;
        let head = self.head(at)?;
        let bytes = self.bytes(at, head.frame_len())?;
        let tag = match frame::check(&bytes, &replay.tag, &replay.sealer) {
            Checked::Good(tag) => tag,
            Checked::Changed => {
                return Err(self.torn_or(at, bytes.len(), "the frame's bytes have changed")?);
            }
            Checked::Stray => {
                let why = "a frame was dropped, put elsewhere, or comes from another journal";
                return Err(self.torn_or(at, bytes.len(), why)?);
            }
        };
        order(&head, replay)?;
        apply(&bytes, at, replay).ok_or(Stop::Bad("a record does not open"))?;
        replay.sequence = head.sequence;
        replay.tag = tag;
        replay.end = at.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// The head of the frame at `at`, which is there as a whole.
    fn head(&self, at: u64) -> Result<Head, Stop> {
        let left = self.length.saturating_sub(at);
        if left == 0 {
            return Err(Stop::End);
        }
        if left < (HEAD + FOOT) as u64 {
            return Err(Stop::Torn);
        }
        let Some(head) = Head::decode(&self.bytes(at, HEAD)?) else {
            return Err(self.torn_or(at, HEAD + FOOT, "the frame's head has changed")?);
        };
        if head.body > frame::MAX {
            return Err(Stop::Bad("the frame is longer than any that is written"));
        }
        if head.frame_len() as u64 > left { Err(Stop::Torn) } else { Ok(head) }
    }

    /// A power cut can leave zeros where data was to come. If they fill the file from within this
    /// frame of `len` bytes (so that all of its tag is zero, which no real tag is) it is torn;
    /// else it was whole once, and its bytes are others now.
    fn torn_or(&self, at: u64, len: usize, why: &'static str) -> io::Result<Stop> {
        let tag_at = at.saturating_add(len as u64).saturating_sub(TAG_LEN as u64);
        let mut position = tag_at;
        while position < self.length {
            let size = self.length.saturating_sub(position).min(1 << 16) as usize;
            if self.bytes(position, size)?.iter().any(|byte| *byte != 0) {
                return Ok(Stop::Bad(why));
            }
            position = position.saturating_add(size as u64);
        }
        Ok(Stop::Torn)
    }
}

/// The base first, all of it of one number; then steps with ever higher ones.
fn order(head: &Head, replay: &mut Replay) -> Result<(), Stop> {
    let right = match head.flag {
        Flag::Base | Flag::BaseEnd => replay.in_base && head.sequence == replay.sequence,
        Flag::Step => !replay.in_base && head.sequence > replay.sequence,
    };
    replay.in_base &= head.flag == Flag::Base;
    if right { Ok(()) } else { Err(Stop::Bad("the frames are out of order")) }
}

fn apply(bytes: &[u8], at: u64, replay: &mut Replay) -> Option<()> {
    for record in frame::records(bytes) {
        let effect = Effect::of(&record?, at, &replay.sealer)?;
        replay.live.apply(effect);
    }
    Some(())
}
