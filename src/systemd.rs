//! What systemd is told of a service of `Type=notify` (sd_notify(3)), where there is a systemd.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::clock::Clock;

/// A loop that has not turned for so long hangs. An engine that answers nothing takes most of a minute of it.
const LONGEST_TURN: Duration = Duration::from_secs(120);

/// The daemon can do its work.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// It reads its configuration again; [`ready`] ends it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// It ends, by order.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The control socket, where systemd has opened it for us (`keyturn.socket`, sd_listen_fds(3)): the first stream socket of
/// those that it hands over. To be asked before there are threads: what systemd says in the environment is taken out of it.
///
/// # Errors
///
/// When what is handed over is something else.
pub fn handed_over() -> std::io::Result<Option<UnixListener>> {
    let mut handed = listenfd::ListenFd::from_env();
    if handed.len() == 0 { Ok(None) } else { handed.take_unix_listener(0) }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("systemd could not be told: {error}");
    }
}

/// When a loop has last turned, in seconds of the monotonic clock.
#[derive(Debug, Default, Clone)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// It has turned.
    pub fn beat(&self, now: Duration) {
        self.0.store(now.as_secs(), Ordering::Relaxed);
    }

    /// Whether it hangs.
    pub fn is_lost(&self, now: Duration) -> bool {
        now.saturating_sub(Duration::from_secs(self.0.load(Ordering::Relaxed))) > LONGEST_TURN
    }
}

/// Tells systemd's watchdog that the loop turns, for as long as it does; without a watchdog it returns at once.
pub async fn watchdog(pulse: Pulse, clock: Arc<dyn Clock>) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    loop {
        if pulse.is_lost(clock.monotonic()) {
            tracing::error!(
                "the scheduler has not turned for {} s; systemd is left to restart us",
                LONGEST_TURN.as_secs()
            );
            return;
        }
        tell(&[NotifyState::Watchdog]);
        clock.sleep(limit / 2).await;
    }
}
