//! What is to be kept ready, and what is missing of it.
//!
//! It is no part of [`super::plan`]: nothing waits for it, and a plan with nothing due must stay empty. Whoever has
//! time to spare asks [`restock`] instead, for one thing at a time.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::desired::{Desired, KindSpec};
use crate::model::{Inventory, SpareId, Ware, is_fresh};

/// The next thing to be done for the stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restock {
    /// It is too old, or nobody would draw it any more.
    Discard(SpareId),
    /// It is missing.
    Make(SpareId),
}

/// How it stands with one kind of ware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockLevel {
    /// Which.
    pub ware: Ware,
    /// How many are to be ready.
    pub wanted: usize,
    /// How many are.
    pub ready: usize,
    /// Since when the oldest of them has been.
    pub oldest: Option<Timestamp>,
}

/// What a new revision of this kind draws from the stock; `None` where making it takes no time.
pub fn ware_of(kind: &KindSpec) -> Option<Ware> {
    let key = |algorithm: crate::model::KeyAlgorithm| algorithm.rsa_bits().map(|_| Ware::Key(algorithm));
    match kind {
        KindSpec::JwtKey { algorithm, .. } => key(*algorithm),
        KindSpec::Certificate(certificate) if !certificate.keep_key => key(certificate.algorithm),
        KindSpec::DhParams { bits, rfc7919: false } => Some(Ware::DhParams(*bits)),
        _ => None,
    }
}

/// How it stands with all that the configuration could draw, in a fixed order.
pub fn stock(desired: &Desired, inventory: &Inventory, now: Timestamp) -> Vec<StockLevel> {
    let level = |ware| {
        let ready: Vec<Timestamp> = usable(inventory, ware, now).map(|(_, made_at)| made_at).collect();
        StockLevel { ware, wanted: desired.stock, ready: ready.len(), oldest: ready.iter().min().copied() }
    };
    wares(desired).into_iter().map(level).collect()
}

/// What to do next: old keys go before new ones come.
pub fn restock(desired: &Desired, inventory: &Inventory, now: Timestamp) -> Option<Restock> {
    let wares = wares(desired);
    discard(desired, inventory, &wares, now).map(Restock::Discard).or_else(|| {
        let missing = |ware: &&Ware| usable(inventory, **ware, now).count() < desired.stock;
        wares.iter().find(missing).map(|ware| Restock::Make(next(inventory, *ware)))
    })
}

fn discard(
    desired: &Desired,
    inventory: &Inventory,
    wares: &BTreeSet<Ware>,
    now: Timestamp,
) -> Option<SpareId> {
    let stale = inventory.stock.iter().find(|(_, made_at)| !is_fresh(**made_at, now)).map(|(id, _)| *id);
    let surplus = || {
        let of = |id: &SpareId| inventory.stock.keys().filter(|other| other.ware == id.ware).count();
        let is_surplus = |id: &&SpareId| !wares.contains(&id.ware) || of(id) > desired.stock;
        inventory.stock.keys().find(is_surplus).copied()
    };
    stale.or_else(surplus)
}

fn wares(desired: &Desired) -> BTreeSet<Ware> {
    if desired.stock == 0 {
        return BTreeSet::new();
    }
    desired.assets.values().filter_map(|spec| ware_of(&spec.kind)).collect()
}

fn usable(
    inventory: &Inventory,
    ware: Ware,
    now: Timestamp,
) -> impl Iterator<Item = (SpareId, Timestamp)> + '_ {
    let all = inventory.stock.iter().map(|(id, made_at)| (*id, *made_at));
    all.filter(move |(id, made_at)| id.ware == ware && is_fresh(*made_at, now))
}

fn next(inventory: &Inventory, ware: Ware) -> SpareId {
    let highest = inventory.stock.keys().filter(|id| id.ware == ware).map(|id| id.number).max();
    SpareId { ware, number: highest.unwrap_or(0) + 1 }
}
