//! Fills the stock, and draws from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::{Executor, Fatal};
use crate::desired::Desired;
use crate::model::{Problem, Secret, Spare, SpareId, Ware, is_fresh};
use crate::planner::{self, Restock};

impl Executor {
    /// Does one thing for the stock, as [`planner::restock`] has it; `false` when there is nothing to do.
    ///
    /// It is for idle time: it takes from milliseconds to minutes, at the lowest priority, and may be dropped at any
    /// moment. Passes may run meanwhile.
    ///
    /// # Errors
    ///
    /// Only when the state cannot be written; that something could not be made is the inner one.
    pub async fn restock(&self, desired: &Desired) -> Result<Result<bool, Problem>, Fatal> {
        let now = self.clock.now();
        match self.books.look(|inventory| planner::restock(desired, inventory, now)).await {
            None => Ok(Ok(false)),
            Some(Restock::Discard(id)) => self.discard(id).await.map(Ok),
            Some(Restock::Make(id)) => match self.maker.spare(id.ware).await {
                Ok(pem) => self.put_in_stock(id, pem).await.map(Ok),
                Err(problem) => Ok(Err(problem)),
            },
        }
    }

    async fn discard(&self, id: SpareId) -> Result<bool, Fatal> {
        let event = self.event_of("spare-discarded", None, &[("spare", &id.to_string())]);
        self.books
            .edit(|edit| {
                edit.unstock(id);
                edit.audit(event);
            })
            .await?;
        Ok(true)
    }

    async fn put_in_stock(&self, id: SpareId, pem: Secret) -> Result<bool, Fatal> {
        let event = self.event_of("spare-made", None, &[("spare", &id.to_string())]);
        crate::failpoint::hit("spare-made");
        self.books
            .edit(|edit| {
                let made_at = edit.now;
                edit.stock(id, Spare { made_at, pem });
                edit.audit(event);
            })
            .await?;
        crate::failpoint::hit("spare-stored");
        Ok(true)
    }
}

/// Which pieces of the stock somebody is about to use.
#[derive(Default)]
pub(super) struct Taken(Mutex<BTreeSet<SpareId>>);

impl Taken {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<SpareId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest of `spares` that may still be used and that nobody else is about to.
    pub(super) fn draw(
        &self,
        spares: &BTreeMap<SpareId, Spare>,
        ware: Ware,
        now: Timestamp,
    ) -> Option<Drawn<'_>> {
        let mut taken = self.lock();
        let free = spares
            .iter()
            .filter(|(id, spare)| id.ware == ware && !taken.contains(id) && is_fresh(spare.made_at, now));
        let (id, spare) = free.min_by_key(|(_, spare)| spare.made_at)?;
        taken.insert(*id);
        Some(Drawn { taken: self, id: *id, pem: spare.pem.clone() })
    }
}

/// A piece that is set aside for one revision. It leaves the stock in the very step that makes it that revision's
/// (see [`super::Edit::unstock`]); where that step does not come, it is free again when this is dropped.
pub(super) struct Drawn<'a> {
    taken: &'a Taken,
    pub(super) id: SpareId,
    pub(super) pem: Secret,
}

impl Drop for Drawn<'_> {
    fn drop(&mut self) {
        self.taken.lock().remove(&self.id);
    }
}
