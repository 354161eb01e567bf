//! A span of time in which something holds.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// `not_before` to `not_after`, both inclusive (RFC 5280 §4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

impl Validity {
    /// Whether it holds at `at`.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    /// Whether `inner` lies wholly inside.
    pub fn encloses(&self, inner: &Self) -> bool {
        self.not_before <= inner.not_before && inner.not_after <= self.not_after
    }

    /// From the first second to the last.
    pub fn lifetime(&self) -> SignedDuration {
        self.not_after.duration_since(self.not_before)
    }

    /// What is left at `now`; negative when it has passed.
    pub fn left(&self, now: Timestamp) -> SignedDuration {
        self.not_after.duration_since(now)
    }
}
