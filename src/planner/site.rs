//! One asset in one place.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::desired::{AssetSpec, FileSpec, Places, TargetSpec, Verify};
use crate::model::{AssetId, AssetRecord, Engine, Few, Mount, Place, Reload, Service, World};

/// What all of an asset's targets want of one place.
#[derive(Debug, Clone)]
pub struct Site<'a> {
    /// Whose.
    pub asset: &'a AssetId,
    /// Where.
    pub place: Cow<'a, Place>,
    /// The service, where it is there.
    pub service: Option<&'a Service>,
    /// The files, by name or path.
    pub files: Few<&'a str, SiteFile<'a>>,
    /// Commands that must succeed first.
    pub preflight: Vec<&'a Vec<String>>,
    /// What shows that it is served.
    pub verify: Option<&'a Verify>,
    /// Of a directory: test, reload and their time-out.
    pub dir: Option<DirWish<'a>>,
}

/// One file of a site.
#[derive(Debug, Clone, Copy)]
pub struct SiteFile<'a> {
    /// Which part, as what.
    pub file: &'a FileSpec,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub owner: Option<&'a str>,
    /// Group.
    pub group: Option<&'a str>,
}

/// What a directory's target says beside its files.
#[derive(Debug, Clone, Copy)]
pub struct DirWish<'a> {
    /// The directory.
    pub dir: &'a PathBuf,
    /// Run before the reload.
    pub test: Option<&'a Vec<String>>,
    /// What makes the reader take the files up.
    pub reload: Option<&'a Reload>,
    /// How long both may take.
    pub timeout: Duration,
}

impl<'a> Site<'a> {
    /// Where a container sees its files; a directory has none of them.
    pub fn mounts(&self) -> impl Iterator<Item = Mount<'a>> {
        self.files.iter().filter_map(|(path, file)| Some(Mount::of(file.file.kind?, path)))
    }

    /// Whether any of its files holds a single revision.
    pub fn has_single(&self) -> bool {
        self.files.values().any(|file| !file.file.part.spans_revisions())
    }

    /// Whether any of its files spans revisions.
    pub fn has_spanning(&self) -> bool {
        self.files.values().any(|file| file.file.part.spans_revisions())
    }
}

/// The services that ask for an asset by their label.
pub struct Labelled<'a>(HashMap<&'a AssetId, Vec<&'a str>>);

impl<'a> Labelled<'a> {
    /// Looks once at all of them.
    pub fn of(world: &'a World) -> Self {
        let mut labelled: HashMap<_, Vec<_>> = HashMap::new();
        for service in world.services.values() {
            for asset in &service.labelled {
                labelled.entry(asset).or_default().push(service.name.as_str());
            }
        }
        Self(labelled)
    }
}

/// All places that an asset goes to. Two targets of an asset that meet in one place are one site.
pub fn sites<'a>(
    spec: &'a AssetSpec,
    record: Option<&'a AssetRecord>,
    world: &'a World,
    labelled: &Labelled<'_>,
) -> Vec<Site<'a>> {
    let mut sites: Vec<Site<'a>> = Vec::with_capacity(spec.targets.len());
    for target in &spec.targets {
        each_place(spec, target, record, world, labelled, |place| {
            let at = sites.binary_search_by(|site| site.place.cmp(&place)).unwrap_or_else(|at| {
                sites.insert(at, empty(spec, place, world));
                at
            });
            add(&mut sites[at], target);
        });
    }
    sites
}

fn empty<'a>(spec: &'a AssetSpec, place: Cow<'a, Place>, world: &'a World) -> Site<'a> {
    let service = match &*place {
        Place::Service(name) => world.services.get(name),
        Place::Dir(_) => None,
    };
    Site {
        asset: &spec.id,
        place,
        service,
        files: Few::new(),
        preflight: Vec::new(),
        verify: None,
        dir: None,
    }
}

fn add<'a>(site: &mut Site<'a>, target: &'a TargetSpec) {
    let (mode, owner, group) = (target.mode, target.owner.as_deref(), target.group.as_deref());
    let files =
        target.files.iter().map(|(path, file)| (path.as_str(), SiteFile { file, mode, owner, group }));
    if site.files.is_empty() {
        site.files = files.collect();
    } else {
        site.files.extend(files);
    }
    site.verify = site.verify.or(target.verify.as_ref());
    match &target.places {
        Places::Services { preflight, .. } => site.preflight.extend(preflight.as_ref()),
        Places::Dir { dir, test, reload, timeout } => {
            let (test, reload) = (test.as_ref(), reload.as_ref());
            site.dir = Some(DirWish { dir, test, reload, timeout: *timeout });
        }
    }
}

/// The places of one target. Services that are found by label can only be told while the Swarm can be seen;
/// until then they are those that were delivered to before.
fn each_place<'a>(
    spec: &AssetSpec,
    target: &TargetSpec,
    record: Option<&'a AssetRecord>,
    world: &World,
    labelled: &Labelled<'_>,
    mut visit: impl FnMut(Cow<'a, Place>),
) {
    let mut before = record.into_iter().flat_map(|record| record.deliveries.keys());
    let mut service = |name: &str| {
        let is_it = |place: &&Place| matches!(place, Place::Service(before) if before == name);
        let known = before.clone().find(is_it).map(Cow::Borrowed);
        visit(known.unwrap_or_else(|| Cow::Owned(Place::Service(name.to_owned()))));
    };
    match &target.places {
        Places::Services { names: Some(names), .. } => names.iter().for_each(|name| service(name)),
        Places::Services { names: None, .. } if world.engine == Engine::Ready => {
            labelled.0.get(&spec.id).into_iter().flatten().for_each(|name| service(name));
        }
        Places::Services { names: None, .. } => {
            before
                .filter(|place| matches!(place, Place::Service(_)))
                .for_each(|place| visit(Cow::Borrowed(place)));
        }
        Places::Dir { dir, .. } => {
            let known = before.find(|place| matches!(place, Place::Dir(before) if before == dir));
            visit(known.map_or_else(|| Cow::Owned(Place::Dir(dir.clone())), Cow::Borrowed));
        }
    }
}
