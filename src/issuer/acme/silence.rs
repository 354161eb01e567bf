//! That a CA wants to be left alone, for the orders that were planned before it said so.
//!
//! The planner holds back what comes later, over restarts; of one plan, many orders wait for a slot when the first is told.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;

use crate::issuer::{IssueError, IssueErrorKind};

/// Until when, on the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Silence(Mutex<Duration>);

impl Silence {
    /// Refuses in the CA's place while it wants to be left alone.
    pub(super) fn check(&self, server: &str, now: Duration) -> Result<(), IssueError> {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = until.checked_sub(now).filter(|left| !left.is_zero()) else { return Ok(()) };
        let message = format!("{server} has asked to be left alone for {} s", left.as_secs());
        let retry_after = SignedDuration::try_from(left).ok();
        Err(IssueError { retry_after, ..IssueError::new(IssueErrorKind::Limited, message) })
    }

    /// Keeps in mind what has come of an order.
    pub(super) fn note<T>(&self, ordered: &Result<T, IssueError>, now: Duration) {
        let pause = ordered.as_ref().err().and_then(|error| error.retry_after);
        let Some(pause) = pause.and_then(|pause| Duration::try_from(pause).ok()) else { return };
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_until_its_end_and_is_not_cut_short() {
        let (silence, now) = (Silence::default(), Duration::from_secs(10));
        let told = |seconds: i64| {
            let retry_after = Some(SignedDuration::from_secs(seconds));
            Err::<(), _>(IssueError { retry_after, ..IssueError::new(IssueErrorKind::Limited, "") })
        };
        assert!(silence.check("ca", now).is_ok());
        silence.note(&told(3600), now);
        silence.note(&told(5), now);
        silence.note(&Ok(()), now);
        let error = silence.check("ca", now + Duration::from_secs(60)).unwrap_err();
        assert_eq!(
            (error.kind, error.retry_after),
            (IssueErrorKind::Limited, Some(SignedDuration::from_secs(3540)))
        );
        assert!(silence.check("ca", now + Duration::from_secs(3600)).is_ok());
    }
}
