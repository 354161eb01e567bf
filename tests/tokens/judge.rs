//! What must not have been, and was.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::cast::{ALGORITHMS, MAX_AGE, VERIFIERS, Verifier, asset, linger};
use super::load::Loaded;
use super::reads::Served;
use super::support::Keyturn;
use super::thief::Forged;

/// Between the clock that something is read from and the moment at which the test has it.
const BLUR: SignedDuration = SignedDuration::from_millis(500);
/// The history has whole seconds, and what was decided is served a moment later.
const NOTED: SignedDuration = SignedDuration::from_secs(2);
/// A reader that looks many times a second has looked within this time, however busy the machine is.
const LATE: SignedDuration = SignedDuration::from_secs(3);
/// Within this time after its end a key must have left the verifiers that get theirs by a rollout.
const ROLLOUT: SignedDuration = SignedDuration::from_secs(60);

/// What Keyturn has said of its keys.
#[derive(Debug)]
pub struct Ends<'a> {
    keyturn: &'a Keyturn,
    /// By asset: number and key ID of what signs.
    active: BTreeMap<String, (u64, String)>,
    /// By key ID: when verifiers need it no longer.
    retires: BTreeMap<String, Timestamp>,
}

impl<'a> Ends<'a> {
    pub fn new(keyturn: &'a Keyturn) -> Self {
        let mut ends = Self { keyturn, active: BTreeMap::new(), retires: BTreeMap::new() };
        ends.note();
        ends
    }

    /// Asks again.
    pub fn note(&mut self) {
        let status: Value = serde_json::from_str(&self.keyturn.ok(&["status", "-o", "json"])).unwrap();
        for asset in status["assets"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let signs = asset["state"] == "active";
            let number = asset["revision"].as_u64().filter(|_| signs).unwrap_or(0);
            let now = (number, text(&asset["kid"]));
            self.active.insert(text(&asset["asset"]), now);
            for revision in asset["revisions"].as_array().unwrap() {
                if let Some(at) = revision["retires_at"].as_str() {
                    self.retires.insert(text(&revision["kid"]), at.parse().unwrap());
                }
            }
        }
    }

    /// The numbers of what signs, by algorithm.
    pub fn active(&self) -> Vec<u64> {
        ALGORITHMS.iter().map(|algorithm| self.active.get(&asset(algorithm)).map_or(0, |now| now.0)).collect()
    }

    /// The key ID of what signs.
    pub fn kid(&self, algorithm: &str) -> String {
        self.active[&asset(algorithm)].1.clone()
    }

    /// All that were replaced.
    pub fn retired(&self) -> Vec<String> {
        self.retires.keys().cloned().collect()
    }
}

/// All that is needed to judge.
pub struct Case<'a> {
    pub ends: &'a Ends<'a>,
    pub audit: &'a Value,
    /// The key in wrong hands.
    pub bad: &'a str,
    /// When that was said.
    pub called_at: Timestamp,
}

impl Case<'_> {
    pub fn wrongs(&self, loaded: &Loaded, served: &Served, forged: &[Forged]) -> Vec<String> {
        let mut wrongs: Vec<String> =
            loaded.unanswered.iter().map(|one| format!("unanswered: {one}")).collect();
        wrongs.extend(served.failed.iter().map(|one| format!("no JWK Set: {one}")));
        wrongs.extend(self.refused(loaded));
        wrongs.extend(loaded.too_late.iter().map(|said| format!("taken after its end: {said:?}")));
        println!("{} reads of JWK Sets by HTTP", served.reads);
        let mut tally = Tally::default();
        for (kid, end) in self.ends.retires.iter().filter(|(kid, _)| *kid != self.bad) {
            wrongs.extend(self.retired(kid, *end, loaded, served, forged, &mut tally));
        }
        println!(
            "{} keys came to their end; forged tokens with them: {} taken before, {} refused after, {} taken after; \
             out of the configs within {:.1} s",
            tally.keys, tally.before, tally.refused, tally.after, tally.slowest
        );
        wrongs.extend(self.compromised(served, forged));
        let needed = ALGORITHMS.len() + 1;
        if tally.keys < needed {
            wrongs.push(format!("only {} keys came to their end, not {needed}", tally.keys));
        }
        wrongs
    }

    /// A good token is refused only where its key is known to be in wrong hands.
    fn refused(&self, loaded: &Loaded) -> Vec<String> {
        let (pardoned, wrong): (Vec<_>, Vec<_>) =
            loaded.refused.iter().partition(|said| said.kid == self.bad && said.ended > self.called_at);
        println!(
            "{} good tokens refused, {} tokens of the key in wrong hands refused",
            wrong.len(),
            pardoned.len()
        );
        wrong.iter().map(|said| format!("refused: {said:?}")).collect()
    }

    fn retired(
        &self,
        kid: &str,
        end: Timestamp,
        loaded: &Loaded,
        served: &Served,
        forged: &[Forged],
        tally: &mut Tally,
    ) -> Vec<String> {
        let mut wrongs = Vec::new();
        if let Some((_, _, _, last)) = loaded.keys.get(kid)
            && end + BLUR < *last + linger()
        {
            wrongs.push(format!("{kid} signed at {last} and was to go at {end}"));
        }
        let Some((_, read)) = served.seen.get(kid) else { return wrongs };
        if *read > end {
            wrongs.push(format!("{kid} ended at {end} and was served at {read}"));
        }
        if served.seen.values().all(|(_, last)| *last < end) {
            // The test has ended before.
            return wrongs;
        }
        if *read + LATE < end {
            wrongs.push(format!("{kid} was to be served until {end} and was not after {read}"));
        }
        let mut drops = Vec::new();
        for verifier in VERIFIERS {
            match self.dropped(kid, verifier, end, end) {
                Some(at) => drops.push((verifier.service, at)),
                // The test has ended before.
                None => return wrongs,
            }
        }
        tally.keys += 1;
        for (service, drop) in drops {
            let seconds = drop.duration_since(end).as_secs_f64();
            tally.slowest = tally.slowest.max(seconds);
            if drop > end + ROLLOUT {
                wrongs.push(format!("{kid} ended at {end} and left {service} at {drop}"));
            }
            for one in forged.iter().filter(|one| one.kid == kid && one.verifier == service) {
                match (one.taken, one.begun > drop, one.ended < end) {
                    (true, true, _) => {
                        tally.after += 1;
                        wrongs.push(format!("taken, though its key has left at {drop}: {one:?}"));
                    }
                    (false, true, _) => tally.refused += 1,
                    (true, false, _) => tally.before += 1,
                    (false, false, true) => wrongs.push(format!("refused before {end}: {one:?}")),
                    (false, false, false) => {}
                }
            }
        }
        wrongs
    }

    /// From when on a verifier cannot know the key: those that get their keys by HTTP when the last copy is too old, the others
    /// when the first rollout that was begun after `since` has ended.
    fn dropped(&self, kid: &str, verifier: Verifier, end: Timestamp, since: Timestamp) -> Option<Timestamp> {
        if !verifier.delivered {
            return Some(end + SignedDuration::from_secs(MAX_AGE) + BLUR);
        }
        let place = format!("swarm:{}", verifier.service);
        let whose = self.asset_of(kid);
        let of = |action: &str, after: Timestamp| {
            let entries = self.audit["entries"].as_array().unwrap().iter();
            let mut fitting = entries.filter(|entry| {
                entry["action"] == action && entry["asset"] == whose && entry["detail"]["place"] == place
            });
            fitting.find_map(|entry| Some(at(entry)).filter(|at| *at >= after))
        };
        of("delivered", of("rollout-begun", since)?)
    }

    fn asset_of(&self, kid: &str) -> String {
        let entries = self.audit["entries"].as_array().unwrap();
        let of = |entry: &&Value| entry["detail"]["kid"] == kid;
        entries.iter().find(of).map(|entry| entry["asset"].as_str().unwrap().to_owned()).unwrap()
    }

    /// A key in wrong hands is dropped at once, wherever its successor is in use.
    fn compromised(&self, served: &Served, forged: &[Forged]) -> Vec<String> {
        let mut wrongs = Vec::new();
        let whose = self.asset_of(self.bad);
        let entries = self.audit["entries"].as_array().unwrap().iter();
        let mut activated = entries
            .filter(|entry| entry["action"] == "activated" && entry["asset"] == whose)
            .map(at)
            .filter(|at| *at > self.called_at);
        let Some(replaced) = activated.next() else { return vec!["nothing took its place".to_owned()] };
        let read = served.seen[self.bad].1;
        if read > replaced + NOTED {
            wrongs.push(format!("in wrong hands, replaced at {replaced}, and served at {read}"));
        }
        for verifier in VERIFIERS {
            let Some(drop) = self.dropped(self.bad, verifier, read, replaced) else {
                wrongs.push(format!("{} was never told of the key in wrong hands", verifier.service));
                continue;
            };
            let own = forged.iter().filter(|one| one.kid == self.bad && one.verifier == verifier.service);
            let (mut before, mut refused, mut after) = (0, 0, 0);
            for one in own {
                match (one.taken, one.begun > drop) {
                    (true, true) => {
                        after += 1;
                        wrongs.push(format!("in wrong hands, dropped at {drop}: {one:?}"));
                    }
                    (true, false) => before += 1,
                    (false, late) => refused += usize::from(late),
                }
            }
            let took = drop.duration_since(self.called_at).as_secs_f64();
            println!(
                "the key in wrong hands has left {} after {took:.1} s; forged tokens with it: {before} taken before, \
                 {refused} refused after, {after} taken after",
                verifier.library
            );
            if before == 0 || refused == 0 {
                wrongs.push(format!("{}: nothing was tried with the key in wrong hands", verifier.service));
            }
            if drop > replaced + ROLLOUT {
                wrongs.push(format!(
                    "in wrong hands, replaced at {replaced}, left {} at {drop}",
                    verifier.service
                ));
            }
        }
        wrongs
    }
}

/// Of the keys that came to their end.
#[derive(Debug, Default)]
struct Tally {
    keys: usize,
    before: usize,
    refused: usize,
    after: usize,
    slowest: f64,
}

fn at(entry: &Value) -> Timestamp {
    entry["at"].as_str().unwrap().parse().unwrap()
}
