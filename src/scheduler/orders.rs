//! What people have asked for: which assets must come to rest, and who is to be told.

use std::collections::BTreeSet;

use tokio::sync::oneshot;

use crate::executor::{Ended, Flow, Passed};
use crate::executor::{due, key};
use crate::model::{AssetId, Inventory, Plan};

/// Do what is due for these assets.
pub struct Order {
    /// All, where there is nothing here.
    pub only: Option<BTreeSet<AssetId>>,
    /// Who is told.
    pub rested: oneshot::Sender<Rested>,
}

/// What has come of an order when nothing of it is due any more.
#[derive(Debug)]
pub struct Rested {
    /// What was done, what has failed, what waits.
    pub passed: Passed,
    /// How things stand.
    pub inventory: Inventory,
}

/// An order that is not answered yet.
pub(super) struct Open {
    order: Order,
    passed: Passed,
    /// What has failed since it was given is not waited for.
    tried: BTreeSet<String>,
}

impl From<Order> for Open {
    fn from(order: Order) -> Self {
        Self { order, passed: Passed::default(), tried: BTreeSet::new() }
    }
}

impl Open {
    fn concerns(&self, assets: &[AssetId]) -> bool {
        self.order.only.as_ref().is_none_or(|only| assets.iter().any(|id| only.contains(id)))
    }

    fn is_at_rest(&self, plan: &Plan, flow: &Flow) -> bool {
        let runs = flow.running().any(|step| self.concerns(&step.assets));
        !runs && due(plan, self.order.only.as_ref(), &self.tried).is_empty()
    }
}

/// A step has ended: those who have asked for it hear of it in the end.
pub(super) fn note(orders: &mut [Open], ended: &Ended) {
    for open in orders.iter_mut().filter(|open| open.concerns(&ended.step.assets)) {
        match &ended.problem {
            None => open.passed.done += 1,
            Some(problem) => {
                open.tried.insert(key(&ended.step));
                let failures = ended.step.assets.iter().map(|id| (id.clone(), problem.clone()));
                open.passed.failures.extend(failures);
            }
        }
    }
}

/// Answers those of whose assets nothing is due any more.
pub(super) fn answer(orders: &mut Vec<Open>, plan: &Plan, inventory: &Inventory, flow: &Flow) {
    let (at_rest, open): (Vec<Open>, Vec<Open>) =
        orders.drain(..).partition(|open| open.is_at_rest(plan, flow));
    *orders = open;
    for mut open in at_rest {
        open.passed.take_over(plan);
        // Whoever has gone away does not want to know.
        let _ = open.order.rested.send(Rested { passed: open.passed, inventory: inventory.clone() });
    }
}
