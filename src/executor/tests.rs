//! A JWT key's life under a virtual clock, with everything real but the world: an in-memory Swarm whose services
//! converge after a random delay or fail, a store in memory, and a fuse that cuts the work at any effect.
//!
//! The world keeps its whole history: which task had which files from when to when. What must hold is asked of that
//! history afterwards ([`tokens`]), so that no moment between two samples is missed.

mod books;
mod crash;
mod fuse;
mod hands;
mod hooks;
mod house;
mod ledger;
mod life;
mod post;
mod property;
mod rng;
mod site;
mod stock;
mod swarm;
mod tokens;

use std::future::Future;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Executor;
use crate::clock::{Clock, Virtual};
use crate::desired::Desired;
use crate::model::{AssetId, AssetKind};
use crate::target::Target;
use house::House;
use site::Site;

/// When every test begins.
const START: i64 = 1_800_000_000;

pub(crate) fn start() -> Timestamp {
    Timestamp::from_second(START).unwrap()
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn auth() -> AssetId {
    AssetId::new(AssetKind::JwtKey, "auth")
}

/// A process that has just started on an empty state, with one JWT key that goes nowhere, and what is wanted of it: for tests of
/// what drives an executor, by a clock and with directories of theirs.
pub(crate) async fn alone(
    time: &Arc<Virtual>,
    clock: Arc<dyn Clock>,
    files: Arc<dyn Target>,
) -> (Executor, Desired) {
    let site = Site { roles: Vec::new(), ..Site::default() };
    let house = House::by(time.clone(), site);
    let desired = house.site.desired();
    let executor = house.executor().await.unwrap();
    (Executor { clock, files, swarm: None, ..executor }, desired)
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// What is planted to show that a check would catch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// The Swarm calls a rollout done before the old tasks are gone.
    SettlesEarly,
    /// The Swarm calls a verifier's rollout done though no task was replaced.
    ReplacesNothing,
    /// A key is used as soon as it is published.
    DoesNotWait,
    /// A key leaves the JWKS when the last token has ended, and caches are forgotten.
    ForgetsCaches,
    /// What `PreviousSpec` and tasks name is not seen.
    SeesOnlySpecs,
    /// The last step before a crash was never on the disk.
    LosesLastStep,
    /// Nothing is on the disk after a crash.
    LosesState,
    /// A key is destroyed as soon as it is replaced.
    DestroysAtOnce,
}
