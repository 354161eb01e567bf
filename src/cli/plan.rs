//! What would be done, when, why, and which services would restart. Nothing is changed.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::args::{Cli, Format};
use super::fail::{DONE, Failure};
use super::{compose, output, report, run, state};
use crate::clock::{Clock, System};
use crate::config::Config;
use crate::desired::Desired;
use crate::executor::watch;
use crate::model::{Action, Inventory, Step, World};
use crate::planner::{self, Forecast, Seed};
use crate::target::Target;
use crate::target::file::Directories;

pub(super) fn run(cli: &Cli, at: Option<&str>, until: Option<&str>) -> Result<u8, Failure> {
    let config = state::config(cli)?;
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let now = at.map(moment).transpose()?.unwrap_or_else(|| clock.now());
    let until = until.map(duration).transpose()?.map_or(now, |ahead| now + ahead);
    let desired = Desired::of(&config);
    let mut inventory = state::inventory(&config)?;
    inventory.world = compose::block_on(look(&config, &desired, &clock))?;
    let forecast = planner::forecast(&desired, &inventory, now, until, Seed::of(&desired.instance));
    match cli.output {
        Format::Json => output::json(&as_json(&forecast, now)),
        Format::Table => print(&forecast, now),
    }
    Ok(DONE)
}

/// For people: what comes in the order of time, then what waits, then what would go badly.
fn print(forecast: &Forecast, now: Timestamp) {
    let mut table = output::table(&["WHEN", "ACTION", "WHAT", "ASSETS", "RESTARTS", "WHY"]);
    let shown: Vec<&Step> = shown(forecast).collect();
    for step in &shown {
        let due = step.at <= now;
        table.add_row([
            if due { "now".to_owned() } else { output::moment(Some(step.at), now) },
            step.action.name().to_owned(),
            report::what(step),
            report::names(step).join(", "),
            step.action.services().join(", "),
            step.reason.clone(),
        ]);
    }
    match (shown.is_empty(), forecast.first.next_wake) {
        (false, _) => output::line(&table.to_string()),
        (true, Some(at)) => output::line(&format!("nothing to do before {}", output::moment(Some(at), now))),
        (true, None) => output::line("nothing to do"),
    }
    for deferred in &forecast.first.deferred {
        output::line(&run::waits(deferred));
    }
    for warning in &forecast.warnings {
        output::warning(&format!("warning: {warning}"));
    }
}

/// What is noted on the way is no news.
fn shown(forecast: &Forecast) -> impl Iterator<Item = &Step> {
    forecast.steps.iter().filter(|step| !matches!(step.action, Action::Note(..)))
}

/// The world, as a pass would see it.
async fn look(config: &Config, desired: &Desired, clock: &Arc<dyn Clock>) -> Result<World, Failure> {
    let watch = watch(desired);
    let mut world = Inventory::default().world;
    Directories.observe(&watch, &mut world).await;
    if let Some(swarm) = compose::swarm(config, desired, clock).await {
        swarm.observe(&watch, &mut world).await;
    }
    Ok(world)
}

fn moment(text: &str) -> Result<Timestamp, Failure> {
    text.parse().map_err(|error| {
        Failure::usage(format!("--at {text}: write a moment as 2026-12-01T00:00:00Z ({error})"))
    })
}

fn duration(text: &str) -> Result<SignedDuration, Failure> {
    crate::config::parse_duration(text).map_err(|error| Failure::usage(format!("--until: {error}")))
}

fn as_json(forecast: &Forecast, now: Timestamp) -> Value {
    let deferred = forecast.first.deferred.iter().map(
        |deferred| json!({ "asset": deferred.asset, "until": deferred.until, "reason": deferred.reason }),
    );
    json!({
        "now": now,
        "next_wake": forecast.first.next_wake,
        "actions": shown(forecast).flat_map(actions).collect::<Vec<_>>(),
        "deferred": deferred.collect::<Vec<_>>(),
        "warnings": forecast.warnings,
    })
}

/// A rollout for several assets is one action an asset, on the same services.
fn actions(step: &Step) -> Vec<Value> {
    let one = |asset| {
        json!({
            "at": step.at,
            "asset": asset,
            "action": step.action.name(),
            "reason": step.reason,
            "services": step.action.services(),
        })
    };
    step.assets.iter().map(one).collect()
}
