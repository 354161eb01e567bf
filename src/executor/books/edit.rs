//! Records being changed: copies, until they are durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::BooksError;
use super::pages::Pages;
use super::records::{ASSET, ISSUED, ISSUER, KEPT, LAST_SEEN, OBJECT, ROLLOUT, STOCK, encoded};
use super::{approvals, tidings};
use crate::audit::Event;
use crate::model::{
    Approvals, AssetId, AssetRecord, Inventory, Issued, IssuerRecord, Material, ObjectKind, ObjectRecord,
    Place, RolloutRecord, Secret, Spare, SpareId, Standing, Tidings,
};
use crate::store::{Change, MaterialId};

/// Records being changed.
pub struct Edit<'a> {
    /// The time of the change.
    pub now: Timestamp,
    base: Newest<'a>,
    touched: Touched,
    materials: Vec<(MaterialId, Option<Material>)>,
    events: Vec<Event>,
}

/// Records as they will be: those that are being changed, the newest first, and all others.
#[derive(Clone, Copy)]
pub(super) struct Newest<'a> {
    pub(super) above: [Option<&'a Touched>; 2],
    pub(super) base: &'a Inventory,
}

impl<'a> Newest<'a> {
    pub(super) fn layers(self) -> impl Iterator<Item = &'a Touched> {
        self.above.into_iter().flatten()
    }

    fn asset(self, id: &AssetId) -> Option<&'a AssetRecord> {
        self.layers().find_map(|touched| touched.assets.get(id)).or_else(|| self.base.record(id))
    }

    fn issuer(self, name: &str) -> Option<&'a IssuerRecord> {
        self.layers().find_map(|touched| touched.issuers.get(name)).or_else(|| self.base.issuers.get(name))
    }

    fn object(self, key: &(ObjectKind, String)) -> Option<&'a ObjectRecord> {
        let changed = self.layers().find_map(|touched| touched.objects.get(key));
        changed.map_or_else(|| self.base.objects.get(key), Option::as_ref)
    }

    fn rollout(self, place: &Place) -> Option<&'a RolloutRecord> {
        let changed = self.layers().find_map(|touched| touched.rollouts.get(place));
        changed.map_or_else(|| self.base.rollouts.get(place), Option::as_ref)
    }

    fn tidings(self) -> &'a Tidings {
        self.layers().find_map(|touched| touched.tidings.as_ref()).unwrap_or(&self.base.tidings)
    }

    fn approvals(self) -> &'a Approvals {
        self.layers().find_map(|touched| touched.approvals.as_ref()).unwrap_or(&self.base.approvals)
    }

    fn last_seen(self) -> Option<Timestamp> {
        self.layers().find_map(|touched| touched.last_seen).or(self.base.last_seen)
    }
}

/// Copies of the records that edits have touched; `None` is gone.
#[derive(Default)]
pub(super) struct Touched {
    assets: BTreeMap<AssetId, AssetRecord>,
    objects: BTreeMap<(ObjectKind, String), Option<ObjectRecord>>,
    rollouts: BTreeMap<Place, Option<RolloutRecord>>,
    issuers: BTreeMap<String, IssuerRecord>,
    issued: BTreeMap<(AssetId, String), Option<Issued>>,
    kept: BTreeMap<String, Option<Secret>>,
    stock: BTreeMap<SpareId, Option<Spare>>,
    tidings: Option<Tidings>,
    approvals: Option<Approvals>,
    last_seen: Option<Timestamp>,
}

impl Edit<'_> {
    pub(super) fn new(base: Newest<'_>, now: Timestamp) -> Edit<'_> {
        Edit { now, base, touched: Touched::default(), materials: Vec::new(), events: Vec::new() }
    }

    /// The asset's record, made where there was none.
    pub fn asset(&mut self, id: &AssetId) -> &mut AssetRecord {
        let base = self.base;
        self.touched
            .assets
            .entry(id.clone())
            .or_insert_with(|| base.asset(id).cloned().unwrap_or_else(|| AssetRecord::new(id.clone())))
    }

    /// The ACME issuer's record, made where there was none.
    pub fn issuer(&mut self, name: &str) -> &mut IssuerRecord {
        let base = self.base;
        let blank = || IssuerRecord { name: name.to_owned(), ..IssuerRecord::default() };
        let known = || base.issuer(name).cloned().unwrap_or_else(blank);
        self.touched.issuers.entry(name.to_owned()).or_insert_with(known)
    }

    /// What a CA is to remember of a certificate.
    pub fn put_issued(&mut self, one: Issued) {
        self.touched.issued.insert((one.ca.clone(), one.serial.clone()), Some(one));
    }

    /// A certificate has ended: no CA need remember it.
    pub fn forget_issued(&mut self, one: &Issued) {
        self.touched.issued.insert((one.ca.clone(), one.serial.clone()), None);
    }

    /// What an issuer is to keep under `key`; `None` forgets it.
    pub fn keep(&mut self, key: String, value: Option<Secret>) {
        self.touched.kept.insert(key, value);
    }

    /// Something is ready from now on.
    pub(in crate::executor) fn stock(&mut self, id: SpareId, spare: Spare) {
        self.touched.stock.insert(id, Some(spare));
    }

    /// It leaves the stock: for good, or into what else this edit writes. Both are one durable step, so that nothing
    /// is ever drawn twice.
    pub(in crate::executor) fn unstock(&mut self, id: SpareId) {
        self.touched.stock.insert(id, None);
    }

    /// What is kept about telling.
    pub fn tidings(&mut self) -> &mut Tidings {
        let base = self.base;
        self.touched.tidings.get_or_insert_with(|| base.tidings().clone())
    }

    /// What waits for somebody's word.
    pub fn approvals(&mut self) -> &mut Approvals {
        let base = self.base;
        self.touched.approvals.get_or_insert_with(|| base.approvals().clone())
    }

    /// Which revisions the asset has, as this edit leaves it.
    pub fn standing(&self, id: &AssetId) -> Standing {
        Standing::of(self.touched.assets.get(id).or_else(|| self.base.asset(id)))
    }

    /// The object's record, where there is one.
    pub fn object(&mut self, kind: ObjectKind, name: &str) -> Option<&mut ObjectRecord> {
        let key = (kind, name.to_owned());
        let base = self.base.object(&key)?;
        self.touched.objects.entry(key).or_insert_with(|| Some(base.clone())).as_mut()
    }

    /// The rollout that was begun in this place and has not ended.
    pub fn rollout(&mut self, place: &Place) -> Option<&mut RolloutRecord> {
        let base = self.base.rollout(place)?;
        self.touched.rollouts.entry(place.clone()).or_insert_with(|| Some(base.clone())).as_mut()
    }

    /// A new object.
    pub fn put_object(&mut self, record: ObjectRecord) {
        self.touched.objects.insert((record.kind, record.name.clone()), Some(record));
    }

    /// An object that is gone.
    pub fn remove_object(&mut self, kind: ObjectKind, name: &str) {
        self.touched.objects.insert((kind, name.to_owned()), None);
    }

    /// A rollout that is begun.
    pub fn put_rollout(&mut self, record: RolloutRecord) {
        self.touched.rollouts.insert(record.place.clone(), Some(record));
    }

    /// A rollout that has ended.
    pub fn remove_rollout(&mut self, place: &Place) {
        if self.base.rollout(place).is_some() {
            self.touched.rollouts.insert(place.clone(), None);
        }
    }

    /// What a revision is made of; `None` destroys it.
    pub fn material(&mut self, asset: &AssetId, revision: u32, material: Option<Material>) {
        self.materials.push((MaterialId { asset: asset.clone(), revision }, material));
    }

    /// An entry for the audit.
    pub fn audit(&mut self, event: Event) {
        self.events.push(event);
    }

    pub(super) fn finish(mut self) -> Result<(Touched, Change), BooksError> {
        let mut change = Change { audit: self.events, ..Change::default() };
        for (id, record) in &self.touched.assets {
            change.puts.push((format!("{ASSET}{id}"), encoded(Some(record))?));
        }
        for ((kind, name), record) in &self.touched.objects {
            change.puts.push((format!("{OBJECT}{kind}/{name}"), encoded(record.as_ref())?));
        }
        for (place, record) in &self.touched.rollouts {
            change.puts.push((format!("{ROLLOUT}{place}"), encoded(record.as_ref())?));
        }
        for (name, record) in &self.touched.issuers {
            change.puts.push((format!("{ISSUER}{name}"), encoded(Some(record))?));
        }
        for ((ca, serial), one) in &self.touched.issued {
            change.puts.push((format!("{ISSUED}{}/{serial}", ca.name), encoded(one.as_ref())?));
        }
        for (key, value) in &self.touched.kept {
            let value = value.as_ref().map(|value| value.expose().to_vec());
            change.puts.push((format!("{KEPT}{key}"), value));
        }
        for (id, spare) in &self.touched.stock {
            change.puts.push((format!("{STOCK}{id}"), encoded(spare.as_ref())?));
        }
        if let Some(touched) = &self.touched.tidings {
            tidings::write(self.base.tidings(), touched, &mut change.puts)?;
        }
        if let Some(touched) = &self.touched.approvals {
            approvals::write(self.base.approvals(), touched, &mut change.puts)?;
        }
        for (id, material) in self.materials {
            change.materials.push((id, encoded(material.as_ref())?.map(Secret::new)));
        }
        let seen = self.base.last_seen().map_or(self.now, |seen| seen.max(self.now));
        self.touched.last_seen = Some(seen);
        change.puts.push((LAST_SEEN.to_owned(), encoded(Some(&seen))?));
        Ok((self.touched, change))
    }
}

impl Touched {
    /// Whether what an issuer keeps under `key` is among them.
    pub(super) fn keeps(&self, key: &str) -> bool {
        self.kept.contains_key(key)
    }

    /// Whether a piece of the stock is among them.
    pub(super) fn has_stock(&self) -> bool {
        !self.stock.is_empty()
    }

    /// Whether what is told of is among them.
    pub(super) fn has_tidings(&self) -> bool {
        self.tidings.is_some()
    }

    /// Takes in what was touched later, on top of this.
    pub(super) fn extend(&mut self, later: Self) {
        self.assets.extend(later.assets);
        self.objects.extend(later.objects);
        self.rollouts.extend(later.rollouts);
        self.issuers.extend(later.issuers);
        self.issued.extend(later.issued);
        self.kept.extend(later.kept);
        self.stock.extend(later.stock);
        self.tidings = later.tidings.or(self.tidings.take());
        self.approvals = later.approvals.or(self.approvals.take());
        self.last_seen = later.last_seen.or(self.last_seen);
    }

    pub(super) fn merge_into(self, pages: &mut Pages) {
        for (key, value) in self.kept {
            match value {
                Some(value) => pages.kept.insert(key, value),
                None => pages.kept.remove(&key),
            };
        }
        let inventory = &mut pages.inventory;
        for (id, spare) in self.stock {
            match spare {
                Some(spare) => {
                    inventory.stock.insert(id, spare.made_at);
                    pages.spares.insert(id, spare);
                }
                None => {
                    inventory.stock.remove(&id);
                    pages.spares.remove(&id);
                }
            }
        }
        let changed = self.assets.into_iter().map(|(id, record)| (id, Arc::new(record)));
        inventory.assets.extend(changed);
        inventory.issuers.extend(self.issuers);
        if let Some(tidings) = self.tidings {
            inventory.tidings = tidings;
        }
        if let Some(approvals) = self.approvals {
            inventory.approvals = approvals;
        }
        inventory.last_seen = self.last_seen.or(inventory.last_seen);
        for (key, one) in self.issued {
            match one {
                Some(one) => inventory.issued.insert(key, one),
                None => inventory.issued.remove(&key),
            };
        }
        for (key, record) in self.objects {
            match record {
                Some(record) => inventory.objects.insert(key, record),
                None => inventory.objects.remove(&key),
            };
        }
        for (place, record) in self.rollouts {
            match record {
                Some(record) => inventory.rollouts.insert(place, record),
                None => inventory.rollouts.remove(&place),
            };
        }
    }
}
