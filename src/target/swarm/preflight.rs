//! Tries new references in a one-off task that no traffic can reach.

use std::time::Duration;

use serde_json::{Value, json};

use super::error::Refusal;
use super::update::with_swaps;
use super::{Swarm, spec, tasks};
use crate::failpoint;
use crate::model::{Code, Problem, Rollout};
use crate::target::Goods;

/// A task that no node takes is pending for ever.
const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);

impl Swarm {
    /// Runs `command` as the service would run with the new references. The job is removed whatever comes out: as long
    /// as it is there, it names the secrets.
    pub(super) async fn try_out(
        &self,
        rollout: &Rollout,
        goods: &Goods,
        command: &[String],
    ) -> Result<(), Problem> {
        let service = Self::service_id(rollout)?;
        let doing = format!("preparing the preflight of service {}", rollout.place.name());
        let seen = self.inspect(service).await.map_err(|refusal| refusal.problem(&doing))?;
        let running = self.tasks_of(service).await.map_err(|refusal| refusal.problem(&doing))?;
        let node =
            running.iter().find(|task| tasks::is_running(task)).and_then(|task| task["NodeID"].as_str());
        let name = format!("keyturn-preflight-{}", service.get(..12).unwrap_or(service));
        let labels = json!({ "keyturn.instance": self.instance, "keyturn.preflight": rollout.place.name() });
        let swapped = with_swaps(&seen["Spec"], rollout, goods);
        let job = spec::preflight_job(&name, labels, &swapped, command, node);
        self.clear_away(&name).await.map_err(|refusal| refusal.problem(&doing))?;
        let verdict = match self.raw.post("/services/create", &job).await {
            Ok(_) => {
                failpoint::hit("preflight-created");
                self.verdict(&name, rollout, command).await
            }
            Err(refusal) => Err(refusal.problem(&doing)),
        };
        if let Err(refusal) = self.clear_away(&name).await {
            tracing::warn!("the preflight job {name} could not be removed: {refusal}");
        }
        verdict
    }

    /// A job of this name is ours, left by a crash.
    async fn clear_away(&self, name: &str) -> Result<(), Refusal> {
        match self.docker.delete_service(name).await.map_err(Refusal::from) {
            Err(refusal) if !refusal.is_missing() => Err(refusal),
            _ => Ok(()),
        }
    }

    async fn verdict(&self, job: &str, rollout: &Rollout, command: &[String]) -> Result<(), Problem> {
        let shown = command.join(" ");
        let name = rollout.place.name();
        let failed = |what: String| {
            Problem::new(Code::PreflightFailed, format!("`{shown}` for service {name}: {what}"))
        };
        let end = self.clock.monotonic() + PATIENCE;
        loop {
            let tasks = match self.tasks_of(job).await {
                Ok(tasks) => tasks,
                // It may come back in time.
                Err(refusal) if refusal.is_absence() && self.clock.monotonic() < end => {
                    self.clock.sleep(PAUSE).await;
                    continue;
                }
                Err(refusal) => {
                    return Err(refusal.problem(&format!("watching the preflight of service {name}")));
                }
            };
            let state = |task: &Value| task["Status"]["State"].as_str().unwrap_or_default().to_owned();
            if tasks.iter().any(|task| state(task) == "complete") {
                return Ok(());
            }
            if let Some(task) = tasks.iter().find(|task| tasks::has_failed(task)) {
                return Err(failed(self.story(job, task).await));
            }
            if self.clock.monotonic() >= end {
                let waiting = tasks.first();
                let what = match waiting {
                    Some(task) => self.story(job, task).await,
                    None => "no task was made".to_owned(),
                };
                return Err(failed(format!("it did not end within {} s: {what}", PATIENCE.as_secs())));
            }
            self.clock.sleep(PAUSE).await;
        }
    }
}
