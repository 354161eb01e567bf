//! The journal: sealed, checksummed, append-only frames; the truth.
//!
//! ```text
//! journal/log   header ─ frame ─ frame ─ frame …
//! header        magic, schema, id, generation, sequence, birth, data key wrapped by the state key, CRC-32
//! frame         magic, flag, length, sequence, CRC-32 │ records │ CRC-32 of all, HMAC over the tag before and all
//! record        operation, key, sequence │ AES-256-GCM of the value, bound to the three
//! ```
//!
//! A file begins with its base: what was alive when it was written, in frames that were synced before
//! the file got its name. Every later frame is one step. A step that a crash has cut short is cut off;
//! any other difference to what was written is refused.

pub(super) mod append;
pub(super) mod compact;
pub(super) mod frame;
pub(super) mod header;
pub(super) mod replay;

use std::path::{Path, PathBuf};

/// The journal's folder.
pub(super) fn dir(state: &Path) -> PathBuf {
    state.join("journal")
}

/// The journal's file.
pub(super) fn path(state: &Path) -> PathBuf {
    dir(state).join("log")
}

/// Where a compaction writes; it counts for nothing until it has been renamed.
pub(super) fn new_path(state: &Path) -> PathBuf {
    dir(state).join("log.new")
}

/// The `N` bytes at `at`; nothing where the bytes end before.
fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
