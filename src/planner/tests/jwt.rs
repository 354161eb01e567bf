//! The life of a JWT key: announced before it signs, known until the last token has died.

use jiff::{SignedDuration, Timestamp};

use super::bench::{Bench, days, dir, hours};
use super::{Wish, at, jwt_key, services};
use crate::model::{Code, Part, Problem, RevisionState};

const AUTH: &str = "jwt_keys/auth";
const KEY: [(&str, Part); 2] = [("jwt.key", Part::PrivateKey), ("jwt.kid", Part::Kid)];
const JWKS: [(&str, Part); 1] = [("/jwks.json", Part::Jwks)];
const LINGER: SignedDuration = SignedDuration::from_secs(3600 + 300 + 60);

/// `api` signs, `gate` verifies.
fn auth() -> Bench {
    let spec = jwt_key("auth").to(services(&["api"], &KEY)).to(services(&["gate"], &JWKS));
    Bench::new().with(spec).service("api").service("gate")
}

fn keys(bench: &mut Bench, place: &str, path: &str) -> Vec<u32> {
    let files = &bench.delivery(AUTH, place).content.files;
    files.get(path).map(|file| file.revisions.to_vec()).unwrap_or_default()
}

fn signs(bench: &mut Bench) -> u32 {
    keys(bench, "swarm:api", "jwt.key")[0]
}

fn known(bench: &mut Bench) -> Vec<u32> {
    keys(bench, "swarm:gate", "/jwks.json")
}

/// Just past a turn, with key 2 signing since `now`.
fn turned() -> Bench {
    let mut bench = auth();
    bench.settle();
    bench.now += days(2);
    bench.rotate(AUTH);
    bench.settle();
    assert_eq!(signs(&mut bench), 2);
    bench
}

#[test]
fn the_first_day() {
    let mut bench = auth();
    assert_eq!(
        bench.settle(),
        [
            "generate jwt_keys/auth 1",
            "generate jwt_keys/auth 2",
            "publish config jwt.auth.jwks.1 [1, 2]",
            "rollout swarm:gate jwt_keys/auth",
            "announce jwt_keys/auth 1",
            "announce jwt_keys/auth 2",
            "publish secret jwt.auth.private-key.1 [1]",
            "publish secret jwt.auth.kid.1 [1]",
            "rollout swarm:api jwt_keys/auth",
            "activate jwt_keys/auth 1",
        ]
    );
    bench.assert_idle();
}

#[test]
fn who_signs_and_verifies_gets_both_at_once() {
    let both: Vec<(&str, Part)> = KEY.into_iter().chain(JWKS).collect();
    let mut bench = Bench::new().with(jwt_key("auth").to(services(&["api"], &both))).service("api");
    let done = bench.settle();
    assert_eq!(done.iter().filter(|line| line.starts_with("rollout")).count(), 1, "{done:#?}");
    // Two of them cannot both be first: the JWKS goes ahead, and nothing is stuck.
    let spec = jwt_key("auth").to(services(&["api", "bpi"], &both));
    let mut bench = Bench::new().with(spec).service("api").service("bpi");
    bench.settle();
    assert_eq!(bench.record(AUTH).active().unwrap().number, 1);
    bench.assert_idle();
}

#[test]
fn a_turn_every_sixty_days_and_each_thing_in_its_time() {
    let mut bench = auth();
    let start = bench.now;
    let done = bench.play(start + days(130));
    let when = |line: &str| {
        let found = done.iter().find(|(_, done)| done == line);
        found.unwrap_or_else(|| panic!("no {line} in {done:#?}")).0
    };
    let turn = when("activate jwt_keys/auth 2");
    assert!(turn <= start + days(60) && turn > start + days(60) - hours(1), "{turn}");
    assert_eq!(when("generate jwt_keys/auth 3"), turn);
    assert_eq!(when("publish config jwt.auth.jwks.2 [1, 2, 3]"), turn);
    assert_eq!(when("publish config jwt.auth.jwks.3 [2, 3]"), turn + LINGER);
    let again = when("activate jwt_keys/auth 3");
    assert!(again <= turn + days(60) && again > turn + days(60) - hours(1), "{again}");
    // Its object is named by PreviousSpec until the service is rolled out again: only then it may go.
    assert!(when("retire jwt_keys/auth 1") >= again);
}

#[test]
fn a_retired_key_leaves_the_jwks_when_its_last_token_has_died() {
    let mut bench = turned();
    assert_eq!(known(&mut bench), [1, 2, 3]);
    let turn = bench.now;
    bench.now = turn + LINGER - SignedDuration::from_secs(1);
    assert!(bench.settle().is_empty());
    assert_eq!(bench.plan().next_wake, Some(turn + LINGER));
    bench.now = turn + LINGER;
    bench.settle();
    assert_eq!(known(&mut bench), [2, 3]);
}

#[test]
fn rotated_twice_it_waits_for_its_overlap() {
    let mut bench = turned();
    let turn = bench.now;
    bench.now += SignedDuration::from_mins(5);
    bench.rotate(AUTH);
    bench.assert_idle();
    bench.assert_waits(
        "asked for by uid:1000 at 2026-01-03T00:05:00Z; the standby must have been in every JWKS for 24 hours first",
    );
    assert_eq!(bench.plan().deferred[0].until, Some(turn + hours(24)));
    let done = bench.play(turn + days(2));
    let third = done.iter().find(|(_, line)| line == "activate jwt_keys/auth 3").unwrap().0;
    // When key 1 left the JWKS the third stayed in it: it is as it was said.
    assert_eq!(third, turn + hours(24));
}

#[test]
fn a_verifier_that_is_not_proven_holds_the_signer_but_not_the_old_key() {
    let mut bench = auth();
    bench.settle();
    bench.now += days(2);
    bench.rotate(AUTH);
    bench.inventory.world.services.get_mut("gate").unwrap().id = "service-gate-2".to_owned();
    bench.inventory.world.services.get_mut("gate").unwrap().references.clear();
    let plan = bench.lines();
    assert_eq!(plan, ["rollout swarm:gate jwt_keys/auth"], "first the verifier");
    bench.assert_waits("the standby is not in every JWKS yet");
    bench.settle();
    assert_eq!(signs(&mut bench), 1);
}

#[test]
fn a_verifier_that_someone_rolled_back_is_repaired_before_a_turn() {
    let mut bench = auth();
    bench.settle();
    bench.now += days(2);
    bench.inventory.world.services.get_mut("gate").unwrap().references[0].id = "old".to_owned();
    assert_eq!(bench.settle(), ["note jwt_keys/auth swarm:gate KT-DRIFT"]);
    bench.rotate(AUTH);
    let repaired = bench.now;
    assert_eq!(bench.settle(), ["rollout swarm:gate jwt_keys/auth"]);
    bench.assert_waits("the standby must have been in every JWKS for 24 hours first");
    assert_eq!(bench.plan().next_wake, Some(repaired + hours(24)));
}

#[test]
fn a_rolled_back_signer_keeps_its_key_known() {
    let mut bench = turned();
    let old = bench.inventory.objects[&(crate::model::ObjectKind::Secret, "jwt.auth.private-key.1".into())]
        .id
        .clone()
        .unwrap();
    let api = bench.inventory.world.services.get_mut("api").unwrap();
    api.references.iter_mut().find(|reference| reference.path == "jwt.key").unwrap().id = old;
    bench.now += days(3);
    bench.settle();
    assert_eq!(known(&mut bench), [1, 2, 3], "it signs again");
    bench.rotate(AUTH);
    bench.settle();
    assert_eq!(signs(&mut bench), 3);
    assert_eq!(known(&mut bench), [1, 2, 3, 4], "what it has signed lives on");
    bench.now += LINGER;
    bench.settle();
    assert_eq!(known(&mut bench), [3, 4]);
}

#[test]
fn once_begun_a_turn_goes_on() {
    let spec = jwt_key("auth").to(services(&["api", "bpi"], &KEY)).to(services(&["gate"], &JWKS));
    let mut bench = Bench::new().with(spec).service("api").service("bpi").service("gate");
    bench.settle();
    bench.now += days(2);
    bench.rotate(AUTH);
    let steps = bench.plan().steps;
    for step in steps.iter().take_while(|step| !super::bench::line(step).contains("bpi")) {
        crate::planner::assume(&bench.desired, &mut bench.inventory, step, bench.now);
    }
    assert_eq!(signs(&mut bench), 2);
    bench.inventory.world.services.get_mut("gate").unwrap().references.clear();
    let lines = bench.lines();
    assert!(lines.contains(&"rollout swarm:bpi jwt_keys/auth".to_owned()), "{lines:#?}");
    assert!(!lines.contains(&"rollout swarm:api jwt_keys/auth".to_owned()), "{lines:#?}");
}

#[test]
fn another_algorithm_is_announced_like_any_turn() {
    let mut bench = auth();
    bench.settle();
    bench.now += days(2);
    bench.spec(AUTH).made_for = "ES256".to_owned();
    let done = bench.settle();
    assert_eq!(done[..2], ["generate jwt_keys/auth 3", "generate jwt_keys/auth 4"]);
    assert_eq!((signs(&mut bench), known(&mut bench)), (1, vec![1, 2, 3, 4]));
    let until = bench.now + days(2);
    bench.play(until);
    assert_eq!((signs(&mut bench), known(&mut bench)), (3, vec![3, 4]));
    assert_eq!(bench.record(AUTH).revisions[&2].state, RevisionState::Retiring);
}

#[test]
fn a_compromised_key_goes_when_its_successor_signs() {
    let mut bench = auth();
    bench.settle();
    bench.now += days(2);
    bench.record(AUTH).revisions.get_mut(&1).unwrap().compromised = true;
    assert!(bench.settle().is_empty(), "the signer moves first");
    bench.rotate(AUTH);
    bench.settle();
    assert_eq!((signs(&mut bench), known(&mut bench)), (2, vec![2, 3]));
}

#[test]
fn a_signer_on_this_machine_waits_for_a_verifier_in_a_swarm_that_is_away() {
    let spec = jwt_key("auth").to(dir("/etc/auth", &KEY)).to(services(&["gate"], &JWKS));
    let mut bench = Bench::new().with(spec).service("gate");
    bench.settle();
    bench.now += days(2);
    let problem = Problem::new(Code::EngineUnreachable, "no socket");
    bench.inventory.world.engine = crate::model::Engine::Down(problem);
    bench.inventory.world.services.clear();
    bench.rotate(AUTH);
    bench.assert_idle();
    bench.assert_waits("the standby is not in every JWKS yet");
}

#[test]
fn without_a_verifier_the_day_still_counts() {
    let mut bench = Bench::new().with(jwt_key("auth").to(services(&["api"], &KEY))).service("api");
    let start: Timestamp = at("2026-01-01T00:00:00Z");
    bench.settle();
    bench.now += hours(1);
    bench.rotate(AUTH);
    bench.assert_idle();
    assert_eq!(bench.plan().next_wake, Some(start + hours(24)));
}
