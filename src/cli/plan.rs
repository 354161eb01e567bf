//! What would be done, when, why, and which services would restart. Nothing is changed.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::args::{Cli, Format};
use super::fail::Failure;
use super::wish::{Answer, Manner, Wish};
use super::{compose, reading, state, workshop};
use crate::clock::{Clock, System};
use crate::config::Config;
use crate::desired::Desired;
use crate::executor::{Digester, inventory_of, passwords, watch};
use crate::model::{Inventory, Step, World};
use crate::planner::{self, Forecast, Seed};
use crate::target::Target;
use crate::target::file::Directories;

pub(super) fn run(cli: &Cli, at: Option<&str>, until: Option<&str>) -> Result<u8, Failure> {
    let config = state::client_config(cli)?;
    let wish = Wish::Plan { at: at.map(str::to_owned), until: until.map(str::to_owned) };
    if let Some(answer) = reading::by_daemon(cli, &config, &wish)? {
        return Ok(answer.print());
    }
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let span = Span::of(at, until)?;
    let desired = Desired::of(&config);
    let records = state::snapshot(&config)?.map(|snapshot| snapshot.records()).unwrap_or_default();
    let mut inventory = inventory_of(&records)?;
    let digester = Digester::of(&records);
    inventory.world = compose::block_on(async {
        let mut world = look(&config, &desired, &clock).await?;
        world.passwords = passwords(&desired, workshop::password, |password| digester.digest(password)).await;
        Ok(world)
    })?;
    Ok(span.answer(&desired, &inventory, clock.now(), Manner { format: cli.output }, || true).print())
}

/// From when on, and how far ahead.
pub(super) struct Span {
    at: Option<Timestamp>,
    ahead: Option<SignedDuration>,
}

impl Span {
    /// As it was typed.
    pub(super) fn of(at: Option<&str>, until: Option<&str>) -> Result<Self, Failure> {
        Ok(Self { at: at.map(moment).transpose()?, ahead: until.map(duration).transpose()? })
    }

    /// What is foreseen, for as long as that is `wanted`.
    pub(super) fn answer(
        &self,
        desired: &Desired,
        inventory: &Inventory,
        now: Timestamp,
        manner: Manner,
        wanted: impl Fn() -> bool,
    ) -> Answer {
        let now = self.at.unwrap_or(now);
        let until = self.ahead.map_or(now, |ahead| now.checked_add(ahead).unwrap_or(Timestamp::MAX));
        let seed = Seed::of(&desired.instance);
        let forecast = planner::forecast(desired, inventory, (now, until), seed, wanted);
        Answer::done(match manner.format {
            Format::Json => format!("{:#}\n", as_json(&forecast, now)),
            Format::Table => planner::render(&forecast),
        })
    }
}

/// What is noted on the way is no news.
fn shown(forecast: &Forecast) -> impl Iterator<Item = &Step> {
    forecast.steps.iter().filter(|step| !step.action.is_silent())
}

/// The world, as a pass would see it.
pub(super) async fn look(
    config: &Config,
    desired: &Desired,
    clock: &Arc<dyn Clock>,
) -> Result<World, Failure> {
    let watch = watch(desired);
    let mut world = Inventory::default().world;
    Directories.observe(&watch, &mut world).await;
    if let Some(swarm) = compose::swarm(config, desired, clock) {
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
