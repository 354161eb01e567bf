//! Is a new revision due?

use jiff::SignedDuration;

use super::bench::{days, dir, hours};
use super::{Bench, Wish, at, ca, certificate, dh, jwt_key, services};
use crate::desired::{KindSpec, Turn};
use crate::model::{Action, Code, Engine, Part, Problem, Revision, RevisionState, Validity};
use crate::planner::{Seed, forecast, renew_at};

fn problem() -> Problem {
    Problem::new(Code::IssueFailed, "the issuer is away")
}

#[test]
fn first_the_ca_then_the_leaf_then_its_delivery() {
    let mut bench = Bench::edge();
    assert_eq!(
        bench.settle(),
        [
            "generate ca/internal 1",
            "activate ca/internal 1",
            "issue certificates/edge 1 by ca/internal 1",
            "publish secret cert.edge.fullchain.1 [1]",
            "publish secret cert.edge.private-key.1 [1]",
            "rollout swarm:web certificates/edge",
            "activate certificates/edge 1",
        ]
    );
    bench.assert_idle();
}

#[test]
fn what_has_no_target_is_made_and_in_use() {
    let mut bench = Bench::new().with(ca()).with(certificate("edge"));
    bench.settle();
    assert_eq!(bench.record("certificates/edge").active().unwrap().number, 1);
}

#[test]
fn renewed_when_a_third_is_left() {
    let mut bench = Bench::edge();
    bench.settle();
    let wake = bench.plan().next_wake.unwrap();
    let third = bench.now + days(60);
    assert!(wake <= third && wake > third - hours(1), "{wake} is not just before {third}");
    bench.now = wake - SignedDuration::from_secs(1);
    bench.assert_idle();
    bench.now = wake;
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by ca/internal 1"]);
    assert!(bench.plan().steps[0].reason.starts_with("ends at 2026-04-01"));
}

#[test]
fn a_lead_longer_than_the_life_is_due_at_half() {
    let asset = "certificates/edge".parse().unwrap();
    let mut spec = certificate("edge");
    spec.overlap.turn = Turn::Left(days(100));
    let start = at("2026-01-01T00:00:00Z");
    let mut revision = Revision::pending(1, "", "", start);
    assert_eq!(renew_at(&asset, &spec.overlap, &revision, Seed::of("a")), None);
    revision.validity = Some(Validity { not_before: start, not_after: start + days(10) });
    let due = renew_at(&asset, &spec.overlap, &revision, Seed::of("a")).unwrap();
    assert!(due <= start + days(5) && due > start + days(5) - hours(1));
    assert_ne!(Some(due), renew_at(&asset, &spec.overlap, &revision, Seed::of("b")));
}

#[test]
fn asked_for_once_is_made_once() {
    let mut bench = Bench::edge();
    bench.settle();
    bench.now += days(1);
    bench.rotate("certificates/edge");
    let step = bench.step("issue certificates/edge 2");
    assert_eq!(step.reason, "asked for by uid:1000 at 2026-01-02T00:00:00Z");
    bench.settle();
    assert_eq!(bench.record("certificates/edge").active().unwrap().number, 2);
    bench.now += days(1);
    bench.assert_idle();
}

#[test]
fn another_wish_in_the_configuration_asks_for_another_revision() {
    let mut bench = Bench::edge();
    bench.settle();
    bench.spec("certificates/edge").made_for = "v2".to_owned();
    let step = bench.step("issue certificates/edge 2");
    assert_eq!(step.reason, "the configuration now asks for v2 (was certificate v1)");
    bench.settle();
    bench.assert_idle();
}

#[test]
fn what_a_crash_has_interrupted_is_finished_under_its_number() {
    let mut bench = Bench::edge();
    let now = bench.now;
    bench.record("certificates/edge").begin(Revision::pending(1, "begun", "certificate v1", now));
    let done = bench.settle();
    assert!(done.contains(&"issue certificates/edge 1 by ca/internal 1".to_owned()), "{done:?}");
    bench.record("certificates/edge").begin(Revision::pending(2, "begun", "another wish", now));
    let done = bench.settle();
    assert!(done.contains(&"issue certificates/edge 3 by ca/internal 1".to_owned()), "{done:?}");
}

#[test]
fn a_ca_that_is_asked_for_turns_before_its_leaf() {
    let mut bench = Bench::edge();
    bench.settle();
    bench.rotate("ca/internal");
    bench.rotate("certificates/edge");
    bench.assert_waits("certificates/edge: waits for ca/internal");
    assert_eq!(bench.lines(), ["generate ca/internal 2"]);
    let Action::Generate(make) = bench.step("generate").action else { panic!() };
    assert_eq!(make.keep_key_of, Some(1), "the root goes on");
    assert!(bench.settle().contains(&"issue certificates/edge 2 by ca/internal 2".to_owned()));
}

#[test]
fn a_ca_that_cannot_be_renewed_signs_on_while_it_is_valid() {
    let mut bench = Bench::edge();
    bench.settle();
    bench.rotate("ca/internal");
    bench.fail("generate ca/internal 2", problem());
    bench.now += SignedDuration::from_secs(1);
    bench.rotate("certificates/edge");
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by ca/internal 1"]);
    bench.now += days(400);
    let now = bench.now;
    let effort = &mut bench.record("ca/internal").effort;
    (effort.failed_at, effort.next_try_at) = (Some(now), Some(now + days(9)));
    let validity = bench.record("ca/internal").active().unwrap().validity.unwrap();
    assert!(!validity.contains(bench.now));
    bench.assert_waits("its revision 1 is not valid now");
}

#[test]
fn a_kept_key_is_named() {
    let mut bench = Bench::edge();
    let KindSpec::Certificate(certificate) = &mut bench.spec("certificates/edge").kind else { panic!() };
    certificate.keep_key = true;
    bench.settle();
    bench.rotate("certificates/edge");
    let kept = |bench: &Bench| match bench.step("issue").action {
        Action::Issue(make) => make.keep_key_of,
        other => panic!("{other:?}"),
    };
    assert_eq!(kept(&bench), Some(1));
    bench.record("certificates/edge").revisions.get_mut(&1).unwrap().compromised = true;
    assert_eq!(kept(&bench), None);
}

#[test]
fn a_failed_making_waits_longer_and_longer() {
    let mut bench = Bench::new().with(ca()).with(certificate("edge"));
    bench.play(at("2026-01-01T00:00:00Z"));
    bench.rotate("certificates/edge");
    bench.now += SignedDuration::from_secs(1);
    for pause in [60, 600, 6000, 86_400, 86_400] {
        bench.fail("issue certificates/edge 2", problem());
        bench.assert_idle();
        bench.assert_waits("tried again then: the issuer is away");
        assert_eq!(bench.plan().next_wake, Some(bench.now + SignedDuration::from_secs(pause)));
        bench.now += SignedDuration::from_secs(pause);
    }
    bench.fail("issue certificates/edge 2", problem());
    bench.spec("certificates/edge").made_for = "v2".to_owned();
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by ca/internal 1"], "a new wish is tried at once");
}

#[test]
fn a_pause_never_uses_up_what_the_renewal_has_in_hand() {
    let mut bench = Bench::new().with(ca()).with(certificate("edge"));
    let KindSpec::Certificate(certificate) = &mut bench.spec("certificates/edge").kind else { panic!() };
    certificate.duration = days(1);
    bench.settle();
    bench.now = bench.plan().next_wake.unwrap();
    for _ in 0..6 {
        bench.fail("issue certificates/edge 2", problem());
        let wake = bench.plan().next_wake.unwrap();
        assert!(wake <= bench.now + SignedDuration::from_mins(40), "{wake}");
        bench.now = wake;
    }
}

#[test]
fn the_operator_need_not_wait_for_the_pause() {
    let mut bench = Bench::new().with(ca()).with(certificate("edge"));
    bench.settle();
    bench.now += days(60);
    for _ in 0..4 {
        bench.fail("issue certificates/edge 2", problem());
        bench.now = bench.plan().next_wake.unwrap();
    }
    bench.fail("issue certificates/edge 2", problem());
    bench.assert_idle();
    bench.now += SignedDuration::from_secs(5);
    bench.rotate("certificates/edge");
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by ca/internal 1"]);
    bench.fail("issue certificates/edge 2", problem());
    bench.assert_idle();
}

#[test]
fn bad_material_is_followed_by_another_revision() {
    let mut bench = Bench::edge();
    bench.settle();
    bench.rotate("certificates/edge");
    let now = bench.now;
    bench.record("certificates/edge").begin(Revision::pending(2, "", "certificate v1", now));
    bench.record("certificates/edge").ended(2, RevisionState::Failed, now);
    assert_eq!(bench.lines(), ["issue certificates/edge 3 by ca/internal 1"]);
}

#[test]
fn nothing_is_renewed_that_would_end_with_its_ca_all_the_same() {
    let mut bench = Bench::edge();
    let KindSpec::Ca(ca) = &mut bench.spec("ca/internal").kind else { panic!() };
    (ca.root_lifetime, ca.root_in_state) = (days(500), false);
    let until = bench.now + days(2000);
    let done = bench.play(until);
    assert!(done.len() < 100, "{} steps", done.len());
    let mut bench = bench;
    let revisions = &bench.record("ca/internal").revisions;
    let root = revisions[&1].issued_at.unwrap() + days(500);
    let end = |validity: Option<Validity>| validity.unwrap().not_after;
    assert_eq!(end(bench.record("ca/internal").active().unwrap().validity), root);
    assert_eq!(end(bench.record("certificates/edge").active().unwrap().validity), root);
}

#[test]
fn while_the_engine_is_away_nothing_is_made_for_it() {
    let file = dir("/etc/tls", &[("tls.crt", Part::Fullchain)]);
    let mut bench = Bench::edge().with(dh("edge")).with(jwt_key("auth").to(services(&["web"], &[])));
    bench.inventory.world.engine = Engine::Down(Problem::new(Code::EngineUnreachable, "no socket"));
    bench.inventory.world.services.clear();
    bench.assert_idle();
    for asset in ["ca/internal", "certificates/edge", "dh_params/edge", "jwt_keys/auth"] {
        assert!(bench.waits().iter().any(|line| line.starts_with(asset) && line.contains("no socket")));
    }
    let codes: Vec<Code> = bench.plan().problems.iter().map(|(_, problem)| problem.code).collect();
    assert!(codes.contains(&Code::EngineUnreachable));
    // What goes to a directory goes on, and so does the CA that it needs.
    let mut bench = bench.with(certificate("local").to(file));
    let done = bench.settle();
    assert!(done.contains(&"rollout file:/etc/tls certificates/local".to_owned()), "{done:?}");
    assert!(done.iter().all(|line| !line.contains("edge")), "{done:?}");
}

#[test]
fn by_a_clock_that_went_back_nothing_is_done() {
    let mut bench = Bench::edge();
    bench.inventory.last_seen = Some(bench.now + hours(24));
    assert!(!bench.lines().is_empty(), "a day is believed");
    bench.inventory.last_seen = Some(bench.now + hours(25));
    bench.assert_idle();
    assert!(bench.plan().problems.iter().all(|(_, problem)| problem.code == Code::ClockBack));
}

#[test]
fn a_forecast_follows_the_plan_and_ends() {
    let bench = Bench::edge().with(dh("edge"));
    let year =
        forecast(&bench.desired, &bench.inventory, (bench.now, bench.now + days(365)), bench.seed(), || true);
    assert!(!year.cut_short);
    let issues = year.steps.iter().filter(|step| matches!(step.action, Action::Issue(_))).count();
    assert_eq!(issues, 7, "one and then one every sixty days");
    assert!(year.steps.is_sorted_by_key(|step| step.at));
}
