//! Runs of hooks that wait: how many may, and what is said of those that are never made.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::model::{
    Code, Errand, GivenUp, LONGEST_HOOK_NAME, Listeners, MOST_ERRANDS, Problem, Subject, Tidings, Topic,
};

/// For so long after the last one it is a problem that runs were given up.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// Where too many wait for one command, the oldest give way: what is returned is never run.
///
/// The very oldest may be running by now, and stays.
pub fn make_room(tidings: &mut Tidings, now: Timestamp) -> Vec<Arc<Errand>> {
    let mut by_command: BTreeMap<&[String], Vec<u64>> = BTreeMap::new();
    for (number, errand) in &tidings.errands {
        by_command.entry(errand.command.as_slice()).or_default().push(*number);
    }
    let victims = by_command.into_values().flat_map(|waiting| {
        let excess = waiting.len().saturating_sub(MOST_ERRANDS);
        waiting.into_iter().skip(1).take(excess)
    });
    let victims: Vec<u64> = victims.collect();
    victims.into_iter().filter_map(|number| give_up(tidings, number, now)).collect()
}

/// That run is never made, or not again; that is remembered.
pub fn give_up(tidings: &mut Tidings, number: u64, now: Timestamp) -> Option<Arc<Errand>> {
    let errand = tidings.errands.remove(&number)?;
    let of = (errand.command.clone(), errand.moment);
    let before = tidings.given_up.get(&of).map_or(0, |before| before.count);
    let given_up = GivenUp {
        command: errand.command.clone(),
        moment: errand.moment,
        count: before.saturating_add(1),
        asset: errand.asset.clone(),
        revision: errand.revision,
        at: now,
    };
    tidings.given_up.insert(of, given_up);
    Some(errand)
}

/// What was given up is old news after a while, and at once where there is no such hook any more.
pub(super) fn forget_old(tidings: &mut Tidings, listeners: &Listeners, now: Timestamp) {
    let is_there = |of: &GivenUp| {
        listeners.hooks.iter().any(|hook| hook.command == of.command && hook.moment == of.moment)
    };
    tidings.given_up.retain(|_, of| is_there(of) && now.duration_since(of.at).abs() < REMEMBERED);
}

/// What hooks were never told of.
pub(super) fn trouble(tidings: &Tidings) -> impl Iterator<Item = (Subject, Problem)> + '_ {
    tidings.given_up.values().map(|of| {
        let command = of.command.join(" ");
        let message = format!(
            "`{command}` was given up for {} events ({}), the last of them at {} for {} revision {}",
            of.count,
            of.moment.name(),
            of.at,
            of.asset,
            of.revision
        );
        let name = format!("{} {command}", of.moment.name()).chars().take(LONGEST_HOOK_NAME).collect();
        (Subject { asset: None, topic: Topic::Hook, name }, Problem::new(Code::HookFailed, message))
    })
}
