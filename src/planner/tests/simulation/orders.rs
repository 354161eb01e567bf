//! What CAs see of us (FAULTS.md, I5 and I16), by a ledger of its own.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::bench::{days, hours};
use crate::desired::AssetSpec;
use crate::model::{AssetId, AssetRecord, MAKING_PAUSES};
use crate::planner::renewal::lead;

/// One order.
#[derive(Debug, Clone)]
struct Order {
    at: Timestamp,
    issuer: String,
    /// Nobody has planned it.
    retry: bool,
    /// What is known to have become of it.
    success: Option<bool>,
}

/// Whose the failure was: each has pauses of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blame {
    /// This CA did not answer, or would not.
    Issuer(String),
    /// The names': any CA would find the same.
    Names,
}

/// What was asked of CAs.
#[derive(Default)]
pub(super) struct Orders {
    by_asset: BTreeMap<AssetId, Vec<Order>>,
    /// Failures in a row, and the last.
    failures: BTreeMap<(AssetId, Blame), (usize, Timestamp)>,
    /// Retry-After: when it was said, and until when.
    silent: BTreeMap<String, Vec<(Timestamp, Timestamp)>>,
    /// When someone last wanted another try.
    excused: BTreeMap<AssetId, Timestamp>,
}

type Verdict = Result<(), String>;

fn ensure(holds: bool, broken: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(broken()) }
}

impl Orders {
    pub(super) fn excused(&mut self, id: &AssetId, at: Timestamp) {
        self.excused.insert(id.clone(), at);
    }

    fn is_excused(&self, id: &AssetId, since: Timestamp) -> bool {
        self.excused.get(id).is_some_and(|at| *at > since)
    }

    pub(super) fn silent(&mut self, issuer: &str, said: Timestamp, until: Timestamp) {
        let known = self.silent.entry(issuer.to_owned()).or_default();
        known.retain(|(_, until)| *until > said);
        known.push((said, until));
    }

    /// I16: nothing is asked before Retry-After has passed, nor before a pause that grows (a twelfth of what the renewal
    /// has in hand at most), unless someone has asked for it.
    pub(super) fn tries(
        &self,
        spec: &AssetSpec,
        record: &AssetRecord,
        issuer: &str,
        at: Timestamp,
    ) -> Verdict {
        let id = &spec.id;
        let holds = |(said, until): &(Timestamp, Timestamp)| *said <= at && at < *until;
        let quiet = self.silent.get(issuer).is_some_and(|known| known.iter().any(holds));
        ensure(!quiet, || format!("I16: {issuer} is asked for {id} at {at}, before its Retry-After"))?;
        for blame in [Blame::Issuer(issuer.to_owned()), Blame::Names] {
            self.rested(spec, record, blame, at)?;
        }
        Ok(())
    }

    /// The pause after the last failure of this kind has passed.
    fn rested(&self, spec: &AssetSpec, record: &AssetRecord, blame: Blame, at: Timestamp) -> Verdict {
        let id = &spec.id;
        let Some((failures, last)) = self.failures.get(&(id.clone(), blame.clone())) else { return Ok(()) };
        let pause = MAKING_PAUSES[(failures - 1).min(MAKING_PAUSES.len() - 1)];
        let in_hand = record.active().and_then(|active| active.validity);
        let longest = in_hand.map_or(pause, |all| (lead(spec.overlap.turn, all).as_secs() / 12).max(60));
        let early = at < *last + SignedDuration::from_secs(pause.min(longest));
        ensure(!early || self.is_excused(id, *last), || {
            format!("I16: {id} is tried at {at}, after {failures} failures of {blame:?} until {last}")
        })
    }

    pub(super) fn fails(&mut self, id: &AssetId, blame: Blame, at: Timestamp) {
        let failures = self.failures.entry((id.clone(), blame)).or_insert((0, at));
        *failures = (failures.0 + 1, at);
    }

    /// I5: at most three orders in a week that nobody has planned, and none beside one that can be gone on with; but
    /// where validity runs out, one a day, or in a twenty-fourth of a life.
    pub(super) fn places(&mut self, record: &AssetRecord, issuer: &str, at: Timestamp) -> Verdict {
        let id = &record.id;
        let last = self.by_asset.get(id).and_then(|orders| orders.last());
        let open = last.is_some_and(|last| last.success.is_none() && last.issuer == issuer);
        ensure(!open, || format!("I5: another order of {id} at {issuer} at {at}, while one is open"))?;
        let issued = |since: Timestamp| record.revisions.values().any(|r| r.issued_at >= Some(since));
        let retry = last.is_some_and(|last| {
            last.success != Some(true) && !self.is_excused(id, last.at) && !issued(last.at)
        });
        let orders = self.by_asset.entry(id.clone()).or_default();
        let week: Vec<Timestamp> =
            orders.iter().filter(|order| order.retry && order.at > at - days(7)).map(|o| o.at).collect();
        orders.push(Order { at, issuer: issuer.to_owned(), retry, success: None });
        if !retry || week.len() < 3 {
            return Ok(());
        }
        let in_use = record.active().and_then(|active| active.validity);
        let urgent = in_use.is_none_or(|all| all.left(at) <= all.lifetime() / 5);
        let pause = in_use.map_or(hours(24), |all| hours(24).min(all.lifetime() / 24));
        let rested = week.last().is_some_and(|last| *last + pause <= at);
        ensure(urgent && rested, || format!("I5: {} retries of {id} in the week before {at}", week.len() + 1))
    }

    pub(super) fn succeeds(&mut self, id: &AssetId) {
        self.ends(id, true);
        self.failures.retain(|(other, _), _| other != id);
    }

    pub(super) fn comes_to_nothing(&mut self, id: &AssetId) {
        self.ends(id, false);
    }

    fn ends(&mut self, id: &AssetId, success: bool) {
        if let Some(last) = self.by_asset.get_mut(id).and_then(|orders| orders.last_mut()) {
            last.success = Some(success);
        }
    }
}
