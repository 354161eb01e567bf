//! What an issuer keeps, kept in the books: before it goes on, it is durable.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Executor, Fatal};
use crate::desired::CertificateSpec;
use crate::issuer::{Desk, Event, NotKept, Slot};
use crate::model::{AssetId, Make, OrderOutcome, Secret};
use crate::planner;

/// For one issuer, and one asset of it.
pub struct ExecutorDesk<'a> {
    executor: &'a Executor,
    issuer: &'a str,
    asset: Option<&'a AssetId>,
    /// What is ordered, and whether it replaces something.
    wish: Option<(&'a CertificateSpec, &'a Make, bool)>,
    /// An issuer can only say that it could not go on; here is why.
    fault: Mutex<Option<Fatal>>,
}

impl<'a> ExecutorDesk<'a> {
    /// For what concerns a certificate that is there.
    pub(super) fn new(executor: &'a Executor, issuer: &'a str, asset: &'a AssetId) -> Self {
        Self { executor, issuer, asset: Some(asset), wish: None, fault: Mutex::new(None) }
    }

    /// For an order; `replaces`: whether it may name what it replaces.
    pub(super) fn to_order(
        executor: &'a Executor,
        issuer: &'a str,
        certificate: &'a CertificateSpec,
        make: &'a Make,
        replaces: bool,
    ) -> Self {
        Self { wish: Some((certificate, make, replaces)), ..Self::new(executor, issuer, &make.asset) }
    }

    /// Why the issuer could not go on, where the state was at fault.
    ///
    /// # Errors
    ///
    /// Whatever the store has said.
    pub fn fault(&self) -> Result<(), Fatal> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    fn key(&self, slot: Slot) -> String {
        match slot {
            Slot::Account => format!("acme-account/{}", self.issuer),
            Slot::Order => self.asset.map_or_else(String::new, |asset| order_key(self.issuer, asset)),
        }
    }

    fn noted(&self, result: Result<(), Fatal>) -> Result<(), NotKept> {
        result.map_err(|fatal| {
            *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fatal);
            NotKept
        })
    }
}

impl Executor {
    /// A desk for what concerns an issuer alone: its account.
    pub fn desk<'a>(&'a self, issuer: &'a str) -> ExecutorDesk<'a> {
        ExecutorDesk { executor: self, issuer, asset: None, wish: None, fault: Mutex::new(None) }
    }
}

/// Where the open order of an asset is kept.
pub(super) fn order_key(issuer: &str, asset: &AssetId) -> String {
    format!("acme-order/{issuer}/{asset}")
}

#[async_trait]
impl Desk for ExecutorDesk<'_> {
    async fn recall(&self, slot: Slot) -> Result<Option<Secret>, NotKept> {
        Ok(self.executor.books.kept(&self.key(slot)).await)
    }

    async fn keep(&self, slot: Slot, value: Option<Secret>, event: Option<Event<'_>>) -> Result<(), NotKept> {
        let event = event.map(|event| {
            let details: Vec<_> = event.details.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let details = [vec![("issuer", self.issuer)], details].concat();
            self.executor.event_of(event.action, self.asset, &details)
        });
        let kept = self.executor.books.edit(|edit| {
            if slot == Slot::Order
                && let Some(asset) = self.asset
            {
                edit.asset(asset).order_kept(self.issuer, value.is_some());
            }
            edit.keep(self.key(slot), value);
            event.into_iter().for_each(|event| edit.audit(event));
        });
        let kept = kept.await;
        self.noted(kept)
    }

    async fn ordering(&self) -> Result<(), NotKept> {
        let Some((certificate, make, replaces)) = self.wish else { return Ok(()) };
        let noted = self.executor.books.edit(|edit| {
            let at = edit.now;
            let record = edit.asset(&make.asset);
            let by = (self.issuer, replaces);
            let note = planner::order_note(certificate, record, &make.made_for, by, at);
            record.ordering(note);
        });
        let noted = noted.await;
        self.noted(noted)
    }

    async fn not_ordered(&self) -> Result<(), NotKept> {
        let Some(asset) = self.asset else { return Ok(()) };
        let noted = self.executor.books.edit(|edit| {
            edit.asset(asset).orders.pop_if(|order| order.outcome == OrderOutcome::Open);
        });
        let noted = noted.await;
        self.noted(noted)
    }
}
