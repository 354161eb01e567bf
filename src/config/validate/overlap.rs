//! No two targets write the same file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::targets::About;
use crate::config::findings::Spot;
use crate::config::raw::{Context, Item};
use crate::config::target::Services;
use crate::config::words::quoted;
use crate::model::AssetId;

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
    file: Spot,
    target: String,
    room: Room,
    path: String,
    asset: AssetId,
}

impl Claim {
    pub(super) fn new(file: &Spot, target: &Item<'_>, room: &Room, path: String, about: &About) -> Self {
        let (file, target) = (file.clone(), target.key.clone());
        Self { file, target, room: room.clone(), path, asset: about.asset.clone() }
    }
}

/// Compares the files of all targets, in the order of the file: the later one is at fault.
pub(super) fn check(cx: &Context<'_>) {
    let mut claims = cx.claims.take();
    claims.sort_by_key(|claim| claim.file.at);
    let mut taken: BTreeMap<(&Room, &str), &Claim> = BTreeMap::new();
    for claim in &claims {
        match taken.get(&(&claim.room, claim.path.as_str())) {
            Some(other) => cx.findings.fault(claim.file.clone(), collision(claim, other)),
            None => drop(taken.insert((&claim.room, &claim.path), claim)),
        }
    }
    refuse_folders(cx, &taken);
    refuse_second_targets(cx, &claims);
}

fn collision(claim: &Claim, other: &Claim) -> String {
    format!("{} {} is written by {} already", quoted(&claim.path), claim.room.describe(), other.file.key)
}

/// An asset's files in a directory are turned over together, so they belong to one target.
fn refuse_second_targets(cx: &Context<'_>, claims: &[Claim]) {
    let mut first: BTreeMap<(&Room, &AssetId), &Claim> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for claim in claims.iter().filter(|claim| matches!(claim.room, Room::Dir(_))) {
        let other = *first.entry((&claim.room, &claim.asset)).or_insert(claim);
        if other.target != claim.target && told.insert(&claim.target) {
            let place = claim.room.describe();
            let message =
                format!("{} has files {place} already, by {}; put them together", claim.asset, other.target);
            cx.findings.fault(claim.file.clone(), message);
        }
    }
}

/// A file cannot be a folder of another.
fn refuse_folders(cx: &Context<'_>, taken: &BTreeMap<(&Room, &str), &Claim>) {
    for ((room, path), claim) in taken {
        let mut above = *path;
        while let Some((folder, _)) = above.rsplit_once('/') {
            above = folder;
            if let Some(other) = taken.get(&(*room, folder)) {
                let (path, place, folder) = (quoted(path), room.describe(), quoted(folder));
                let message =
                    format!("{path} {place} lies below {folder}, which is a file: {}", other.file.key);
                cx.findings.fault(claim.file.clone(), message);
            }
        }
    }
}
