//! Notes what has become of revisions, and takes away what nobody needs any more.

use super::{Executor, Outcome};
use crate::audit::Event;
use crate::failpoint;
use crate::model::{AssetId, Forget, OldObject, Place, RevisionState, Step};

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

    /// The revision's private key is destroyed.
    pub(super) async fn retire(&self, id: &AssetId, number: u32) -> Outcome {
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

    /// Sees that a service cannot go back to what is in wrong hands; nothing in it changes or restarts.
    pub(super) async fn forget(&self, step: &Step, forget: &Forget) -> Outcome {
        let place = forget.place.to_string();
        let event = |id| self.audit_event("forgetting", id, None, &[("place", place.as_str())]);
        let events: Vec<Event> = step.assets.iter().map(event).collect();
        self.books.edit(|edit| events.into_iter().for_each(|event| edit.audit(event))).await?;
        let forgotten = match self.target(&forget.place) {
            Ok(target) => target.forget(forget).await,
            Err(problem) => Err(problem),
        };
        failpoint::hit("forgotten");
        Ok(forgotten)
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
