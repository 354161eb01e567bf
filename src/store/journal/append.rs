//! A file that only grows, and whose growth is all or nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::store::{StoreError, posture};

/// An append-only file of known good length.
#[derive(Debug)]
pub(in crate::store) struct Appender {
    file: File,
    path: PathBuf,
    /// Up to here everything is as it must be.
    length: u64,
    /// How often something was appended since the last sync.
    behind: u32,
    /// Set when the disk has failed in a way after which nothing can be promised.
    failed: Option<StoreError>,
}

impl Appender {
    /// Opens the file, which must be there.
    pub(in crate::store) fn open(path: &Path) -> Result<Self, StoreError> {
        let file = posture::open_file(path, OpenOptions::new().read(true).append(true))?;
        let length = file.metadata().map_err(StoreError::io("look at", path))?.len();
        Ok(Self { file, path: path.to_owned(), length, behind: 0, failed: None })
    }

    /// The file itself, for reading.
    pub(in crate::store) fn file(&self) -> &File {
        &self.file
    }

    /// Its name.
    pub(in crate::store) fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes.
    pub(in crate::store) fn length(&self) -> u64 {
        self.length
    }

    /// Writes all of `bytes` at the end and makes them durable, or none of them.
    ///
    /// After a failed sync nobody knows what is on the disk, and a second sync would claim success
    /// for pages that the kernel has dropped: from then on every call fails.
    pub(in crate::store) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let before = self.length;
        self.hand_over(bytes)?;
        // What was not synced does not count.
        self.catch_up().inspect_err(|_| self.length = before)
    }

    /// Hands all of `bytes` to the kernel, or none of them: they survive this process, and after [`Self::catch_up`] a power
    /// cut too.
    pub(in crate::store) fn hand_over(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let length = self.length;
        if let Err(error) = self.write(bytes) {
            return Err(self.take_back(error, length));
        }
        self.length = length.saturating_add(bytes.len() as u64);
        self.behind = self.behind.saturating_add(1);
        Ok(())
    }

    /// How often something was handed over since the last sync.
    pub(in crate::store) fn behind(&self) -> u32 {
        self.behind
    }

    /// Makes durable what was handed over.
    pub(in crate::store) fn catch_up(&mut self) -> Result<(), StoreError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        if self.behind > 0 { self.sync() } else { Ok(()) }
    }

    /// Cuts the file down to `length` bytes, durably.
    pub(in crate::store) fn cut(&mut self, length: u64) -> Result<(), StoreError> {
        if let Err(error) = self.file.set_len(length) {
            return Err(self.fail("cut", error));
        }
        self.sync()?;
        self.length = length;
        Ok(())
    }

    /// A write has failed: what it has written is taken back. Only a full disk is forgiven.
    fn take_back(&mut self, error: io::Error, length: u64) -> StoreError {
        if !is_full(&error) {
            return self.fail("write", error);
        }
        match self.cut(length) {
            Ok(()) => StoreError::NoSpace { path: self.path.clone() },
            Err(failed) => failed,
        }
    }

    fn fail(&mut self, action: &'static str, error: io::Error) -> StoreError {
        let failed = StoreError::io(action, &self.path)(error);
        self.failed = Some(failed.clone());
        failed
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        if let Some(room) = faults::room(&self.path) {
            let (fits, _) = bytes.split_at(room.min(bytes.len()));
            self.file.write_all(fits)?;
            return Err(io::Error::from_raw_os_error(nix::libc::ENOSPC));
        }
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        #[cfg(test)]
        if faults::sync_fails(&self.path) {
            return Err(self.fail("sync", io::Error::from_raw_os_error(nix::libc::EIO)));
        }
        self.file.sync_data().map_err(|error| self.fail("sync", error))?;
        self.behind = 0;
        Ok(())
    }
}

/// No room, over quota, or over the file size that the process may write.
fn is_full(error: &io::Error) -> bool {
    use nix::libc::{EDQUOT, EFBIG, ENOSPC};
    matches!(error.raw_os_error(), Some(ENOSPC | EDQUOT | EFBIG))
}

/// Planted faults, by file.
#[cfg(test)]
pub(in crate::store) mod faults {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    /// What the disk does to a file.
    #[derive(Debug, Clone, Copy)]
    pub(in crate::store) enum Fault {
        /// Only so many bytes of the next writes fit.
        Full(usize),
        /// The next sync fails, and only that one.
        Sync,
    }

    static PLANTED: Mutex<BTreeMap<PathBuf, Fault>> = Mutex::new(BTreeMap::new());

    fn planted() -> MutexGuard<'static, BTreeMap<PathBuf, Fault>> {
        PLANTED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::store) fn plant(path: &Path, fault: Fault) {
        planted().insert(path.to_owned(), fault);
    }

    pub(in crate::store) fn clear(path: &Path) {
        planted().remove(path);
    }

    pub(super) fn room(path: &Path) -> Option<usize> {
        match planted().get(path) {
            Some(Fault::Full(room)) => Some(*room),
            _ => None,
        }
    }

    pub(super) fn sync_fails(path: &Path) -> bool {
        let mut planted = planted();
        matches!(planted.get(path), Some(Fault::Sync)) && planted.remove(path).is_some()
    }
}
