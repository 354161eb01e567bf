//! Changes a service's references, and puts them back.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;

use super::error::Refusal;
use super::{ENGINE_PATIENCE, Swarm, spec};
use crate::failpoint;
use crate::model::{Code, Forget, Problem, Reference, Rollout};
use crate::target::Goods;

/// How often a spec is read again because another's write came between.
const MOST_CONFLICTS: usize = 5;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(300);

impl Swarm {
    /// The service as the engine has it: `ID`, `Version`, `Spec`, `PreviousSpec`, `UpdateStatus`.
    pub(super) async fn inspect(&self, service: &str) -> Result<Value, Refusal> {
        self.raw.get(&format!("/services/{service}")).await
    }

    /// One update that swaps exactly our references and keeps everything else.
    pub(super) async fn update_references(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem> {
        let service = Self::service_id(rollout)?;
        self.change(service, false, |spec| swap_all(spec, rollout, goods)).await.map_err(|refusal| {
            let problem = refusal.problem(&format!("updating service {}", rollout.place.name()));
            match problem.code {
                Code::EngineFailed => Problem::new(Code::RolloutFailed, problem.message),
                _ => problem,
            }
        })
    }

    /// Reads the spec, changes it, writes it: again from the reading on when another's write came between, when it is
    /// not known whether ours was taken, and while the engine is away. Nothing is written where nothing changes, unless
    /// `always`.
    async fn change(&self, service: &str, always: bool, change: impl Fn(&mut Value)) -> Result<(), Refusal> {
        let end = self.clock.monotonic() + ENGINE_PATIENCE;
        let mut answers = 0;
        loop {
            let refusal = match self.change_once(service, always, &change).await {
                Ok(()) => return Ok(()),
                Err(refusal) => refusal,
            };
            let again = if refusal.is_absence() {
                self.clock.monotonic() < end
            } else {
                answers += 1;
                (refusal.is_conflict() || refusal.is_ambiguous()) && answers <= MOST_CONFLICTS
            };
            if !again {
                return Err(refusal);
            }
            self.clock.sleep(PAUSE).await;
        }
    }

    /// After a reply that was lost the spec is as it should be, and nothing more is written.
    async fn change_once(
        &self,
        service: &str,
        always: bool,
        change: &impl Fn(&mut Value),
    ) -> Result<(), Refusal> {
        let seen = self.inspect(service).await?;
        let mut spec = seen["Spec"].clone();
        change(&mut spec);
        if spec == seen["Spec"] && !always {
            return Ok(());
        }
        let version = seen["Version"]["Index"].as_u64().unwrap_or(0);
        let path = format!("/services/{service}/update?version={version}&registryAuthFrom=spec");
        self.raw.post(&path, &spec).await.map(|_| ())
    }

    /// Puts back what was there before, waits until it runs, and sees that `docker service rollback` cannot bring the
    /// bad one back.
    pub(super) async fn restore(
        &self,
        service: &str,
        before: &BTreeMap<String, Option<Reference>>,
        deadline: SignedDuration,
    ) -> Result<(), Problem> {
        let failed = |refusal: Refusal| refusal.problem(&format!("putting service {service} back"));
        let seen = match self.inspect(service).await {
            Err(refusal) if refusal.is_missing() => return Ok(()),
            other => other.map_err(failed)?,
        };
        let id = seen["ID"].as_str().unwrap_or(service).to_owned();
        self.wait_for_own_rollback(&id).await.map_err(failed)?;
        self.change(&id, false, |spec| {
            before.iter().for_each(|(path, before)| spec::put_back(spec, path, before.as_ref()));
        })
        .await
        .map_err(failed)?;
        failpoint::hit("references-put-back");
        self.wait_until_quiet(&id, before, deadline).await?;
        let seen = self.inspect(&id).await.map_err(failed)?;
        let previous = &seen["PreviousSpec"];
        if previous.is_object() && spec::is_as_before(previous, before) {
            return Ok(());
        }
        // As `forget_previous` does it.
        self.change(&id, true, |_| {}).await.map_err(failed)
    }

    /// An update with the spec as it is makes that spec the previous one too, and restarts nothing.
    pub(super) async fn forget_previous(&self, forget: &Forget) -> Result<(), Problem> {
        let what = format!("making service {} forget what it had before", forget.place.name());
        let failed = |refusal: Refusal| refusal.problem(&what);
        self.change(&forget.service_id, true, |_| {}).await.map_err(failed)?;
        let seen = self.inspect(&forget.service_id).await.map_err(failed)?;
        // Said, rather than tried for ever: another's update may have come between.
        if seen["PreviousSpec"]["TaskTemplate"] == seen["Spec"]["TaskTemplate"] {
            return Ok(());
        }
        Err(Problem::new(Code::EngineFailed, format!("{what}: its PreviousSpec is still another")))
    }

    /// A Swarm that is rolling back by itself is left to end that first: two updates at once help nobody.
    async fn wait_for_own_rollback(&self, service: &str) -> Result<(), Refusal> {
        let end = self.clock.monotonic() + Duration::from_secs(120);
        loop {
            let seen = self.inspect(service).await?;
            let rolling = seen["UpdateStatus"]["State"].as_str() == Some("rollback_started");
            if !rolling || self.clock.monotonic() >= end {
                return Ok(());
            }
            self.clock.sleep(PAUSE).await;
        }
    }
}

fn swap_all(spec: &mut Value, rollout: &Rollout, goods: &Goods) {
    for swap in rollout.parcels.iter().flat_map(|parcel| &parcel.swaps) {
        if let Some(id) = goods.ids.get(&(swap.kind, swap.object.clone())) {
            spec::swap(spec, swap, id);
        }
    }
}

/// The spec as it would be with the rollout's references: what a preflight tries.
pub(super) fn with_swaps(spec: &Value, rollout: &Rollout, goods: &Goods) -> Value {
    let mut spec = spec.clone();
    swap_all(&mut spec, rollout, goods);
    spec
}
