//! What carries messages and runs hooks beside the daemon's loop: a task a channel, and one a hook's command.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;

use super::Task;
use crate::cli::compose::Base;
use crate::cli::messages;
use crate::clock::Clock;
use crate::config::Config;
use crate::executor::{Carried, Errands, Fatal, Postman};
use crate::systemd::Pulse;

/// What comes together is told together.
const GATHER: Duration = Duration::from_secs(1);

/// Without news, things are looked at so often.
const LOOK: Duration = Duration::from_secs(60);

/// How long a message that is on its way may take when we are to end.
const DRAIN: Duration = Duration::from_secs(5);

/// The tasks of the configuration at hand, and of the ones before it that have something under way.
pub(super) struct Messengers {
    pulse: Pulse,
    stop: watch::Sender<bool>,
    running: BTreeMap<Duty, Task>,
    /// Nobody follows them.
    leaving: Vec<Task>,
}

/// What one task is there for: a successor begins when it has ended what it is at, so that nothing is told or run twice
/// at a time. No task waits for another's duty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Duty {
    Channel(String),
    Heartbeat(String),
    Hook(Vec<String>),
}

impl Messengers {
    /// Starts those that `config` asks for.
    pub(super) fn start(config: &Arc<Config>, base: &Base, pulse: &Pulse) -> Self {
        let (stop, _) = watch::channel(false);
        let mut all = Self { pulse: pulse.clone(), stop, running: BTreeMap::new(), leaving: Vec::new() };
        all.replace(config, base);
        all
    }

    /// Those of another configuration follow the ones at work.
    pub(super) fn replace(&mut self, config: &Arc<Config>, base: &Base) {
        self.stop.send_replace(true);
        let (stop, stopped) = watch::channel(false);
        self.stop = stop;
        let mut before = std::mem::take(&mut self.running);
        for (duty, work) in works(config, base, &self.pulse, &stopped) {
            let following = follow(before.remove(&duty), stopped.clone(), work);
            self.running.insert(duty, Task(tokio::spawn(following)));
        }
        self.leaving.retain(|task| !task.0.is_finished());
        self.leaving.extend(before.into_values());
    }

    /// What is on its way may arrive, within reason.
    pub(super) async fn stop(mut self, clock: &dyn Clock) {
        self.stop.send_replace(true);
        let all = self.running.values_mut().chain(&mut self.leaving);
        let all = futures_util::future::join_all(all.map(|task| &mut task.0));
        tokio::select! {
            _ = all => {}
            () = clock.sleep(DRAIN) => {}
        }
    }
}

type Work = BoxFuture<'static, ()>;

/// All that `config` asks for.
fn works(config: &Config, base: &Base, pulse: &Pulse, stopped: &watch::Receiver<bool>) -> Vec<(Duty, Work)> {
    let postman = Arc::new(messages::postman(config, base));
    let errands = Arc::new(messages::errands(config, base));
    let round = || Round::new(base, stopped);
    let mut works: Vec<(Duty, Work)> = Vec::new();
    for (name, channel) in config.channels() {
        works.push((Duty::Channel(name.clone()), carry(Arc::clone(&postman), name.clone(), round()).boxed()));
        if let Some(every) = channel.heartbeat() {
            let every = Duration::try_from(every).unwrap_or(LOOK);
            let work = beat(Arc::clone(&postman), name.clone(), every, pulse.clone(), round());
            works.push((Duty::Heartbeat(name.clone()), work.boxed()));
        }
    }
    for command in errands.commands() {
        let work = run_hook(Arc::clone(&errands), command.clone(), round());
        works.push((Duty::Hook(command), work.boxed()));
    }
    works
}

/// Begins when the one before has ended, unless it is time to end by then.
async fn follow(before: Option<Task>, stopped: watch::Receiver<bool>, work: Work) {
    if let Some(mut before) = before {
        let _ = (&mut before.0).await;
    }
    if !*stopped.borrow() {
        work.await;
    }
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
        if !round.wait(again_at(carried)).await {
            return;
        }
    }
}

async fn run_hook(errands: Arc<Errands>, command: Vec<String>, mut round: Round) {
    loop {
        let ran = errands.run_next(&command).await;
        if !round.wait(again_at(ran)).await {
            return;
        }
    }
}

/// When there is something to do again, if nothing new comes before.
fn again_at(outcome: Result<Carried, Fatal>) -> Option<Timestamp> {
    match outcome {
        Ok(Carried::Nothing) => None,
        Ok(Carried::Done) => Some(Timestamp::MIN),
        Ok(Carried::Until(at)) => Some(at),
        // The daemon's loop meets the same state, and ends.
        Err(fatal) => {
            tracing::warn!("{fatal}");
            None
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
