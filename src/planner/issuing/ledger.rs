//! When orders were placed, by what CAs count them by: read once a plan, and asked for every order of it.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::model::{Inventory, OrderNote, OrderOutcome, Rate};
use crate::planner::later;

/// What is counted; the first text is the issuer's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::planner) enum Counted {
    /// All orders.
    Started(String),
    /// Orders that name nothing that they replace.
    Orders(String),
    /// Of these, the certificates for an exact set of names.
    Set(String, String),
    /// Of these, the certificates for a registered domain whose names had none before.
    Domain(String, String),
    /// Failed authorizations of a name.
    Failed(String, String),
    /// Orders for a set of names, at any issuer, that nobody had planned.
    Retry(String),
    /// Orders for a set of names, at any issuer, of which there is a certificate.
    Issued(String),
}

/// Times by what is counted.
#[derive(Debug, Default)]
pub(in crate::planner) struct Ledger(HashMap<Counted, Vec<Timestamp>>);

impl Ledger {
    /// Of all orders that are remembered, also of assets that nobody wants any more: CAs remember those as well.
    pub(in crate::planner) fn of(inventory: &Inventory) -> Self {
        let mut ledger = Self::default();
        inventory.assets.values().flat_map(|record| &record.orders).for_each(|order| ledger.note(order));
        ledger
    }

    pub(in crate::planner) fn note(&mut self, order: &OrderNote) {
        let issuer = || order.issuer.clone();
        self.count(Counted::Started(issuer()), order.at);
        for name in &order.failed_names {
            self.count(Counted::Failed(issuer(), name.to_ascii_lowercase()), order.at);
        }
        if order.retry {
            self.count(Counted::Retry(order.set.clone()), order.at);
        }
        if order.outcome == OrderOutcome::Issued {
            self.count(Counted::Issued(order.set.clone()), order.at);
        }
        if order.replaces {
            return;
        }
        self.count(Counted::Orders(issuer()), order.at);
        if order.outcome == OrderOutcome::Failed {
            return;
        }
        self.count(Counted::Set(issuer(), order.set.clone()), order.at);
        for domain in order.domains.iter().filter(|_| !order.renewal) {
            self.count(Counted::Domain(issuer(), domain.clone()), order.at);
        }
    }

    fn count(&mut self, counted: Counted, at: Timestamp) {
        self.0.entry(counted).or_default().push(at);
    }

    /// What is counted at all, for who looks.
    pub(super) fn counted(&self) -> impl Iterator<Item = &Counted> {
        self.0.keys()
    }

    /// The times within the `window` that ends `now`, together with those that are `planned`; oldest first.
    pub(in crate::planner) fn times(
        &self,
        planned: &Self,
        counted: &Counted,
        window: SignedDuration,
        now: Timestamp,
    ) -> Vec<Timestamp> {
        let both = [self, planned].into_iter().filter_map(|ledger| ledger.0.get(counted)).flatten();
        let mut times: Vec<Timestamp> = both.copied().filter(|at| now.duration_since(*at) < window).collect();
        times.sort_unstable();
        times
    }
}

/// When there is room for one more beside `times`, which are all within the window; `None` where there is now.
pub(super) fn frees_at(times: &[Timestamp], rate: Rate, now: Timestamp) -> Option<Timestamp> {
    let over = times.len().checked_sub(rate.count as usize)?;
    Some(later(times.get(over).copied().unwrap_or(now), rate.window))
}
