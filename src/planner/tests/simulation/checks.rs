//! The invariants of FAULTS.md, checked by what was really served, shown and signed with, not by our books.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::super::bench::days;
use crate::desired::{Desired, KindSpec};
use crate::model::{
    AssetId, Content, Inventory, Make, OldObject, Part, Place, Rollout, RolloutRecord, Signer, Validity,
};

/// Something that held from one time to another.
#[derive(Debug, Clone)]
struct Span<T> {
    what: T,
    from: Timestamp,
    to: Option<Timestamp>,
}

/// What a token can live through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens {
    pub(super) ttl: SignedDuration,
    pub(super) max_age: SignedDuration,
    pub(super) skew: SignedDuration,
}

type Slot = (AssetId, Place);

/// What was seen from outside.
#[derive(Default)]
pub(super) struct Checks {
    pub(super) tokens: BTreeMap<AssetId, Tokens>,
    /// The keys that tasks had, also in the middle of rollouts.
    signing: BTreeMap<Slot, Vec<Span<u32>>>,
    /// The JWKS that tasks showed.
    showing: BTreeMap<Slot, Vec<Span<BTreeSet<u32>>>>,
    serving: BTreeMap<Slot, (u32, Validity)>,
    orders: BTreeMap<AssetId, Vec<Timestamp>>,
    asked: BTreeMap<AssetId, Vec<Timestamp>>,
}

pub(super) type Verdict = Result<(), String>;

fn ensure(holds: bool, broken: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(broken()) }
}

fn single(content: &Content) -> Option<u32> {
    let mut files = content.files.values();
    files.find(|file| !file.part.spans_revisions()).and_then(|file| file.revisions.first().copied())
}

fn shown(content: &Content) -> Option<BTreeSet<u32>> {
    let jwks = content.files.values().find(|file| file.part == Part::Jwks);
    jwks.map(|file| file.revisions.iter().copied().collect())
}

fn open<T: PartialEq>(spans: &mut Vec<Span<T>>, what: T, at: Timestamp) {
    if !spans.iter().any(|span| span.to.is_none() && span.what == what) {
        spans.push(Span { what, from: at, to: None });
    }
}

/// What is there from `at` on: nothing else, or nothing at all.
fn settle<T: PartialEq>(spans: &mut [Span<T>], on: Option<&T>, at: Timestamp) {
    for span in spans.iter_mut().filter(|span| span.to.is_none() && Some(&span.what) != on) {
        span.to = Some(at);
    }
}

impl Checks {
    /// Some tasks have the new, some the old.
    pub(super) fn begins(&mut self, rollout: &Rollout, at: Timestamp) {
        for parcel in rollout.parcels.iter().filter(|parcel| self.tokens.contains_key(&parcel.asset)) {
            let slot = (parcel.asset.clone(), rollout.place.clone());
            if let Some(key) = single(&parcel.content) {
                open(self.signing.entry(slot.clone()).or_default(), key, at);
            }
            if let Some(set) = shown(&parcel.content) {
                open(self.showing.entry(slot).or_default(), set, at);
            }
        }
    }

    /// All tasks have what our books now say, or had before.
    pub(super) fn ends(
        &mut self,
        place: &Place,
        assets: &[AssetId],
        known: &Inventory,
        at: Timestamp,
    ) -> Verdict {
        for id in assets {
            let slot = (id.clone(), place.clone());
            let Some(record) = known.assets.get(id) else { continue };
            let Some(delivery) = record.deliveries.get(place) else { continue };
            let (key, set) = (single(&delivery.content), shown(&delivery.content));
            settle(self.signing.entry(slot.clone()).or_default(), key.as_ref(), at);
            settle(self.showing.entry(slot.clone()).or_default(), set.as_ref(), at);
            let Some(number) = key else { continue };
            if let Some(validity) = record.revisions.get(&number).and_then(|revision| revision.validity) {
                self.still_valid(&slot, at)?;
                ensure(validity.contains(at), || {
                    format!("I1: {id} {number} goes to {place} outside its time")
                })?;
                self.serving.insert(slot, (number, validity));
            }
        }
        Ok(())
    }

    fn still_valid(&self, slot: &Slot, at: Timestamp) -> Verdict {
        let Some((number, validity)) = self.serving.get(slot) else { return Ok(()) };
        ensure(at <= validity.not_after, || {
            let (id, place) = slot;
            format!("I1: {place} served {id} {number} until {at}, but it ended at {}", validity.not_after)
        })
    }

    /// The service was removed and made again: nothing is there any more.
    pub(super) fn gone(&mut self, place: &Place, at: Timestamp) -> Verdict {
        for slot in self.serving.keys().filter(|(_, other)| other == place) {
            self.still_valid(slot, at)?;
        }
        self.serving.retain(|(_, other), _| other != place);
        let here = |slot: &Slot| slot.1 == *place;
        self.signing.iter_mut().filter(|(slot, _)| here(slot)).for_each(|(_, spans)| settle(spans, None, at));
        self.showing.iter_mut().filter(|(slot, _)| here(slot)).for_each(|(_, spans)| settle(spans, None, at));
        Ok(())
    }

    pub(super) fn asked(&mut self, id: &AssetId, at: Timestamp) {
        self.asked.entry(id.clone()).or_default().push(at);
    }

    /// I14, and the time of the order for I5.
    pub(super) fn ordered(&mut self, make: &Make, known: &Inventory, at: Timestamp) -> Verdict {
        self.orders.entry(make.asset.clone()).or_default().push(at);
        let validity = |id: &AssetId, number: u32| known.assets.get(id)?.revisions.get(&number)?.validity;
        let ca = AssetId::new(crate::model::AssetKind::Ca, "internal");
        let signer = match &make.signer {
            Some(Signer::Internal(id, number)) => Some((id.clone(), *number)),
            Some(Signer::Acme { .. }) => None,
            None => known.assets.get(&ca).and_then(|record| Some((ca.clone(), record.active()?.number))),
        };
        let Some((ca, number)) = signer else { return Ok(()) };
        let (Some(inner), Some(outer)) = (validity(&make.asset, make.revision), validity(&ca, number)) else {
            return Err(format!("{} {} has no validity", make.asset, make.revision));
        };
        ensure(outer.encloses(&inner), || {
            format!("I14: {} {} outlives {ca} {number}", make.asset, make.revision)
        })
    }

    /// I6.
    pub(super) fn deleted(
        &self,
        old: &OldObject,
        desired: &Desired,
        known: &Inventory,
        at: Timestamp,
    ) -> Verdict {
        let broken = |why: &str| format!("I6: {} is deleted at {at}, but {why}", old.name);
        let record =
            known.objects.get(&(old.kind, old.name.clone())).ok_or_else(|| broken("it is not ours"))?;
        for service in known.world.services.values() {
            let ids = service.references.iter().map(|reference| &reference.id);
            let mut ids = ids.chain(&service.previous).chain(&service.tasks);
            let named = ids.any(|id| Some(id) == record.id.as_ref());
            ensure(!named, || broken("a service names it"))?;
        }
        let since = record.replaced_at.unwrap_or(record.created_at);
        ensure(since + desired.retention <= at, || broken("it is young"))?;
        let deliveries = &known.assets[&old.asset].deliveries;
        let proven = deliveries.values().all(|delivery| delivery.state.is_there());
        ensure(proven, || broken("its successor is not proven"))
    }

    /// I7.
    pub(super) fn retired(&self, id: &AssetId, number: u32, known: &Inventory, at: Timestamp) -> Verdict {
        let broken = |why: &str| format!("I7: {id} {number} is retired at {at}, but {why}");
        let serves = self.serving.iter().any(|((other, _), (served, _))| other == id && *served == number);
        ensure(!serves, || broken("it is served"))?;
        for object in known.objects.values().filter(|object| object.asset == *id) {
            let named = object.id.as_ref().is_some_and(|id| known.world.named_by(id).is_some());
            let of_it = !object.part.spans_revisions() && object.revisions[..] == [number];
            ensure(!(named && of_it), || broken("a service names it"))?;
        }
        let Some(tokens) = self.tokens.get(id) else { return Ok(()) };
        for span in self.signed(id).filter(|span| span.what == number) {
            let dead = span.to.is_some_and(|to| to + tokens.ttl + tokens.skew <= at);
            ensure(dead, || broken("a token of it lives"))?;
        }
        Ok(())
    }

    fn signed<'a>(&'a self, id: &'a AssetId) -> impl Iterator<Item = &'a Span<u32>> {
        self.signing.iter().filter(move |((other, _), _)| other == id).flat_map(|(_, spans)| spans)
    }

    /// What can be told at the end only: I1 to the end, I3, I4 and I5.
    pub(super) fn finish(&self, desired: &Desired, end: Timestamp) -> Verdict {
        self.serving.keys().try_for_each(|slot| self.still_valid(slot, end))?;
        for (id, tokens) in &self.tokens {
            self.verifiable(id, *tokens, end)?;
        }
        self.orders.iter().try_for_each(|(id, orders)| self.few(desired, id, orders))
    }

    /// Whoever verifies a token may have fetched its JWKS up to `max_age` before: each JWKS that was shown in that time
    /// must have had the key.
    fn verifiable(&self, id: &AssetId, tokens: Tokens, end: Timestamp) -> Verdict {
        let first = self.signed(id).map(|span| span.what).min();
        for signed in self.signed(id) {
            // The very first key waits for nobody's cache.
            let early = if Some(signed.what) == first { SignedDuration::ZERO } else { tokens.max_age };
            let from = signed.from - early;
            let to = signed.to.unwrap_or(end) + tokens.ttl + tokens.skew + tokens.max_age;
            let here = self.showing.iter().filter(|((other, _), _)| other == id);
            for ((_, place), sets) in here {
                let meets =
                    |set: &&Span<BTreeSet<u32>>| set.from < to && set.to.is_none_or(|until| until > from);
                let mut lacking = sets.iter().filter(meets).filter(|set| !set.what.contains(&signed.what));
                if let Some(set) = lacking.next() {
                    let which = if set.from < signed.from { "I3" } else { "I4" };
                    return Err(format!("{which}: {id} had {signed:?} sign, but {place} showed {set:?}"));
                }
            }
        }
        Ok(())
    }

    /// I5.
    fn few(&self, desired: &Desired, id: &AssetId, orders: &[Timestamp]) -> Verdict {
        let spec = &desired.assets[id];
        let KindSpec::Certificate(certificate) = &spec.kind else { return Ok(()) };
        let life = certificate.duration;
        let all = Validity { not_before: orders[0], not_after: orders[0] + life };
        let turn = life - crate::planner::renewal::lead(spec.overlap.turn, all);
        for (number, start) in orders.iter().enumerate() {
            let week = |at: &&Timestamp| **at >= *start && **at < *start + days(7);
            let many = orders[number..].iter().filter(week).count() as i64;
            let asked = self.asked.get(id).map_or(0, |asked| asked.iter().filter(week).count()) as i64;
            let planned = days(7).as_secs() / (turn.as_secs() * 9 / 10).max(1) + 1;
            ensure(many <= planned + asked + 3, || {
                format!("I5: {many} orders of {id} in the week from {start}")
            })?;
        }
        Ok(())
    }
}

/// What the service named on our paths before is put back.
pub(super) fn put_back(known: &mut Inventory, record: &RolloutRecord) {
    let Place::Service(name) = &record.place else { return };
    let Some(service) = known.world.services.get_mut(name) else { return };
    for (path, before) in &record.before {
        service.references.retain(|reference| reference.path != *path);
        service.references.extend(before.clone());
    }
    let now: BTreeSet<String> = service.references.iter().map(|reference| reference.id.clone()).collect();
    service.tasks.clone_from(&now);
    service.previous = now;
}
