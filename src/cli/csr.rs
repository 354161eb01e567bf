//! `csr`: the request that a person carries to a CA; its key is made here, and stays here.

use jiff::Timestamp;

use super::compose::House;
use super::fail::{FAILED, Failure};
use super::state;
use super::wish::Answer;
use crate::audit::Event;
use crate::clock::Entropy;
use crate::config::{Certificate, Config, KeyRotation};
use crate::issuer::{Request, manual};
use crate::model::{AssetId, AssetKind, Material, Revision, RevisionState, Secret};

/// The certificate, if it is carried by hand.
pub(super) fn by_hand<'c>(config: &'c Config, id: &AssetId) -> Result<&'c Certificate, Failure> {
    let certificate = config.certificates().get(&id.name).filter(|_| id.kind == AssetKind::Certificate);
    let certificate = certificate.ok_or_else(|| Failure::usage(format!("{id} is no certificate")))?;
    if certificate.issuers().iter().any(|issuer| config.manual_issuers().contains(issuer)) {
        return Ok(certificate);
    }
    Err(Failure::usage(format!(
        "{id} is issued by {}: only those of an issuer with kind = \"manual\" are carried by hand",
        certificate.issuers().join(", ")
    )))
}

pub(super) fn checked(config: &Config, asset: &str) -> Result<AssetId, Failure> {
    let id = state::asset(config, asset)?;
    by_hand(config, &id)?;
    Ok(id)
}

/// What a revision is made for now.
pub(super) fn made_for(house: &House, id: &AssetId) -> String {
    house.desired.assets.get(id).map(|spec| spec.made_for.clone()).unwrap_or_default()
}

/// What is asked for.
pub(super) fn request(wanted: &Certificate, private_key: Secret, now: Timestamp) -> Request {
    Request {
        asset: wanted.id(),
        common_name: wanted.common_name().map(str::to_owned),
        dns_names: wanted.dns_names().to_vec(),
        ip_addresses: wanted.ip_addresses().to_vec(),
        usages: wanted.usages().to_vec(),
        duration: wanted.duration(),
        private_key,
        authority: None,
        replaces: None,
        now,
    }
}

/// Prints the request; the key that it is for is durable before, and the same until its certificate has come.
pub(super) async fn grant(config: &Config, house: &House, asset: &str, by: &str) -> Result<Answer, Failure> {
    let id = checked(config, asset)?;
    let wanted = by_hand(config, &id)?;
    let executor = &house.executor;
    let made_for = made_for(house, &id);
    let inventory = executor.books.inventory().await;
    let record = inventory.assets.get(&id);
    let waits = |revision: &&Revision| {
        revision.state == RevisionState::Pending && revision.made_for == made_for && !revision.compromised
    };
    let waiting = record.and_then(|record| record.coming().find(waits)).map(|revision| revision.number);
    let begun = match waiting {
        Some(number) => executor.books.material(&id, number).await?.and_then(|it| it.private_key),
        None => None,
    };
    let key = match begun {
        Some(key) => key,
        None => {
            let active = record.and_then(|record| record.active()).filter(|active| !active.compromised);
            let kept = match active.filter(|_| wanted.key_rotation() == KeyRotation::Never) {
                Some(active) => {
                    executor.books.material(&id, active.number).await?.and_then(|it| it.private_key)
                }
                None => None,
            };
            let key = match kept {
                Some(key) => key,
                None => executor
                    .maker
                    .key(wanted.key_algorithm())
                    .await
                    .map_err(|problem| Failure { code: FAILED, error: anyhow::anyhow!("{problem}") })?,
            };
            let number = waiting.or(record.map(|record| record.newest_number() + 1)).unwrap_or(1);
            note(house, &id, (number, waiting.is_none()), &made_for, &key, by).await?;
            key
        }
    };
    let request = request(wanted, key, executor.clock.now());
    let text = manual::signing_request(&request, &Entropy::system()).map_err(Failure::usage)?;
    Ok(Answer::done(text))
}

async fn note(
    house: &House,
    id: &AssetId,
    (number, is_new): (u32, bool),
    made_for: &str,
    key: &Secret,
    by: &str,
) -> Result<(), Failure> {
    let edit = |edit: &mut crate::executor::Edit<'_>| {
        let at = edit.now;
        if is_new {
            let revision = Revision::pending(number, &format!("asked for by {by}"), made_for, at);
            edit.asset(id).begin(revision);
        }
        let material = Material { private_key: Some(key.clone()), ..Material::default() };
        edit.material(id, number, Some(material));
        edit.audit(Event {
            at,
            actor: by.to_owned(),
            action: "csr-made".to_owned(),
            asset: Some(id.clone()),
            revision: Some(number),
            detail: std::collections::BTreeMap::new(),
        });
    };
    house.executor.books.edit(edit).await?;
    crate::failpoint::hit("csr-made");
    Ok(())
}
