//! Cuts the work at the n-th effect.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// What becomes of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// The process dies before it.
    KillBefore,
    /// It is done, and the process dies before it hears so.
    KillAfter,
    /// It is not done, and says so.
    Refuse,
    /// It is done, and what comes back is an error.
    LoseReply,
}

impl Cut {
    pub(super) const ALL: [Self; 4] = [Self::KillBefore, Self::KillAfter, Self::Refuse, Self::LoseReply];
}

/// Counts effects, and cuts those that it was told to.
#[derive(Default)]
pub(super) struct Fuse {
    passed: AtomicU64,
    cuts: Mutex<BTreeMap<u64, Cut>>,
    blown: Notify,
    /// Not a process of the test's subject: nothing counts.
    asleep: AtomicBool,
}

impl Fuse {
    /// Cuts the `n`th effect from now on (from 1).
    pub(super) fn cut(&self, n: u64, cut: Cut) {
        let at = self.passed() + n;
        self.cuts.lock().unwrap().insert(at, cut);
    }

    /// From now on nothing is cut.
    pub(super) fn mend(&self) {
        self.cuts.lock().unwrap().clear();
    }

    /// How many effects there were.
    pub(super) fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// What the test itself does is not cut.
    pub(super) async fn spare<T>(&self, work: impl Future<Output = T>) -> T {
        self.asleep.store(true, Ordering::SeqCst);
        let done = work.await;
        self.asleep.store(false, Ordering::SeqCst);
        done
    }

    /// Returns when the process has to die.
    pub(super) async fn blown(&self) {
        self.blown.notified().await;
    }

    /// Does `effect`, or what is to become of it.
    pub(super) async fn through<T, E>(
        &self,
        error: impl FnOnce() -> E,
        effect: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if self.asleep.load(Ordering::SeqCst) {
            return effect();
        }
        let n = self.passed.fetch_add(1, Ordering::SeqCst) + 1;
        let cut = self.cuts.lock().unwrap().remove(&n);
        match cut {
            None => effect(),
            Some(Cut::Refuse) => Err(error()),
            Some(Cut::LoseReply) => {
                let _ = effect();
                Err(error())
            }
            Some(Cut::KillBefore) => self.die().await,
            Some(Cut::KillAfter) => {
                let _ = effect();
                self.die().await
            }
        }
    }

    /// Whoever waits for [`Self::blown`] drops all that is under way: nothing of it goes on.
    async fn die<T>(&self) -> T {
        self.blown.notify_one();
        std::future::pending().await
    }
}
