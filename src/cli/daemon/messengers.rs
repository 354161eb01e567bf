//! What carries messages and runs hooks beside the daemon's loop: a task a channel, and one for the hooks.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cli::compose::Base;
use crate::cli::messages;
use crate::clock::Clock;
use crate::config::Config;
use crate::executor::{Carried, Errands, Postman};
use crate::systemd::Pulse;

/// What comes together is told together.
const GATHER: Duration = Duration::from_secs(1);

/// Without news, things are looked at so often.
const LOOK: Duration = Duration::from_secs(60);

/// The tasks of the configuration at hand, and of the ones before it that have a message on its way.
pub(super) struct Messengers {
    pulse: Pulse,
    stop: watch::Sender<bool>,
    running: Option<JoinHandle<()>>,
}

impl Messengers {
    /// Starts those that `config` asks for.
    pub(super) fn start(config: &Arc<Config>, base: &Base, pulse: &Pulse) -> Self {
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(work(Arc::clone(config), base.clone(), pulse.clone(), stopped, None));
        Self { pulse: pulse.clone(), stop, running: Some(running) }
    }

    /// Those of another configuration: they begin when the others have ended what they are at, so that nothing is told twice.
    pub(super) fn replace(&mut self, config: &Arc<Config>, base: &Base) {
        self.stop.send_replace(true);
        let before = self.running.take();
        let (stop, stopped) = watch::channel(false);
        self.stop = stop;
        self.running =
            Some(tokio::spawn(work(Arc::clone(config), base.clone(), self.pulse.clone(), stopped, before)));
    }

    /// Nothing more is begun.
    pub(super) fn tell_to_end(&self) {
        self.stop.send_replace(true);
    }

    /// What is on its way may arrive, within `reason`.
    pub(super) async fn ended(&mut self, clock: &dyn Clock, reason: Duration) {
        let Some(mut running) = self.running.take() else { return };
        tokio::select! {
            _ = &mut running => {}
            () = clock.sleep(reason) => running.abort(),
        }
    }
}

impl Drop for Messengers {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

async fn work(
    config: Arc<Config>,
    base: Base,
    pulse: Pulse,
    stopped: watch::Receiver<bool>,
    before: Option<JoinHandle<()>>,
) {
    if let Some(before) = before {
        let _ = before.await;
    }
    let postman = Arc::new(messages::postman(&config, &base));
    let errands = messages::errands(&config, &base);
    let mut tasks = tokio::task::JoinSet::new();
    for name in config.channels().keys() {
        let round = Round::new(&base, &stopped);
        tasks.spawn(carry(Arc::clone(&postman), name.clone(), round));
        if let Some(every) = config.channels()[name].heartbeat() {
            let every = Duration::try_from(every).unwrap_or(LOOK);
            let round = Round::new(&base, &stopped);
            tasks.spawn(beat(Arc::clone(&postman), name.clone(), every, pulse.clone(), round));
        }
    }
    if !config.hooks().is_empty() {
        tasks.spawn(run_hooks(errands, Round::new(&base, &stopped)));
    }
    while tasks.join_next().await.is_some() {}
}

/// When to look again.
struct Round {
    clock: Arc<dyn Clock>,
    news: watch::Receiver<()>,
    stopped: watch::Receiver<bool>,
}

impl Round {
    fn new(base: &Base, stopped: &watch::Receiver<bool>) -> Self {
        Self { clock: Arc::clone(&base.clock), news: base.herald.news(), stopped: stopped.clone() }
    }

    /// Until there may be something to do; `false`: it is time to end.
    async fn wait(&mut self, until: Option<Timestamp>) -> bool {
        let now = self.clock.now();
        let left = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO);
        let left = until.map_or(LOOK, left);
        let clock = Arc::clone(&self.clock);
        tokio::select! {
            biased;
            () = stop(&mut self.stopped) => return false,
            changed = self.news.changed() => {
                if changed.is_err() {
                    return false;
                }
                clock.sleep(GATHER).await;
            }
            () = clock.sleep(left.min(LOOK)) => {}
        }
        !*self.stopped.borrow()
    }
}

/// Returns when it is time to end.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    // A sender that is gone means the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn carry(postman: Arc<Postman>, name: String, mut round: Round) {
    loop {
        let carried = match postman.is_shown(&name) {
            true => postman.show(&name).await,
            false => postman.carry(&name).await,
        };
        let until = match carried {
            Ok(Carried::Nothing) => None,
            Ok(Carried::Sent) => Some(Timestamp::MIN),
            Ok(Carried::Until(at)) => Some(at),
            // The daemon's loop meets the same state, and ends.
            Err(fatal) => {
                tracing::warn!("{fatal}");
                None
            }
        };
        if !round.wait(until).await {
            return;
        }
    }
}

/// Only while the loop turns: a daemon that hangs must be missed.
async fn beat(postman: Arc<Postman>, name: String, every: Duration, pulse: Pulse, mut round: Round) {
    let clock = Arc::clone(&round.clock);
    loop {
        if !pulse.is_lost(clock.monotonic()) {
            postman.beat(&name).await;
        }
        tokio::select! {
            () = stop(&mut round.stopped) => return,
            () = clock.sleep(every) => {}
        }
    }
}

async fn run_hooks(errands: Errands, mut round: Round) {
    loop {
        let until = match errands.run_due().await {
            Ok(until) => until,
            Err(fatal) => {
                tracing::warn!("{fatal}");
                None
            }
        };
        if !round.wait(until).await {
            return;
        }
    }
}
