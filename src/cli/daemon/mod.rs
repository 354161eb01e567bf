//! The daemon: the scheduler with all that goes on beside it, and the signals that it is told things by.

mod board;
mod desk;
mod doors;
mod journal;
mod library;
mod messengers;
mod requests;
mod turns;
mod usage;
mod vitals;

use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use super::args::Cli;
use super::compose::{Base, House};
use super::fail::{DONE, Failure};
use super::report::Lines;
use super::state;
use crate::config::Config;
use crate::issuer::acme::challenge::http::HttpSolver;
use crate::model::{Code, Problem};
use crate::scheduler::{DRAIN, Handle, Household, Scheduler, Word};
use crate::serve::{self, Door, Hosts};
use crate::systemd;
use board::{Boards, Steps};
use desk::Desk;
use journal::{Journal, Told};
use library::Shelves;
use messengers::Messengers;
use vitals::Vitals;

pub(super) fn run(cli: &Cli) -> Result<u8, Failure> {
    let config = Arc::new(state::config(cli)?);
    state::warn(&config);
    let socket = doors::handed_over(&config)?;
    Base::run(&config, async |base| {
        // A signal that comes while we start is not lost.
        let signals = Signals::new().context("signals cannot be caught").map_err(Failure::failed)?;
        Daemon::start(cli, &config, base, socket).await?.live(signals).await
    })?;
    Ok(DONE)
}

/// A loop that has not ended so long after its [`DRAIN`] hangs, and is left behind.
const HANGS: Duration = Duration::from_millis(500);

/// Everything that lives as long as the process.
struct Daemon<'a> {
    cli: &'a Cli,
    base: Base,
    pages: Arc<HttpSolver>,
    shelves: Arc<Shelves>,
    handle: Handle,
    /// The loop; it ends when it is told to, or when the state cannot be written.
    loop_of: JoinHandle<Result<(), crate::executor::Fatal>>,
    current: Arc<Current>,
    messengers: Messengers,
    told: broadcast::Sender<Told>,
    steps: Steps,
    /// What listens to the engine of the configuration at hand.
    events: Option<Task>,
    _doors: Vec<Door>,
    _watchdog: Task,
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
    end: End,
}

/// Either of the two.
struct End {
    terminate: Signal,
    interrupt: Signal,
}

impl<'a> Daemon<'a> {
    async fn start(
        cli: &'a Cli,
        config: &Arc<Config>,
        base: Base,
        socket: Option<UnixListener>,
    ) -> Result<Self, Failure> {
        let pages = Arc::new(HttpSolver::served(Arc::clone(&base.clock)));
        let (told, _) = broadcast::channel(256);
        let steps = Steps::default();
        let house = house(config, &base, &pages, (&told, &steps))?;
        let current = Arc::new(Current::new(config, &house));
        requests::resume(config, &house).await?;
        let household = household(config, house, &base);
        let shelves =
            Arc::new(Shelves::new(Arc::clone(&base.books), Arc::clone(&base.clock), Arc::clone(&pages)));
        let swarm = household.executor.swarm.clone();
        shelves.stock(&household);
        let (scheduler, handle) = Scheduler::new(household);
        shelves.look_at(handle.picture.clone());
        let pulse = scheduler.pulse();
        let messengers = Messengers::start(config, &base, &pulse);
        let vitals = Arc::new(Vitals::new(pulse.clone(), handle.picture.clone(), Arc::clone(&base.clock)));
        let boards = Arc::new(Boards::new(
            Arc::clone(&current),
            handle.picture.clone(),
            handle.looks.clone(),
            Arc::clone(&base.clock),
            Arc::clone(&steps),
        ));
        let private = serve::private(vitals, boards, Hosts::new(config.daemon().hosts().to_vec()));
        let mut doors = doors::pages(config, &base, &shelves, private).await?;
        let desk = Desk::new(Arc::clone(&current), handle.clone(), Arc::clone(&base.clock), told.clone());
        doors.push(doors::control(config, socket, Arc::new(desk), &base).await?);
        let watchdog = Task(tokio::spawn(systemd::watchdog(pulse, Arc::clone(&base.clock))));
        let events = swarm.map(|swarm| listen(swarm, handle.clone()));
        let loop_of = tokio::spawn(scheduler.run());
        systemd::ready(&standing(config));
        tracing::info!("ready: {}", standing(config));
        Ok(Self {
            cli,
            base,
            pages,
            shelves,
            handle,
            loop_of,
            current,
            messengers,
            told,
            steps,
            events,
            _doors: doors,
            _watchdog: watchdog,
        })
    }

    async fn live(mut self, signals: Signals) -> Result<(), Failure> {
        let Signals { mut reload, mut end } = signals;
        loop {
            tokio::select! {
                ended = &mut self.loop_of => return ended_by_itself(ended),
                _ = reload.recv() => tokio::select! {
                    () = self.reload() => {}
                    () = end.is_told() => break,
                },
                () = end.is_told() => break,
            }
        }
        tracing::info!("stopping: what runs may end, nothing is begun");
        systemd::stopping();
        self.end().await
    }

    /// All are told first, and then waited for side by side: whoever stops us has a time of their own (Docker: 10 s).
    async fn end(mut self) -> Result<(), Failure> {
        let clock = Arc::clone(&self.base.clock);
        self.handle.stop();
        self.messengers.tell_to_end();
        let ended = async {
            tokio::select! {
                ended = &mut self.loop_of => ended_by_itself(ended),
                () = clock.sleep(DRAIN + HANGS) => {
                    tracing::warn!("the scheduler hangs and is left behind; the next start finishes its work");
                    Ok(())
                }
            }
        };
        tokio::join!(ended, self.messengers.ended(clock.as_ref(), DRAIN)).0
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
                tracing::error!(
                    "the new configuration is not used, the old one goes on: {:#}",
                    failure.error
                );
                systemd::ready("the configuration file is wrong; the one before it goes on");
                let message = format!("{:#}", failure.error);
                self.base.herald.wrong(Problem::new(Code::ConfigRejected, message));
                self.handle.changed();
            }
        }
    }

    async fn reloaded(&mut self) -> Result<String, Failure> {
        let config = Arc::new(state::config(self.cli)?);
        let (before, _) = self.current.get();
        no_restart_is_needed(&config, &before)?;
        state::warn(&config);
        let house = house(&config, &self.base, &self.pages, (&self.told, &self.steps))?;
        self.current.set(&config, &house);
        let household = household(&config, house, &self.base);
        self.messengers.replace(&config, &self.base);
        self.base.herald.over(Code::ConfigRejected);
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

/// Half of a configuration is none: under another `instance`, all that we have made would look foreign.
fn no_restart_is_needed(config: &Config, before: &Config) -> Result<(), Failure> {
    let changed = config.daemon().changed_since(before.daemon());
    if changed.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} changed, which needs a restart: restart the daemon, or take it back",
        changed.join(", ")
    )))
}

fn house(
    config: &Config,
    base: &Base,
    pages: &Arc<HttpSolver>,
    (told, steps): (&broadcast::Sender<Told>, &Steps),
) -> Result<House, Failure> {
    let journal = Journal { told: told.clone(), steps: Arc::clone(steps) };
    base.house(config, Arc::new(Lines::new(true)), Arc::new(journal), Some(pages))
}

fn household(config: &Config, house: House, base: &Base) -> Household {
    Household {
        executor: house.executor,
        desired: house.desired,
        schedule: config.schedule().clone(),
        herald: Arc::clone(&base.herald),
    }
}

/// The configuration that counts now, and what it comes to.
struct Current(Mutex<(Arc<Config>, House)>);

impl Current {
    fn new(config: &Arc<Config>, house: &House) -> Self {
        Self(Mutex::new((Arc::clone(config), house.clone())))
    }

    fn get(&self) -> (Arc<Config>, House) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, config: &Arc<Config>, house: &House) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Arc::clone(config), house.clone());
    }
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
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { reload: signal(SignalKind::hangup())?, end: End { terminate, interrupt } })
    }
}

impl End {
    /// Returns when we are to end.
    async fn is_told(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
