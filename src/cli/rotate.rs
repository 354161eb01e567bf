//! Turn over now, as far as the overlap allows, and say what follows when.

use std::collections::BTreeSet;

use super::args::Cli;
use super::compose::House;
use super::fail::Failure;
use super::{owner, run, state};
use crate::audit::Event;
use crate::model::{AssetId, AssetKind, DeliveryState, Effort, Request};

pub(super) fn run(cli: &Cli, assets: &[String], all: bool, compromised: bool) -> Result<u8, Failure> {
    if compromised {
        return Err(Failure::usage(
            "`rotate --compromised` is not built yet; `rotate` turns over as fast as the overlap allows",
        ));
    }
    let config = state::config(cli)?;
    let chosen: BTreeSet<AssetId> = if all {
        config.assets().filter(|id| id.kind != AssetKind::Ca).collect()
    } else {
        assets.iter().map(|text| state::asset(&config, text)).collect::<Result<_, _>>()?
    };
    let mut only = chosen.clone();
    // What signs for them may have to be made first.
    only.extend(
        state::all_assets(&config)
            .into_iter()
            .filter(|id| id.kind == AssetKind::Ca && needs(&config, &chosen, id)),
    );
    run::pass(cli, &config, Some(&only), async |house: &House| ask(house, &chosen).await)
}

fn needs(config: &crate::config::Config, chosen: &BTreeSet<AssetId>, ca: &AssetId) -> bool {
    config
        .certificates()
        .values()
        .any(|cert| chosen.contains(&cert.id()) && cert.issuers().contains(&ca.name))
}

/// The request is durable before anything is done for it: a crash does not forget it.
async fn ask(house: &House, chosen: &BTreeSet<AssetId>) -> Result<(), Failure> {
    let by = owner::actor();
    let books = &house.executor.books;
    let edit = |edit: &mut crate::executor::Edit<'_>| {
        let at = edit.now;
        for id in chosen {
            let standby = house.desired.assets.get(id).is_some_and(|spec| spec.overlap.standby);
            let record = edit.asset(id);
            let active = record.active().map_or(0, |revision| revision.number);
            let after = if standby { active } else { record.newest_number() };
            record.request = Some(Request { at, by: by.clone(), after, compromised: false });
            record.effort = Effort::default();
            for delivery in record.deliveries.values_mut().filter(|d| d.state == DeliveryState::Failed) {
                delivery.effort = Effort::default();
            }
            edit.audit(Event {
                at,
                actor: by.clone(),
                action: "rotate-asked".to_owned(),
                asset: Some(id.clone()),
                revision: Some(after),
                detail: std::collections::BTreeMap::new(),
            });
        }
    };
    books.edit(edit).await?;
    crate::failpoint::hit("rotate-asked");
    Ok(())
}
