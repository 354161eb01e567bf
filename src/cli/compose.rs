//! Puts the house together: the one place, beside `workshop`, that names concrete types.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::fail::Failure;
use super::report::Lines;
use super::workshop::Workshop;
use super::{issuers, owner, state};
use crate::clock::{Clock, Entropy, System};
use crate::config::Config;
use crate::desired::Desired;
use crate::executor::{Books, Executor, Herald, Reporter};
use crate::issuer::acme::challenge::http::HttpSolver;
use crate::store::StateStore;
use crate::target::Target;
use crate::target::file::Directories;
use crate::target::swarm::Connection;
use crate::verify::Live;

/// All that a writing verb works with; public for tests that stand it under a clock of their own.
#[derive(Clone)]
pub struct House {
    /// Does what plans say.
    pub executor: Arc<Executor>,
    /// What is wanted.
    pub desired: Arc<Desired>,
}

impl House {
    /// What `config` asks for, done with what `store` keeps, by `clock`; nobody is told how it goes.
    ///
    /// # Errors
    ///
    /// When the store cannot be read, or an issuer cannot be made ready.
    pub async fn build(
        config: &Config,
        store: Arc<dyn StateStore>,
        clock: Arc<dyn Clock>,
        actor: String,
    ) -> Result<Self, Failure> {
        let lines = Arc::new(Lines::new(true));
        let base = Base::on(store, clock, Entropy::system(), actor).await?;
        base.house(config, Arc::clone(&lines), lines, None)
    }
}

/// How long what still runs when the work is done is waited for.
const LEFTOVERS: Duration = Duration::from_millis(500);

/// Runs `work` on a fresh runtime. What it has left running ends with it: nobody waits for a lookup or a file system that
/// does not answer.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(Failure::failed)?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LEFTOVERS);
    done
}

/// What outlives a configuration: the state, open for writing, and what all work is done with.
#[derive(Clone)]
pub(super) struct Base {
    pub(super) books: Arc<Books>,
    pub(super) herald: Arc<Herald>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Entropy,
    pub(super) actor: String,
}

impl Base {
    /// Opens the state and runs `work` with it. The lock comes before everything that could wait.
    pub(super) fn run<T, F>(config: &Config, work: impl FnOnce(Self) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let actor = owner::actor();
        owner::become_owner(config.daemon().state_dir())?;
        let clock: Arc<dyn Clock> = Arc::new(System::new());
        let entropy = Entropy::system();
        let (store, problems) = state::open(config, &entropy, clock.as_ref())?;
        let store = Arc::new(store);
        // Kept until nothing runs any more, so that the last to let go of it is this thread, which waits until it is closed.
        let _closed_last = Arc::clone(&store);
        block_on(async {
            let base = Self::on(store, clock, entropy, actor).await?;
            problems.into_iter().for_each(|problem| base.herald.wrong(problem));
            work(base).await
        })
    }

    async fn on(
        store: Arc<dyn StateStore>,
        clock: Arc<dyn Clock>,
        entropy: Entropy,
        actor: String,
    ) -> Result<Self, Failure> {
        let books = Arc::new(Books::open(store, Arc::clone(&clock), &entropy).await?);
        let herald = Arc::new(Herald::new(Arc::clone(&books), actor.clone()));
        Ok(Self { books, herald, clock, entropy, actor })
    }

    /// Puts together what a configuration comes to. `lines` shows searches, `reporter` is told of steps, `pages` is
    /// what is served at the public address, where that is.
    pub(super) fn house(
        &self,
        config: &Config,
        lines: Arc<Lines>,
        reporter: Arc<dyn Reporter>,
        pages: Option<&Arc<HttpSolver>>,
    ) -> Result<House, Failure> {
        let desired = Desired::of(config);
        let executor = Executor {
            books: Arc::clone(&self.books),
            issuers: issuers::all(config, &self.clock, &self.entropy, pages)?,
            maker: Arc::new(Workshop::new(config, &self.entropy, lines)),
            swarm: swarm(config, &desired, &self.clock),
            files: Arc::new(Directories),
            verifier: Arc::new(Live::new(Arc::clone(&self.clock))),
            reporter,
            actor: self.actor.clone(),
            concurrency: config.delivery().concurrency(),
            clock: Arc::clone(&self.clock),
        };
        Ok(House { executor: Arc::new(executor), desired: Arc::new(desired) })
    }
}

/// The Swarm, where any target needs it.
pub(super) fn swarm(config: &Config, desired: &Desired, clock: &Arc<dyn Clock>) -> Option<Arc<dyn Target>> {
    let needed = desired.assets.values().any(crate::desired::AssetSpec::needs_engine);
    needed.then(|| {
        let (socket, instance) = (config.docker().socket().to_owned(), desired.instance.clone());
        Arc::new(Connection::new(socket, instance, Arc::clone(clock))) as Arc<dyn Target>
    })
}
