//! Folders and files as they must be before secrets are put there: ours, closed to others, no
//! symlinks; made so whatever the umask is.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::libc::O_NOFOLLOW;

use super::StoreError;

fn bad(path: &Path, why: impl Into<String>) -> StoreError {
    StoreError::Posture { path: path.to_owned(), why: why.into() }
}

/// Makes the folder, 0700, where it is missing; then checks it.
pub(super) fn make_dir(path: &Path) -> Result<(), StoreError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::io("create the folder", path)(error)),
    }?;
    check_dir(path)
}

/// Refuses a folder that is a symlink, someone else's, or open to others.
pub(super) fn check_dir(path: &Path) -> Result<(), StoreError> {
    let meta = std::fs::symlink_metadata(path).map_err(StoreError::io("look at", path))?;
    if meta.is_symlink() {
        return Err(bad(path, "is a symlink: name the folder itself"));
    }
    if !meta.is_dir() {
        return Err(bad(path, "is not a folder"));
    }
    check_meta(path, &meta, "0700")
}

/// Refuses what is someone else's or open to others.
fn check_meta(path: &Path, meta: &std::fs::Metadata, wanted: &str) -> Result<(), StoreError> {
    let us = nix::unistd::geteuid();
    // Root may look at anyone's state; it writes only after taking on the owner's uid.
    if meta.uid() != us.as_raw() && !us.is_root() {
        return Err(bad(path, format!("belongs to uid {}, and this is uid {us}", meta.uid())));
    }
    let mode = meta.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(bad(path, format!("is open to others (mode {mode:04o}): chmod {wanted}")));
    }
    Ok(())
}

/// Refuses to write to someone else's state, also as root: its owner could not read it any more.
pub(super) fn check_owner(path: &Path) -> Result<(), StoreError> {
    let meta = std::fs::symlink_metadata(path).map_err(StoreError::io("look at", path))?;
    let us = nix::unistd::geteuid();
    if meta.uid() == us.as_raw() {
        return Ok(());
    }
    Err(bad(path, format!("belongs to uid {}, and this is uid {us}: run as its owner", meta.uid())))
}

/// Opens a file by `options`, 0600 where that makes it; refuses symlinks and what is open to others.
pub(super) fn open_file(path: &Path, options: &mut OpenOptions) -> Result<File, StoreError> {
    let file = options.mode(0o600).custom_flags(O_NOFOLLOW).open(path).map_err(|error| {
        match error.raw_os_error() {
            Some(nix::libc::ELOOP) => bad(path, "is a symlink: put the file itself there"),
            _ => StoreError::io("open", path)(error),
        }
    })?;
    let meta = file.metadata().map_err(StoreError::io("look at", path))?;
    if !meta.is_file() {
        return Err(bad(path, "is not a plain file"));
    }
    check_meta(path, &meta, "0600")?;
    Ok(file)
}

/// Makes a file that must not be there yet, 0600.
pub(super) fn create_file(path: &Path) -> Result<File, StoreError> {
    open_file(path, OpenOptions::new().read(true).append(true).create_new(true))
}

/// Makes what happened to the names in a folder durable.
pub(super) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(StoreError::io("sync", path))
}

fn sync_parent(path: &Path) -> Result<(), StoreError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}

/// Takes all rights of others from a folder of files that a library has made under the umask.
pub(super) fn close_tree(dir: &Path) -> io::Result<()> {
    std::fs::set_permissions(dir, Permissions::from_mode(0o700))?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            close_tree(&entry.path())?;
        } else if kind.is_file() {
            std::fs::set_permissions(entry.path(), Permissions::from_mode(0o600))?;
        }
    }
    Ok(())
}

/// Removes what a crash has left; that it is not there is fine.
pub(super) fn remove_file(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
