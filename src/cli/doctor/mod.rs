//! Looks at the house as it stands, and says what is wrong, why, and what to do. It changes nothing.

mod host;
mod kernel;
mod print;
mod tls;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::args::{Cli, Format};
use super::fail::{DONE, FAILED, Failure};
use super::{compose, output, owner, plan, state};
use crate::clock::{Clock, System};
use crate::config::Config;
use crate::desired::{AssetSpec, Desired, Places};
use crate::doctor::{self, Clocks, Level, StateSeen};
use crate::issuer::acme::time_at;
use crate::model::{EngineFacts, Place, Problem, World};
use crate::target::swarm::Connection;
use host::Records;

pub(super) fn run(cli: &Cli, offline: bool) -> Result<u8, Failure> {
    let config = state::client_config(cli)?;
    let file = state::file(cli)?;
    owner::must_be_allowed(config.daemon().state_dir())?;
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let desired = Desired::of(&config);
    let (facts, records) = host::state(&config);
    let mut findings = host::configuration(&config, &file);
    findings.extend(doctor::state(&facts));
    let last_seen = match &facts.seen {
        StateSeen::Opens { last_seen, .. } => *last_seen,
        _ => None,
    };
    findings.extend(compose::block_on(async {
        let world = plan::look(&config, &desired, &clock).await?;
        let engine = engine(&config, &desired, &clock).await;
        let clocks = Clocks {
            now: clock.now(),
            synchronised: kernel::is_synchronised(),
            last_seen,
            others: if offline { Vec::new() } else { others(&config, &clock).await },
        };
        let mut found = doctor::clocks(&clocks);
        if let Some(engine) = engine {
            let socket = config.docker().socket().display().to_string();
            found.extend(doctor::engine(&socket, &engine, clock.now()));
            if engine.is_ok() {
                let names = services(&desired, &records, &world);
                found.extend(doctor::habits(names.iter().map(String::as_str), &world));
            }
        }
        found.extend(tls::all(&desired, &records, &world, clock.now()).await);
        Ok(found)
    })?);
    match cli.output {
        Format::Json => output::json(&print::json(&findings)),
        Format::Table => output::line(&print::text(&findings)),
    }
    let broken = findings.iter().any(|finding| finding.level == Level::Fault);
    Ok(if broken { FAILED } else { DONE })
}

/// The engine, where any target needs it.
async fn engine(
    config: &Config,
    desired: &Desired,
    clock: &Arc<dyn Clock>,
) -> Option<Result<EngineFacts, Problem>> {
    if !desired.assets.values().any(AssetSpec::needs_engine) {
        return None;
    }
    let (socket, instance) = (config.docker().socket().to_owned(), desired.instance.clone());
    Some(Connection::new(socket, instance, Arc::clone(clock)).posture().await)
}

/// What the CAs' clocks show. (The engine is on this machine, and shows our own.)
async fn others(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Vec<(String, Result<jiff::SignedDuration, Problem>)> {
    let mut others = Vec::new();
    for (name, issuer) in config.acme_issuers() {
        let there = time_at(issuer.server(), issuer.ca_file(), clock).await;
        let by = there.map(|there| clock.now().duration_since(there));
        others.push((format!("issuers.{name}"), by));
    }
    others
}

/// The services that anything goes to: by name, by label, or as it was delivered.
fn services(desired: &Desired, records: &Records, world: &World) -> BTreeSet<String> {
    let places = desired.assets.values().flat_map(|spec| places(spec, records, world));
    let name = |place| match place {
        Place::Service(name) => Some(name),
        Place::Dir(_) => None,
    };
    places.filter_map(name).collect()
}

/// Where an asset goes.
fn places(spec: &AssetSpec, records: &Records, world: &World) -> BTreeSet<Place> {
    let labelled = |service: &&crate::model::Service| service.labelled.contains(&spec.id);
    let of = |places: &Places| -> Vec<Place> {
        match places {
            Places::Dir { dir, .. } => vec![Place::Dir(PathBuf::from(dir))],
            Places::Services { names: Some(names), .. } => {
                names.iter().cloned().map(Place::Service).collect()
            }
            Places::Services { names: None, .. } => {
                world.services.values().filter(labelled).map(|one| Place::Service(one.name.clone())).collect()
            }
        }
    };
    let mut all: BTreeSet<Place> = spec.targets.iter().flat_map(|target| of(&target.places)).collect();
    let record = records.inventory.assets.get(&spec.id);
    all.extend(record.into_iter().flat_map(|record| record.deliveries.keys().cloned()));
    all
}
