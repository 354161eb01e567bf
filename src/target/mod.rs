//! Where things are delivered: one trait, one module a kind of place.

pub mod file;
pub mod swarm;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use async_trait::async_trait;

use crate::model::{
    AssetId, Forget, Labels, NewObject, ObjectKind, OldObject, Place, Problem, Reference, Rollout, Secret,
    World,
};

/// What a rollout delivers: the executor has rendered it, the target only puts it in place.
#[derive(Debug, Clone, Default)]
pub struct Goods {
    /// The IDs of the Docker objects that the rollout's swaps name.
    pub ids: BTreeMap<(ObjectKind, String), String>,
    /// The bytes of a directory's files.
    pub files: BTreeMap<(AssetId, String), Secret>,
}

/// What is to be looked at, beside all that a place shows anyway.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// The directories that assets are installed in.
    pub dirs: BTreeSet<(AssetId, PathBuf)>,
    /// Whether any asset goes to a Swarm.
    pub swarm: bool,
}

/// What a place had before a rollout, so that it can have it again.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// What a service named on our paths; `None` where it named nothing.
    pub references: BTreeMap<String, Option<Reference>>,
    /// The identity of what a directory's link showed, by asset.
    pub identities: BTreeMap<AssetId, Option<String>>,
}

/// A kind of place that takes deliveries.
///
/// Every call may be repeated after a crash: what is there already is taken as done. An error is a
/// [`Problem`] with the words of whoever refused; it says nothing about what has happened nonetheless (a reply can be
/// lost), so the next pass looks again.
#[async_trait]
pub trait Target: Send + Sync {
    /// Looks, and writes what it sees into `world`. It changes nothing, and reports a place that cannot be seen
    /// in `world` itself.
    async fn observe(&self, watch: &Watch, world: &mut World);

    /// Calls `changed` whenever something may have changed there, for as long as that can be seen. Most places cannot say.
    async fn watch(&self, _changed: &(dyn Fn() + Sync)) {
        std::future::pending::<()>().await;
    }

    /// Creates an object, or adopts the one that an earlier try has made, and returns its ID. An object of the same
    /// name with other labels or another digest is foreign, and refused.
    async fn publish(&self, object: &NewObject, labels: &Labels, bytes: &Secret) -> Result<String, Problem>;

    /// Tries the new content where no traffic goes. What serves is not touched.
    async fn preflight(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem>;

    /// Puts the new content in place, in one change.
    async fn apply(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem>;

    /// Waits until the new content has been taken up everywhere, and the old is gone.
    async fn settle(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem>;

    /// Sees that it stays so for as long as the place itself watches for failure. Nothing is busy meanwhile, so this
    /// holds back nobody else.
    async fn stay(&self, _: &Rollout, _: &Goods) -> Result<(), Problem> {
        Ok(())
    }

    /// Puts back what was there before, and leaves no way to the new content behind.
    async fn put_back(&self, place: &Place, before: &Before, rollout: &Rollout) -> Result<(), Problem>;

    /// Clears up after a success.
    async fn finish(&self, rollout: &Rollout) -> Result<(), Problem>;

    /// Clears up in directories where nothing is under way: a delivery that failed, or that a crash has interrupted
    /// after its outcome was noted, leaves a folder with a private key in it.
    async fn tidy(&self, _: BTreeSet<(AssetId, PathBuf)>) -> Result<(), Problem> {
        Ok(())
    }

    /// Sees that nothing can bring a place back to what it had before what it has now; nothing restarts.
    async fn forget(&self, _: &Forget) -> Result<(), Problem> {
        Ok(())
    }

    /// Removes one of our objects. One that is gone already is done.
    async fn delete(&self, old: &OldObject) -> Result<(), Problem>;
}
