//! Decides everything, and says why; it does nothing.
//!
//! [`plan`] is pure: the same facts give the same plan. It is a chain of small questions, asked of one asset after the
//! other ([`survey`]), and then of those that something is to be done for:
//!
//! 1. [`turn`]: is a new revision due? [`renewal`]: by its age? [`issuing`]: by whom? [`authority`]: under which root?
//!    [`crl`]: are revocation lists due?
//! 2. [`life`]: may a revision be announced, activated, retired? [`revoking`]: is it to be withdrawn?
//! 3. [`content`]: what should each place hold?
//! 4. [`watch`]: is what was delivered still there, and is it shown to be served?
//! 5. [`rollout`]: which places differ, and may they be touched now? All that is due for a place is one rollout.
//! 6. [`compromise`]: which services must forget what they had? [`objects`]: which Docker objects are to be made, and which may go?
//! 7. [`health`]: what is wrong already?
//!
//! [`tidings`] decides apart from the plan, of what came of it: who is to be told what?

mod authority;
mod compromise;
mod content;
mod context;
mod crl;
mod forecast;
mod health;
mod issuing;
mod life;
mod objects;
mod pairs;
mod renewal;
mod revoking;
mod rollout;
mod seed;
mod site;
mod stock;
mod survey;
mod text;
pub mod tidings;
mod timeline;
mod turn;
mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};

use crate::desired::Desired;
use crate::model::{AssetId, AssetKind, AssetRecord, Code, Deferred, Inventory, Plan, Problem, Step};

pub use content::identity;
pub use context::Context;
pub use forecast::{Forecast, assume, forecast};
pub use health::health;
pub use issuing::{IssuerUse, LimitUse, issuers, order_note};
pub use life::last_needed;
pub use renewal::{draw, renew_at};
pub use seed::Seed;
pub use site::{Labelled, Site, sites};
pub use stock::{Restock, StockLevel, restock, stock, ware_of};
use survey::Survey;
pub use text::render;
pub use timeline::{Ahead, Lane, Span, timeline};

/// A clock that is further back than this against what the state has seen is not believed.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(24);

/// What is due at `now`, what waits, and what is wrong.
pub fn plan(desired: &Desired, inventory: &Inventory, now: Timestamp, seed: Seed) -> Plan {
    let mut draft = Draft::new(now);
    if clock_behind(inventory, now).is_some() {
        draft.plan.problems = health(desired, inventory, now, seed);
        return draft.plan;
    }
    let mut context = Context::new(desired, inventory, now, seed);
    let survey = Survey::of(&mut context, &mut draft);
    let Survey { mut due, restless, replaced, contested, contesting, problems } = survey;
    // What ends first goes first: after a long sleep all is due at once, and what a CA allows may not be enough for all.
    due.sort_by_cached_key(|(spec, _)| (spec.id.kind, ends(context.record(&spec.id))));
    for (spec, due) in due {
        turn::consider(&context, spec, due, &mut draft);
        issuing::consult(&context, spec, &mut draft);
    }
    let looked_at = restless.iter().chain(&contesting).copied();
    rollout::consider(&context, looked_at, &contested, &mut draft);
    compromise::consider(&context, &replaced, &mut draft);
    let moving = objects::moving(&draft);
    for spec in restless.iter().filter(|spec| !moving.contains(&spec.id)) {
        objects::consider_old(&context, spec, false, &mut draft);
    }
    draft.plan.problems.extend(problems);
    draft.plan.problems.extend(health::of_no_spec(&context.unwanted, inventory));
    draft.finish(&context)
}

/// For each JWT key: its revisions that verifiers must know at `now`, oldest first.
pub fn known(desired: &Desired, inventory: &Inventory, now: Timestamp) -> BTreeMap<AssetId, Vec<u32>> {
    let context = Context::new(desired, inventory, now, Seed::of(&desired.instance));
    let keys = desired.assets.values().filter(|spec| spec.id.kind == AssetKind::JwtKey);
    let of_one = |spec| life::known(&context, spec).map(|revision| revision.number).collect();
    keys.map(|spec| (spec.id.clone(), of_one(spec))).collect()
}

/// `by` after `at`; what no calendar has is the end of all time, not a panic.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// When what is in use of an asset ends; what has no end, or is not there yet, keeps nobody from going first.
fn ends(record: &AssetRecord) -> Timestamp {
    let validity = record.active().and_then(|revision| revision.validity);
    validity.map_or(Timestamp::MAX, |validity| validity.not_after)
}

/// Nothing of this program is older: a clock that shows an earlier time has not been set yet.
const FIRST_DAY: i64 = 1_735_689_600; // 2025-01-01

/// Issuing, rotating and deleting by a clock that stands in the past does harm that lasts.
fn clock_behind(inventory: &Inventory, now: Timestamp) -> Option<Problem> {
    if now.as_second() < FIRST_DAY {
        let message = format!("the clock shows {now}: it has not been set yet");
        return Some(Problem::new(Code::ClockBack, message));
    }
    let seen = inventory.last_seen?;
    (seen.duration_since(now) > CLOCK_TOLERANCE).then(|| {
        Problem::new(Code::ClockBack, format!("the clock shows {now}, but the state was written at {seen}"))
    })
}

/// A plan in the making.
struct Draft {
    plan: Plan,
    /// What is being made now: rollouts that it could ride on wait for it.
    making: BTreeSet<AssetId>,
    /// The orders of this plan.
    planned: issuing::Ledger,
    /// Names given to new objects, so that two places share one object.
    names: BTreeMap<objects::Bytes, String>,
    /// The highest number given to an object, by its name without number.
    numbers: HashMap<String, u32>,
}

impl Draft {
    fn new(now: Timestamp) -> Self {
        Self {
            plan: Plan { now, ..Plan::default() },
            making: BTreeSet::new(),
            planned: issuing::Ledger::default(),
            names: BTreeMap::new(),
            numbers: HashMap::new(),
        }
    }

    /// Whether nothing has been said but when to look again.
    fn is_silent(&self) -> bool {
        let Plan { steps, deferred, problems, warnings, .. } = &self.plan;
        steps.is_empty() && deferred.is_empty() && problems.is_empty() && warnings.is_empty()
    }

    fn push(&mut self, step: Step) {
        self.plan.steps.push(step);
    }

    /// Something waits: until `until`, where that is known.
    fn defer(&mut self, asset: &AssetId, until: Option<Timestamp>, reason: impl Into<String>) {
        self.wake(until);
        self.plan.deferred.push(Deferred { asset: asset.clone(), until, reason: reason.into() });
    }

    /// Look again at `at`.
    fn wake(&mut self, at: Option<Timestamp>) {
        let Some(at) = at.filter(|at| *at > self.plan.now) else { return };
        self.plan.next_wake = Some(self.plan.next_wake.map_or(at, |wake| wake.min(at)));
    }

    /// Puts the steps in an order that can be followed, and says nothing twice.
    fn finish(mut self, context: &Context<'_>) -> Plan {
        let first = |step: &Step| step.assets.iter().map(|id| ends(context.record(id))).min();
        self.plan.steps.sort_by_cached_key(|step| (objects::rank(&step.action), first(step)));
        let mut said = HashSet::new();
        let deferred = &mut self.plan.deferred;
        let first = deferred.iter().map(|one| said.insert((&one.asset, one.reason.as_str()))).collect();
        keep(deferred, first);
        let mut warned = HashSet::new();
        self.plan.warnings.retain(|warning| warned.insert(warning.clone()));
        self.plan
    }
}

fn keep<T>(all: &mut Vec<T>, which: Vec<bool>) {
    let mut which = which.into_iter();
    all.retain(|_| which.next().unwrap_or(true));
}

#[cfg(test)]
mod tests;
