//! Revocation lists: made often, good for long, and delivered before what a place has of them ends.

use super::Wish;
use super::bench::{Bench, ca, certificate, days, line, services};
use crate::desired::{CrlSpec, KindSpec, Windows};
use crate::model::{Code, Effort, Part, RevisionState, Revocation, RevocationReason};

const EDGE: &str = "certificates/edge";
const CA: &str = "ca/internal";

/// A service that asks for the lists; they are made every 15 days, and good for 90.
fn site() -> Bench {
    let files = [("tls.crt", Part::Fullchain), ("tls.key", Part::PrivateKey), ("ca.crl", Part::Crl)];
    let edge = certificate("edge").to(services(&["web"], &files));
    let mut bench = Bench::new().with(ca()).service("web").with(edge);
    let KindSpec::Ca(ca) = &mut bench.spec(CA).kind else { panic!() };
    ca.crl = Some(CrlSpec { lifetime: days(90), every: days(15) });
    bench.settle();
    bench
}

fn late(bench: &Bench) -> Vec<String> {
    let problems = bench.plan().problems.into_iter().filter(|(_, problem)| problem.code == Code::CrlLate);
    problems.map(|(id, _)| id.to_string()).collect()
}

#[test]
fn they_are_made_every_fifteen_days_though_they_last_for_ninety() {
    let mut bench = site();
    let first = bench.record(CA).crl.clone().unwrap();
    assert_eq!(first.next_update.duration_since(first.this_update), days(90));
    let until = bench.now + days(46);
    let done = bench.play(until);
    let made: Vec<i64> = done
        .iter()
        .filter(|(_, line)| line.contains("ca/internal") && line.starts_with("list"))
        .map(|(at, _)| at.duration_since(first.this_update).as_hours() / 24)
        .collect();
    assert_eq!(made, [15, 30, 45], "{done:#?}");
    assert_eq!(late(&bench), [""; 0]);
}

#[test]
fn what_is_overdue_is_told_long_before_its_end() {
    let mut bench = site();
    let first = bench.record(CA).crl.clone().unwrap();
    for (day, told) in [(14, 0), (19, 0), (21, 1), (89, 1)] {
        bench.now = first.this_update + days(day);
        assert_eq!(late(&bench).len(), told, "day {day}");
    }
    assert_eq!(late(&bench), [CA]);
}

#[test]
fn a_place_that_cannot_be_reached_in_time_is_named_and_no_window_is_waited_for() {
    let mut bench = site();
    let first = bench.record(CA).crl.clone().unwrap();
    let never = "0 0 0 1 1 * 2001".parse().unwrap();
    bench.desired.windows = Windows { schedules: vec![never], ..Windows::always() };
    let until = first.this_update + days(59);
    bench.play(until);
    assert!(bench.record(CA).crl.as_ref().unwrap().edition >= 4, "they are made all the same");
    bench.now = until;
    bench.assert_waits("web: waits for a maintenance window");
    assert_eq!(late(&bench), [""; 0]);
    bench.now = first.this_update + days(60) + days(1) / 24;
    // A third of what the service has is left: now it is told, and goes.
    assert!(late(&bench).contains(&EDGE.to_owned()), "{:?}", late(&bench));
    let steps: Vec<String> = bench.plan().steps.iter().map(line).collect();
    assert!(steps.iter().any(|step| step.starts_with("rollout swarm:web")), "{steps:#?}");
    bench.settle();
    assert_eq!(late(&bench), [""; 0]);
}

/// `keyturn revoke certificates/edge --revision NUMBER`.
fn revoke(bench: &mut Bench, number: u32) {
    let asked = Revocation {
        at: bench.now,
        by: "uid:1000".to_owned(),
        reason: RevocationReason::KeyCompromise,
        after_successor: false,
        effort: Effort::default(),
    };
    bench.record(EDGE).revisions.get_mut(&number).unwrap().to_revoke = Some(asked);
}

#[test]
fn what_is_revoked_is_listed_until_it_ends_though_nothing_else_needs_its_intermediate() {
    for new_root in [false, true] {
        let mut bench = site();
        let stolen = bench.record(EDGE).active().unwrap().clone();
        let end = stolen.validity.unwrap().not_after;
        bench.rotate(EDGE);
        bench.settle();
        revoke(&mut bench, stolen.number);
        bench.settle();
        assert_eq!(bench.record(EDGE).revisions[&stolen.number].state, RevisionState::Revoked);
        // Another intermediate, and nothing under the one before is in use any more.
        bench.rotate(CA);
        bench.record(CA).request.as_mut().unwrap().new_root = new_root;
        bench.play(end - days(60));
        bench.rotate(EDGE);
        bench.play(end - days(1));
        let edge = bench.record(EDGE).clone();
        let under = |number: u32| edge.revisions.values().filter(move |one| one.signed_by == Some(number));
        assert!(under(1).all(|one| one.state.is_over()) && under(2).any(|one| !one.state.is_over()));
        let ca = bench.record(CA).clone();
        assert_eq!(ca.revisions[&1].state, RevisionState::Retiring);
        assert_eq!(ca.crl.unwrap().revisions, [1, 2], "the list that the stolen one is on is still made");
        bench.play(end + days(40));
        assert_eq!(bench.record(CA).revisions[&1].state, RevisionState::Retired);
    }
}

#[test]
fn an_intermediate_of_an_offline_root_waits_for_a_person() {
    let mut bench = Bench::edge();
    let KindSpec::Ca(ca) = &mut bench.spec(CA).kind else { panic!() };
    (ca.root_in_state, ca.root_offline) = (false, true);
    assert_eq!(bench.settle(), [""; 0]);
    bench.assert_waits("there is none yet; waits for a person: `keyturn csr ca/internal`");
    bench.assert_waits("waits for ca/internal");
}
