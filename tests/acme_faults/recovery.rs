//! R of the table of faults: what must come of every fault that a row says nothing else of.

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use keyturn::model::Code;

use super::house::{EDGE, House};
use crate::fake_ca::{Faults, What};

/// From the first try that may be made after the fault's end, it takes no longer.
const PROMPT: SignedDuration = SignedDuration::from_secs(60);

/// How a fault went.
pub(super) struct Recovery {
    pub(super) began: Timestamp,
    pub(super) ended: Timestamp,
    /// When the first try after its end was allowed.
    pub(super) allowed: Timestamp,
    /// When all was well again.
    pub(super) well: Timestamp,
    /// Orders for `edge` beside the one that was needed.
    pub(super) extra: usize,
    /// All of them in the worst week.
    pub(super) a_week: usize,
    /// What was said to be wrong.
    pub(super) problems: BTreeSet<Code>,
    /// The last of it, in full.
    pub(super) message: String,
}

impl Recovery {
    /// The CA is at `fault` for `time`, then good again; the live pair stays until there is another.
    pub(super) async fn of(house: &mut House, time: SignedDuration, fault: impl FnOnce(&mut Faults)) -> Self {
        let began = house.now();
        house.fault(fault);
        Self::from(house, began, time).await
    }

    /// The same, of a fault that is there since `began`.
    pub(super) async fn from(house: &mut House, began: Timestamp, time: SignedDuration) -> Self {
        let live = house.served.live().map(|(_, facts)| facts);
        house.live(began + time).await;
        assert_eq!(house.served.live().map(|(_, facts)| facts), live, "the live pair was touched");
        let (ended, message) = (house.now(), house.problem());
        house.ca.heal();
        house.ca.restore_accounts();
        let allowed = house.next_try().await;
        let well = house.converge().await;
        let orders = house.books_since(began).of(&EDGE);
        let extra = orders.orders().saturating_sub(1);
        let a_week = orders.densest(7 * 24 * 3600, |what| *what == What::Order);
        let problems = house.problems_since(began);
        assert!(house.diary.last().unwrap().problems.is_empty());
        Self { began, ended, allowed, well, extra, a_week, problems, message }
    }

    /// R: prompt, with one extra order at most, and one problem of the kind `code` that was there and is gone.
    pub(super) fn assert_r(&self, code: Code) {
        self.assert_within(code, 1);
    }

    /// The same where the fault spoils every order that is placed: in any week there is the one that was needed, and three
    /// that nobody had planned (I5).
    pub(super) fn assert_r_of_spoilt_orders(&self, code: Code) {
        assert!(self.a_week <= 4, "{self}");
        self.assert_within(code, usize::MAX);
    }

    fn assert_within(&self, code: Code, extra: usize) {
        assert!(self.took() <= PROMPT, "{self}");
        assert!(self.extra <= extra, "{self}");
        assert_eq!(self.problems, BTreeSet::from([code]), "{self}");
        assert!(self.message.starts_with(code.name()), "{self}");
    }

    /// From the first allowed try to the end.
    pub(super) fn took(&self) -> SignedDuration {
        self.well.duration_since(self.allowed)
    }
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems: Vec<&str> = self.problems.iter().map(|code| code.name()).collect();
        write!(
            f,
            "{}; next try {} after it, well {} s later; {} extra orders",
            problems.join(", "),
            words(self.allowed.duration_since(self.ended)),
            self.took().as_secs(),
            self.extra
        )
    }
}

/// "23.9 h", "12 min", "5 s".
pub(super) fn words(time: SignedDuration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}
