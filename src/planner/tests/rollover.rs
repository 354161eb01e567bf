//! Roots are rolled over for years: what is served is trusted by whoever has any bundle of the last `trust_before`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::bench::{Bench, ca, certificate, days, line, services};
use super::{Wish, at};
use crate::desired::{CrlSpec, KindSpec};
use crate::model::{Action, AssetRecord, Part, Place, Request, RevisionState};
use crate::planner::assume;

const LEAVES: [&str; 2] = ["certificates/a", "certificates/b"];

/// Two services that trust each other by one CA; its roots live for 500 days, its intermediates for 200.
fn site() -> Bench {
    let mut bench = Bench::new().with(ca()).service("a").service("b");
    for name in ["a", "b"] {
        let files = [
            ("tls.crt", Part::Fullchain),
            ("tls.key", Part::PrivateKey),
            ("ca.crt", Part::Ca),
            ("crl", Part::Crl),
        ];
        bench = bench.with(certificate(name).to(services(&[name], &files)));
    }
    let spec = bench.spec("ca/internal");
    let KindSpec::Ca(ca) = &mut spec.kind else { panic!() };
    (ca.root_lifetime, ca.intermediate_lifetime, ca.crl) =
        (days(500), days(200), Some(CrlSpec { lifetime: days(30), every: days(15) }));
    spec.overlap.linger = days(90);
    bench
}

/// The roots of a bundle, and when it was replaced.
type Bundle = (BTreeSet<u32>, Option<Timestamp>);

/// What was seen: each bundle with the time that it was replaced.
#[derive(Default)]
struct Seen {
    bundles: BTreeMap<Place, Vec<Bundle>>,
    roots: BTreeSet<u32>,
    lists: BTreeSet<u32>,
}

fn part(record: &AssetRecord, place: &Place, part: Part) -> Vec<u32> {
    let files = record.deliveries.get(place).into_iter().flat_map(|delivery| delivery.content.files.values());
    files.filter(|file| file.part == part).flat_map(|file| file.revisions.iter().copied()).collect()
}

impl Seen {
    fn look(&mut self, bench: &Bench) -> Result<(), String> {
        let known = &bench.inventory;
        let Some(ca) = known.assets.get(&"ca/internal".parse().unwrap()) else { return Ok(()) };
        let mut served = Vec::new();
        for id in LEAVES {
            let Some(record) = known.assets.get(&id.parse().unwrap()) else { continue };
            for place in record.deliveries.keys() {
                let bundle: BTreeSet<u32> = part(record, place, Part::Ca).into_iter().collect();
                let bundles = self.bundles.entry(place.clone()).or_default();
                if bundles.last().is_none_or(|(last, _)| *last != bundle) {
                    bundles.iter_mut().for_each(|(_, until)| _ = until.get_or_insert(bench.now));
                    bundles.push((bundle, None));
                }
                self.lists_hold(bench, ca, &part(record, place, Part::Crl))?;
                let leaf =
                    part(record, place, Part::Fullchain).first().map(|number| &record.revisions[number]);
                served.extend(leaf.map(|leaf| (place.clone(), leaf.clone())));
            }
        }
        for (place, leaf) in served {
            let (Some(validity), Some(signer)) = (leaf.validity, leaf.signed_by) else { continue };
            let Some(signer) = ca.revisions.get(&signer) else {
                return Err(format!("{place} serves what nobody signed"));
            };
            if !validity.contains(bench.now) {
                return Err(format!("I1: {place} serves what has ended"));
            }
            let root = signer.root.unwrap();
            self.roots.insert(root);
            let outer = signer.validity.unwrap();
            if !outer.encloses(&validity) || signer.root_ends.unwrap() < outer.not_after {
                return Err(format!("I14: a leaf in {place} outlives its issuers"));
            }
            self.trusted(bench.now, &place, root)?;
        }
        Ok(())
    }

    /// Any client may go on with a bundle for as long as a new root is known before.
    fn trusted(&self, now: Timestamp, place: &Place, root: u32) -> Result<(), String> {
        for (other, bundles) in &self.bundles {
            let fresh = |until: &Option<Timestamp>| until.is_none_or(|until| until + days(7) > now);
            for (bundle, _) in bundles.iter().filter(|(bundle, until)| !bundle.is_empty() && fresh(until)) {
                if !bundle.contains(&root) {
                    return Err(format!(
                        "{place} serves under root {root} at {now}, but {other} trusts {bundle:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// No list that is shown has ended, and whoever signs has one.
    fn lists_hold(&mut self, bench: &Bench, ca: &AssetRecord, shown: &[u32]) -> Result<(), String> {
        let (Some(note), Some(shown)) = (&ca.crl, shown.first()) else { return Ok(()) };
        self.lists.insert(*shown);
        if *shown == note.edition && note.next_update < bench.now || *shown + 1 < note.edition {
            return Err(format!("the lists of edition {shown} have ended"));
        }
        let active = ca.active().and_then(|active| active.crl_since);
        match active.is_some_and(|since| since <= *shown) {
            true => Ok(()),
            false => Err(format!("edition {shown} has no list of who signs")),
        }
    }
}

/// Plays until `end`, looking after every step; with `rotate`, somebody asks for a new root then.
fn play(bench: &mut Bench, end: Timestamp, rotate: Option<Timestamp>) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let mut rotate = rotate;
    while bench.now < end {
        for round in 0.. {
            let plan = bench.plan();
            if plan.steps.is_empty() {
                let asked = rotate.filter(|at| *at > bench.now);
                bench.now = [plan.next_wake, asked].into_iter().flatten().min().unwrap_or(end).min(end);
                break;
            }
            if round > 40 {
                return Err(format!("it does not come to rest: {:?}", bench.lines()));
            }
            for step in &plan.steps {
                assume(&bench.desired, &mut bench.inventory, step, bench.now);
                seen.look(bench).map_err(|why| format!("{why}, after {}", line(step)))?;
            }
        }
        if rotate.is_some_and(|at| at <= bench.now) {
            rotate = None;
            bench.rotate("ca/internal");
            bench.record("ca/internal").request.as_mut().unwrap().new_root = true;
        }
        seen.look(bench)?;
    }
    Ok(seen)
}

#[test]
fn roots_follow_each_other_for_years_without_a_gap() {
    let mut bench = site();
    let seen = play(&mut bench, at("2034-01-01T00:00:00Z"), None).unwrap();
    assert!(seen.roots.len() >= 4, "{:?}", seen.roots);
    assert!(seen.lists.len() > 8 * 365 / 16, "{}", seen.lists.len());
    let longest = seen.bundles.values().flatten().map(|(bundle, _)| bundle.len()).max();
    assert_eq!(longest, Some(2), "the old and the new");
    let states = bench.record("ca/internal").revisions.values().filter(|one| !one.state.is_over()).count();
    assert!(states <= 3, "{states}");
}

#[test]
fn who_asks_gets_a_new_root_and_the_old_one_goes_at_last() {
    let mut bench = site();
    let asked = at("2026-02-01T00:00:00Z");
    let seen = play(&mut bench, at("2026-07-01T00:00:00Z"), Some(asked)).unwrap();
    assert_eq!(seen.roots, [1, 2].into());
    let record = bench.record("ca/internal");
    assert!(record.active().is_some_and(|active| active.root == Some(2)));
    assert_eq!(record.revisions[&1].state, RevisionState::Retired);
    let (published, active) =
        (record.revisions[&2].published_at.unwrap(), record.revisions[&2].active_at.unwrap());
    assert!(published + days(7) <= active, "{published} {active}");
    // Whoever had the old root has had time, and nothing that it signed lives.
    let place: Place = "swarm:a".parse().unwrap();
    assert_eq!(seen.bundles[&place].last().unwrap().0, [2].into());
}

#[test]
fn while_a_bundle_is_not_proven_the_old_root_signs_until_there_is_no_more_time() {
    let mut bench = site();
    let start = bench.now;
    play(&mut bench, start + days(20), None).unwrap();
    bench.rotate("ca/internal");
    bench.record("ca/internal").request.as_mut().unwrap().new_root = true;
    let mut later = bench.clone();
    // The bundle of b never gets there.
    for _ in 0..20 {
        for step in bench.plan().steps {
            let to_b = matches!(&step.action, Action::Rollout(rollout) if rollout.place.name() == "b");
            if !to_b {
                assume(&bench.desired, &mut bench.inventory, &step, bench.now);
            }
        }
        bench.now += days(1);
    }
    assert_eq!(bench.record("ca/internal").active().unwrap().number, 1);
    bench.assert_waits("its root is not in every trust bundle yet: not proven in b");
    let end = later.now + days(20);
    play(&mut later, end, None).unwrap();
    assert_eq!(later.record("ca/internal").active().unwrap().number, 2);
}

#[test]
fn planted_a_root_that_nobody_had_time_to_trust() {
    let mut bench = site();
    bench.spec("ca/internal").overlap.publish_before = days(0);
    let broken = play(&mut bench, at("2030-01-01T00:00:00Z"), None).err().expect("nothing was noticed");
    assert!(broken.contains("but swarm:") && broken.contains("trusts {1}"), "{broken}");
}

#[test]
fn planted_an_old_root_that_goes_too_early() {
    let mut bench = site();
    let start = bench.now;
    play(&mut bench, start + days(20), Some(start + days(10))).unwrap();
    let record = bench.record("ca/internal");
    let old = record.revisions.get_mut(&1).unwrap();
    assert_eq!(old.state, RevisionState::Retiring);
    old.state = RevisionState::Retired;
    let end = start + days(30);
    assert!(play(&mut bench, end, None).is_err());
}

/// `keyturn rotate --compromised ca/internal`, and what is done within `time`, with when.
fn compromised(bench: &mut Bench, time: jiff::SignedDuration, done: impl Fn(&Action) -> bool) {
    let (at, end) = (bench.now, bench.now + time);
    let record = bench.record("ca/internal");
    let after = record.newest_number();
    let by = "uid:1000".to_owned();
    record.ask(Request { at, by, after, compromised: true, new_root: true }, true);
    while bench.now < end {
        let steps = bench.plan().steps;
        let able: Vec<_> = steps.iter().filter(|step| done(&step.action)).collect();
        for step in &able {
            assume(&bench.desired, &mut bench.inventory, step, bench.now);
        }
        if able.is_empty() {
            bench.now += SignedDuration::from_mins(1);
        }
    }
}

#[test]
fn a_root_in_wrong_hands_is_replaced_everywhere_at_once() {
    let mut bench = site();
    let start = bench.now;
    play(&mut bench, start + days(20), None).unwrap();
    compromised(&mut bench, SignedDuration::from_mins(5), |_| true);
    let record = bench.record("ca/internal");
    let active = record.active().unwrap();
    assert_eq!((active.root, record.revisions[&1].state), (Some(2), RevisionState::Retired));
    for id in LEAVES {
        let record = bench.record(id);
        assert_eq!(record.active().unwrap().signed_by, Some(2), "{id}");
        for place in record.deliveries.keys() {
            assert_eq!(part(record, place, Part::Ca), [2], "{id}");
        }
    }
}

#[test]
fn it_is_not_certified_by_the_one_in_wrong_hands() {
    let mut bench = site();
    bench.settle();
    compromised(&mut bench, SignedDuration::from_secs(1), |_| false);
    let made = bench.plan().steps.into_iter().find_map(|step| match step.action {
        Action::Generate(make) => Some(make),
        _ => None,
    });
    let make = made.unwrap();
    assert_eq!((make.keep_key_of, make.crossed), (None, None));
}

#[test]
fn who_cannot_be_told_holds_it_back_for_an_hour() {
    let mut bench = site();
    let start = bench.now;
    play(&mut bench, start + days(20), None).unwrap();
    let not_b = |action: &Action| !matches!(action, Action::Rollout(rollout) if rollout.place.name() == "b");
    let mut short = bench.clone();
    compromised(&mut short, SignedDuration::from_mins(55), not_b);
    assert_eq!(short.record("ca/internal").active().unwrap().number, 1);
    compromised(&mut bench, SignedDuration::from_mins(130), not_b);
    let record = bench.record("ca/internal");
    assert_eq!(record.active().unwrap().root, Some(2));
    assert_eq!(record.revisions[&1].state, RevisionState::Retired, "b still shows what it has signed");
}
