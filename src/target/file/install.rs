//! Writes a hidden folder, and turns the link over to it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};

use super::{failed, stem};
use crate::failpoint;
use crate::model::{AssetId, Code, FileContent, Install, Parcel, Problem, Secret};

/// The identity of what the asset's link shows, if its files are all there and lead to it.
pub(super) fn shown(asset: &AssetId, dir: &Path) -> Option<String> {
    let stem = stem(asset);
    let target = fs::read_link(dir.join(&stem)).ok()?;
    let identity = target.to_str()?.strip_prefix(&format!("{stem}."))?.to_owned();
    let whole = fs::read_dir(dir.join(&target)).ok()?.all(|entry| {
        entry.is_ok_and(|entry| {
            let link = fs::read_link(dir.join(entry.file_name()));
            link.is_ok_and(|link| link == Path::new(&stem).join(entry.file_name()))
        })
    });
    whole.then_some(identity)
}

/// Writes the parcel's folder, and shows it.
pub(super) fn put(
    parcel: &Parcel,
    install: &Install,
    files: &BTreeMap<(AssetId, String), Secret>,
) -> Result<(), Problem> {
    let dir = &install.dir;
    make_dir(dir)?;
    let stem = stem(&parcel.asset);
    let name = format!("{stem}.{}", install.identity);
    let folder = dir.join(&name);
    if fs::read_link(dir.join(&stem)).is_ok_and(|link| link == Path::new(&name)) && folder.is_dir() {
        refresh(parcel, &folder, files)?;
    } else {
        write_folder(parcel, &folder, files)?;
    }
    failpoint::hit("folder-written");
    save_foreign(parcel, dir, &stem)?;
    turn(dir, &stem, Path::new(&name))?;
    failpoint::hit("link-turned");
    for path in parcel.content.files.keys() {
        turn(dir, path, &Path::new(&stem).join(path))?;
    }
    sync(dir)
}

/// Our own umask keeps others out; the files' readers must get in, through every folder on the way.
fn make_dir(dir: &Path) -> Result<(), Problem> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().unwrap_or(dir);
    if parent != dir {
        make_dir(parent)?;
    }
    match fs::create_dir(dir) {
        // Another place beside this one has just made the folder that both are in.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && dir.is_dir() => return Ok(()),
        made => made.map_err(failed("make", dir))?,
    }
    fs::set_permissions(dir, Permissions::from_mode(0o755)).map_err(failed("set the mode of", dir))?;
    sync(parent)
}

/// A folder that is being read is mended file by file: what is in it is of one revision before and after.
fn refresh(
    parcel: &Parcel,
    folder: &Path,
    files: &BTreeMap<(AssetId, String), Secret>,
) -> Result<(), Problem> {
    for (path, content) in &parcel.content.files {
        let fresh = folder.join(format!(".{path}.new"));
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed("remove", &fresh)(error)),
            _ => {}
        }
        write_file(&fresh, content, bytes_of(parcel, path, files)?)?;
        let place = folder.join(path);
        fs::rename(&fresh, &place).map_err(failed("replace", &place))?;
    }
    sync(folder)
}

fn bytes_of<'f>(
    parcel: &Parcel,
    path: &str,
    files: &'f BTreeMap<(AssetId, String), Secret>,
) -> Result<&'f Secret, Problem> {
    files
        .get(&(parcel.asset.clone(), path.to_owned()))
        .ok_or_else(|| Problem::new(Code::FileFailed, format!("there is nothing to write into {path}")))
}

/// A folder that an interrupted try has left may be half written: it is made anew.
fn write_folder(
    parcel: &Parcel,
    folder: &Path,
    files: &BTreeMap<(AssetId, String), Secret>,
) -> Result<(), Problem> {
    remove_folder(folder)?;
    let mut builder = fs::DirBuilder::new();
    builder.mode(0o755).create(folder).map_err(failed("make", folder))?;
    // Under a tight umask the readers could not even look into it.
    fs::set_permissions(folder, Permissions::from_mode(0o755)).map_err(failed("set the mode of", folder))?;
    for (path, content) in &parcel.content.files {
        write_file(&folder.join(path), content, bytes_of(parcel, path, files)?)?;
    }
    sync(folder)
}

/// Nobody else can read the file before owner and mode are what they should be.
fn write_file(path: &Path, content: &FileContent, bytes: &Secret) -> Result<(), Problem> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed("make", path))?;
    file.write_all(bytes.expose()).map_err(failed("write", path))?;
    let owner = content.owner.as_deref().map(uid_of).transpose()?;
    let group = content.group.as_deref().map(gid_of).transpose()?;
    if owner.is_some() || group.is_some() {
        chown(path, owner, group).map_err(failed("set the owner of", path))?;
    }
    let mode = Permissions::from_mode(content.mode.unwrap_or(0o600));
    file.set_permissions(mode).map_err(failed("set the mode of", path))?;
    file.sync_all().map_err(failed("sync", path))
}

fn uid_of(name: &str) -> Result<u32, Problem> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let user = User::from_name(name).ok().flatten();
    let missing = || Problem::new(Code::FileFailed, format!("there is no user {name} on this machine"));
    user.map(|user| user.uid.as_raw()).ok_or_else(missing)
}

fn gid_of(name: &str) -> Result<u32, Problem> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let group = Group::from_name(name).ok().flatten();
    let missing = || Problem::new(Code::FileFailed, format!("there is no group {name} on this machine"));
    group.map(|group| group.gid.as_raw()).ok_or_else(missing)
}

/// Where the files of others that stood on our paths are kept.
fn saved(dir: &Path, stem: &str) -> PathBuf {
    dir.join(format!("{stem}.before-keyturn"))
}

/// A file that stands where ours shall be was there first: it is kept beside, so that nothing is lost and a failed
/// test can bring it back.
fn save_foreign(parcel: &Parcel, dir: &Path, stem: &str) -> Result<(), Problem> {
    let saved = saved(dir, stem);
    for path in parcel.content.files.keys() {
        let place = dir.join(path);
        let ours = fs::read_link(&place).is_ok_and(|link| link.starts_with(stem));
        if ours || fs::symlink_metadata(&place).is_err() {
            continue;
        }
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&saved).map_err(failed("make", &saved))?;
        match fs::hard_link(&place, saved.join(path)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(failed("keep a copy of", &place)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes `name` a link to `to`, in one step.
fn turn(dir: &Path, name: &str, to: &Path) -> Result<(), Problem> {
    let place = dir.join(name);
    if fs::read_link(&place).is_ok_and(|link| link == to) {
        return Ok(());
    }
    let fresh = dir.join(format!(".{}.new", name.trim_start_matches('.')));
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed("remove", &fresh)(error)),
        _ => {}
    }
    symlink(to, &fresh).map_err(failed("link", &fresh))?;
    fs::rename(&fresh, &place).map_err(failed("replace", &place))
}

/// Shows the old folder again; where there was none, what was there before us.
pub(super) fn put_back(asset: &AssetId, dir: &Path, identity: Option<&str>) -> Result<(), Problem> {
    if is_absent(dir) {
        return Ok(());
    }
    let stem = stem(asset);
    let old = identity.map(|identity| format!("{stem}.{identity}")).filter(|name| dir.join(name).is_dir());
    match old {
        Some(name) => turn(dir, &stem, Path::new(&name))?,
        None => take_away(dir, &stem)?,
    }
    sync(dir)
}

/// Whether there is no such folder: it could not be made, or is gone with all that was in it.
fn is_absent(dir: &Path) -> bool {
    let gone = |error: std::io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    fs::read_dir(dir).is_err_and(gone)
}

/// Nothing of ours was here before: our links go, and foreign files come back.
fn take_away(dir: &Path, stem: &str) -> Result<(), Problem> {
    let saved = saved(dir, stem);
    for entry in fs::read_dir(dir).map_err(failed("read", dir))?.flatten() {
        let path = entry.path();
        let ours = fs::read_link(&path).is_ok_and(|link| link.starts_with(stem));
        let kept = saved.join(entry.file_name());
        if ours && fs::symlink_metadata(&kept).is_ok() {
            fs::rename(&kept, &path).map_err(failed("put back", &path))?;
        } else if ours {
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
    }
    let _ = fs::remove_dir(&saved);
    let link = dir.join(stem);
    // Where nothing can be written, not even what is not there can be removed.
    if fs::symlink_metadata(&link).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(());
    }
    fs::remove_file(&link).map_err(failed("remove", &link))
}

/// Removes the asset's folders but for that of `identity`: they hold private keys that nobody uses.
pub(super) fn clear(asset: &AssetId, dir: &Path, identity: &str) -> Result<(), Problem> {
    let stem = stem(asset);
    let current = format!("{stem}.{identity}");
    let begins = format!("{stem}.");
    let mut cleared = false;
    for entry in fs::read_dir(dir).map_err(failed("read", dir))?.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let identity = name.strip_prefix(&begins).filter(|identity| is_identity(identity));
        if identity.is_some() && name != current {
            remove_folder(&entry.path())?;
            cleared = true;
        }
    }
    if cleared { sync(dir) } else { Ok(()) }
}

/// Only what the planner names folders for: an asset `edge` must not clear those of an asset `edge.old`.
fn is_identity(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn remove_folder(folder: &Path) -> Result<(), Problem> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", folder)(error)),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> Result<(), Problem> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}
