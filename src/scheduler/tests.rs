//! When it looks, under a clock that moves when the test says so: no test here waits for anything.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::*;
use crate::clock::Virtual;
use crate::config::Config;
use crate::executor::tests::{alone, start};
use crate::model::{AssetId, Labels, NewObject, OldObject, Place, Problem, Rollout, Secret, World};
use crate::target::{Before, Goods, Target, Watch};

/// Sleeps until the test has moved it far enough.
struct Stepped {
    time: Arc<Virtual>,
    /// The wall clock was set by so much.
    set_by: Mutex<SignedDuration>,
    moved: watch::Sender<()>,
}

impl Stepped {
    fn new(time: Arc<Virtual>) -> Arc<Self> {
        Arc::new(Self { time, set_by: Mutex::default(), moved: watch::Sender::new(()) })
    }

    /// Lets so much time pass, and all that follows from it happen.
    async fn pass(&self, seconds: f64) {
        self.time.advance(Duration::from_secs_f64(seconds));
        self.moved.send_replace(());
        settle().await;
    }
}

/// All that can happen without time happens.
async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

#[async_trait]
impl Clock for Stepped {
    fn now(&self) -> Timestamp {
        self.time.now() + *self.set_by.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.time.monotonic()
    }

    async fn sleep(&self, pause: Duration) {
        let mut moved = self.moved.subscribe();
        let end = self.monotonic() + pause;
        while self.monotonic() < end {
            moved.changed().await.unwrap();
        }
    }
}

/// Notes when it was looked.
#[derive(Default)]
struct Looked {
    at: Mutex<Vec<f64>>,
    hangs: AtomicBool,
    time: Option<Arc<Virtual>>,
}

impl Looked {
    fn count(&self) -> usize {
        self.at.lock().unwrap().len()
    }

    /// Seconds from the start to the last look.
    fn last(&self) -> f64 {
        *self.at.lock().unwrap().last().unwrap()
    }
}

#[async_trait]
impl Target for Looked {
    async fn observe(&self, _: &Watch, _: &mut World) {
        let now = self.time.as_ref().map_or(Duration::ZERO, |time| time.monotonic());
        self.at.lock().unwrap().push(now.as_secs_f64());
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    async fn publish(&self, _: &NewObject, _: &Labels, _: &Secret) -> Result<String, Problem> {
        unreachable!("nothing goes anywhere")
    }

    async fn preflight(&self, _: &Rollout, _: &Goods) -> Result<(), Problem> {
        Ok(())
    }

    async fn apply(&self, _: &Rollout, _: &Goods) -> Result<(), Problem> {
        Ok(())
    }

    async fn settle(&self, _: &Rollout, _: &Goods) -> Result<(), Problem> {
        Ok(())
    }

    async fn put_back(&self, _: &Place, _: &Before, _: &Rollout) -> Result<(), Problem> {
        Ok(())
    }

    async fn finish(&self, _: &Rollout) -> Result<(), Problem> {
        Ok(())
    }

    async fn delete(&self, _: &OldObject) -> Result<(), Problem> {
        Ok(())
    }
}

/// A loop that runs, and has nothing to do.
struct Bench {
    clock: Arc<Stepped>,
    looked: Arc<Looked>,
    handle: Handle,
    running: JoinHandle<Result<(), Fatal>>,
}

impl Bench {
    /// It looks every five minutes, the first time after the start at 300 s.
    async fn at_rest() -> Self {
        let time = Arc::new(Virtual::new(start()));
        let clock = Stepped::new(time.clone());
        let looked = Arc::new(Looked { time: Some(time.clone()), ..Looked::default() });
        let (executor, desired) = alone(&time, clock.clone(), looked.clone()).await;
        let text = "[daemon]\ninstance = \"test\"\n[schedule]\ncheck = \"0 */5 * * * *\"\n";
        let config = Config::parse(text, Path::new("/etc/keyturn/keyturn.toml")).unwrap();
        let household = Household {
            herald: Arc::new(Herald::new(executor.books.clone(), "test")),
            executor: Arc::new(executor),
            desired: Arc::new(desired),
            schedule: config.schedule().clone(),
        };
        let (scheduler, handle) = Scheduler::new(household);
        let running = tokio::spawn(scheduler.run());
        settle().await;
        let bench = Self { clock, looked, handle, running };
        // What the first looks begin ends, and is looked at.
        for _ in 0..100 {
            bench.clock.pass(0.1).await;
        }
        bench
    }

    /// Looks now, so that what follows is counted from a look.
    async fn look(&self) -> usize {
        let before = self.looked.count();
        self.handle.changed();
        settle().await;
        assert_eq!(self.looked.count(), before + 1, "it was long since the last one");
        self.looked.count()
    }
}

/// An event comes when the longest sleep is nearly over: the end of that sleep must not swallow it.
#[tokio::test]
async fn an_event_is_not_lost_to_the_end_of_a_sleep() {
    let bench = Bench::at_rest().await;
    let looks = bench.look().await;
    bench.clock.pass(29.0).await;
    assert_eq!(bench.looked.count(), looks, "nothing was due");
    bench.handle.changed();
    settle().await;
    bench.clock.pass(1.0).await;
    bench.clock.pass(2.0).await;
    assert_eq!(bench.looked.count(), looks + 1);
    bench.clock.pass(60.0).await;
    assert_eq!(bench.looked.count(), looks + 1, "once");
}

#[tokio::test]
async fn events_after_a_look_wait_and_are_looked_at_together() {
    let bench = Bench::at_rest().await;
    let looks = bench.look().await;
    let first = bench.looked.last();
    for _ in 0..10 {
        bench.handle.changed();
        bench.clock.pass(0.15).await;
    }
    assert_eq!(bench.looked.count(), looks, "our own changes are events as well");
    bench.clock.pass(0.6).await;
    assert_eq!(bench.looked.count(), looks + 1);
    assert!(bench.looked.last() - first >= 2.0);
    bench.clock.pass(60.0).await;
    assert_eq!(bench.looked.count(), looks + 1);
}

#[tokio::test]
async fn without_a_reason_it_looks_on_schedule() {
    let bench = Bench::at_rest().await;
    let looks = bench.looked.count();
    while bench.clock.monotonic() < Duration::from_secs(299) {
        bench.clock.pass(1.0).await;
        if bench.clock.monotonic() < Duration::from_secs(299) {
            assert_eq!(bench.looked.count(), looks, "at {:?}", bench.clock.monotonic());
        }
    }
    bench.clock.pass(2.0).await;
    assert_eq!(bench.looked.count(), looks + 1);
}

#[tokio::test]
async fn a_clock_that_was_set_is_noticed_within_the_longest_sleep() {
    for by in [SignedDuration::from_secs(-6), SignedDuration::from_hours(9)] {
        let bench = Bench::at_rest().await;
        let looks = bench.look().await;
        *bench.clock.set_by.lock().unwrap() = by;
        bench.clock.pass(30.0).await;
        assert_eq!(bench.looked.count(), looks + 1, "{by}");
    }
}

#[tokio::test]
async fn the_end_does_not_wait_for_a_look_that_hangs() {
    let bench = Bench::at_rest().await;
    bench.looked.hangs.store(true, Ordering::SeqCst);
    bench.look().await;
    bench.handle.stop();
    settle().await;
    assert!(bench.running.is_finished());
    bench.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_order_is_a_reason_to_look_and_is_answered() {
    let bench = Bench::at_rest().await;
    let looks = bench.looked.count();
    let (rested, answer) = tokio::sync::oneshot::channel();
    let only = Some([AssetId::new(crate::model::AssetKind::JwtKey, "auth")].into());
    assert!(bench.handle.tell(Word::Order(Order { only, rested })).await);
    settle().await;
    assert!(bench.looked.count() > looks);
    let rested = answer.await.unwrap();
    assert!(rested.passed.failures.is_empty() && rested.passed.done == 0);
    bench.handle.stop();
    settle().await;
    assert!(
        !bench
            .handle
            .tell(Word::Order(Order { only: None, rested: tokio::sync::oneshot::channel().0 }))
            .await
    );
}
