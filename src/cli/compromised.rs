//! Keys in wrong hands: which they are, and that none of them comes back.

use std::collections::BTreeSet;

use super::compose::House;
use super::fail::Failure;
use crate::clock::Entropy;
use crate::model::{AssetId, AssetRecord, Inventory, KeyPrints, Material, Secret};
use crate::pki::{PublicKey, pem, spki_of_certificate};

/// The keys of each revision of an asset whose material is still here.
pub(super) async fn keys(house: &House, inventory: &Inventory, id: &AssetId) -> Result<KeyPrints, Failure> {
    let books = &house.executor.books;
    let revisions = inventory.record(id).into_iter().flat_map(|record| record.revisions.values());
    let mut keys = KeyPrints::new();
    for revision in revisions.filter(|revision| !revision.state.is_over()) {
        if let Some(material) = books.material(id, revision.number).await? {
            keys.insert(revision.number, keys_of(&material));
        }
    }
    Ok(keys)
}

/// Of a CA they are two: the intermediate's, and its root's where that is here.
fn keys_of(material: &Material) -> BTreeSet<String> {
    let all = material.private_key.iter().chain(&material.anchor_key);
    all.filter_map(private).map(|key| key.fingerprint_sha256()).collect()
}

/// Nothing is taken in by which somebody in whose hands a key is could go on; whatever asset the key was of.
pub(super) fn refuse_certificate(inventory: &Inventory, id: &AssetId, text: &str) -> Result<(), Failure> {
    let spki = spki_of_certificate(text).map_err(Failure::usage)?;
    // What we do not handle was never a key of ours.
    let Ok(key) = PublicKey::of_spki(&spki) else { return Ok(()) };
    match whose(inventory, &key) {
        Some(owner) => Err(Failure::usage(format!(
            "{id}: the certificate is for a key of {} that was called compromised: have it issued for another key, that of the \
             request that `keyturn csr` prints now, or a new one",
            owner.id
        ))),
        None => Ok(()),
    }
}

/// The same of a private key by itself.
pub(super) fn refuse_key(inventory: &Inventory, id: &AssetId, key: &Secret) -> Result<(), Failure> {
    match private(key).and_then(|key| whose(inventory, &key)) {
        Some(owner) => Err(Failure::usage(format!(
            "{id}: this is a key of {} that was called compromised: import another, or let `keyturn run` make one",
            owner.id
        ))),
        None => Ok(()),
    }
}

fn private(key: &Secret) -> Option<PublicKey> {
    let der = pem::decode(pem::PRIVATE_KEY, key.expose_str()).ok()?;
    PublicKey::stated_in_pkcs8(&der, Entropy::system().ring()).ok()
}

fn whose<'i>(inventory: &'i Inventory, key: &PublicKey) -> Option<&'i AssetRecord> {
    let print = key.fingerprint_sha256();
    inventory
        .assets
        .values()
        .find(|record| record.compromised_keys.contains(&print))
        .map(std::sync::Arc::as_ref)
}
