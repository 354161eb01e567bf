//! The lock: one process writes to a state.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::{StoreError, posture};

/// Held for as long as this value lives; the kernel lets go of it when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    file: Flock<File>,
}

impl Lock {
    /// Takes the lock of the state in `dir`, or says at once who has it.
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("lock");
        let mut options = OpenOptions::new();
        let file = posture::open_file(&path, options.read(true).write(true).create(true).truncate(false))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Self { file }),
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                // Only for the message: a number that cannot be read is left out.
                let _ = Read::by_ref(&mut file).take(32).read_to_string(&mut text);
                Err(StoreError::Locked { dir: dir.to_owned(), pid: text.trim().parse().ok() })
            }
            Err((_, errno)) => Err(StoreError::io("lock", &path)(errno.into())),
        }
    }

    /// Writes our number into the file. Apart from taking it, because a wrong key must change no byte.
    pub(super) fn sign(&self) {
        let text = format!("{}\n", std::process::id());
        // Only for others' messages: the lock holds without it.
        let _ =
            self.file.write_all_at(text.as_bytes(), 0).and_then(|()| self.file.set_len(text.len() as u64));
    }
}
