//! Waits until a rollout has worked, or has not.
//!
//! A Swarm's own word is not enough: with failure action `continue` it calls an update completed when every task
//! has failed, a pending task never counts as a failure, and `completed` can come before the old tasks are gone. So
//! success is all of: no update going on, our references in the spec, the right number of tasks, all of them running with
//! our references, the old ones gone, and that for as long as the Swarm itself watches new tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{ENGINE_PATIENCE, Swarm, spec, tasks};
use crate::model::{Code, Problem, Reference, Rollout};
use crate::target::Goods;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Beyond the Swarm's own watch: a task that dies just after it must not pass for a success.
const MARGIN: Duration = Duration::from_millis(500);

/// How long to look at a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Until its tasks do not move any more, be it with failures that were there before us.
    Quiet,
    /// Until all of its tasks run with what they should have, and the old ones are gone.
    There,
    /// Until it has been so for as long as the Swarm itself watches new tasks.
    Watched,
}

/// Tasks that come back with the old references may take this long to run. Whether they run at all is not ours to wait
/// for: they may have been failing, or waiting for a node, before us.
const OLD_TASKS_PATIENCE: Duration = Duration::from_secs(30);

/// What a look is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// To see a rollout work, or fail.
    Forward,
    /// To see the old references run again.
    Back,
    /// To see that every task names the old references, running or not.
    BackInAnyState,
}

/// What one look has shown.
#[derive(Debug, Clone, PartialEq)]
enum Look {
    /// Not there yet.
    Moving,
    /// All is as it should be, for now.
    Still,
    /// It will not come to be: what happened, and which task tells of it.
    Lost(String, Option<Value>),
}

impl Swarm {
    /// Waits until every task of the service runs with the rollout's objects.
    pub(super) async fn converge(
        &self,
        rollout: &Rollout,
        goods: &Goods,
        until: Until,
    ) -> Result<(), Problem> {
        let service = Self::service_id(rollout)?;
        let name = rollout.place.name();
        let wanted: BTreeSet<String> = goods.ids.values().cloned().collect();
        let shows = |ids: &BTreeSet<String>| wanted.is_subset(ids);
        let lost = self.watch(service, rollout.deadline, &shows, until).await?;
        match lost {
            None => Ok(()),
            Some(Look::Lost(what, Some(task))) => {
                let story = self.story(&name, &task).await;
                Err(Problem::new(Code::RolloutFailed, format!("service {name}: {what}: {story}")))
            }
            Some(Look::Lost(what, None)) => {
                Err(Problem::new(Code::RolloutFailed, format!("service {name}: {what}")))
            }
            Some(_) => Err(self.late(service, &name, rollout.deadline).await),
        }
    }

    /// After putting back: waits until the service runs with what it had before. Tasks that were failing before us may
    /// go on failing; that is not for us to wait out.
    pub(super) async fn wait_until_quiet(
        &self,
        service: &str,
        before: &BTreeMap<String, Option<Reference>>,
        deadline: SignedDuration,
    ) -> Result<(), Problem> {
        let wanted: BTreeSet<String> =
            before.values().flatten().map(|reference| reference.id.clone()).collect();
        let shows = |ids: &BTreeSet<String>| wanted.is_subset(ids);
        match self.watch(service, deadline, &shows, Until::Quiet).await? {
            Some(Look::Moving) => {
                let message = "its tasks did not come back with the old references in time";
                Err(Problem::new(Code::PutBackFailed, message))
            }
            _ => Ok(()),
        }
    }

    /// Looks until it has been still for long enough (`None`), is lost, or the deadline has passed (`Moving`).
    async fn watch(
        &self,
        service: &str,
        deadline: SignedDuration,
        shows: &(dyn Fn(&BTreeSet<String>) -> bool + Sync),
        until: Until,
    ) -> Result<Option<Look>, Problem> {
        let begun = self.clock.monotonic();
        let end = begun + Duration::try_from(deadline).unwrap_or(Duration::from_secs(600));
        let mut still_since: Option<Duration> = None;
        let mut silent_since: Option<Duration> = None;
        loop {
            let now = self.clock.monotonic();
            let how = match until {
                Until::Quiet if now.saturating_sub(begun) >= OLD_TASKS_PATIENCE => How::BackInAnyState,
                Until::Quiet => How::Back,
                Until::There | Until::Watched => How::Forward,
            };
            match self.look_once(service, shows, how).await {
                Ok((Look::Lost(what, task), _)) => return Ok(Some(Look::Lost(what, task))),
                Ok((Look::Still, patience)) => {
                    silent_since = None;
                    let since = *still_since.get_or_insert(now);
                    if now.saturating_sub(since) >= patience || until != Until::Watched {
                        return Ok(None);
                    }
                }
                Ok((Look::Moving, _)) => (still_since, silent_since) = (None, None),
                Err(problem) => {
                    let since = *silent_since.get_or_insert(now);
                    if now.saturating_sub(since) >= ENGINE_PATIENCE {
                        return Err(problem);
                    }
                }
            }
            if now >= end {
                return Ok(Some(Look::Moving));
            }
            self.clock.sleep(PAUSE).await;
        }
    }

    async fn look_once(
        &self,
        service: &str,
        shows: &(dyn Fn(&BTreeSet<String>) -> bool + Sync),
        how: How,
    ) -> Result<(Look, Duration), Problem> {
        let doing = "watching the rollout";
        let seen = self.inspect(service).await.map_err(|refusal| refusal.problem(doing))?;
        let tasks = self.tasks_of(service).await.map_err(|refusal| refusal.problem(doing))?;
        let patience = spec::monitor(&seen["Spec"]) + MARGIN;
        Ok((judge(&seen, &tasks, shows, how), patience))
    }

    /// The deadline has passed: says what the service is still waiting for.
    async fn late(&self, service: &str, name: &str, deadline: SignedDuration) -> Problem {
        let tasks = self.tasks_of(service).await.unwrap_or_default();
        let stuck = tasks.iter().find(|task| tasks::is_wanted(task) && !tasks::is_running(task));
        let what = match stuck {
            Some(task) => self.story(name, task).await,
            None => "its update did not end".to_owned(),
        };
        let message = format!("service {name} was not there after {} s: {what}", deadline.as_secs());
        Problem::new(Code::RolloutTimeout, message)
    }
}

/// One look, judged.
fn judge(
    service: &Value,
    tasks: &[Value],
    shows: &(dyn Fn(&BTreeSet<String>) -> bool + Sync),
    how: How,
) -> Look {
    let spec = &service["Spec"];
    let status = &service["UpdateStatus"];
    let state = status["State"].as_str().unwrap_or_default();
    let ours = |task: &&Value| shows(&spec::object_ids(&task["Spec"]["ContainerSpec"]));
    // What failed in an earlier try with the same objects says nothing about this one.
    let since = moment(&status["StartedAt"]);
    let recent = |task: &&Value| since.is_none() || moment(&task["CreatedAt"]) >= since;
    let failed = newest_failure(tasks, &|task| ours(task) && recent(task));
    if how == How::Forward {
        if state == "paused" || state.starts_with("rollback") {
            let message = status["Message"].as_str().unwrap_or_default();
            return Look::Lost(format!("the Swarm has {state} the update ({message})"), failed);
        }
        if !shows(&spec::service_object_ids(spec)) {
            return Look::Lost(
                "someone has changed its references in the middle of the rollout".to_owned(),
                None,
            );
        }
        if state != "updating" && failures(tasks, &|task| ours(task) && recent(task)) >= most_failures(spec) {
            return Look::Lost("its new tasks keep failing".to_owned(), failed);
        }
    }
    let wanted: Vec<&Value> = tasks.iter().filter(|task| tasks::is_wanted(task)).collect();
    if how == How::BackInAnyState {
        return if wanted.iter().all(ours) { Look::Still } else { Look::Moving };
    }
    // By slots: a Swarm that was restarted in the middle of an update can leave two good tasks in one.
    let slots: BTreeSet<Option<u64>> = wanted.iter().map(|task| task["Slot"].as_u64()).collect();
    let all_there = spec::replicas(spec).is_none_or(|replicas| slots.len() as u64 == replicas);
    let all_run = wanted.iter().all(|task| tasks::is_running(task) && ours(task));
    let old_gone = tasks.iter().filter(|task| !tasks::is_wanted(task)).all(tasks::is_over);
    if state != "updating" && all_there && all_run && old_gone { Look::Still } else { Look::Moving }
}

fn moment(text: &Value) -> Option<Timestamp> {
    text.as_str()?.parse().ok()
}

fn newest_failure(tasks: &[Value], ours: &impl Fn(&&Value) -> bool) -> Option<Value> {
    let failed = tasks.iter().filter(|task| tasks::has_failed(task)).filter(|task| ours(task));
    failed.max_by_key(|task| task["Status"]["Timestamp"].as_str().map(str::to_owned)).cloned()
}

fn failures(tasks: &[Value], ours: &impl Fn(&&Value) -> bool) -> u64 {
    tasks.iter().filter(|task| tasks::has_failed(task)).filter(|task| ours(task)).count() as u64
}

/// One failure can be chance (a node that goes down); as many as there are replicas, and at least two, cannot.
fn most_failures(spec: &Value) -> u64 {
    spec::replicas(spec).unwrap_or(1).clamp(2, 8)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(state: &str, desired: &str, secret: &str) -> Value {
        json!({ "ID": "t", "DesiredState": desired, "Status": { "State": state, "Timestamp": "1" },
                "Spec": { "ContainerSpec": { "Secrets": [{ "SecretID": secret, "SecretName": "n", "File": { "Name": "f" } }] } } })
    }

    fn in_slot(slot: u64, mut task: Value) -> Value {
        task["Slot"] = json!(slot);
        task
    }

    fn service(state: Option<&str>, replicas: u64) -> Value {
        let spec = json!({ "Mode": { "Replicated": { "Replicas": replicas } },
                           "TaskTemplate": { "ContainerSpec": { "Secrets": [{ "SecretID": "new" }] } } });
        match state {
            Some(state) => json!({ "Spec": spec, "UpdateStatus": { "State": state, "Message": "m" } }),
            None => json!({ "Spec": spec }),
        }
    }

    fn look(service: &Value, tasks: &[Value]) -> Look {
        judge(service, tasks, &|ids| ids.contains("new"), How::Forward)
    }

    #[test]
    fn completed_is_not_enough() {
        let running = in_slot(1, task("running", "running", "new"));
        let second = in_slot(2, running.clone());
        let done = service(Some("completed"), 2);
        assert_eq!(look(&done, &[running.clone(), second.clone()]), Look::Still);
        assert_eq!(look(&done, &[running.clone(), running.clone()]), Look::Moving, "both in one slot");
        let three = [running.clone(), running.clone(), second.clone()];
        assert_eq!(look(&done, &three), Look::Still, "a slot that a restart has filled twice");
        assert_eq!(look(&done, std::slice::from_ref(&running)), Look::Moving, "one of two");
        let old = task("running", "shutdown", "old");
        assert_eq!(look(&done, &[running.clone(), second, old]), Look::Moving, "the old is still there");
        let starting = in_slot(2, task("starting", "running", "new"));
        assert_eq!(look(&done, &[running, starting]), Look::Moving);
    }

    #[test]
    fn continue_hides_failures_from_docker_but_not_from_us() {
        let failed = task("failed", "shutdown", "new");
        let done = service(Some("completed"), 2);
        let lost = look(&done, &[failed.clone(), failed.clone(), task("running", "running", "new")]);
        assert!(matches!(lost, Look::Lost(what, Some(_)) if what.contains("keep failing")));
    }

    #[test]
    fn what_failed_in_an_earlier_try_does_not_count() {
        let mut done = service(Some("completed"), 2);
        done["UpdateStatus"]["StartedAt"] = json!("2026-11-22T03:00:00.5Z");
        let mut failed = task("failed", "shutdown", "new");
        failed["CreatedAt"] = json!("2026-11-22T02:59:00Z");
        let running = in_slot(1, task("running", "running", "new"));
        let second = in_slot(2, running.clone());
        let tasks = [failed.clone(), failed.clone(), running.clone(), second.clone()];
        assert_eq!(look(&done, &tasks), Look::Still);
        failed["CreatedAt"] = json!("2026-11-22T03:00:00.51Z");
        assert!(matches!(look(&done, &[failed.clone(), failed, running, second]), Look::Lost(..)));
    }

    #[test]
    fn going_back_does_not_wait_for_what_never_ran() {
        let waiting = [task("pending", "running", "old"), task("failed", "shutdown", "new")];
        let back = |how| judge(&service(Some("updating"), 1), &waiting, &|ids| ids.contains("old"), how);
        assert_eq!(back(How::Back), Look::Moving);
        assert_eq!(back(How::BackInAnyState), Look::Still);
    }

    #[test]
    fn paused_and_every_rollback_is_failure() {
        for state in ["paused", "rollback_started", "rollback_paused", "rollback_completed"] {
            assert!(matches!(look(&service(Some(state), 1), &[]), Look::Lost(..)), "{state}");
        }
    }

    #[test]
    fn a_service_scaled_to_nothing_is_there_at_once() {
        assert_eq!(look(&service(None, 0), &[]), Look::Still);
        assert_eq!(look(&service(None, 0), &[task("shutdown", "shutdown", "old")]), Look::Still);
    }
}
