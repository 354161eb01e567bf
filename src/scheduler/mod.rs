//! Looks, plans, begins what is due, and sleeps until the next thing is: the daemon's one loop.
//!
//! ```text
//!           ┌──────────────── a step has ended · an order · a new configuration · the engine's events · time ◄─┐
//!           ▼                                                                                                  │
//!   observe ──> plan ──> begin what can be begun beside what runs (executor::Flow) ──> sleep until next_wake ──┘
//! ```
//!
//! It decides nothing about assets: that is the planner's. It decides when to look.

mod orders;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::config::Schedule;
use crate::desired::Desired;
use crate::executor::{Ended, Executor, Fatal, Flow, Herald};
use crate::model::{Inventory, Plan};
use crate::planner::{self, Seed};
use crate::systemd::Pulse;
pub use orders::{Order, Rested};

/// The longest sleep: a host that was suspended, or whose clock was set, is noticed after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// What ends within this is looked at together: a look at a Swarm costs several calls.
const TOGETHER: Duration = Duration::from_millis(50);

/// The engine's events, our own changes among them, lead to no more than one look in this time.
const EVENTS_APART: Duration = Duration::from_secs(2);

/// Between the two clocks, over one sleep; more is a jump of the wall clock.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_secs(5);

/// How long what runs may go on after it was told to stop.
pub const DRAIN: Duration = Duration::from_secs(8);

/// One configuration, put together.
pub struct Household {
    /// Does what plans say.
    pub executor: Arc<Executor>,
    /// What is wanted.
    pub desired: Arc<Desired>,
    /// When to look without another reason.
    pub schedule: Schedule,
    /// Puts on record what is to be told of it.
    pub herald: Arc<Herald>,
}

/// What the daemon can be told.
pub enum Word {
    /// Live by this configuration from now on; what runs goes on by the old one.
    Reload(Box<Household>),
    /// Do what is due for some assets, and say when they have come to rest.
    Order(Order),
}

/// The records and the world as they were seen last; what everyone who asks is answered from.
pub type Picture = Arc<Inventory>;

/// The other end of a scheduler.
#[derive(Clone)]
pub struct Handle {
    words: mpsc::Sender<Word>,
    stop: Arc<Notify>,
    events: Arc<Notify>,
    /// What was seen last; `None` before the first look has ended.
    pub picture: watch::Receiver<Option<Picture>>,
    /// How the looks go.
    pub looks: watch::Receiver<Looks>,
}

/// How the looks go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Looks {
    /// How many there were since the start.
    pub count: u64,
    /// When the last one began.
    pub last_at: Option<Timestamp>,
    /// How long it has taken: to observe, to plan, to begin what can be begun.
    pub took: Duration,
    /// When the next one is, without another reason.
    pub next_at: Option<Timestamp>,
}

/// The daemon's loop.
pub struct Scheduler {
    household: Household,
    flow: Flow,
    clock: Arc<dyn Clock>,
    words: mpsc::Receiver<Word>,
    stop: Arc<Notify>,
    events: Arc<Notify>,
    picture: watch::Sender<Option<Picture>>,
    orders: Vec<orders::Open>,
    looks: watch::Sender<Looks>,
    looked_at: Duration,
    /// An event has come since the last look.
    stirred: bool,
    gave_back_at: Option<Duration>,
    pulse: Pulse,
    stocking: Option<JoinHandle<()>>,
}

/// Why a sleep has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awake {
    Look,
    Stop,
}

impl Scheduler {
    /// One that is to live by `household`, and the handle to tell it things.
    pub fn new(household: Household) -> (Self, Handle) {
        let (sender, words) = mpsc::channel(16);
        let (picture, seen) = watch::channel(None);
        let (looks, looked) = watch::channel(Looks::default());
        let (stop, events) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let handle = Handle {
            words: sender,
            stop: Arc::clone(&stop),
            events: Arc::clone(&events),
            picture: seen,
            looks: looked,
        };
        let scheduler = Self {
            flow: Flow::new(household.executor.concurrency),
            clock: Arc::clone(&household.executor.clock),
            household,
            words,
            stop,
            events,
            picture,
            orders: Vec::new(),
            looks,
            looked_at: Duration::ZERO,
            stirred: false,
            gave_back_at: None,
            pulse: Pulse::default(),
            stocking: None,
        };
        (scheduler, handle)
    }

    /// Beats whenever the loop turns.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Runs until it is told to stop; what runs then has some seconds to end, and is finished by the next start if it
    /// does not.
    ///
    /// # Errors
    ///
    /// When the state cannot be written: nothing may be claimed, and nothing more be done.
    pub async fn run(mut self) -> Result<(), Fatal> {
        let stop = Arc::clone(&self.stop);
        loop {
            // An engine that does not answer must not hold up the end.
            tokio::select! {
                biased;
                () = stop.notified() => break,
                () = self.look() => {}
            }
            if self.sleep().await? == Awake::Stop {
                break;
            }
        }
        self.drain().await
    }

    /// Observes, plans, and begins what can be begun.
    async fn look(&mut self) {
        let (executor, desired) = (Arc::clone(&self.household.executor), Arc::clone(&self.household.desired));
        (self.looked_at, self.stirred) = (self.clock.monotonic(), false);
        if let Err(fatal) = executor.expire_approvals().await {
            // A state that cannot be written ends the next step, too, and is told of there.
            tracing::warn!("what has expired could not be noted: {fatal}");
        }
        if let Err(fatal) = self.household.herald.post_up().await {
            tracing::warn!("what is wrong with the site could not be noted: {fatal}");
        }
        let inventory = executor.observe(&desired).await;
        let now = self.clock.now();
        let plan = planner::plan(&desired, &inventory, now, Seed::of(&desired.instance));
        self.tell(&inventory, &plan).await;
        let (begun, circling) = self.flow.begin(&executor, &desired, &plan);
        self.note(&circling);
        if begun > 0 {
            tracing::debug!(begun, "began what is due");
        } else if self.flow.is_idle() {
            executor.tidy(&desired).await;
            self.restock();
        }
        let idle = begun == 0 && self.flow.is_idle();
        orders::answer(&mut self.orders, &plan, &inventory, &self.flow);
        let took = self.clock.monotonic().saturating_sub(self.looked_at);
        let next_at = self.next_wake(&plan, inventory.approvals.next_expiry(), now);
        let count = self.looks.borrow().count + 1;
        self.looks.send_replace(Looks { count, last_at: Some(now), took, next_at });
        self.picture.send_replace(Some(Arc::new(inventory)));
        drop(plan);
        if idle {
            self.give_back();
        }
    }

    /// What the looks and the work have taken for a moment is not kept over the sleep.
    fn give_back(&mut self) {
        let now = self.clock.monotonic();
        if self.gave_back_at.is_none_or(|at| now.saturating_sub(at) >= LONGEST_SLEEP) {
            self.gave_back_at = Some(now);
            crate::memory::give_back();
        }
    }

    /// Nothing waits for those who are told: only for the record, before what follows changes more.
    async fn tell(&self, inventory: &Inventory, plan: &Plan) {
        let told = self.household.herald.tell(&self.household.desired, inventory, &plan.problems).await;
        if let Err(fatal) = told {
            // A state that cannot be written ends the next step, too, and is told of there.
            tracing::warn!("nobody could be told: {fatal}");
        }
    }

    /// What is to be kept ready is made while nothing else is to be done, by a task of its own: what becomes due
    /// meanwhile does not wait for it.
    fn restock(&mut self) {
        if self.stocking.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let (executor, desired) = (Arc::clone(&self.household.executor), Arc::clone(&self.household.desired));
        self.stocking = Some(tokio::spawn(async move {
            loop {
                match executor.restock(&desired).await {
                    Ok(Ok(true)) => {}
                    Ok(Ok(false)) => return,
                    Ok(Err(problem)) => return tracing::warn!("nothing was made for the stock: {problem}"),
                    // A state that cannot be written ends the next step, too, and is told of there.
                    Err(fatal) => return tracing::warn!("the stock was not filled: {fatal}"),
                }
            }
        }));
    }

    /// What is half made is given up: a search may have minutes to go.
    fn stop_stocking(&mut self) {
        if let Some(task) = self.stocking.take() {
            task.abort();
        }
    }

    /// The first of: what the plan waits for, the schedule's next look, the end of a rest after a failure, that of a request.
    fn next_wake(&self, plan: &Plan, expiry: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let schedule = &self.household.schedule;
        let check = schedule.check().next(now, schedule.timezone());
        let rest = self.flow.rests_until().map(|until| {
            let left = until.saturating_sub(self.clock.monotonic()) + Duration::from_secs(1);
            now.saturating_add(left).unwrap_or(Timestamp::MAX)
        });
        [plan.next_wake, check, rest, expiry].into_iter().flatten().min()
    }

    /// Until there is a reason to look again.
    async fn sleep(&mut self) -> Result<Awake, Fatal> {
        loop {
            let (wall, monotonic) = (self.clock.now(), self.clock.monotonic());
            self.pulse.beat(monotonic);
            let clock = Arc::clone(&self.clock);
            let left = self.left(wall, monotonic);
            tokio::select! {
                biased;
                () = self.stop.notified() => return Ok(Awake::Stop),
                ended = self.flow.ended(|| clock.monotonic()) => {
                    self.note(&ended?);
                    self.gather().await?;
                    return Ok(Awake::Look);
                }
                Some(word) = self.words.recv() => {
                    self.hear(word);
                    return Ok(Awake::Look);
                }
                () = self.events.notified() => self.stirred = true,
                () = clock.sleep(left) => {}
            }
            let left = self.left(self.clock.now(), self.clock.monotonic());
            if self.has_jumped(wall, monotonic) || left.is_zero() {
                return Ok(Awake::Look);
            }
        }
    }

    /// What is left until the next look, as far as one sleep may go. An event waits until the last look is long enough ago.
    fn left(&self, now: Timestamp, monotonic: Duration) -> Duration {
        let left = self.looks.borrow().next_at.map_or(SignedDuration::MAX, |at| at.duration_since(now));
        let rest = (self.looked_at + EVENTS_APART).saturating_sub(monotonic);
        let most = if self.stirred { rest } else { LONGEST_SLEEP };
        Duration::try_from(left).unwrap_or(Duration::ZERO).min(most)
    }

    /// Whether the wall clock has moved otherwise than the monotonic one since.
    fn has_jumped(&self, wall: Timestamp, monotonic: Duration) -> bool {
        let by_wall = self.clock.now().duration_since(wall);
        let passed = self.clock.monotonic().saturating_sub(monotonic);
        let passed = SignedDuration::try_from(passed).unwrap_or(SignedDuration::MAX);
        let jump = by_wall.saturating_sub(passed);
        if jump.abs() > CLOCK_SLACK {
            tracing::warn!(
                "the clock has moved by {} s: set by someone, or the machine was suspended",
                jump.as_secs()
            );
            return true;
        }
        false
    }

    /// Takes in what ends together with what has ended.
    async fn gather(&mut self) -> Result<(), Fatal> {
        let clock = Arc::clone(&self.clock);
        let end = clock.monotonic() + TOGETHER;
        while !self.flow.is_idle() {
            let left = end.saturating_sub(clock.monotonic());
            tokio::select! {
                biased;
                ended = self.flow.ended(|| clock.monotonic()) => self.note(&ended?),
                () = clock.sleep(left) => return Ok(()),
            }
            if clock.monotonic() >= end {
                return Ok(());
            }
        }
        Ok(())
    }

    fn note(&mut self, ended: &[Ended]) {
        for one in ended {
            orders::note(&mut self.orders, one);
        }
    }

    fn hear(&mut self, word: Word) {
        match word {
            Word::Reload(household) => {
                self.stop_stocking();
                self.household = *household;
                self.flow.set_concurrency(self.household.executor.concurrency);
            }
            Word::Order(order) => {
                self.flow.wake_up();
                self.orders.push(order.into());
            }
        }
    }

    /// What runs may end; nothing more is begun.
    async fn drain(&mut self) -> Result<(), Fatal> {
        self.stop_stocking();
        let clock = Arc::clone(&self.clock);
        let end = clock.monotonic() + DRAIN;
        while !self.flow.is_idle() {
            let left = end.saturating_sub(clock.monotonic());
            tokio::select! {
                ended = self.flow.ended(|| clock.monotonic()) => { ended?; }
                () = clock.sleep(left) => {
                    let left = self.flow.running().count();
                    tracing::warn!("{left} steps have not ended in time; the next start finishes them");
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl Handle {
    /// Tells it; `false` when it has ended.
    pub async fn tell(&self, word: Word) -> bool {
        self.words.send(word).await.is_ok()
    }

    /// Has it end.
    pub fn stop(&self) {
        self.stop.notify_one();
    }

    /// The world may have changed.
    pub fn changed(&self) {
        self.events.notify_one();
    }
}

#[cfg(test)]
mod tests;
