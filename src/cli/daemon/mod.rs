//! The daemon: the scheduler with all that goes on beside it, and the signals that it is told things by.

mod journal;
mod library;
mod vitals;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use super::args::Cli;
use super::compose::Base;
use super::fail::{DONE, Failure};
use super::report::Lines;
use super::state;
use crate::config::Config;
use crate::issuer::acme::challenge::http::HttpSolver;
use crate::scheduler::{Handle, Household, Scheduler, Word};
use crate::serve::{self, Door, Limits};
use crate::systemd;
use journal::Journal;
use library::Shelves;
use vitals::Vitals;

pub(super) fn run(cli: &Cli) -> Result<u8, Failure> {
    let config = state::config(cli)?;
    state::warn(&config);
    Base::run(&config, async |base| Daemon::start(cli, &config, base).await?.live().await)?;
    Ok(DONE)
}

/// Everything that lives as long as the process.
struct Daemon<'a> {
    cli: &'a Cli,
    base: Base,
    pages: Arc<HttpSolver>,
    shelves: Arc<Shelves>,
    handle: Handle,
    /// The loop; it ends when it is told to, or when the state cannot be written.
    loop_of: JoinHandle<Result<(), crate::executor::Fatal>>,
    /// What listens to the engine of the configuration at hand.
    events: Option<Task>,
    _doors: Vec<Door>,
    _watchdog: Task,
    signals: Signals,
}

/// Ends with whoever has it.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Signals {
    reload: Signal,
    stop: Signal,
    interrupt: Signal,
}

impl<'a> Daemon<'a> {
    async fn start(cli: &'a Cli, config: &Config, base: Base) -> Result<Self, Failure> {
        // A signal that comes while we start is not lost.
        let signals = Signals::new().context("signals cannot be caught").map_err(Failure::failed)?;
        let pages = Arc::new(HttpSolver::served(Arc::clone(&base.clock)));
        let household = household(config, &base, &pages)?;
        let shelves = Arc::new(Shelves::new(Arc::clone(&base.books), Arc::clone(&base.clock), Arc::clone(&pages)));
        let swarm = household.executor.swarm.clone();
        shelves.stock(&household);
        let (scheduler, handle) = Scheduler::new(household);
        shelves.look_at(handle.picture.clone());
        let pulse = scheduler.pulse();
        let vitals = Arc::new(Vitals::new(pulse.clone(), handle.picture.clone(), Arc::clone(&base.clock)));
        let doors = doors(config, &base, &shelves, vitals).await?;
        let watchdog = Task(tokio::spawn(systemd::watchdog(pulse, Arc::clone(&base.clock))));
        let events = swarm.map(|swarm| listen(swarm, handle.clone()));
        let loop_of = tokio::spawn(scheduler.run());
        systemd::ready(&standing(config));
        tracing::info!("ready: {}", standing(config));
        Ok(Self { cli, base, pages, shelves, handle, loop_of, events, _doors: doors, _watchdog: watchdog, signals })
    }

    async fn live(mut self) -> Result<(), Failure> {
        loop {
            tokio::select! {
                ended = &mut self.loop_of => return ended_by_itself(ended),
                _ = self.signals.reload.recv() => self.reload().await,
                _ = self.signals.stop.recv() => break,
                _ = self.signals.interrupt.recv() => break,
            }
        }
        tracing::info!("stopping: what runs may end, nothing is begun");
        systemd::stopping();
        self.handle.stop();
        ended_by_itself((&mut self.loop_of).await)
    }

    /// A bad file changes nothing: the old configuration goes on.
    async fn reload(&mut self) {
        systemd::reloading();
        match self.reloaded().await {
            Ok(standing) => {
                tracing::info!("reloaded: {standing}");
                systemd::ready(&standing);
            }
            Err(failure) => {
                tracing::error!("the new configuration is not used, the old one goes on: {:#}", failure.error);
                systemd::ready("the configuration file is wrong; the one before it goes on");
            }
        }
    }

    async fn reloaded(&mut self) -> Result<String, Failure> {
        let config = state::config(self.cli)?;
        state::warn(&config);
        let household = household(&config, &self.base, &self.pages)?;
        self.shelves.stock(&household);
        self.events = household.executor.swarm.clone().map(|swarm| listen(swarm, self.handle.clone()));
        self.handle.tell(Word::Reload(Box::new(household))).await;
        Ok(standing(&config))
    }
}

/// Without an order the loop ends only when the state cannot be written: whoever started us starts us again.
fn ended_by_itself(
    ended: Result<Result<(), crate::executor::Fatal>, tokio::task::JoinError>,
) -> Result<(), Failure> {
    ended.map_err(Failure::failed)?.map_err(Failure::from)
}

fn household(config: &Config, base: &Base, pages: &Arc<HttpSolver>) -> Result<Household, Failure> {
    let house = base.house(config, Arc::new(Lines::new(true)), Arc::new(Journal), Some(pages))?;
    Ok(Household {
        executor: Arc::new(house.executor),
        desired: Arc::new(house.desired),
        schedule: config.schedule().clone(),
    })
}

async fn doors(
    config: &Config,
    base: &Base,
    shelves: &Arc<Shelves>,
    vitals: Arc<Vitals>,
) -> Result<Vec<Door>, Failure> {
    let public = serve::public(Arc::clone(shelves) as Arc<dyn serve::Library>);
    let private = serve::private(vitals);
    let daemon = config.daemon();
    let open = async |key: &str, address: SocketAddr, router: Router| {
        let door = serve::open_tcp(address, router, Limits::PAGES, Arc::clone(&base.clock)).await;
        door.with_context(|| format!("could not listen on {address} (daemon.{key})")).map_err(Failure::failed)
    };
    Ok(match daemon.public_listen() {
        None => vec![open("listen", daemon.listen(), private.merge(public)).await?],
        Some(address) => vec![
            open("listen", daemon.listen(), private).await?,
            open("public_listen", address, public).await?,
        ],
    })
}

/// Has the scheduler look whenever the engine says that something has changed.
fn listen(swarm: Arc<dyn crate::target::Target>, handle: Handle) -> Task {
    Task(tokio::spawn(async move { swarm.watch(&|| handle.changed()).await }))
}

/// "12 assets, looking at least …"
fn standing(config: &Config) -> String {
    let count = config.assets().count();
    format!("{count} assets, looked at on `{}`", config.schedule().check().text())
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            stop: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}
