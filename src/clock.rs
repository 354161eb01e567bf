//! The one place where a clock is read, where anything sleeps, and where randomness comes from.
//!
//! Everything else takes a [`Clock`] or an [`Entropy`] (or just a `now`) as an argument, so that ten
//! years of rotations run in a test in seconds. `clippy.toml` holds the rest of the crate to it.
#![allow(clippy::disallowed_methods)]

use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};

/// A source of time, of two kinds that must not be mixed: the wall, for validity and schedules, and
/// the monotonic, for deadlines and time-outs.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The wall clock, in whole seconds: no certificate and no schedule here is finer than that.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment; it never goes back, whatever happens to the wall clock.
    fn monotonic(&self) -> Duration;
    /// Returns when `pause` has passed on the monotonic clock.
    async fn sleep(&self, pause: Duration);
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct System {
    start: Instant,
    offset: SignedDuration,
}

impl System {
    /// The clocks of this machine, as they are.
    pub fn new() -> Self {
        Self { start: Instant::now(), offset: offset_for_tests() }
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

/// Lets a test of the real binary stand at another day without moving the machine's clock.
#[cfg(feature = "failpoints")]
fn offset_for_tests() -> SignedDuration {
    let seconds = std::env::var("KEYTURN_CLOCK_OFFSET").ok().and_then(|text| text.parse().ok());
    SignedDuration::from_secs(seconds.unwrap_or(0))
}

#[cfg(not(feature = "failpoints"))]
fn offset_for_tests() -> SignedDuration {
    SignedDuration::ZERO
}

#[async_trait]
impl Clock for System {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now() + self.offset;
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep(&self, pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}

/// A clock that stands still until it is told, or slept on: sleeping moves it on at once.
#[derive(Debug)]
pub struct Virtual {
    state: Mutex<(Timestamp, Duration)>,
}

impl Virtual {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { state: Mutex::new((now, Duration::ZERO)) }
    }

    /// Moves both clocks on by `by`.
    pub fn advance(&self, by: Duration) {
        let mut state = self.lock();
        state.0 += by;
        state.1 += by;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Timestamp, Duration)> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        self.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.lock().1
    }

    async fn sleep(&self, pause: Duration) {
        self.advance(pause);
        tokio::task::yield_now().await;
    }
}

/// The operating system's randomness, passed to whatever makes keys, serials and nonces.
#[derive(Debug, Clone)]
pub struct Entropy {
    random: SystemRandom,
}

impl Entropy {
    /// The operating system's generator.
    pub fn system() -> Self {
        Self { random: SystemRandom::new() }
    }

    /// For those of ring's functions that want the generator itself.
    pub fn ring(&self) -> &SystemRandom {
        &self.random
    }

    /// Fills `bytes`.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness; nothing can be made then.
    pub fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        self.random.fill(bytes).map_err(|_| NoEntropy)
    }
}

/// The operating system gave no randomness.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoEntropy;
