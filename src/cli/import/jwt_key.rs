//! A JWT key that signs elsewhere: it signs on here, under the ID that its tokens name, and is turned over from here.

use super::{Wish, keep};
use crate::cli::compose::House;
use crate::cli::fail::Failure;
use crate::cli::{compromised, csr};
use crate::config::{Config, JwtKey};
use crate::keys::PrivateKey;
use crate::model::{AssetId, AssetRecord, Inventory, Made, Revision, RevisionState, Secret};

/// No JOSE library minds longer ones, but a header goes with every request.
const LONGEST_KID: usize = 200;

impl Wish {
    /// The private key that is to sign, if all that was typed fits the configuration.
    pub(super) fn signs(&self, config: &Config, id: &AssetId) -> Result<&Secret, Failure> {
        let wanted = key_of(config, id)?;
        if self.certificate.is_some() || self.crl.is_some() || !self.chain.is_empty() {
            return Err(Failure::usage(format!(
                "{id}: a JWT key has no certificate: leave out --cert and --chain"
            )));
        }
        let key = self.key.as_ref().ok_or_else(|| {
            Failure::usage(format!("{id}: the private key that signs is needed (--key FILE)"))
        })?;
        let is = PrivateKey::from_pkcs8_pem(key)
            .map_err(|error| Failure::usage(format!("{id}: {error}")))?
            .algorithm();
        if is != wanted.key_algorithm() {
            return Err(Failure::usage(format!("{id}: {}", another_kind(wanted, is))));
        }
        if let Some(kid) = &self.kid {
            let fault = if kid.is_empty() {
                "it is empty"
            } else if kid.len() > LONGEST_KID {
                "it is longer than 200 bytes"
            } else if kid.chars().any(char::is_control) {
                "it has a control character"
            } else {
                return Ok(key);
            };
            return Err(Failure::usage(format!("{id}: this cannot be a key ID (--kid): {fault}")));
        }
        Ok(key)
    }

    /// Takes it over as the key that is to sign now, durably.
    pub(super) async fn take_jwt_key(
        &self,
        config: &Config,
        house: &House,
        id: &AssetId,
        by: &str,
    ) -> Result<(), Failure> {
        let key = self.signs(config, id)?;
        let executor = &house.executor;
        let made = executor.maker.jwt_key_of(key_of(config, id)?.algorithm(), key);
        let mut made = made.map_err(|problem| Failure::usage(problem.message))?;
        if self.kid.is_some() {
            made.facts.kid.clone_from(&self.kid);
            made.material.kid.clone_from(&self.kid);
        }
        let inventory = executor.books.inventory().await;
        compromised::refuse_key(&inventory, id, key)?;
        let record = inventory.record(id).cloned().unwrap_or_else(|| AssetRecord::new(id.clone()));
        if record.revisions.values().any(|revision| revision.kid == made.facts.kid) {
            let kid = made.facts.kid.unwrap_or_default();
            return Err(Failure::usage(format!("{id} has a key with the ID {kid} already")));
        }
        let unused = unused(&inventory, &record)?;
        let made_for = csr::made_for(house, id);
        Ok(executor.books.edit(|edit| note(edit, &record, &unused, &made_for, made, by)).await?)
    }
}

fn key_of<'c>(config: &'c Config, id: &AssetId) -> Result<&'c JwtKey, Failure> {
    config.jwt_keys().get(&id.name).ok_or_else(|| Failure::usage(format!("{id} is no JWT key")))
}

/// What to do about a key that the configuration does not ask for.
fn another_kind(wanted: &JwtKey, is: crate::model::KeyAlgorithm) -> String {
    let what = format!(
        "the key is of kind {}, and {} with {} is configured",
        is.name(),
        wanted.algorithm().name(),
        wanted.key_algorithm().name(),
    );
    match (is.rsa_bits(), wanted.key_algorithm().rsa_bits()) {
        (Some(bits), Some(_)) => format!(
            "{what}: set bits = {bits} and import it; with another size then, the key is turned over in its own time"
        ),
        _ => format!("{what}: set the `algorithm` that its tokens are signed with"),
    }
}

/// The keys that were made here meanwhile and that nobody has: they make room. One that somebody has may have signed, or
/// is about to, and cannot be set aside.
fn unused(inventory: &Inventory, record: &AssetRecord) -> Result<Vec<u32>, Failure> {
    let own: Vec<&Revision> =
        record.revisions.values().filter(|revision| !revision.state.is_over()).collect();
    let places = record.deliveries.iter().filter(|(_, delivery)| !delivery.content.files.is_empty());
    let going = inventory.rollouts.values().filter(|rollout| rollout.assets.contains(&record.id));
    let places: Vec<String> =
        places.map(|(place, _)| place.name()).chain(going.map(|rollout| rollout.place.name())).collect();
    let made = inventory.objects.values().any(|object| object.asset == record.id);
    match own.last() {
        Some(newest) if !places.is_empty() || made => {
            let delivered =
                if places.is_empty() { "a Docker secret or config".to_owned() } else { places.join(", ") };
            Err(Failure::usage(format!(
                "{} has keys of its own already (revision {} is the newest), and they are in {delivered}: import the key \
                 that signs before its targets are configured, or under another name",
                record.id, newest.number
            )))
        }
        _ => Ok(own.iter().map(|revision| revision.number).collect()),
    }
}

fn note(
    edit: &mut crate::executor::Edit<'_>,
    before: &AssetRecord,
    unused: &[u32],
    made_for: &str,
    made: Made,
    by: &str,
) {
    let (at, id, number) = (edit.now, &before.id, before.newest_number() + 1);
    for set_aside in unused {
        edit.asset(id).ended(*set_aside, RevisionState::Retired, at);
        edit.material(id, *set_aside, None);
    }
    let record = edit.asset(id);
    record.begin(Revision::pending(number, &format!("imported by {by}"), made_for, at));
    record.prepared(number, &made.facts, None, at);
    let detail = [("kid", made.facts.kid.unwrap_or_default())];
    keep(edit, id, number, by, detail, made.material);
}
