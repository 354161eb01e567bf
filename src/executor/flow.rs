//! Steps side by side, for as long as each takes: one that hangs keeps nobody waiting who has nothing to do with it.
//!
//! A pass goes through a plan rank by rank, and ends. A flow never ends: of each plan it begins what can be begun
//! beside all that still runs, and whoever drives it makes the next plan when something has ended. So nothing here
//! depends on the order in which steps end: each plan is made from the records, in which the intents of all that runs are.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{Id, JoinSet};

use super::{Executor, Fatal, chains, key};
use crate::desired::Desired;
use crate::model::{Action, AssetId, Code, Place, Plan, Problem, Step};

/// A step that has failed is left alone for so long. What fails outside the house has longer pauses in the records.
const REST: Duration = Duration::from_secs(60);

/// An asset for which more steps than this were begun within [`REST`] goes round in circles.
const MOST_STEPS: usize = 512;

/// Steps that run.
pub struct Flow {
    concurrency: usize,
    slots: Arc<Semaphore>,
    running: JoinSet<Result<Outcomes, Fatal>>,
    claims: HashMap<Id, Claim>,
    /// Until when, on the monotonic clock, steps that have failed are left alone.
    resting: BTreeMap<String, Duration>,
    /// How many steps were begun for an asset, since when.
    pace: BTreeMap<AssetId, (Duration, usize)>,
}

/// How the steps of a chain went.
type Outcomes = Vec<(Step, Result<(), Problem>)>;

/// What a running chain of steps has for itself.
struct Claim {
    steps: Vec<Step>,
    keys: BTreeSet<String>,
    place: Option<Place>,
    making: Option<AssetId>,
}

/// A step that has ended, and how.
#[derive(Debug)]
pub struct Ended {
    /// Which.
    pub step: Step,
    /// Why it has failed, if it has.
    pub problem: Option<Problem>,
}

impl Flow {
    /// One in which nothing runs; at most `concurrency` steps will be at work at once.
    pub fn new(concurrency: usize) -> Self {
        let concurrency = concurrency.max(1);
        Self {
            concurrency,
            slots: Arc::new(Semaphore::new(concurrency)),
            running: JoinSet::new(),
            claims: HashMap::new(),
            resting: BTreeMap::new(),
            pace: BTreeMap::new(),
        }
    }

    /// From now on at most `concurrency` steps are at work at once. What is at work goes on: places that are no longer wanted go
    /// as they come free.
    pub fn set_concurrency(&mut self, concurrency: usize) {
        let (before, after) = (self.concurrency, concurrency.max(1));
        self.concurrency = after;
        if after >= before {
            return self.slots.add_permits(after - before);
        }
        let (slots, fewer) = (Arc::clone(&self.slots), u32::try_from(before - after).unwrap_or(u32::MAX));
        tokio::spawn(async move {
            if let Ok(places) = slots.acquire_many_owned(fewer).await {
                places.forget();
            }
        });
    }

    /// Whether nothing runs.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// The steps that run.
    pub fn running(&self) -> impl Iterator<Item = &Step> {
        self.claims.values().flat_map(|claim| &claim.steps)
    }

    /// When, on the monotonic clock, the first of those that have failed may be tried again.
    pub fn rests_until(&self) -> Option<Duration> {
        self.resting.values().min().copied()
    }

    /// What has failed is tried again at once: a person has asked for it.
    pub fn wake_up(&mut self) {
        self.resting.clear();
    }

    /// Begins what of `plan` can be begun beside what runs, and says how many steps those are. What it finds to go
    /// round in circles has ended when it returns.
    pub fn begin(
        &mut self,
        executor: &Arc<Executor>,
        desired: &Arc<Desired>,
        plan: &Plan,
    ) -> (usize, Vec<Ended>) {
        let now = executor.clock.monotonic();
        self.resting.retain(|_, until| *until > now);
        let (mut begun, mut ended) = (0, Vec::new());
        for chain in self.beside_what_runs(plan) {
            if let Some(problem) = self.circling(&chain, now) {
                ended.extend(self.give_up(chain, &problem, now));
                continue;
            }
            begun += chain.len();
            self.start(executor, desired, chain);
        }
        (begun, ended)
    }

    /// Waits for a chain of steps to end; never returns where nothing runs.
    ///
    /// # Errors
    ///
    /// When the state cannot be written.
    pub async fn ended(&mut self, now: impl Fn() -> Duration) -> Result<Vec<Ended>, Fatal> {
        let Some(joined) = self.running.join_next_with_id().await else {
            return std::future::pending().await;
        };
        let (id, outcomes) = match joined {
            Ok((id, outcomes)) => (id, outcomes?),
            // A panic in one step must not end the others; it is shown like any failure.
            Err(error) => {
                let problem = Problem::new(
                    Code::Unsettled,
                    format!("a step has panicked: {error}; please report this"),
                );
                let claim = self.claims.get(&error.id());
                let steps = claim.map(|claim| claim.steps.clone()).unwrap_or_default();
                (error.id(), steps.into_iter().map(|step| (step, Err(problem.clone()))).collect())
            }
        };
        self.claims.remove(&id);
        let ended = outcomes.into_iter().map(|(step, outcome)| Ended { step, problem: outcome.err() });
        let ended: Vec<Ended> = ended.collect();
        for failed in ended.iter().filter(|one| one.problem.is_some()) {
            self.resting.insert(key(&failed.step), now() + REST);
        }
        Ok(ended)
    }

    /// Chains of the first rank of each group of steps that have to do with each other. What comes after them is in the
    /// next plan, if it is still right then.
    fn beside_what_runs(&self, plan: &Plan) -> Vec<Vec<Step>> {
        let busy: BTreeSet<&Place> = self.claims.values().filter_map(|claim| claim.place.as_ref()).collect();
        let free = |step: &&Step| {
            !place_of(step).is_some_and(|place| busy.contains(place))
                && !self.resting.contains_key(&key(step))
        };
        let groups = groups(plan.steps.iter().filter(free).cloned().collect());
        let keys: HashSet<&String> = self.claims.values().flat_map(|claim| &claim.keys).collect();
        let making: HashSet<&AssetId> =
            self.claims.values().filter_map(|claim| claim.making.as_ref()).collect();
        let runs_already = |step: &Step| {
            keys.contains(&key(step)) || maker_of(step).is_some_and(|asset| making.contains(asset))
        };
        let waits = |group: &[Step]| group.iter().any(runs_already);
        groups.into_iter().filter(|group| !waits(group)).flat_map(first_rank).collect()
    }

    fn start(&mut self, executor: &Arc<Executor>, desired: &Arc<Desired>, chain: Vec<Step>) {
        let claim = Claim::of(&chain);
        let (executor, desired, slots) = (Arc::clone(executor), Arc::clone(desired), Arc::clone(&self.slots));
        let work = async move {
            let mut outcomes = Vec::new();
            for step in chain {
                let slot = slots.acquire().await.ok();
                let outcome = executor.step(&desired, &step, slot).await?;
                executor.reporter.finished(&step, outcome.as_ref().err());
                outcomes.push((step, outcome));
            }
            Ok(outcomes)
        };
        let id = self.running.spawn(work).id();
        self.claims.insert(id, claim);
    }

    /// Why steps are not begun: so many were begun for their asset that they cannot all have been needed.
    fn circling(&mut self, chain: &[Step], now: Duration) -> Option<Problem> {
        let mut worst = 0;
        for id in chain.iter().flat_map(|step| &step.assets) {
            let (since, count) = self.pace.entry(id.clone()).or_insert((now, 0));
            if now.saturating_sub(*since) > REST {
                (*since, *count) = (now, 0);
            }
            *count += chain.len();
            worst = worst.max(*count);
        }
        let message = format!("{worst} steps in a minute have not brought it to rest; please report this");
        (worst > MOST_STEPS).then(|| Problem::new(Code::Unsettled, message))
    }

    fn give_up(&mut self, chain: Vec<Step>, problem: &Problem, now: Duration) -> Vec<Ended> {
        tracing::error!("{problem}");
        self.resting.extend(chain.iter().map(|step| (key(step), now + REST)));
        chain.into_iter().map(|step| Ended { step, problem: Some(problem.clone()) }).collect()
    }
}

impl Claim {
    fn of(chain: &[Step]) -> Self {
        Self {
            keys: chain.iter().map(key).collect(),
            place: chain.iter().find_map(place_of).cloned(),
            making: chain.iter().find_map(maker_of).cloned(),
            steps: chain.to_vec(),
        }
    }
}

/// The place that a step has for itself.
fn place_of(step: &Step) -> Option<&Place> {
    match &step.action {
        Action::Rollout(rollout) | Action::Verify(rollout) => Some(&rollout.place),
        Action::Forget(forget) => Some(&forget.place),
        _ => None,
    }
}

/// The asset that a step makes a revision of: those are made one after the other.
fn maker_of(step: &Step) -> Option<&AssetId> {
    matches!(step.action, Action::Generate(_) | Action::Issue(_)).then(|| step.assets.first()).flatten()
}

/// Steps that share an asset or a place, directly or by way of others, each group in the plan's order.
fn groups(steps: Vec<Step>) -> Vec<Vec<Step>> {
    let mut leaders: Vec<usize> = (0..steps.len()).collect();
    let mut first: HashMap<String, usize> = HashMap::new();
    for (index, step) in steps.iter().enumerate() {
        let assets = step.assets.iter().map(ToString::to_string);
        for name in assets.chain(place_of(step).map(ToString::to_string)) {
            let other = *first.entry(name).or_insert(index);
            let (a, b) = (leader(&leaders, index), leader(&leaders, other));
            leaders[a.max(b)] = a.min(b);
        }
    }
    let mut groups: BTreeMap<usize, Vec<Step>> = BTreeMap::new();
    for (index, step) in steps.into_iter().enumerate() {
        groups.entry(leader(&leaders, index)).or_default().push(step);
    }
    groups.into_values().collect()
}

/// The first step of the group that the step at `index` is in so far.
fn leader(leaders: &[usize], mut index: usize) -> usize {
    while leaders[index] != index {
        index = leaders[index];
    }
    index
}

/// The chains of a group's first rank.
fn first_rank(group: Vec<Step>) -> Vec<Vec<Step>> {
    let Some(name) = group.first().map(|step| step.action.name()) else { return Vec::new() };
    chains(group.into_iter().take_while(|step| step.action.name() == name).collect())
}
