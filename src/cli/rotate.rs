//! Turn over now, as far as the overlap allows, and say what follows when.

use std::collections::{BTreeMap, BTreeSet};

use super::compose::House;
use super::fail::Failure;
use super::wish::By;
use super::{compromised, csr, state};
use crate::audit::Event;
use crate::config::Config;
use crate::desired::{AssetSpec, KindSpec};
use crate::executor::Edit;
use crate::model::{AssetId, AssetKind, KeyPrints, Request};

/// The assets that are meant.
pub(super) fn chosen(config: &Config, assets: &[String], all: bool) -> Result<BTreeSet<AssetId>, Failure> {
    if all {
        return Ok(config.assets().filter(|id| id.kind != AssetKind::Ca).collect());
    }
    assets.iter().map(|text| state::asset(config, text)).collect()
}

/// What signs for them may have to be made first.
pub(super) fn with_authorities(config: &Config, chosen: &BTreeSet<AssetId>) -> BTreeSet<AssetId> {
    let all = state::all_assets(config).into_iter();
    let needed = all.filter(|id| id.kind == AssetKind::Ca && needs(config, chosen, id));
    chosen.iter().cloned().chain(needed).collect()
}

/// Whoever has the roots or the revocation lists of these CAs gets them in the same pass.
pub(super) fn with_clients(config: &Config, chosen: &BTreeSet<AssetId>) -> BTreeSet<AssetId> {
    let ca_of = |name: &String| chosen.contains(&AssetId::new(AssetKind::Ca, name));
    let clients = config.certificates().values().filter(|cert| cert.issuers().iter().any(ca_of));
    chosen.iter().cloned().chain(clients.map(crate::config::Certificate::id)).collect()
}

fn needs(config: &Config, chosen: &BTreeSet<AssetId>, ca: &AssetId) -> bool {
    config
        .certificates()
        .values()
        .any(|cert| chosen.contains(&cert.id()) && cert.issuers().contains(&ca.name))
}

/// So many requests are one step of the state: what ten thousand assets have on record does not go into one.
const AT_ONCE: usize = 200;

/// The request is durable before anything is done for it: a crash does not forget it. What another person has approved is one
/// step, whatever its size: it must not be half done.
pub(super) async fn ask(
    house: &House,
    chosen: &BTreeSet<AssetId>,
    is_compromised: bool,
    by: &By,
) -> Result<(), Failure> {
    let mut keys = BTreeMap::new();
    if is_compromised {
        let inventory = house.executor.books.inventory().await;
        for id in chosen {
            keys.insert(id, compromised::keys(house, &inventory, id).await?);
        }
    }
    let chosen: Vec<&AssetId> = chosen.iter().collect();
    let at_once = if by.ticket.is_some() { chosen.len().max(1) } else { AT_ONCE };
    for some in chosen.chunks(at_once) {
        ask_for(house, some, &keys, by).await?;
    }
    crate::failpoint::hit("rotate-asked");
    Ok(())
}

async fn ask_for(
    house: &House,
    chosen: &[&AssetId],
    keys: &BTreeMap<&AssetId, KeyPrints>,
    by: &By,
) -> Result<(), Failure> {
    let mut redeemed = Ok(());
    let edit = |edit: &mut Edit<'_>| {
        redeemed = by.redeem(edit);
        if redeemed.is_ok() {
            for id in chosen {
                note(edit, house.desired.assets.get(*id), id, keys.get(*id), by);
            }
        }
    };
    house.executor.books.edit(edit).await?;
    Ok(redeemed?)
}

/// Puts one request on record; `compromised` are the keys of an asset whose key is in wrong hands.
fn note(
    edit: &mut Edit<'_>,
    spec: Option<&AssetSpec>,
    id: &AssetId,
    compromised: Option<&KeyPrints>,
    by: &By,
) {
    let at = edit.now;
    let standby = spec.is_some_and(|spec| spec.overlap.standby);
    let record = edit.asset(id);
    let active = record.active().map_or(0, |revision| revision.number);
    let after = if standby { active } else { record.newest_number() };
    let request = Request {
        at,
        by: by.actor.clone(),
        after,
        compromised: compromised.is_some(),
        new_root: id.kind == AssetKind::Ca,
    };
    record.ask(request, spec.is_some_and(key_stays));
    if let Some(keys) = compromised {
        record.remember_compromised(keys);
    }
    let why = compromised.map(|_| ("compromised".to_owned(), "true".to_owned()));
    let request = by.ticket.as_ref().map(|one| ("request".to_owned(), one.number.to_string()));
    edit.audit(Event {
        at,
        actor: by.actor.clone(),
        action: "rotate-asked".to_owned(),
        asset: Some(id.clone()),
        revision: Some(after),
        detail: why.into_iter().chain(request).collect::<BTreeMap<_, _>>(),
    });
}

/// What a person has to have issued: where the key is in wrong hands the next one is made at once, so that its request can
/// be carried away.
pub(super) async fn begin_by_hand(
    config: &Config,
    house: &House,
    chosen: &BTreeSet<AssetId>,
    by: &str,
) -> Result<(), Failure> {
    let inventory = house.executor.books.inventory().await;
    for id in chosen {
        let carried = match id.kind {
            AssetKind::Certificate => csr::by_hand(config, id).is_ok(),
            AssetKind::Ca => csr::is_elsewhere(config, id, inventory.record(id)),
            _ => false,
        };
        if carried {
            csr::key(config, house, id, by).await?;
        }
    }
    Ok(())
}

/// Whether older revisions have the same key; those of a CA have the same root.
pub(super) fn key_stays(spec: &AssetSpec) -> bool {
    match &spec.kind {
        KindSpec::Certificate(certificate) => certificate.keep_key,
        KindSpec::Ca(_) => true,
        _ => false,
    }
}
