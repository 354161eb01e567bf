//! `csr`: the request that a person carries to a CA; its key is made here, and stays here.

use jiff::Timestamp;

use super::compose::House;
use super::fail::{FAILED, Failure};
use super::wish::Answer;
use super::{state, workshop};
use crate::audit::Event;
use crate::clock::Entropy;
use crate::config::{Certificate, Config, InternalCa, KeyRotation};
use crate::issuer::{Request, manual};
use crate::model::{AssetId, AssetKind, AssetRecord, Material, Revision, RevisionState, Secret};

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
    // Whether a CA's root is here, the state knows as well.
    if id.kind != AssetKind::Ca {
        by_hand(config, &id)?;
    }
    Ok(id)
}

/// Whether the root of a CA is elsewhere, so that a person has its intermediates signed there.
pub(super) fn is_elsewhere(config: &Config, id: &AssetId, record: Option<&AssetRecord>) -> bool {
    let offline = config.internal_cas().get(&id.name).is_some_and(InternalCa::root_is_offline);
    offline || record.and_then(|record| record.active()).is_some_and(|active| active.root_is_elsewhere)
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
    let (key, made_at) = key(config, house, &id, by).await?;
    let text = match id.kind {
        AssetKind::Ca => {
            let entropy = Entropy::system();
            let authorities = workshop::authorities(config, &entropy);
            let unknown = || Failure::usage(format!("{id} is not in the configuration"));
            let ca = authorities.get(&id).ok_or_else(unknown)?;
            ca.signing_request(&key, made_at).map_err(Failure::usage)?
        }
        _ => {
            let request = request(by_hand(config, &id)?, key, house.executor.clock.now());
            manual::signing_request(&request, &Entropy::system()).map_err(Failure::usage)?
        }
    };
    Ok(Answer::done(text))
}

/// The key that waits for a certificate, and since when; made where none does.
pub(super) async fn key(
    config: &Config,
    house: &House,
    id: &AssetId,
    by: &str,
) -> Result<(Secret, Timestamp), Failure> {
    let executor = &house.executor;
    let made_for = made_for(house, id);
    let inventory = executor.books.inventory().await;
    let record = inventory.record(id);
    if id.kind == AssetKind::Ca && !is_elsewhere(config, id, record) {
        let why = "has its root here, and signs its intermediates itself; `root = \"offline\"` is for a root elsewhere";
        return Err(Failure::usage(format!("{id} {why}")));
    }
    let waits = |revision: &&Revision| {
        revision.state == RevisionState::Pending && revision.made_for == made_for && !revision.compromised
    };
    let waiting = record.and_then(|record| record.coming().find(waits));
    let begun = match waiting {
        Some(revision) => executor.books.material(id, revision.number).await?.and_then(|it| it.private_key),
        None => None,
    };
    if let (Some(revision), Some(key)) = (waiting, begun) {
        return Ok((key, revision.created_at));
    }
    let (algorithm, stays) = match id.kind {
        AssetKind::Ca => (workshop::INTERMEDIATE_KEY, false),
        _ => {
            let wanted = by_hand(config, id)?;
            (wanted.key_algorithm(), wanted.key_rotation() == KeyRotation::Never)
        }
    };
    let active = record.and_then(|record| record.active()).filter(|active| stays && !active.compromised);
    let kept = match active {
        Some(active) => executor.books.material(id, active.number).await?.and_then(|it| it.private_key),
        None => None,
    };
    let key = match kept {
        Some(key) => key,
        None => {
            let made = executor.maker.key(algorithm).await;
            made.map_err(|problem| Failure { code: FAILED, error: anyhow::anyhow!("{problem}") })?
        }
    };
    let next = record.map_or(1, |record| record.newest_number() + 1);
    let number = waiting.map_or(next, |revision| revision.number);
    note(house, id, (number, waiting.is_none()), &made_for, &key, by).await?;
    Ok((key, waiting.map_or(executor.clock.now(), |revision| revision.created_at)))
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
