//! What we keep of an asset: its revisions, and what has become of the orders for it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AssetId, CrlNote, Delivery, Effort, Facts, Few, LEDGER, MOST_ORDERS, Make, MakeCrl, OrderNote,
    OrderOutcome, Place, Problem, Revision, RevisionState, Signer, UpperLists,
};

/// So many editions of revocation lists are remembered by their ends.
const MOST_EDITIONS: usize = 32;

/// What we keep of an asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetRecord {
    /// Which asset.
    pub id: AssetId,
    /// Its revisions by number; long retired ones are forgotten.
    #[serde(default)]
    pub revisions: Few<u32, Revision>,
    /// What each place has been given.
    #[serde(default, with = "by_place")]
    pub deliveries: Few<Place, Delivery>,
    /// The highest object number that each part has used.
    #[serde(default)]
    pub numbers: BTreeMap<String, u32>,
    /// What the operator has asked for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// How making its next revision goes.
    #[serde(default)]
    pub effort: Effort,
    /// How each of its ACME issuers does, where another can be tried instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_issuer: BTreeMap<String, Effort>,
    /// The orders placed for it within [`LEDGER`], oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<OrderNote>,
    /// Of a CA: its revocation lists as they were made last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl: Option<CrlNote>,
    /// Of a CA: why its revocation lists could not be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl_problem: Option<Problem>,
    /// Of a CA whose root is elsewhere: the lists of those above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_lists: Option<UpperLists>,
    /// The fingerprints of the keys that were called compromised, of revisions that are forgotten as well: none comes back.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub compromised_keys: BTreeSet<String>,
}

/// JSON objects have text for keys.
mod by_place {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Delivery, Few, Place};

    pub(super) fn serialize<S: Serializer>(
        map: &Few<Place, Delivery>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(map.iter().map(|(place, delivery)| (place.to_string(), delivery)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Few<Place, Delivery>, D::Error> {
        BTreeMap::<String, Delivery>::deserialize(deserializer)?
            .into_iter()
            .map(|(place, delivery)| Ok((place.parse().map_err(serde::de::Error::custom)?, delivery)))
            .collect()
    }
}

/// A `rotate` that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// When.
    pub at: Timestamp,
    /// By whom: `uid:1000`.
    pub by: String,
    /// The revision to be replaced, and all before it.
    pub after: u32,
    /// Whether the private key is in wrong hands.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compromised: bool,
    /// Of a CA: whether its root is to be replaced as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_root: bool,
}

impl AssetRecord {
    /// Nothing known yet.
    pub fn new(id: AssetId) -> Self {
        Self {
            id,
            revisions: Few::new(),
            deliveries: Few::new(),
            numbers: BTreeMap::new(),
            request: None,
            effort: Effort::default(),
            by_issuer: BTreeMap::new(),
            orders: Vec::new(),
            crl: None,
            crl_problem: None,
            upper_lists: None,
            compromised_keys: BTreeSet::new(),
        }
    }

    /// The newest active revision.
    pub fn active(&self) -> Option<&Revision> {
        self.revisions.values().rev().find(|revision| revision.state == RevisionState::Active)
    }

    /// The revisions that wait to become active, oldest first.
    pub fn coming(&self) -> impl Iterator<Item = &Revision> {
        self.revisions.values().filter(|revision| revision.state.is_coming())
    }

    /// The highest number used.
    pub fn newest_number(&self) -> u32 {
        self.revisions.keys().next_back().copied().unwrap_or(0)
    }

    /// The revision's key and record are taken.
    pub fn begin(&mut self, revision: Revision) {
        self.revisions.insert(revision.number, revision);
    }

    /// The revision is whole.
    pub fn prepared(&mut self, number: u32, facts: &Facts, signer: Option<&Signer>, now: Timestamp) {
        self.effort = Effort::default();
        self.by_issuer.clear();
        self.change(number, |revision| {
            revision.state = RevisionState::Prepared;
            revision.issued_at = Some(now);
            revision.validity = facts.validity;
            revision.serial.clone_from(&facts.serial);
            revision.fingerprint_sha256.clone_from(&facts.fingerprint_sha256);
            revision.kid.clone_from(&facts.kid);
            revision.issuer = signer.map(|signer| signer.name().to_owned());
            revision.signed_by = match signer {
                Some(Signer::Internal(_, number)) => Some(*number),
                _ => None,
            };
            revision.root_ends = facts.root_ends;
            revision.root_is_elsewhere = facts.root_is_elsewhere;
        });
    }

    /// Of a CA: the revision that the root of `make` is made in, itself where it gets a new one.
    pub fn root_of(&self, make: &Make) -> u32 {
        let kept = make.keep_key_of.and_then(|number| self.revisions.get(&number)?.root);
        kept.unwrap_or(make.revision)
    }

    /// Of a CA: its revocation lists are made, with so many certificates in them.
    pub fn listed(&mut self, make: &MakeCrl, listed: usize, now: Timestamp) {
        for number in &make.revisions {
            self.change(*number, |revision| {
                revision.crl_since.get_or_insert(make.edition);
            });
        }
        let mut before = self.crl.take().map_or_else(BTreeMap::new, |last| {
            let mut before = last.before;
            before.insert(last.edition, last.next_update);
            before
        });
        self.crl_problem = None;
        before.retain(|_, end| *end > now);
        while before.len() > MOST_EDITIONS {
            before.pop_first();
        }
        self.crl = Some(CrlNote {
            upper: self.upper_lists.as_ref().map(|lists| lists.taken_at),
            before,
            edition: make.edition,
            this_update: now,
            next_update: now + make.lifetime,
            revisions: make.revisions.clone(),
            listed,
        });
    }

    /// An order is about to be placed, and the one before it is given up where it was open; what is too old to count is
    /// forgotten.
    pub fn ordering(&mut self, note: OrderNote) {
        self.ordered(OrderOutcome::Failed, &[]);
        self.orders.retain(|order| note.at.duration_since(order.at) < LEDGER);
        self.orders.drain(..self.orders.len().saturating_sub(MOST_ORDERS - 1));
        self.orders.push(note);
    }

    /// The order that is open has come to `outcome`; nothing is open where it was none of an ACME CA.
    pub fn ordered(&mut self, outcome: OrderOutcome, failed_names: &[String]) {
        if let Some(order) = self.orders.iter_mut().rev().find(|order| order.outcome == OrderOutcome::Open) {
            order.outcome = outcome;
            order.failed_names = failed_names.to_vec();
        }
    }

    /// The CA's answer to the open order is kept, or forgotten.
    pub fn order_kept(&mut self, issuer: &str, kept: bool) {
        let open = |order: &&mut OrderNote| order.outcome == OrderOutcome::Open && order.issuer == issuer;
        if let Some(order) = self.orders.last_mut().filter(open) {
            order.kept = kept;
        }
    }

    /// A try has failed: an order that is kept is gone on with, every other has come to nothing.
    pub fn order_failed(&mut self, failed_names: &[String]) {
        match self.orders.last_mut().filter(|order| order.outcome == OrderOutcome::Open && order.kept) {
            Some(order) => order.failed_names = failed_names.to_vec(),
            None => self.ordered(OrderOutcome::Failed, failed_names),
        }
    }

    /// The open order that the next try with `issuer` goes on with.
    pub fn open_order(&self, issuer: &str, set: &str) -> Option<&OrderNote> {
        let last = self.orders.last()?;
        let goes_on = last.outcome == OrderOutcome::Open && last.kept;
        (goes_on && last.issuer == issuer && last.set == set).then_some(last)
    }

    /// Whether another order for the names of `set` would be one that nobody has planned: the last one has come to
    /// nothing, nobody has issued since, and the operator has not asked for another.
    pub fn is_retry(&self, set: &str) -> bool {
        let Some(last) = self.orders.iter().rev().find(|order| order.set == set) else { return false };
        let asked = self.request.as_ref().is_some_and(|request| request.at >= last.at);
        let issued =
            self.revisions.values().any(|revision| revision.issued_at.is_some_and(|at| at >= last.at));
        last.outcome != OrderOutcome::Issued && !issued && !asked
    }

    /// Whether `issuer` has issued for the same wish before.
    pub fn has_had(&self, issuer: &str, made_for: &str) -> bool {
        let had = |revision: &&Revision| revision.issuer.as_deref() == Some(issuer);
        self.revisions.values().filter(had).any(|revision| revision.made_for == made_for)
    }

    /// Everyone who must know the revision beforehand has been shown to have it.
    pub fn published(&mut self, number: u32, now: Timestamp) {
        self.change(number, |revision| {
            revision.state = RevisionState::Published;
            revision.published_at = Some(now);
        });
    }

    /// The revision is in use everywhere; those that were active before it are not any more.
    pub fn activated(&mut self, number: u32, now: Timestamp) {
        for revision in self.revisions.values_mut() {
            if revision.number == number {
                revision.state = RevisionState::Active;
                revision.active_at = Some(now);
            } else if revision.number < number && !revision.state.is_over() {
                // An older one that never became active goes the same way: it may have been in use in part.
                revision.state = RevisionState::Retiring;
                revision.replaced_at.get_or_insert(now);
            }
        }
    }

    /// The revision's certificate is withdrawn. One that is in use stays what it is until its successor is there: it is
    /// all that there is.
    pub fn revoked(&mut self, number: u32, now: Timestamp) {
        self.change(number, |revision| revision.revoked_at = Some(now));
        if self.revisions.get(&number).is_some_and(|revision| revision.state != RevisionState::Active) {
            self.ended(number, RevisionState::Revoked, now);
        }
    }

    /// The revision has come to its end in `state`.
    pub fn ended(&mut self, number: u32, state: RevisionState, now: Timestamp) {
        self.change(number, |revision| {
            revision.state = state;
            revision.ended_at = Some(now);
        });
        self.forget_old();
    }

    /// Keeps the list short: of what is over, the last ten.
    fn forget_old(&mut self) {
        let over: Vec<u32> =
            self.revisions.values().filter(|r| r.state.is_over()).map(|r| r.number).collect();
        for number in over.iter().take(over.len().saturating_sub(10)) {
            self.revisions.remove(number);
        }
    }

    fn change(&mut self, number: u32, change: impl FnOnce(&mut Revision)) {
        if let Some(revision) = self.revisions.get_mut(&number) {
            change(revision);
        }
    }
}
