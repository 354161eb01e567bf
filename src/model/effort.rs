//! Tries that can fail, and the pauses between them.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Problem;

/// How something that can fail goes, over restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// Failures in a row.
    #[serde(default)]
    pub failures: u32,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Timestamp>,
    /// What the last failure was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// What it was tried against; another value is a reason to try at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// When the last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
}

impl Effort {
    /// One more failure at `now`; the next try after `pauses[failures]`, at most the last.
    pub fn failed(&mut self, problem: Problem, against: Option<String>, pauses: &[i64], now: Timestamp) {
        let pause = pauses.get(self.failures as usize).or(pauses.last()).copied().unwrap_or(60);
        self.failures = self.failures.saturating_add(1);
        self.next_try_at = Some(now + SignedDuration::from_secs(pause));
        self.problem = Some(problem);
        self.against = against;
        self.failed_at = Some(now);
    }

    /// When it was tried last, if `pauses` are those that it waits by.
    pub fn tried_at(&self, pauses: &[i64]) -> Option<Timestamp> {
        if self.failed_at.is_some() {
            return self.failed_at;
        }
        let pause = pauses.get(self.failures.checked_sub(1)? as usize).or(pauses.last()).copied()?;
        Some(self.next_try_at? - SignedDuration::from_secs(pause))
    }

    /// Whether it may be tried at `now`.
    pub fn may_try(&self, now: Timestamp) -> bool {
        self.next_try_at.is_none_or(|at| at <= now)
    }
}

/// Pauses in seconds between tries of a delivery: it costs the Swarm a rollout each.
pub const DELIVERY_PAUSES: [i64; 5] = [60, 300, 900, 3600, 6 * 3600];

/// Pauses in seconds between tries to make a revision: a minute, ten, a hundred, then daily.
pub const MAKING_PAUSES: [i64; 4] = [60, 600, 6000, 86_400];

/// Pauses in seconds between tries to have a certificate revoked: it must be done, and a CA that is away comes back.
pub const REVOKING_PAUSES: [i64; 3] = [60, 600, 3600];

/// Pauses in seconds after a fault of our own side, which costs nobody anything: a hook, a listener, a name server.
pub const LOCAL_PAUSES: [i64; 1] = [60];
