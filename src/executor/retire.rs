//! Notes what has become of revisions, and takes away what nobody needs any more.

use std::time::Duration;

use jiff::SignedDuration;

use super::{Executor, Outcome};
use crate::failpoint;
use crate::model::{AssetId, Delivery, Install, OldObject, Parcel, Place, ProofAsk, RevisionState, Rollout};
use crate::planner;

impl Executor {
    /// Everyone who must know the revision has it.
    pub(super) async fn announce(&self, id: &AssetId, number: u32) -> Outcome {
        let event = self.audit_event("published", id, Some(number), &[]);
        self.books
            .edit(|edit| {
                let now = edit.now;
                edit.asset(id).published(number, now);
                edit.audit(event);
            })
            .await?;
        Ok(Ok(()))
    }

    /// The revision is in use everywhere.
    pub(super) async fn activate(&self, id: &AssetId, number: u32) -> Outcome {
        let event = self.audit_event("activated", id, Some(number), &[]);
        self.books
            .edit(|edit| {
                let now = edit.now;
                edit.asset(id).activated(number, now);
                edit.audit(event);
            })
            .await?;
        failpoint::hit("activated");
        Ok(Ok(()))
    }

    /// The revision's private key is destroyed, also where a crash has left it lying beside what is installed.
    pub(super) async fn retire(&self, id: &AssetId, number: u32) -> Outcome {
        for rollout in self.installed(id).await {
            if let Err(problem) = self.files.finish(&rollout).await {
                return Ok(Err(problem));
            }
        }
        let event = self.audit_event("retired", id, Some(number), &[]);
        self.books
            .edit(|edit| {
                let now = edit.now;
                edit.asset(id).ended(number, RevisionState::Retired, now);
                edit.material(id, number, None);
                edit.audit(event);
            })
            .await?;
        failpoint::hit("retired");
        Ok(Ok(()))
    }

    /// What the asset's directories have by our own books, as a rollout that is over.
    async fn installed(&self, id: &AssetId) -> Vec<Rollout> {
        let inventory = self.books.inventory().await;
        let deliveries = inventory.assets.get(id).map(|record| record.deliveries.clone()).unwrap_or_default();
        let one = |(place, delivery): (Place, Delivery)| {
            let Place::Dir(dir) = &place else { return None };
            let install = Install {
                dir: dir.clone(),
                identity: planner::identity(&delivery.content),
                previous: None,
                test: None,
                reload: None,
                timeout: Duration::ZERO,
            };
            let parcel = Parcel {
                asset: id.clone(),
                revision: delivery.revision,
                content: delivery.content,
                swaps: Vec::new(),
                install: Some(install),
                proof: ProofAsk::Converged,
                against: String::new(),
            };
            Some(Rollout {
                place,
                service_id: None,
                parcels: vec![parcel],
                preflight: Vec::new(),
                deadline: SignedDuration::ZERO,
                applied: true,
                undo: None,
            })
        };
        deliveries.into_iter().filter_map(one).collect()
    }

    /// Removes a Docker object: the audit has it before, the records after.
    pub(super) async fn delete(&self, old: &OldObject) -> Outcome {
        let details = [("name", old.name.as_str()), ("id", old.id.as_deref().unwrap_or(""))];
        let event = self.audit_event("deleting", &old.asset, None, &details);
        self.books.edit(|edit| edit.audit(event)).await?;
        failpoint::hit("delete-intended");
        let target = match self.target(&Place::Service(old.name.clone())) {
            Ok(target) => target,
            Err(problem) => return Ok(Err(problem)),
        };
        if let Err(problem) = target.delete(old).await {
            return Ok(Err(problem));
        }
        failpoint::hit("deleted");
        self.books.edit(|edit| edit.remove_object(old.kind, &old.name)).await?;
        Ok(Ok(()))
    }
}
