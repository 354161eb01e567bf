//! Carries a plan out, step by step, and makes no choices.
//!
//! Every effect stands between two durable notes: the intent before it, the outcome after it. After a crash
//! the next pass looks at the world and at the notes, and finishes the work.

mod approvals;
mod authority;
mod books;
mod consult;
mod desk;
mod errands;
mod flow;
mod goods;
mod herald;
mod issue;
mod make;
mod observe;
mod packs;
mod ports;
mod postman;
mod retire;
mod rollout;
mod stock;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::Clock;
use crate::desired::Desired;
use crate::issuer::Issuer;
use crate::model::{Action, AssetId, Code, Deferred, Place, Plan, Problem, Step};
use crate::planner::{self, Seed};
use crate::target::Target;
use crate::verify::Verifier;

pub use approvals::of_request;
use authority::crl_key;
pub use authority::{crl_record, upper_lists_key};
pub use books::{Books, BooksError, Digester, Edit, inventory_of};
pub use desk::ExecutorDesk;
pub use errands::Errands;
pub use flow::{Ended, Flow};
pub use herald::Herald;
pub use observe::watch;
pub use packs::passwords;
pub use ports::{Maker, Reporter, Silent};
pub use postman::{Carried, Postman};

/// A pass that has not come to rest after this many rounds has a fault of ours in it.
const MOST_ROUNDS: usize = 64;

/// Does what plans say.
pub struct Executor {
    /// What is to be kept; it outlives a configuration.
    pub books: Arc<Books>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Who signs, by their names in the configuration.
    pub issuers: BTreeMap<String, Arc<dyn Issuer>>,
    /// Who makes keys, parameters and CAs, and renders parts.
    pub maker: Arc<dyn Maker>,
    /// The Swarm; absent where no target needs it.
    pub swarm: Option<Arc<dyn Target>>,
    /// Directories.
    pub files: Arc<dyn Target>,
    /// What proves.
    pub verifier: Arc<dyn Verifier>,
    /// Who is told how it goes.
    pub reporter: Arc<dyn Reporter>,
    /// On whose behalf, for the audit: `uid:0`.
    pub actor: String,
    /// How many steps of one kind run side by side.
    pub concurrency: usize,
}

/// The state could not be written: nothing may be claimed, and nothing more be done.
#[derive(Debug, thiserror::Error)]
#[error("the state cannot be read or written")]
pub struct Fatal(#[from] BooksError);

/// One of the [`Executor::concurrency`] places; who holds it keeps others waiting.
type Slot<'a> = Option<SemaphorePermit<'a>>;

/// How one step went.
type Outcome = Result<Result<(), Problem>, Fatal>;

/// How a pass went.
#[derive(Debug, Default)]
pub struct Passed {
    /// The steps that worked, as they were named to the reporter.
    pub done: usize,
    /// What failed in this pass.
    pub failures: Vec<(AssetId, Problem)>,
    /// What waits, by the last plan.
    pub deferred: Vec<Deferred>,
    /// What is wrong, by the last plan.
    pub problems: Vec<(AssetId, Problem)>,
    /// When to look again.
    pub next_wake: Option<Timestamp>,
    /// What would go badly with the services that were touched.
    pub warnings: Vec<String>,
}

impl Executor {
    /// Observes, plans and executes until nothing is due any more. With `only`, steps that are for none of these assets
    /// are left for another pass.
    ///
    /// # Errors
    ///
    /// Only when the state cannot be read or written; what fails beside that is in [`Passed::failures`].
    pub async fn pass(&self, desired: &Desired, only: Option<&BTreeSet<AssetId>>) -> Result<Passed, Fatal> {
        let seed = Seed::of(&desired.instance);
        let mut passed = Passed::default();
        let mut tried = BTreeSet::new();
        let slots = Semaphore::new(self.concurrency.max(1));
        for _ in 0..MOST_ROUNDS {
            let inventory = self.observe(desired).await;
            let plan = planner::plan(desired, &inventory, self.clock.now(), seed);
            let steps = due(&plan, only, &tried);
            passed.take_over(&plan);
            if steps.is_empty() {
                self.tidy(desired).await;
                return Ok(passed);
            }
            self.round(desired, steps, &slots, &mut passed, &mut tried).await?;
        }
        let message = format!("a pass did not come to rest in {MOST_ROUNDS} rounds; please report this");
        tracing::error!("{message}");
        let all = desired.assets.keys().next().cloned();
        passed.failures.extend(all.map(|id| (id, Problem::new(Code::Unsettled, message))));
        Ok(passed)
    }

    /// The steps of one plan: those of one rank side by side, one rank after another.
    async fn round(
        &self,
        desired: &Desired,
        steps: Vec<Step>,
        slots: &Semaphore,
        passed: &mut Passed,
        tried: &mut BTreeSet<String>,
    ) -> Result<(), Fatal> {
        let mut steps = steps.into_iter().peekable();
        while let Some(first) = steps.next() {
            let name = first.action.name();
            let mut rank = vec![first];
            while let Some(next) = steps.next_if(|step| step.action.name() == name) {
                rank.push(next);
            }
            let chain = async |chain: Vec<Step>| {
                let mut outcomes = Vec::new();
                for step in chain {
                    let slot = slots.acquire().await.ok();
                    let outcome = self.step(desired, &step, slot).await;
                    let fatal = outcome.is_err();
                    outcomes.push((step, outcome));
                    if fatal {
                        break;
                    }
                }
                outcomes
            };
            let mut running: FuturesUnordered<_> = chains(rank).into_iter().map(chain).collect();
            while let Some(outcomes) = running.next().await {
                for (step, outcome) in outcomes {
                    self.note(&step, outcome?, passed, tried);
                }
            }
        }
        Ok(())
    }

    fn note(
        &self,
        step: &Step,
        outcome: Result<(), Problem>,
        passed: &mut Passed,
        tried: &mut BTreeSet<String>,
    ) {
        self.reporter.finished(step, outcome.as_ref().err());
        match outcome {
            Ok(()) => passed.done += 1,
            Err(problem) => {
                tried.insert(key(step));
                passed.failures.extend(step.assets.iter().map(|id| (id.clone(), problem.clone())));
            }
        }
    }

    async fn step(&self, desired: &Desired, step: &Step, slot: Slot<'_>) -> Outcome {
        self.reporter.started(step);
        match &step.action {
            Action::Generate(make) | Action::Issue(make) => self.make(desired, make, &step.reason).await,
            Action::List(make) => self.list(make, &step.reason).await,
            Action::Publish(object) => self.publish(desired, object).await,
            Action::Announce(id, number) => self.announce(id, *number).await,
            Action::Rollout(rollout) => self.roll_out(desired, rollout, slot).await,
            Action::Verify(rollout) => self.prove_again(rollout).await,
            Action::Activate(id, number) => self.activate(id, *number).await,
            Action::Retire(id, number) => self.retire(id, *number).await,
            Action::Revoke(id, number) => self.revoke(id, *number).await,
            Action::Consult(id, number) => self.consult(desired, id, *number).await,
            Action::Forget(forget) => self.forget(step, forget).await,
            Action::Delete(old) => self.delete(old).await,
            Action::Note(id, place, problem) => self.keep_in_mind(id, place, problem.as_ref()).await,
        }
    }

    fn target(&self, place: &Place) -> Result<&Arc<dyn Target>, Problem> {
        match place {
            Place::Dir(_) => Ok(&self.files),
            Place::Service(name) => self.swarm.as_ref().ok_or_else(|| {
                Problem::new(Code::EngineUnreachable, format!("no engine to find service {name} in"))
            }),
        }
    }
}

impl Passed {
    pub(crate) fn take_over(&mut self, plan: &Plan) {
        self.deferred.clone_from(&plan.deferred);
        self.problems.clone_from(&plan.problems);
        self.next_wake = plan.next_wake;
        for warning in &plan.warnings {
            if !self.warnings.contains(warning) {
                self.warnings.push(warning.clone());
            }
        }
    }

    /// Whether anything that was due has failed, or stands in the way of what is due.
    pub fn failed(&self) -> bool {
        !self.failures.is_empty()
    }
}

/// The steps of a plan that are to be done in this pass: a step that has failed in it is not tried in it again.
pub(crate) fn due(plan: &Plan, only: Option<&BTreeSet<AssetId>>, tried: &BTreeSet<String>) -> Vec<Step> {
    let concerns = |step: &Step| only.is_none_or(|only| step.assets.iter().any(|asset| only.contains(asset)));
    // One rollout is for all assets of its service: what a neighbour brings to it must be made as well.
    let needed: BTreeSet<&String> = plan
        .steps
        .iter()
        .filter(|step| concerns(step))
        .filter_map(|step| match &step.action {
            Action::Rollout(rollout) => Some(rollout),
            _ => None,
        })
        .flat_map(|rollout| rollout.parcels.iter().flat_map(|parcel| &parcel.swaps))
        .map(|swap| &swap.object)
        .collect();
    let chosen = |step: &&Step| match &step.action {
        Action::Publish(object) => concerns(step) || needed.contains(&object.name),
        _ => concerns(step),
    };
    plan.steps.iter().filter(chosen).filter(|step| !tried.contains(&key(step))).cloned().collect()
}

/// Steps that run side by side, and those that must come one after the other: the revisions of one asset are made in the
/// order of their numbers, so that a crash between two of them leaves no gap.
fn chains(rank: Vec<Step>) -> Vec<Vec<Step>> {
    let makes = |step: &Step| matches!(step.action, Action::Generate(_) | Action::Issue(_));
    let mut chains: Vec<Vec<Step>> = Vec::new();
    for step in rank {
        match chains.last_mut() {
            Some(chain) if makes(&step) && chain[0].assets == step.assets => chain.push(step),
            _ => chains.push(vec![step]),
        }
    }
    chains
}

/// What makes two steps the same.
pub(crate) fn key(step: &Step) -> String {
    let what = match &step.action {
        // What one issuer has refused another may do.
        Action::Generate(make) | Action::Issue(make) => {
            format!("{} {}", make.revision, make.signer.as_ref().map_or("", |signer| signer.name()))
        }
        Action::List(make) => format!("crl {}", make.edition),
        Action::Publish(object) => object.name.clone(),
        Action::Rollout(rollout) | Action::Verify(rollout) => rollout.place.to_string(),
        Action::Forget(forget) => format!("{} forget", forget.place),
        Action::Delete(old) => old.name.clone(),
        Action::Announce(_, number)
        | Action::Activate(_, number)
        | Action::Retire(_, number)
        | Action::Revoke(_, number)
        | Action::Consult(_, number) => number.to_string(),
        Action::Note(_, place, _) => place.to_string(),
    };
    format!("{} {:?} {what}", step.action.name(), step.assets)
}
