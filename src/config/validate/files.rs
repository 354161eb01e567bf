//! `files`: which part goes into which file.

use super::targets::About;
use crate::config::findings::Spot;
use crate::config::raw::{Item, not_one_of};
use crate::config::target::{DirFile, SwarmFile};
use crate::config::words::quoted;
use crate::model::{AssetKind, ObjectKind, Part};

/// Docker's own limit for a target path is the file system's.
const LONGEST_PATH: usize = 4095;
const LONGEST_NAME: usize = 255;

/// Files with their places, for those who compare them with others.
pub(super) type Placed<T> = Vec<(Spot, T)>;

/// The files of a Swarm target, and whether each is a secret or a config.
pub(super) fn swarm_files(
    item: &Item<'_>,
    about: &About,
    object: Option<ObjectKind>,
) -> Option<Placed<SwarmFile>> {
    files(item, |path, item| {
        let part = part(item, about);
        check_path(path).map_or(Some(()), |reason| item.fault(reason))?;
        let part = part?;
        if object == Some(ObjectKind::Config) && !part.is_public() {
            return item.fault(format!(
                "{part} is private, and a Docker config can be read by everyone: as = \"secret\""
            ));
        }
        let usual =
            if path.starts_with('/') && part.is_public() { ObjectKind::Config } else { ObjectKind::Secret };
        Some(SwarmFile { path: path.to_owned(), part, object: object.unwrap_or(usual) })
    })
}

/// The files of a directory.
pub(super) fn dir_files(item: &Item<'_>, about: &About) -> Option<Placed<DirFile>> {
    files(item, |name, item| {
        let part = part(item, about);
        let reason = match check_path(name) {
            None if name.contains('/') => Some("is a path; write a name, the folder is in dir".to_owned()),
            None if name.starts_with('.') => {
                Some("is hidden; in dir hidden names are Keyturn's own".to_owned())
            }
            reason => reason,
        };
        reason.map_or(Some(()), |reason| item.fault(reason))?;
        Some(DirFile { name: name.to_owned(), part: part? })
    })
}

/// Reads all entries, also after a fault; there must be one.
fn files<T>(item: &Item<'_>, read: impl Fn(&str, &Item<'_>) -> Option<T>) -> Option<Placed<T>> {
    let entries = item.entries()?;
    if entries.is_empty() {
        return item.fault("is empty; write { \"FILE\" = \"PART\" }");
    }
    let all: Vec<_> = entries.iter().map(|(name, item)| Some((item.spot(), read(name, item)?))).collect();
    all.into_iter().collect()
}

/// A part that the asset has, and that this version can make.
fn part(item: &Item<'_>, about: &About) -> Option<Part> {
    let text = item.text()?;
    let kind = about.asset.kind;
    let Some(part) = Part::from_name(text) else {
        return item.fault(not_one_of(text, &known(kind)));
    };
    if !part.is_of(kind) {
        return item.fault(format!("{} has no part {part}; it has {}", about.asset, known(kind).join(", ")));
    }
    if part == Part::Ca && !about.authority {
        return item.fault(
            "is the bundle of an internal CA's roots, and none is among the issuers; clients have a public CA's root \
             already, and its intermediates are in chain",
        );
    }
    if part == Part::Crl && !about.lists {
        return item.fault(
            "is an internal CA's revocation lists, and none with `crl = { lifetime = \"30d\" }` is among the issuers",
        );
    }
    if part == Part::PrivateKeyPkcs1 && !about.rsa {
        return item.fault("PKCS#1 is for RSA keys only; write private-key");
    }
    Some(part)
}

/// The parts that an asset of `kind` has.
fn known(kind: AssetKind) -> Vec<&'static str> {
    Part::ALL.into_iter().filter(|part| part.is_of(kind)).map(Part::name).collect()
}

/// Why `path` cannot be a file's path.
fn check_path(path: &str) -> Option<String> {
    let relative = path.strip_prefix('/').unwrap_or(path);
    let reason = if relative.is_empty() {
        "names no file"
    } else if path.chars().any(char::is_control) {
        "has control characters in its name"
    } else if relative.split('/').any(|step| matches!(step, "" | "." | "..")) {
        "has an empty step, `.` or `..` in its path; write it straight"
    } else if path.len() > LONGEST_PATH || relative.split('/').any(|step| step.len() > LONGEST_NAME) {
        "is longer than a path can be"
    } else {
        return None;
    };
    Some(format!("{} {reason}", quoted(path)))
}
