//! The head of the journal's file.

use jiff::Timestamp;

use super::array;
use crate::clock::Entropy;
use crate::store::StoreError;
use crate::store::key::StateKey;
use crate::store::seal::{self, KeyBytes, WRAPPED_LEN};

const MAGIC: &[u8; 8] = b"KEYTURNJ";
/// The newest layout that this program reads and the one it writes.
pub(in crate::store) const SCHEMA: u32 = 1;
/// Bytes before the wrapped key; they are its additional data.
const PLAIN: usize = 56;
/// Bytes of the whole header.
pub(in crate::store) const LEN: usize = PLAIN + WRAPPED_LEN + 4;

/// What a journal says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Header {
    /// Drawn when the state was made; tells states apart.
    pub(in crate::store) id: [u8; 16],
    /// Counts compactions.
    pub(in crate::store) generation: u64,
    /// The sequence number that the base stands for.
    pub(in crate::store) sequence: u64,
    /// When the state was made.
    pub(in crate::store) created_at: Timestamp,
}

/// Why a header cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::store) enum BadHeader {
    /// Its bytes are not as they were written.
    Damaged(&'static str),
    /// A later schema.
    Newer(u32),
    /// Another state key.
    WrongKey,
}

impl Header {
    /// The header's bytes, with the data key wrapped by the state key.
    pub(in crate::store) fn encode(
        &self,
        state_key: &StateKey,
        data_key: &KeyBytes,
        entropy: &Entropy,
    ) -> Result<Vec<u8>, StoreError> {
        let mut out = Vec::with_capacity(LEN);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&SCHEMA.to_le_bytes());
        out.extend_from_slice(&(LEN as u32).to_le_bytes());
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.created_at.as_second().to_le_bytes());
        let wrapped = seal::wrap(state_key.bytes(), data_key, &out, entropy)?;
        out.extend_from_slice(&wrapped);
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        Ok(out)
    }

    /// The header and its data key.
    ///
    /// The schema is looked at before the checksum, as a later one may have another layout.
    pub(in crate::store) fn decode(bytes: &[u8], key: &StateKey) -> Result<(Self, KeyBytes), BadHeader> {
        let short = || BadHeader::Damaged("the header is cut short");
        if array::<8>(bytes, 0).ok_or_else(short)? != *MAGIC {
            return Err(BadHeader::Damaged("it does not begin like a journal"));
        }
        let schema = u32::from_le_bytes(array(bytes, 8).ok_or_else(short)?);
        if schema > SCHEMA {
            return Err(BadHeader::Newer(schema));
        }
        let sum = u32::from_le_bytes(array(bytes, LEN - 4).ok_or_else(short)?);
        let (covered, plain) = bytes.get(..LEN - 4).zip(bytes.get(..PLAIN)).ok_or_else(short)?;
        if crc32fast::hash(covered) != sum {
            return Err(BadHeader::Damaged("the header's bytes have changed"));
        }
        let wrapped = covered.get(PLAIN..).ok_or_else(short)?;
        let data_key = seal::unwrap(key.bytes(), wrapped, plain).ok_or(BadHeader::WrongKey)?;
        let header = Self::fields(plain).ok_or(BadHeader::Damaged("the header makes no sense"))?;
        Ok((header, data_key))
    }

    fn fields(plain: &[u8]) -> Option<Self> {
        Some(Self {
            id: array(plain, 16)?,
            generation: u64::from_le_bytes(array(plain, 32)?),
            sequence: u64::from_le_bytes(array(plain, 40)?),
            created_at: Timestamp::from_second(i64::from_le_bytes(array(plain, 48)?)).ok()?,
        })
    }
}
