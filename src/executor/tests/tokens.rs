//! The virtual signer and the virtual verifiers: what the history must be like so that none of them is let down.
//!
//! A signer signs in every moment of a task's life with the key that the task has. Whoever verifies may have fetched
//! the JWKS from any task that lived up to `jwks_max_age` before, and takes a token until it expires, by a clock that
//! is up to `skew` behind. Tasks never change, so asking of their spans is asking of every moment.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::house::House;
use super::site::{JWKS, KEY, KID};
use super::swarm::Task;
use super::{seconds, start};
use crate::clock::Clock;

/// A span in which a key signs; its end is not in it.
#[derive(Debug, Clone, Copy)]
struct Signs {
    from: Timestamp,
    to: Timestamp,
}

/// Every task with a JWKS, and every key's spans of signing.
struct History {
    verifiers: Vec<Task>,
    signing: BTreeMap<String, Vec<Signs>>,
    now: Timestamp,
}

impl History {
    fn of(house: &House) -> Self {
        let now = house.clock.now();
        let tasks: Vec<Task> = house.swarm.history().into_iter().filter(|task| task.from <= now).collect();
        let mut signing: BTreeMap<String, Vec<Signs>> = BTreeMap::new();
        for task in &tasks {
            let Some(kid) = task.files.get(KID) else { continue };
            let span = Signs { from: task.from, to: task.to.unwrap_or(now).min(now) };
            if span.from < span.to {
                signing.entry(kid.clone()).or_default().push(span);
            }
        }
        Self { verifiers: tasks.into_iter().filter(|task| house.role(task).verifies).collect(), signing, now }
    }

    /// The last moment at which the key can have signed; `None` while it still can.
    fn last_signature(&self, kid: &str) -> Option<Timestamp> {
        let last = self.signing.get(kid)?.iter().map(|span| span.to).max()?;
        (last < self.now).then_some(last)
    }
}

fn knows(task: &Task, kid: &str) -> bool {
    task.files.get(JWKS).is_some_and(|jwks| jwks.split(' ').any(|one| one == kid))
}

/// Everything that must never be, and was.
pub(super) fn wrongs(house: &House, patience: SignedDuration) -> Vec<String> {
    let history = History::of(house);
    let mut wrongs = house.swarm.wrongs();
    wrongs.extend(torn(house));
    wrongs.extend(refused(house, &history));
    wrongs.extend(gone_early(house, &history));
    wrongs.extend(gone_late(house, &history, patience));
    wrongs.extend(destroyed(house, &history));
    wrongs
}

/// A signer's key and the ID it names it by belong together, and its files are all there.
fn torn(house: &House) -> Vec<String> {
    let whole = |task: &Task| match (task.files.get(KEY), task.files.get(KID)) {
        (Some(key), Some(kid)) => *key == format!("private {kid}"),
        (None, None) => true,
        _ => false,
    };
    let tasks = house.swarm.history();
    tasks.iter().filter(|task| !whole(task)).map(|task| format!("I2: torn: {:?}", task.files)).collect()
}

/// I3: no token that is still valid is refused.
fn refused(house: &House, history: &History) -> Vec<String> {
    let site = &house.site;
    let mut wrongs = Vec::new();
    for (kid, spans) in &history.signing {
        for span in spans {
            let end = span.to + site.max_token_ttl + site.skew;
            for task in history.verifiers.iter().filter(|task| !knows(task, kid)) {
                let cached = match task.files.contains_key(JWKS) {
                    true => site.jwks_max_age,
                    // On its first day, a service that signs too gets both at once, one task after another.
                    false if house.role(task).signs => continue,
                    // Who has no JWKS yet leaves nobody with an old one.
                    false => seconds(0),
                };
                if task.from < end && task.to.is_none_or(|to| to > span.from - cached) {
                    wrongs.push(format!("I3: {kid} signs {}, not known {}", shown(*span), life(task)));
                }
            }
        }
    }
    wrongs
}

/// I4: a key stays for as long as a token of it lives and a JWKS with the next one may not have been fetched.
fn gone_early(house: &House, history: &History) -> Vec<String> {
    let mut wrongs = Vec::new();
    for (kid, spans) in &history.signing {
        let first = spans.iter().map(|span| span.from).min().unwrap();
        let end = spans.iter().map(|span| span.to).max().unwrap() + house.site.linger();
        for task in history.verifiers.iter().filter(|task| task.files.contains_key(JWKS) && !knows(task, kid))
        {
            if task.from >= first && task.from < end {
                wrongs.push(format!("I4: {kid} is needed until {end}, not known {}", life(task)));
            }
        }
    }
    wrongs
}

/// A dead key is forgotten: whoever steals it later can sign nothing that anyone takes.
fn gone_late(house: &House, history: &History, patience: SignedDuration) -> Vec<String> {
    let mut wrongs = Vec::new();
    for kid in history.signing.keys() {
        let Some(last) = history.last_signature(kid) else { continue };
        let end = last + house.site.linger() + patience;
        for task in history.verifiers.iter().filter(|task| knows(task, kid)) {
            if task.to.unwrap_or(history.now) > end {
                wrongs.push(format!("I4: {kid} is dead since {end}, and known {}", life(task)));
            }
        }
    }
    wrongs
}

/// I7: no private key is destroyed while it may sign or a token of it lives.
fn destroyed(house: &House, history: &History) -> Vec<String> {
    let mut wrongs = Vec::new();
    for (key, at) in house.ledger.destroyed() {
        let kid = key.trim_start_matches("private ");
        let spans = history.signing.get(kid).into_iter().flatten();
        let end = spans.map(|span| span.to + house.site.max_token_ttl + house.site.skew).max();
        if end.is_some_and(|end| at < end) {
            wrongs.push(format!("I7: {kid} was destroyed at {at}"));
        }
    }
    wrongs
}

/// Times as days and seconds since the beginning: what a person can compare.
fn shown(span: Signs) -> String {
    format!("{} to {}", since(span.from), since(span.to))
}

fn life(task: &Task) -> String {
    let to = task.to.map_or_else(|| "now".to_owned(), since);
    format!("by {} {:?} {} to {to}", task.service, task.files.get(JWKS), since(task.from))
}

fn since(at: Timestamp) -> String {
    let seconds = at.duration_since(start()).as_secs();
    format!("{}d{}s", seconds / 86_400, seconds % 86_400)
}
