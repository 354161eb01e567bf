//! Files in the folder that a web server shows.
//!
//! Others may write to that folder: a web application, say. Everything below it is therefore reached through open
//! folders, never through a path that somebody could turn elsewhere meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::super::{Proof, SolveError};

const OUTER: &str = ".well-known";
const INNER: &str = "acme-challenge";

/// A web server's folder.
pub(super) struct Webroot {
    folder: PathBuf,
    state: Mutex<State>,
}

/// What only we have put there. It is forgotten with the process: then an empty folder may stay.
#[derive(Default)]
struct State {
    /// How often each token is wanted.
    wanted: HashMap<String, usize>,
    made: BTreeSet<&'static str>,
}

impl Webroot {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, state: Mutex::default() }
    }

    /// Writes a proof's file, in one step: no reader sees half of it.
    pub(super) fn write(&self, proof: &Proof) -> Result<(), SolveError> {
        let token = file_name(proof)?;
        // Also keeps two orders from the same temporary file, and one's folder from the other's tidying.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Counted before it can fail: a failure is cleaned up after, too.
        *state.wanted.entry(token.to_owned()).or_default() += 1;
        let root = self.root()?;
        let outer = self.enter(&root, OUTER, &mut state.made)?;
        let inner = self.enter(&outer, INNER, &mut state.made)?;
        put(&inner, token, proof.key_authorization.as_bytes()).map_err(self.failed("write", token))
    }

    /// Takes it away when nobody wants it any more, and then the folders that we have made, if they are empty.
    pub(super) fn remove(&self, proof: &Proof) -> Result<(), SolveError> {
        let token = file_name(proof)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = state.wanted.get_mut(token).filter(|times| **times > 1) {
            *times -= 1;
            return Ok(());
        }
        state.wanted.remove(token);
        if !self.folder.exists() {
            return Ok(());
        }
        let root = self.root()?;
        let Some(outer) = self.look(&root, OUTER)? else { return Ok(()) };
        if let Some(inner) = self.look(&outer, INNER)? {
            unlink(&inner, token).map_err(self.failed("remove", token))?;
            // An interrupted try may have left it.
            unlink(&inner, &fresh(token)).map_err(self.failed("remove", &fresh(token)))?;
        }
        tidy(&outer, INNER, &mut state.made);
        tidy(&root, OUTER, &mut state.made);
        Ok(())
    }

    /// The web server's folder itself is the operator's: it may be a link, and is never made.
    fn root(&self) -> Result<OwnedFd, SolveError> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(&self.folder, flags, Mode::empty()).map_err(|errno| {
            let shown = self.folder.display();
            SolveError(format!(
                "could not open the webroot {shown}: {}; name a folder that the web server serves",
                errno.desc()
            ))
        })
    }

    /// The folder `name` in `parent`, made where it is missing.
    fn enter(
        &self,
        parent: &OwnedFd,
        name: &'static str,
        made: &mut BTreeSet<&'static str>,
    ) -> Result<OwnedFd, SolveError> {
        if let Some(folder) = self.look(parent, name)? {
            return Ok(folder);
        }
        let folder = make(parent, name).map_err(self.failed("make the folder", name))?;
        made.insert(name);
        Ok(folder)
    }

    fn look(&self, parent: &OwnedFd, name: &str) -> Result<Option<OwnedFd>, SolveError> {
        match open_folder(parent, name) {
            Ok(folder) => Ok(Some(folder)),
            Err(Errno::ENOENT) => Ok(None),
            // What Linux says of a link depends on the flags beside O_NOFOLLOW.
            Err(Errno::ELOOP | Errno::ENOTDIR) => {
                let shown = self.folder.display();
                Err(SolveError(format!(
                    "{name} below the webroot {shown} is a link or a file, and is not followed: make it a folder"
                )))
            }
            Err(errno) => Err(self.failed("open the folder", name)(errno)),
        }
    }

    /// For `map_err`: what was tried on what.
    fn failed(&self, doing: &str, name: &str) -> impl FnOnce(Errno) -> SolveError {
        let text = format!("could not {doing} {name} below the webroot {}", self.folder.display());
        move |errno| SolveError(format!("{text}: {}", errno.desc()))
    }
}

/// The token, which comes from the CA, may not lead anywhere else (RFC 8555 §8.3: base64url).
fn file_name(proof: &Proof) -> Result<&str, SolveError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    Some(proof.token.as_str())
        .filter(|token| !token.is_empty() && token.bytes().all(good))
        .ok_or_else(|| SolveError(format!("the CA's token for {} is no base64url", proof.subject)))
}

fn fresh(token: &str) -> String {
    format!(".{token}.new")
}

fn open_folder(parent: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

fn make(parent: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    mkdirat(parent, name, Mode::from_bits_truncate(0o755))?;
    let folder = open_folder(parent, name)?;
    // Under a tight umask the web server could not look into it.
    fchmod(&folder, Mode::from_bits_truncate(0o755))?;
    Ok(folder)
}

fn put(folder: &OwnedFd, token: &str, content: &[u8]) -> Result<(), Errno> {
    let fresh = fresh(token);
    unlink(folder, &fresh)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut file = File::from(openat(folder, fresh.as_str(), flags, Mode::from_bits_truncate(0o644))?);
    let written =
        file.write_all(content).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()));
    let readable = written.and_then(|()| fchmod(&file, Mode::from_bits_truncate(0o644)));
    let shown = readable.and_then(|()| renameat(folder, fresh.as_str(), folder, token));
    if shown.is_err() {
        let _ = unlink(folder, &fresh);
    }
    shown
}

fn unlink(folder: &OwnedFd, name: &str) -> Result<(), Errno> {
    match unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Err(errno) if errno != Errno::ENOENT => Err(errno),
        _ => Ok(()),
    }
}

/// A folder of ours goes once it is empty; until then we remember that it is ours.
fn tidy(parent: &OwnedFd, name: &'static str, made: &mut BTreeSet<&'static str>) {
    if made.contains(name) && unlinkat(parent, name, UnlinkatFlags::RemoveDir).is_ok() {
        made.remove(name);
    }
}
