//! Puts the house together: the one place, beside `workshop`, that names concrete types.

use std::future::Future;
use std::sync::Arc;

use super::fail::Failure;
use super::report::Lines;
use super::workshop::Workshop;
use super::{issuers, owner, state};
use crate::clock::{Clock, Entropy, System};
use crate::config::Config;
use crate::desired::Desired;
use crate::executor::{Books, Executor};
use crate::store::StateStore;
use crate::target::Target;
use crate::target::file::Directories;
use crate::target::swarm::{Swarm, Unreachable};
use crate::verify::Live;

/// All that a writing verb works with; public for tests that stand it under a clock of their own.
pub struct House {
    /// Does what plans say.
    pub executor: Executor,
    /// What is wanted.
    pub desired: Desired,
}

impl House {
    /// What `config` asks for, done with what `store` keeps; `actor` is who the history names.
    ///
    /// # Errors
    ///
    /// When the store cannot be read, or an issuer cannot be made ready.
    pub async fn build(
        config: &Config,
        store: Arc<dyn StateStore>,
        clock: Arc<dyn Clock>,
        quiet: bool,
        actor: String,
    ) -> Result<Self, Failure> {
        let entropy = Entropy::system();
        let desired = Desired::of(config);
        let lines = Arc::new(Lines::new(quiet));
        let executor = Executor {
            books: Books::open(store, Arc::clone(&clock), &entropy).await?,
            issuers: issuers::all(config, &clock, &entropy)?,
            maker: Arc::new(Workshop::new(config, &entropy, Arc::clone(&lines))),
            swarm: swarm(config, &desired, &clock).await,
            files: Arc::new(Directories),
            verifier: Arc::new(Live::new(Arc::clone(&clock))),
            reporter: lines,
            actor,
            concurrency: config.delivery().concurrency(),
            clock,
        };
        Ok(Self { executor, desired })
    }
}

/// Runs `work` on a fresh runtime.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(Failure::failed)?.block_on(work)
}

/// Opens the state for writing and builds an executor on it. The lock comes before everything that could wait.
pub(super) fn with_house<T, F>(
    config: &Config,
    quiet: bool,
    work: impl FnOnce(House) -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let actor = owner::actor();
    owner::become_owner(config.daemon().state_dir())?;
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let store = state::open(config, &Entropy::system(), clock.as_ref())?;
    block_on(async { work(House::build(config, Arc::new(store), clock, quiet, actor).await?).await })
}

/// The Swarm, where any target needs it; one that cannot be reached says so whenever it is asked.
pub(super) async fn swarm(
    config: &Config,
    desired: &Desired,
    clock: &Arc<dyn Clock>,
) -> Option<Arc<dyn Target>> {
    if !desired.assets.values().any(crate::desired::AssetSpec::needs_engine) {
        return None;
    }
    let socket = config.docker().socket();
    match Swarm::connect(socket, &desired.instance, Arc::clone(clock)).await {
        Ok(swarm) => Some(Arc::new(swarm)),
        Err(problem) => Some(Arc::new(Unreachable(problem))),
    }
}
