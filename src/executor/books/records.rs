//! The records as the store has them: JSON under names that say what it is of.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{BooksError, approvals, tidings};
use crate::model::{
    AssetRecord, Inventory, Issued, IssuerRecord, ObjectRecord, RolloutRecord, Secret, Spare, SpareId,
};

pub(super) const ASSET: &str = "asset/";
pub(super) const OBJECT: &str = "object/";
pub(super) const ROLLOUT: &str = "rollout/";
pub(super) const ISSUER: &str = "issuer/";
/// What issuers keep, sealed like all records: their accounts with the keys, and their open orders.
pub(in crate::executor) const KEPT: &str = "kept/";
/// Keys and parameters that are ready for revisions to come.
pub(super) const STOCK: &str = "stock/";
/// What our own CAs remember of single certificates.
pub(super) const ISSUED: &str = "issued/";
pub(super) const LAST_SEEN: &str = "meta/last-seen";
pub(super) const DIGEST_KEY: &str = "meta/digest-key";

/// The records of a store, read.
///
/// # Errors
///
/// When one of them is not what this version writes.
pub fn inventory_of(records: &BTreeMap<String, Vec<u8>>) -> Result<Inventory, BooksError> {
    let mut inventory = Inventory::default();
    for (key, bytes) in records {
        if key.starts_with(ASSET) {
            let record: AssetRecord = decoded(key, bytes)?;
            inventory.assets.insert(record.id.clone(), Arc::new(record));
        } else if key.starts_with(OBJECT) {
            let record: ObjectRecord = decoded(key, bytes)?;
            inventory.objects.insert((record.kind, record.name.clone()), record);
        } else if key.starts_with(ROLLOUT) {
            let record: RolloutRecord = decoded(key, bytes)?;
            inventory.rollouts.insert(record.place.clone(), record);
        } else if key.starts_with(ISSUER) {
            let record: IssuerRecord = decoded(key, bytes)?;
            inventory.issuers.insert(record.name.clone(), record);
        } else if key.starts_with(ISSUED) {
            let one: Issued = decoded(key, bytes)?;
            inventory.issued.insert((one.ca.clone(), one.serial.clone()), one);
        } else if tidings::read(&mut inventory.tidings, key, bytes)?
            || approvals::read(&mut inventory.approvals, key, bytes)?
        {
        } else if key == LAST_SEEN {
            inventory.last_seen = Some(decoded(key, bytes)?);
        }
    }
    inventory.stock = spares_in(records)?.into_iter().map(|(id, spare)| (id, spare.made_at)).collect();
    Ok(inventory)
}

pub(super) fn spares_in(records: &BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<SpareId, Spare>, BooksError> {
    let spares = records.iter().filter_map(|(key, bytes)| Some((key, key.strip_prefix(STOCK)?, bytes)));
    let read = |(key, id, bytes): (&String, &str, &Vec<u8>)| {
        let unreadable = |why| BooksError::Unreadable { what: key.clone(), why };
        Ok((id.parse().map_err(unreadable)?, decoded(key, bytes)?))
    };
    spares.map(read).collect()
}

/// What issuers keep: bytes that only they understand.
pub(super) fn kept_in(records: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Secret> {
    let kept = |(key, bytes): (&String, &Vec<u8>)| {
        Some((key.strip_prefix(KEPT)?.to_owned(), Secret::new(bytes.clone())))
    };
    records.iter().filter_map(kept).collect()
}

pub(super) fn encoded<T: Serialize>(value: Option<&T>) -> Result<Option<Vec<u8>>, BooksError> {
    let Some(value) = value else { return Ok(None) };
    let bytes = serde_json::to_vec(value)
        .map_err(|error| BooksError::unreadable("a record to be written", &error))?;
    Ok(Some(bytes))
}

pub(super) fn decoded<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, BooksError> {
    serde_json::from_slice(bytes).map_err(|error| BooksError::unreadable(key, &error))
}
