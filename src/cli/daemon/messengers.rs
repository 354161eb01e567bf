//! What carries messages and runs hooks beside the daemon's loop: a task a channel, and one a hook's command.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
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
use crate::executor::{Carried, Errands, Fatal, Herald, Postman};
use crate::model::{Code, Problem};
use crate::systemd::Pulse;

/// What comes together is told together.
const GATHER: Duration = Duration::from_secs(1);

/// Without news, things are looked at so often.
const LOOK: Duration = Duration::from_secs(60);

/// After a fault of ours, work begins again so much later.
const AFTER_FAULT: Duration = Duration::from_secs(10);

/// Work that has gone on for so long is well again.
const PROVEN: Duration = Duration::from_secs(600);

/// The tasks of the configuration at hand, and of the ones before it that have something under way.
pub(super) struct Messengers {
    pulse: Pulse,
    stop: watch::Sender<bool>,
    running: BTreeMap<Duty, Task>,
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
        let mut all = Self { pulse: pulse.clone(), stop, running: BTreeMap::new() };
        all.replace(config, base);
        all
    }

    /// Those of another configuration follow the ones at work.
    pub(super) fn replace(&mut self, config: &Arc<Config>, base: &Base) {
        self.stop.send_replace(true);
        let (stop, stopped) = watch::channel(false);
        self.stop = stop;
        // All is begun anew, what has broken off as well.
        base.herald.over(Code::NotifyFailed);
        let mut before = std::mem::take(&mut self.running);
        for (duty, work) in works(config, base, &self.pulse, &stopped) {
            let watched = watch_over(duty.clone(), work, Arc::clone(&base.herald), Arc::clone(&base.clock));
            let following = follow(before.remove(&duty), stopped.clone(), watched.boxed());
            self.running.insert(duty, Task(tokio::spawn(following)));
        }
        // What nobody follows ends what it is at; should it be wanted again meanwhile, that waits for it.
        self.running.extend(before.into_iter().filter(|(_, task)| !task.0.is_finished()));
    }

    /// Nothing more is begun.
    pub(super) fn tell_to_end(&self) {
        self.stop.send_replace(true);
    }

    /// What is on its way may arrive, within `reason`.
    pub(super) async fn ended(&mut self, clock: &dyn Clock, reason: Duration) {
        let all = futures_util::future::join_all(self.running.values_mut().map(|task| &mut task.0));
        tokio::select! {
            _ = all => {}
            () = clock.sleep(reason) => {}
        }
    }
}

type Work = BoxFuture<'static, ()>;

/// The same work from its beginning, as often as it is wanted.
type Begin = Box<dyn Fn() -> Work + Send>;

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(name) => write!(f, "telling notify.{name}"),
            Self::Heartbeat(name) => write!(f, "the heartbeat of notify.{name}"),
            Self::Hook(command) => write!(f, "running the hook `{}`", command.join(" ")),
        }
    }
}

/// Work that breaks off by a fault of ours is begun anew, and it is a problem until it has gone well for a while.
async fn watch_over(duty: Duty, begin: Begin, herald: Arc<Herald>, clock: Arc<dyn Clock>) {
    let mut broken = false;
    loop {
        let well = async {
            clock.sleep(PROVEN).await;
            if broken {
                herald.over(Code::NotifyFailed);
            }
            std::future::pending::<()>().await;
        };
        let work = AssertUnwindSafe(begin()).catch_unwind();
        let ended = tokio::select! {
            ended = work => ended,
            () = well => return,
        };
        if ended.is_ok() {
            return;
        }
        let message =
            format!("{duty} has broken off by a fault of Keyturn (the log has it), and is begun again");
        tracing::error!("{message}");
        herald.wrong(Problem::new(Code::NotifyFailed, message));
        broken = true;
        clock.sleep(AFTER_FAULT).await;
    }
}

/// All that `config` asks for.
fn works(config: &Config, base: &Base, pulse: &Pulse, stopped: &watch::Receiver<bool>) -> Vec<(Duty, Begin)> {
    let postman = Arc::new(messages::postman(config, base));
    let errands = Arc::new(messages::errands(config, base));
    let (base, stopped) = (base.clone(), stopped.clone());
    let round = move || Round::new(&base, &stopped);
    let mut works: Vec<(Duty, Begin)> = Vec::new();
    for (name, channel) in config.channels() {
        let (postman, round, of) = (Arc::clone(&postman), round.clone(), name.clone());
        if let Some(every) = channel.heartbeat() {
            let every = Duration::try_from(every).unwrap_or(LOOK);
            let (postman, round, of, pulse) =
                (Arc::clone(&postman), round.clone(), of.clone(), pulse.clone());
            let begin = move || beat(Arc::clone(&postman), of.clone(), every, pulse.clone(), round()).boxed();
            works.push((Duty::Heartbeat(name.clone()), Box::new(begin)));
        }
        let begin = move || carry(Arc::clone(&postman), of.clone(), round()).boxed();
        works.push((Duty::Channel(name.clone()), Box::new(begin)));
    }
    for command in errands.commands() {
        let (errands, round, of) = (Arc::clone(&errands), round.clone(), command.clone());
        let begin = move || run_hook(Arc::clone(&errands), of.clone(), round()).boxed();
        works.push((Duty::Hook(command), Box::new(begin)));
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
