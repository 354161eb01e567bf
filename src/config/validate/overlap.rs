//! No two targets write the same file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::targets::About;
use crate::config::findings::Spot;
use crate::config::raw::{Context, Item};
use crate::config::target::Services;
use crate::config::words::quoted;
use crate::model::{AssetId, ObjectKind};

/// Where files can meet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    /// A service, by name.
    Service(String),
    /// The services labelled with an asset. Whether they are named too is known only to the engine;
    /// the planner looks again.
    Labelled(AssetId),
    /// A directory.
    Dir(PathBuf),
}

impl Room {
    pub(super) fn of(services: &Services, asset: &AssetId) -> Vec<Self> {
        match services {
            Services::Named(names) => names.iter().cloned().map(Self::Service).collect(),
            Services::Labelled => vec![Self::Labelled(asset.clone())],
        }
    }

    /// The absolute path of a file in a container.
    pub(super) fn mounted(object: ObjectKind, path: &str) -> String {
        match object {
            _ if path.starts_with('/') => path.to_owned(),
            ObjectKind::Secret => format!("/run/secrets/{path}"),
            ObjectKind::Config => format!("/{path}"),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Service(name) => format!("in service {name}"),
            Self::Labelled(asset) => format!("in services labelled keyturn.asset={asset}"),
            Self::Dir(path) => format!("in {}", path.display()),
        }
    }
}

/// A file that a target writes.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    target: Spot,
    room: Room,
    path: String,
    asset: AssetId,
}

impl Claim {
    pub(super) fn new(target: &Item<'_>, room: &Room, path: String, about: &About) -> Self {
        Self { target: target.spot(), room: room.clone(), path, asset: about.asset.clone() }
    }
}

/// Compares the files of all targets, in the order of the file: the later one is at fault.
pub(super) fn check(cx: &Context<'_>) {
    let mut claims = cx.claims.take();
    claims.sort_by_key(|claim| claim.target.at);
    let mut taken: BTreeMap<(&Room, &str), &Claim> = BTreeMap::new();
    let mut dirs: BTreeMap<(&Room, &AssetId), &Claim> = BTreeMap::new();
    for claim in &claims {
        if let Some(other) = taken.get(&(&claim.room, claim.path.as_str())) {
            cx.findings.fault(claim.target.clone(), collision(claim, other));
            continue;
        }
        taken.insert((&claim.room, &claim.path), claim);
        if let Room::Dir(_) = claim.room {
            let first = *dirs.entry((&claim.room, &claim.asset)).or_insert(claim);
            refuse_second(cx, claim, first);
        }
    }
    refuse_folders(cx, &taken);
}

fn collision(claim: &Claim, other: &Claim) -> String {
    format!("{} {} is written by {} already", quoted(&claim.path), claim.room.describe(), other.target.key)
}

/// An asset's files in a directory are turned over together, so they belong to one target.
fn refuse_second(cx: &Context<'_>, claim: &Claim, first: &Claim) {
    if claim.target.at != first.target.at {
        let place = claim.room.describe();
        let message = format!(
            "{} has a target {place} already, {}; put the files together",
            claim.asset, first.target.key
        );
        cx.findings.fault(claim.target.clone(), message);
    }
}

/// A file cannot be a folder of another.
fn refuse_folders(cx: &Context<'_>, taken: &BTreeMap<(&Room, &str), &Claim>) {
    for ((room, path), claim) in taken {
        let mut above = *path;
        while let Some((folder, _)) = above.rsplit_once('/') {
            above = folder;
            if let Some(other) = taken.get(&(*room, folder)) {
                let message = format!(
                    "{} {} lies below {}, which is a file of {}",
                    quoted(path),
                    room.describe(),
                    quoted(folder),
                    other.target.key
                );
                cx.findings.fault(claim.target.clone(), message);
            }
        }
    }
}
