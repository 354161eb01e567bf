//! One rollout of one place, from preflight to proof, or back to what was there before.

use std::collections::BTreeSet;
use std::time::Duration;

use super::goods::shows;
use super::{Edit, Executor, Fatal, Outcome, Slot};
use crate::desired::Desired;
use crate::failpoint;
use crate::model::{
    AssetId, Code, DELIVERY_PAUSES, DeliveryState, Effort, FileContent, Inventory, ObjectKind, ObjectRecord,
    Parcel, Place, Problem, Proof, ProofAsk, Rollout, RolloutRecord,
};
use crate::target::{Before, Goods, Target};
use crate::verify::Handshakes;

/// A reader that has been told to reload may take this long until it shows the new leaf.
const PROOF_PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks.
const PROOF_PAUSE: Duration = Duration::from_millis(250);

impl Executor {
    /// Preflight, intent, one change, convergence, proof, outcome. A failure after the change puts back what was there.
    /// The `slot` is given back when only the watch over what is there already is left.
    pub(super) async fn roll_out(&self, desired: &Desired, rollout: &Rollout, slot: Slot<'_>) -> Outcome {
        let target = match self.target(&rollout.place) {
            Ok(target) => target.as_ref(),
            Err(problem) => return Ok(Err(problem)),
        };
        if let Some(problem) = &rollout.undo {
            return self.undo(target, rollout, problem.clone()).await;
        }
        let goods = match self.goods(desired, rollout).await? {
            Ok(goods) => goods,
            Err(problem) => return self.refused(target, rollout, problem).await,
        };
        if !rollout.applied {
            if let Err(problem) = target.preflight(rollout, &goods).await {
                return self.refused(target, rollout, problem).await;
            }
            tracing::debug!(place = %rollout.place, "preflight passed");
            self.begin(rollout).await?;
            failpoint::hit("rollout-intended");
            if let Err(problem) = target.apply(rollout, &goods).await {
                return self.undo(target, rollout, problem).await;
            }
            tracing::debug!(place = %rollout.place, "applied");
            failpoint::hit("rollout-applied");
        }
        match self.take_up(target, rollout, &goods, slot).await {
            Ok(()) => self.succeed(target, rollout).await,
            Err(problem) => self.undo(target, rollout, problem).await,
        }
    }

    /// Proves what is there already; nothing is touched, whatever comes out.
    pub(super) async fn prove_again(&self, rollout: &Rollout) -> Outcome {
        match self.prove(rollout).await {
            Ok(()) => self.record_success(rollout).await.map(Ok),
            Err(problem) => {
                self.books
                    .edit(|edit| {
                        let now = edit.now;
                        for parcel in &rollout.parcels {
                            let deliveries = &mut edit.asset(&parcel.asset).deliveries;
                            let effort = &mut deliveries.or_default(rollout.place.clone()).effort;
                            effort.failed(
                                problem.clone(),
                                Some(parcel.against.clone()),
                                &DELIVERY_PAUSES,
                                now,
                            );
                        }
                    })
                    .await?;
                Ok(Err(problem))
            }
        }
    }

    /// All tasks run with it, and every proof that was asked for is there.
    async fn take_up(
        &self,
        target: &dyn Target,
        rollout: &Rollout,
        goods: &Goods,
        slot: Slot<'_>,
    ) -> Result<(), Problem> {
        target.settle(rollout, goods).await?;
        tracing::debug!(place = %rollout.place, "settled");
        drop(slot);
        target.stay(rollout, goods).await?;
        failpoint::hit("rollout-settled");
        self.prove(rollout).await
    }

    /// The intent, durable before anything is changed.
    async fn begin(&self, rollout: &Rollout) -> Result<(), Fatal> {
        let mut before = rollout.before();
        let mut identities = identities(rollout);
        let against =
            rollout.parcels.iter().map(|parcel| (parcel.asset.clone(), parcel.against.clone())).collect();
        self.books
            .edit(|edit| {
                let mut assets = rollout.assets();
                // A service that was made anew since has nothing to go back to.
                let interrupted = edit.rollout(&rollout.place).map(|record| record.clone());
                if let Some(interrupted) =
                    interrupted.filter(|record| record.service_id == rollout.service_id)
                {
                    // A crash came between the change and its outcome: what was there first is still what to go back to.
                    before.extend(interrupted.before);
                    identities.extend(interrupted.identities);
                    assets.extend(interrupted.assets);
                    assets.sort();
                    assets.dedup();
                }
                let record = RolloutRecord {
                    place: rollout.place.clone(),
                    started_at: edit.now,
                    service_id: rollout.service_id.clone(),
                    assets,
                    before,
                    identities,
                    against,
                    undoing: None,
                    not_put_back: false,
                };
                edit.put_rollout(record);
                for parcel in &rollout.parcels {
                    let shown = parcel.shown_before(|before| {
                        let object = edit.object(before.kind, &before.name);
                        object
                            .filter(|object| object.id.as_ref() == Some(&before.id))
                            .map(|o| o.revisions.clone())
                    });
                    let deliveries = &mut edit.asset(&parcel.asset).deliveries;
                    let delivery = deliveries.or_default(rollout.place.clone());
                    delivery.state = DeliveryState::Delivering;
                    delivery.forget_unshown(parcel, shown);
                    edit.audit(self.rollout_event("rollout-begun", rollout, parcel, &[]));
                }
            })
            .await
    }

    /// Every parcel's proof, each in rounds until it holds or patience ends.
    async fn prove(&self, rollout: &Rollout) -> Result<(), Problem> {
        let end = self.clock.monotonic() + PROOF_PATIENCE;
        for parcel in &rollout.parcels {
            loop {
                let Err(problem) = self.prove_parcel(parcel).await else { break };
                if self.clock.monotonic() >= end {
                    let message = format!("{}: {}", rollout.place.name(), problem.message);
                    return Err(Problem::new(problem.code, message));
                }
                self.clock.sleep(PROOF_PAUSE).await;
            }
        }
        Ok(())
    }

    async fn prove_parcel(&self, parcel: &Parcel) -> Result<(), Problem> {
        let seen = match &parcel.proof {
            ProofAsk::Converged => return Ok(()),
            ProofAsk::Handshake { connect, server_name, count, fingerprint_sha256, key_algorithm } => {
                let anchors = self.anchors(&parcel.asset, parcel.revision).await;
                let ask = Handshakes {
                    connect: connect.clone(),
                    server_name: server_name.clone(),
                    count: *count,
                    fingerprint_sha256: fingerprint_sha256.clone(),
                    key_algorithm: *key_algorithm,
                    anchors,
                    timeout: crate::verify::HANDSHAKE_TIMEOUT,
                };
                self.verifier.handshakes(&ask).await
            }
            ProofAsk::Jwks { url, kids } => self.verifier.jwks(url, kids).await,
        };
        match seen {
            Ok(seen) => {
                for remark in seen.remarks {
                    tracing::warn!(asset = %parcel.asset, "{remark}");
                }
                Ok(())
            }
            Err(error) => Err(Problem::new(Code::ProofFailed, error.to_string())),
        }
    }

    async fn anchors(&self, asset: &AssetId, revision: u32) -> Vec<String> {
        let material = self.books.material(asset, revision).await.ok().flatten();
        material.map(|material| material.anchors).unwrap_or_default()
    }

    async fn succeed(&self, target: &dyn Target, rollout: &Rollout) -> Outcome {
        self.record_success(rollout).await?;
        failpoint::hit("rollout-recorded");
        if let Err(problem) = target.finish(rollout).await {
            // What is served is right; only leftovers could not be cleared, and the next rollout clears them.
            tracing::warn!(place = %rollout.place, "leftovers stay: {problem}");
        }
        Ok(Ok(()))
    }

    async fn record_success(&self, rollout: &Rollout) -> Result<(), Fatal> {
        let mut replaced = self.books.look(|inventory| replaced(inventory, rollout)).await;
        self.books
            .edit(|edit| {
                let now = edit.now;
                // After a crash the swaps are done already, and only the intent tells what they replaced.
                let begun = edit.rollout(&rollout.place).map(|record| record.before.clone());
                let before = rollout.before().into_values().chain(begun.unwrap_or_default().into_values());
                replaced.extend(before.flatten().map(|before| (before.kind, before.name)));
                for (kind, name) in &replaced {
                    if let Some(object) = edit.object(*kind, name) {
                        object.replaced_at = Some(now);
                    }
                }
                end_rollout(edit, rollout);
                for parcel in &rollout.parcels {
                    let proof = parcel.proof.gives();
                    let delivery = edit.asset(&parcel.asset).deliveries.or_default(rollout.place.clone());
                    // What was repaired is delivered now: overlaps count from the last time it was put there.
                    let again = rollout.applied
                        && delivery.content == parcel.content
                        && delivery.service_id == rollout.service_id;
                    delivery.know(&parcel.content, now);
                    delivery.content = parcel.content.clone();
                    delivery.revision = parcel.revision;
                    delivery.state = DeliveryState::after(proof, parcel.asset.kind);
                    delivery.proof = Some(proof);
                    delivery.delivered_at = delivery.delivered_at.filter(|_| again).or(Some(now));
                    delivery.verified_at = (proof != Proof::Converged).then_some(now);
                    delivery.service_id.clone_from(&rollout.service_id);
                    delivery.effort = Effort::default();
                    delivery.note = None;
                    edit.audit(self.rollout_event("delivered", rollout, parcel, &[("proof", proof.name())]));
                }
            })
            .await
    }

    /// Nothing was touched by this try: the preflight, or what comes before it, has failed. What an earlier try has
    /// changed before a crash is undone all the same.
    async fn refused(&self, target: &dyn Target, rollout: &Rollout, problem: Problem) -> Outcome {
        if self.books.look(|inventory| inventory.rollouts.contains_key(&rollout.place)).await {
            return self.undo(target, rollout, problem).await;
        }
        self.record_failure(rollout, &problem, rollout.parcels.len() > 1).await?;
        Ok(Err(problem))
    }

    /// Puts back what was there before. That it is being undone is durable first, so that a crash cannot turn
    /// it into another try.
    async fn undo(&self, target: &dyn Target, rollout: &Rollout, problem: Problem) -> Outcome {
        let before = self.mark_undoing(rollout, &problem).await?;
        failpoint::hit("undo-intended");
        let Some(before) = before else {
            self.record_failure(rollout, &problem, false).await?;
            return Ok(Err(problem));
        };
        if let Err(worse) = target.put_back(&rollout.place, &before, rollout).await {
            let message = format!("{}; before that: {problem}", worse.message);
            let failed = |record: &mut RolloutRecord| record.not_put_back = true;
            self.books.edit(|edit| edit.rollout(&rollout.place).into_iter().for_each(failed)).await?;
            return Ok(Err(Problem::new(Code::PutBackFailed, message)));
        }
        failpoint::hit("undo-done");
        self.record_failure(rollout, &problem, false).await?;
        Ok(Err(problem))
    }

    /// Notes that the rollout is being undone, and says what to go back to; `None` where nothing was begun by us.
    async fn mark_undoing(&self, rollout: &Rollout, problem: &Problem) -> Result<Option<Before>, Fatal> {
        let mut before = None;
        self.books
            .edit(|edit| {
                if let Some(record) = edit.rollout(&rollout.place) {
                    record.undoing = Some(problem.clone());
                    let (references, identities) = (record.before.clone(), record.identities.clone());
                    before = Some(Before { references, identities });
                }
            })
            .await?;
        Ok(before)
    }

    /// The failure belongs to the target: it has its next try, and the revision is as good as before.
    async fn record_failure(
        &self,
        rollout: &Rollout,
        problem: &Problem,
        apart_at_once: bool,
    ) -> Result<(), Fatal> {
        let interrupted = self.books.look(|inventory| inventory.rollouts.get(&rollout.place).cloned()).await;
        let interrupted = interrupted.as_ref();
        let assets = match rollout.parcels.is_empty() {
            true => interrupted.map(|record| record.assets.clone()).unwrap_or_default(),
            false => rollout.assets(),
        };
        // After a crash the service already has the new references: only the intent knows what was there before.
        let against = |id: &AssetId| {
            let begun = interrupted.and_then(|record| record.against.get(id)).cloned();
            let own = || rollout.parcels.iter().find(|parcel| parcel.asset == *id);
            begun.or_else(|| own().map(|parcel| parcel.against.clone()))
        };
        self.books
            .edit(|edit| {
                let now = edit.now;
                edit.remove_rollout(&rollout.place);
                for id in &assets {
                    let delivery = edit.asset(id).deliveries.or_default(rollout.place.clone());
                    delivery.state = DeliveryState::Failed;
                    delivery.effort.failed(problem.clone(), against(id), &DELIVERY_PAUSES, now);
                    if apart_at_once {
                        // One bad asset must not hold back its neighbours: each is tried alone, now.
                        delivery.effort.next_try_at = Some(now);
                    }
                    let details = [("place", rollout.place.to_string()), ("problem", problem.to_string())];
                    let details: Vec<(&str, &str)> =
                        details.iter().map(|(key, value)| (*key, value.as_str())).collect();
                    edit.audit(self.audit_event("delivery-failed", id, None, &details));
                }
            })
            .await
    }

    fn rollout_event(
        &self,
        action: &str,
        rollout: &Rollout,
        parcel: &Parcel,
        more: &[(&str, &str)],
    ) -> crate::audit::Event {
        let place = rollout.place.to_string();
        let mut details = vec![("place", place.as_str())];
        details.extend(more);
        self.audit_event(action, &parcel.asset, Some(parcel.revision), &details)
    }

    /// Keeps in mind what is wrong with a place, for `status`.
    pub(super) async fn keep_in_mind(
        &self,
        id: &AssetId,
        place: &Place,
        problem: Option<&Problem>,
    ) -> Outcome {
        self.books
            .edit(|edit| {
                edit.asset(id).deliveries.or_default(place.clone()).note = problem.cloned();
            })
            .await?;
        Ok(Ok(()))
    }
}

/// The objects that the place had by our own books and has no more. A person may have taken them out of the service
/// long ago by a rollback: their retention counts from now nonetheless.
fn replaced(inventory: &Inventory, rollout: &Rollout) -> BTreeSet<(ObjectKind, String)> {
    let mut replaced = BTreeSet::new();
    for parcel in &rollout.parcels {
        let delivery =
            inventory.assets.get(&parcel.asset).and_then(|record| record.deliveries.get(&rollout.place));
        let old: Vec<&FileContent> =
            delivery.map(|delivery| delivery.content.files.values().collect()).unwrap_or_default();
        let new: Vec<&FileContent> = parcel.content.files.values().collect();
        let shown =
            |files: &[&FileContent], object: &ObjectRecord| files.iter().any(|file| shows(file, object));
        let own = inventory.objects.values().filter(|object| object.asset == parcel.asset);
        let gone = own.filter(|object| shown(&old, object) && !shown(&new, object));
        replaced.extend(gone.map(|object| (object.kind, object.name.clone())));
    }
    replaced
}

/// The intent has its outcome, for the assets of this rollout. Another's, from before a crash, stays: only it knows what
/// that one has to go back to.
fn end_rollout(edit: &mut Edit<'_>, rollout: &Rollout) {
    let done = rollout.assets();
    let Some(record) = edit.rollout(&rollout.place) else { return };
    record.assets.retain(|asset| !done.contains(asset));
    record.identities.retain(|asset, _| !done.contains(asset));
    for path in rollout.parcels.iter().flat_map(|parcel| parcel.content.files.keys()) {
        record.before.remove(path);
    }
    if record.assets.is_empty() {
        edit.remove_rollout(&rollout.place);
    }
}

/// What each asset's link in a directory shows before the rollout.
fn identities(rollout: &Rollout) -> std::collections::BTreeMap<AssetId, Option<String>> {
    let installs = rollout.parcels.iter().filter_map(|parcel| Some((parcel, parcel.install.as_ref()?)));
    installs.map(|(parcel, install)| (parcel.asset.clone(), install.previous.clone())).collect()
}
