//! Whether the daemon lives, and does its work.

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::scheduler::Picture;
use crate::serve::Health;
use crate::systemd::Pulse;

/// What is asked for `/healthz` and `/readyz`.
pub(super) struct Vitals {
    pulse: Pulse,
    picture: watch::Receiver<Option<Picture>>,
    clock: Arc<dyn Clock>,
}

impl Vitals {
    pub(super) fn new(
        pulse: Pulse,
        picture: watch::Receiver<Option<Picture>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { pulse, picture, clock }
    }
}

impl Health for Vitals {
    fn hangs(&self) -> Option<String> {
        self.pulse.is_lost(self.clock.monotonic()).then(|| "the scheduler hangs".to_owned())
    }

    fn waits_for(&self) -> Option<String> {
        self.picture.borrow().is_none().then(|| "it has not looked at anything yet".to_owned())
    }
}
