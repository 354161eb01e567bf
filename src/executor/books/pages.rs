//! The pages themselves, as the store has them, and what of them is being changed.
//!
//! ```text
//! edit ──> waiting: gathers ──> flying: the store is at work on it ──> durable: what readers see
//! ```
//!
//! One batch flies at a time, and one waits behind it. An edit builds on all that came before it, whether or not that is
//! durable yet; so what waits fails with what flies. A batch lives as long as somebody waits for its end. When all who
//! wanted a flying batch have gone, nobody knows whether the store has it: then the pages are behind.

use std::collections::BTreeMap;

use futures_util::future::{BoxFuture, Shared, WeakShared};

use super::BooksError;
use super::edit::{Newest, Touched};
use super::records::{inventory_of, kept_in, spares_in};
use crate::model::{Inventory, Secret, Spare, SpareId};
use crate::store::{Change, StoreError};

/// The end of a batch, for all whose edits are in it: any of them drives it.
pub(super) type Flight = Shared<BoxFuture<'static, Result<(), BooksError>>>;
type Ticket = WeakShared<BoxFuture<'static, Result<(), BooksError>>>;

/// No more edits go into a batch, and nothing after it has so many bytes: none has to wait for a frame without end.
const MOST_EDITS: usize = 256;
const MOST_BYTES: usize = 1 << 20;

/// What the store holds, as far as it has answered.
pub(super) struct Pages {
    pub(super) inventory: Inventory,
    pub(super) kept: BTreeMap<String, Secret>,
    pub(super) spares: BTreeMap<SpareId, Spare>,
    /// A write has not been answered, or not clearly: the store may be ahead of this.
    behind: bool,
    flying: Option<(Touched, Ticket)>,
    waiting: Option<(Batch, Ticket)>,
}

/// Edits that become durable together.
struct Batch {
    touched: Touched,
    change: Change,
    edits: usize,
    /// What it builds on was not kept.
    spoilt: Option<BooksError>,
}

impl Pages {
    pub(super) fn of(records: &BTreeMap<String, Vec<u8>>) -> Result<Self, BooksError> {
        let (inventory, kept, spares) = (inventory_of(records)?, kept_in(records), spares_in(records)?);
        Ok(Self { inventory, kept, spares, behind: false, flying: None, waiting: None })
    }

    /// All records as they will be when what is under way is durable.
    pub(super) fn newest(&self) -> Newest<'_> {
        let waiting = self.waiting.as_ref().map(|(batch, _)| &batch.touched);
        let flying = self.flying.as_ref().map(|(touched, _)| touched);
        Newest { above: [waiting, flying], base: &self.inventory }
    }

    /// Whether anything is under way.
    pub(super) fn is_at_work(&self) -> bool {
        self.flying.is_some() || self.waiting.is_some()
    }

    /// Whether what an issuer keeps under `key` is being changed.
    pub(super) fn is_changing(&self, key: &str) -> bool {
        self.newest().layers().any(|touched| touched.keeps(key))
    }

    /// Whether the stock is being changed.
    pub(super) fn is_drawing(&self) -> bool {
        self.newest().layers().any(Touched::has_stock)
    }

    /// Whether what is kept about telling is being changed.
    pub(super) fn is_telling(&self) -> bool {
        self.newest().layers().any(Touched::has_tidings)
    }

    /// Whether the store must be read again: it may be ahead, and nobody is at work who will tell.
    pub(super) fn is_behind(&self) -> bool {
        self.behind && !self.is_at_work()
    }

    /// Takes in what the store holds.
    pub(super) fn read_again(&mut self, records: &BTreeMap<String, Vec<u8>>) -> Result<(), BooksError> {
        *self = Self::of(records)?;
        Ok(())
    }

    /// Who gives up all of a batch takes it along: what waits will never be written, what flies may have been.
    pub(super) fn forget_the_abandoned(&mut self) {
        self.waiting.take_if(|(_, ticket)| ticket.upgrade().is_none());
        self.flying.take_if(|(_, ticket)| ticket.upgrade().is_none());
    }

    /// The end of all that is under way.
    pub(super) fn last(&self) -> Option<Flight> {
        self.boarding().or_else(|| self.flying_now())
    }

    /// The end of what the store is at work on.
    pub(super) fn flying_now(&self) -> Option<Flight> {
        self.flying.as_ref().and_then(|(_, ticket)| ticket.upgrade())
    }

    /// The batch that waits, where it takes nothing more.
    pub(super) fn closed(&self) -> Option<Flight> {
        let (batch, ticket) = self.waiting.as_ref()?;
        let closed = batch.spoilt.is_some() || batch.edits >= MOST_EDITS || batch.change.size() >= MOST_BYTES;
        closed.then(|| ticket.upgrade()).flatten()
    }

    /// The end of the batch that waits.
    pub(super) fn boarding(&self) -> Option<Flight> {
        self.waiting.as_ref().and_then(|(_, ticket)| ticket.upgrade())
    }

    /// Puts an edit into the batch that waits.
    pub(super) fn join(&mut self, touched: Touched, change: Change) {
        let Some((batch, _)) = &mut self.waiting else { return };
        batch.touched.extend(touched);
        batch.change.extend(change);
        batch.edits += 1;
    }

    /// Begins a batch, which ends with `flight`.
    pub(super) fn wait(&mut self, touched: Touched, change: Change, flight: &Flight) {
        // One that has ended already has no ticket; it was made just now.
        let Some(ticket) = flight.downgrade() else { return };
        self.waiting = Some((Batch { touched, change, edits: 1, spoilt: None }, ticket));
    }

    /// What waits is handed to the store.
    pub(super) fn take_off(&mut self) -> Result<Change, BooksError> {
        let Some((batch, ticket)) = self.waiting.take() else { return Ok(Change::default()) };
        if let Some(spoilt) = batch.spoilt {
            return Err(spoilt);
        }
        self.flying = Some((batch.touched, ticket));
        // When all who wait for it go while the store works, the mark stays.
        self.behind = true;
        Ok(batch.change)
    }

    /// The store has answered.
    pub(super) fn land(&mut self, committed: Result<u64, StoreError>) -> Result<(), BooksError> {
        let flown = self.flying.take();
        self.behind = committed.as_ref().is_err_and(|error| !keeps_nothing(error));
        match committed {
            Ok(_) => {
                flown.into_iter().for_each(|(touched, _)| touched.merge_into(self));
                Ok(())
            }
            Err(error) => {
                let error = BooksError::from(error);
                if let Some((batch, _)) = &mut self.waiting {
                    batch.spoilt = Some(error.clone());
                }
                Err(error)
            }
        }
    }
}

/// Whether the store promises that it has kept nothing of a step that it has refused.
fn keeps_nothing(error: &StoreError) -> bool {
    matches!(error, StoreError::NoSpace { .. } | StoreError::TooBig { .. })
}
