//! Frames and the records in them, as bytes.

use super::array;
use crate::clock::Entropy;
use crate::model::Secret;
use crate::store::StoreError;
use crate::store::seal::{OVERHEAD, Sealer, TAG_LEN, Tag};

const MAGIC: u32 = u32::from_le_bytes(*b"KTfr");
/// Bytes before a frame's records.
pub(in crate::store) const HEAD: usize = 24;
/// Bytes after them.
pub(in crate::store) const FOOT: usize = 4 + TAG_LEN;
/// Bytes of a record beside its key and its value, the sealing's included.
pub(in crate::store) const RECORD: usize = 15 + OVERHEAD;
/// No frame is longer: a reader holds one frame in memory.
pub(in crate::store) const MAX: usize = 32 << 20;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Flag {
    /// One step.
    Step = 0,
    /// Part of the base; more of it follows.
    Base = 1,
    /// The end of the base.
    BaseEnd = 2,
}

/// What a record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Op {
    /// A record has this value from now on.
    Put = 1,
    /// A record is gone.
    Delete = 2,
    /// A revision has this material.
    Keep = 3,
    /// A revision's material is gone.
    Destroy = 4,
    /// An entry of the history.
    Audit = 5,
    /// Where the history stood when the base was written.
    Position = 6,
}

impl Op {
    const ALL: [Self; 6] = [Self::Put, Self::Delete, Self::Keep, Self::Destroy, Self::Audit, Self::Position];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|op| *op as u8 == byte)
    }

    /// Whether it has a value; the others only name what is gone.
    fn has_value(self) -> bool {
        !matches!(self, Self::Delete | Self::Destroy)
    }
}

/// What a record's value is bound to: moved to another name or another time, it does not open.
pub(in crate::store) fn aad(op: Op, key: &str, sequence: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(9 + key.len());
    out.push(op as u8);
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(key.as_bytes());
    out
}

/// A frame's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Head {
    /// What it is.
    pub(in crate::store) flag: Flag,
    /// Bytes of its records.
    pub(in crate::store) body: usize,
    /// Its number; every step has a higher one than the step before.
    pub(in crate::store) sequence: u64,
}

impl Head {
    fn encode(&self) -> [u8; HEAD] {
        let mut out = Vec::with_capacity(HEAD);
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&(self.flag as u32).to_le_bytes());
        out.extend_from_slice(&(self.body as u32).to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        array(&out, 0).unwrap_or_default()
    }

    /// The head at the beginning of `bytes`; nothing where its checksum does not hold.
    pub(in crate::store) fn decode(bytes: &[u8]) -> Option<Self> {
        let sum = u32::from_le_bytes(array(bytes, HEAD - 4)?);
        let magic = u32::from_le_bytes(array(bytes, 0)?);
        if magic != MAGIC || crc32fast::hash(bytes.get(..HEAD - 4)?) != sum {
            return None;
        }
        let flag = match u32::from_le_bytes(array(bytes, 4)?) {
            0 => Flag::Step,
            1 => Flag::Base,
            2 => Flag::BaseEnd,
            _ => return None,
        };
        let body = usize::try_from(u32::from_le_bytes(array(bytes, 8)?)).ok()?;
        Some(Self { flag, body, sequence: u64::from_le_bytes(array(bytes, 12)?) })
    }

    /// Bytes of the whole frame.
    pub(in crate::store) fn frame_len(&self) -> usize {
        HEAD + self.body + FOOT
    }
}

/// What a whole frame's last bytes say about the rest.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) enum Checked {
    /// It is as written, and follows the frame before. Its tag.
    Good(Tag),
    /// Bytes have changed.
    Changed,
    /// It is whole, but not the frame that was written after the one before.
    Stray,
}

/// Checks a whole frame that follows the one with tag `before`.
pub(in crate::store) fn check(frame: &[u8], before: &Tag, sealer: &Sealer) -> Checked {
    let Some(sum_at) = frame.len().checked_sub(FOOT) else {
        return Checked::Changed;
    };
    let parts = (frame.get(..sum_at), array(frame, sum_at), array::<TAG_LEN>(frame, sum_at + 4));
    let (Some(covered), Some(sum), Some(tag)) = parts else {
        return Checked::Changed;
    };
    if crc32fast::hash(covered) != u32::from_le_bytes(sum) {
        return Checked::Changed;
    }
    if sealer.chain(before, covered) == tag { Checked::Good(tag) } else { Checked::Stray }
}

/// One record of a frame, still sealed.
#[derive(Debug)]
pub(in crate::store) struct Record<'a> {
    /// What it does.
    pub(in crate::store) op: Op,
    /// The step that wrote it; in a base, an earlier one.
    pub(in crate::store) sequence: u64,
    /// What it is about.
    pub(in crate::store) key: &'a str,
    /// Its sealed value.
    pub(in crate::store) sealed: &'a [u8],
    /// Where the sealed value stands in the frame.
    pub(in crate::store) at: usize,
}

impl Record<'_> {
    /// The value, where there is one; nothing where it does not open.
    pub(in crate::store) fn open(&self, sealer: &Sealer) -> Option<Secret> {
        if !self.op.has_value() {
            return self.sealed.is_empty().then(|| Secret::new([]));
        }
        sealer.open(self.sealed, &aad(self.op, self.key, self.sequence))
    }
}

/// The records of a whole frame, in order; `None` in place of one that makes no sense.
pub(in crate::store) fn records(frame: &[u8]) -> impl Iterator<Item = Option<Record<'_>>> {
    let end = frame.len().saturating_sub(FOOT);
    let mut at = HEAD;
    std::iter::from_fn(move || {
        if at >= end {
            return None;
        }
        let record = record(frame, at, end);
        at = record.as_ref().map_or(end, |record| record.at + record.sealed.len());
        Some(record)
    })
}

fn record(frame: &[u8], at: usize, end: usize) -> Option<Record<'_>> {
    let op = Op::from_byte(*frame.get(at)?)?;
    let key_len = usize::from(u16::from_le_bytes(array(frame, at + 1)?));
    let sealed_len = usize::try_from(u32::from_le_bytes(array(frame, at + 3)?)).ok()?;
    let sequence = u64::from_le_bytes(array(frame, at + 7)?);
    let key_at = at + 15;
    let sealed_at = key_at.checked_add(key_len)?;
    let next = sealed_at.checked_add(sealed_len).filter(|next| *next <= end)?;
    let key = std::str::from_utf8(frame.get(key_at..sealed_at)?).ok()?;
    Some(Record { op, sequence, key, sealed: frame.get(sealed_at..next)?, at: sealed_at })
}

/// Puts a frame together.
pub(in crate::store) struct Builder<'a> {
    sealer: &'a Sealer,
    entropy: &'a Entropy,
    head: Head,
    bytes: Vec<u8>,
}

impl<'a> Builder<'a> {
    /// An empty frame.
    pub(in crate::store) fn new(sealer: &'a Sealer, entropy: &'a Entropy, flag: Flag, sequence: u64) -> Self {
        Self { sealer, entropy, head: Head { flag, body: 0, sequence }, bytes: vec![0; HEAD] }
    }

    /// Adds a record of step `sequence`, sealing its value; says where the sealed value stands in
    /// the frame and how long it is.
    pub(in crate::store) fn push(
        &mut self,
        op: Op,
        key: &str,
        sequence: u64,
        value: &[u8],
    ) -> Result<(usize, usize), StoreError> {
        let sealed = match op.has_value() {
            true => self.sealer.seal(value, &aad(op, key, sequence), self.entropy)?,
            false => Vec::new(),
        };
        // The store has checked both lengths against its limits, which are far below.
        self.bytes.push(op as u8);
        self.bytes.extend_from_slice(&(key.len() as u16).to_le_bytes());
        self.bytes.extend_from_slice(&(sealed.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&sequence.to_le_bytes());
        self.bytes.extend_from_slice(key.as_bytes());
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&sealed);
        Ok((at, sealed.len()))
    }

    /// Bytes of the records so far.
    pub(in crate::store) fn len(&self) -> usize {
        self.bytes.len() - HEAD
    }

    /// The whole frame, chained to the one with tag `before`, and its own tag.
    pub(in crate::store) fn finish(mut self, before: &Tag) -> (Vec<u8>, Tag) {
        self.head.body = self.len();
        let head = self.head.encode();
        for (byte, value) in self.bytes.iter_mut().zip(head) {
            *byte = value;
        }
        let tag = self.sealer.chain(before, &self.bytes);
        self.bytes.extend_from_slice(&crc32fast::hash(&self.bytes).to_le_bytes());
        self.bytes.extend_from_slice(&tag);
        (self.bytes, tag)
    }
}
