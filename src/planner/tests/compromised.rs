//! A key in wrong hands, and certificates that are to be withdrawn.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::bench::{Bench, acme_certificate, days, dir, hours};
use super::{Wish, certificate, jwt_key, services};
use crate::desired::{AcmeSpec, KindSpec, Windows};
use crate::model::{
    Action, Code, Effort, IssuerRecord, Limits, OrderOutcome, Part, Problem, REVOKING_PAUSES, Request,
    Revision, RevisionState, Revocation, RevocationReason, Update,
};
use crate::planner::assume;

const EDGE: &str = "certificates/edge";
const AUTH: &str = "jwt_keys/auth";
const FILES: [(&str, Part); 2] = [("tls.crt", Part::Fullchain), ("tls.key", Part::PrivateKey)];

/// Edge, with a certificate of the ACME CA `le`, a day old.
fn edge() -> Bench {
    let spec = acme_certificate("edge", &["le"]).to(services(&["web"], &FILES));
    let mut bench = Bench::new().with(spec).service("web");
    bench.desired.acme.insert("le".to_owned(), AcmeSpec { limits: Limits::LETS_ENCRYPT });
    bench.settle();
    bench.now += days(1);
    bench.settle();
    bench
}

/// `keyturn rotate --compromised`.
fn compromise(bench: &mut Bench, id: &str) {
    let now = bench.now;
    let standby = bench.spec(id).overlap.standby;
    let record = bench.record(id);
    let active = record.active().map_or(0, |revision| revision.number);
    let after = if standby { active } else { record.newest_number() };
    record.ask(
        Request { at: now, by: "uid:1000".to_owned(), after, compromised: true, new_root: false },
        false,
    );
}

fn to_revoke(bench: &Bench, after_successor: bool) -> Revocation {
    Revocation {
        at: bench.now,
        by: "uid:1000".to_owned(),
        reason: RevocationReason::Superseded,
        after_successor,
        effort: Effort::default(),
    }
}

fn revoke(bench: &mut Bench, number: u32, after_successor: bool) {
    let asked = to_revoke(bench, after_successor);
    bench.record(EDGE).revisions.get_mut(&number).unwrap().to_revoke = Some(asked);
}

fn names(bench: &Bench) -> Vec<String> {
    bench.inventory.objects.keys().map(|(_, name)| name.clone()).collect()
}

#[test]
fn a_certificate_whose_key_is_out_is_replaced_revoked_and_forgotten_at_once() {
    let mut bench = edge();
    compromise(&mut bench, EDGE);
    assert_eq!(
        bench.settle(),
        [
            "issue certificates/edge 2 by le",
            "publish secret cert.edge.fullchain.2 [2]",
            "publish secret cert.edge.private-key.2 [2]",
            "rollout swarm:web certificates/edge",
            "activate certificates/edge 2",
            "consult certificates/edge 2",
            "forget swarm:web",
            "revoke certificates/edge 1",
            "delete cert.edge.fullchain.1",
            "delete cert.edge.private-key.1",
        ]
    );
    assert_eq!(bench.record(EDGE).revisions[&1].state, RevisionState::Revoked);
    assert_eq!(names(&bench), ["cert.edge.fullchain.2", "cert.edge.private-key.2"]);
    bench.assert_idle();
}

#[test]
fn a_kept_key_is_not_kept_and_one_that_was_begun_is_not_used() {
    let mut bench = edge();
    let KindSpec::Certificate(certificate) = &mut bench.spec(EDGE).kind else { panic!() };
    certificate.keep_key = true;
    let (now, made_for) = (bench.now, bench.spec(EDGE).made_for.clone());
    bench.record(EDGE).begin(Revision::pending(2, "begun", &made_for, now));
    compromise(&mut bench, EDGE);
    let Action::Issue(make) = bench.step("issue certificates/edge 3 by le").action else { panic!() };
    assert_eq!(make.keep_key_of, None);
    bench.settle();
    assert_eq!(bench.record(EDGE).active().unwrap().number, 3);
    assert!(bench.record(EDGE).revisions[&2].state.is_over());
}

#[test]
fn it_waits_for_no_window_and_no_budget_of_ours_but_for_the_ca() {
    let mut bench = edge();
    let never = vec!["0 0 0 1 1 * 2001".parse().unwrap()];
    bench.desired.windows = Windows { schedules: never, timezone: TimeZone::UTC };
    let order = bench.order_note(EDGE, "le");
    for minutes in [50, 40, 30, 20, 10] {
        let at = bench.now - SignedDuration::from_mins(minutes);
        let failed_names = vec!["edge.example.org".to_owned()];
        let outcome = OrderOutcome::Failed;
        let note = crate::model::OrderNote { at, retry: true, outcome, failed_names, ..order.clone() };
        bench.record(EDGE).orders.push(note);
    }
    bench.now += SignedDuration::from_secs(1);
    bench.rotate(EDGE);
    bench
        .assert_waits("le allows 5 failed authorizations for edge.example.org in 60 minutes, and 5 are used");
    compromise(&mut bench, EDGE);
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by le"]);
    let until = bench.now + SignedDuration::from_mins(5);
    let record = IssuerRecord { name: "le".to_owned(), not_before: Some(until), ..IssuerRecord::default() };
    bench.inventory.issuers.insert("le".to_owned(), record);
    bench.assert_idle();
    bench.now = until;
    assert!(bench.settle().contains(&"rollout swarm:web certificates/edge".to_owned()));
}

#[test]
fn it_is_revoked_after_an_hour_whatever_comes_and_stays_in_use_until_then() {
    let mut bench = edge();
    compromise(&mut bench, EDGE);
    let asked = bench.now;
    let problem = Problem::new(Code::IssueFailed, "no luck");
    bench.fail("issue certificates/edge 2", problem.clone());
    bench.assert_waits("revision 1 is to be revoked: first its successor is served, if that is before then");
    bench.now = asked + hours(1) - SignedDuration::from_secs(1);
    assert_eq!(bench.lines(), ["issue certificates/edge 2 by le"]);
    bench.fail("issue certificates/edge 2", problem);
    bench.now = asked + hours(1);
    assert_eq!(bench.settle(), ["revoke certificates/edge 1"]);
    assert_eq!(bench.record(EDGE).revisions[&1].state, RevisionState::Active, "it is all that there is");
    bench.now += hours(3);
    bench.settle();
    assert_eq!(bench.record(EDGE).active().unwrap().number, 2);
    assert_eq!(names(&bench), ["cert.edge.fullchain.2", "cert.edge.private-key.2"]);
    assert_eq!(bench.record(EDGE).revisions[&1].state, RevisionState::Retired);
}

#[test]
fn a_service_forgets_nothing_while_another_update_runs_in_it() {
    let mut bench = edge();
    compromise(&mut bench, EDGE);
    for _ in 0..4 {
        let plan = bench.plan();
        for step in plan.steps.iter().filter(|step| !matches!(step.action, Action::Forget(_))) {
            assume(&bench.desired, &mut bench.inventory, step, bench.now);
        }
    }
    bench.web().update = Update::Unfinished("updating".to_owned());
    bench.assert_waits("cert.edge.private-key.1 is kept: the PreviousSpec of service web names it");
    assert!(!bench.lines().contains(&"forget swarm:web".to_owned()));
    bench.web().update = Update::Quiet;
    let done = bench.settle();
    assert_eq!(
        done[done.len() - 3..],
        ["forget swarm:web", "delete cert.edge.fullchain.1", "delete cert.edge.private-key.1"]
    );
}

#[test]
fn in_a_directory_nothing_is_left_either() {
    let spec = certificate("edge").to(dir("/etc/tls", &FILES));
    let mut bench = Bench::new().with(super::ca()).with(spec);
    bench.settle();
    compromise(&mut bench, EDGE);
    let done = bench.settle();
    assert!(done.contains(&"revoke certificates/edge 1".to_owned()), "{done:#?}");
    assert_eq!(bench.record(EDGE).revisions[&1].state, RevisionState::Revoked);
}

#[test]
fn a_signing_key_moves_to_the_standby_and_is_not_known_any_more() {
    let (key, jwks) = ([("jwt.key", Part::PrivateKey)], [("/jwks.json", Part::Jwks)]);
    let spec = jwt_key("auth").to(services(&["api"], &key)).to(services(&["gate"], &jwks));
    let mut bench = Bench::new().with(spec).service("api").service("gate");
    bench.settle();
    // The standby has been known for longer than any cache lasts, but not for as long as an ordinary turn wants.
    bench.now += hours(1);
    let never = vec!["0 0 0 1 1 * 2001".parse().unwrap()];
    bench.desired.windows = Windows { schedules: never, timezone: TimeZone::UTC };
    compromise(&mut bench, AUTH);
    assert_eq!(
        bench.settle(),
        [
            "publish secret jwt.auth.private-key.2 [2]",
            "rollout swarm:api jwt_keys/auth",
            "activate jwt_keys/auth 2",
            "generate jwt_keys/auth 3",
            "forget swarm:api",
            "publish config jwt.auth.jwks.2 [2, 3]",
            "rollout swarm:gate jwt_keys/auth",
            "forget swarm:gate",
            "announce jwt_keys/auth 3",
            "delete jwt.auth.private-key.1",
            "delete jwt.auth.jwks.1",
            "retire jwt_keys/auth 1",
        ]
    );
    assert_eq!(names(&bench), ["jwt.auth.private-key.2", "jwt.auth.jwks.2"]);
}

#[test]
fn a_standby_that_caches_do_not_have_yet_is_not_signed_with() {
    let (key, jwks) = ([("jwt.key", Part::PrivateKey)], [("/jwks.json", Part::Jwks)]);
    let spec = jwt_key("auth").to(services(&["api"], &key)).to(services(&["gate"], &jwks));
    let mut bench = Bench::new().with(spec).service("api").service("gate");
    bench.settle();
    let start = bench.now;
    bench.now += SignedDuration::from_mins(1);
    compromise(&mut bench, AUTH);
    bench.assert_waits("the standby must have been in every JWKS for 5 minutes first");
    let done = bench.play(start + hours(1));
    let turn = done.iter().find(|(_, line)| line == "activate jwt_keys/auth 2").unwrap().0;
    assert_eq!(turn, start + SignedDuration::from_mins(5));
}

#[test]
fn what_is_replaced_already_is_revoked_at_once_and_its_material_waits_for_that() {
    let mut bench = edge();
    bench.rotate(EDGE);
    bench.settle();
    revoke(&mut bench, 1, true);
    let until = bench.now + SignedDuration::from_mins(30);
    let record = IssuerRecord { name: "le".to_owned(), not_before: Some(until), ..IssuerRecord::default() };
    bench.inventory.issuers.insert("le".to_owned(), record);
    bench.assert_idle();
    bench.assert_waits("revision 1 is to be revoked: le has asked to be left alone until then");
    bench.now = until;
    assert_eq!(bench.lines(), ["revoke certificates/edge 1"]);
    assert_eq!(bench.step("revoke").reason, "superseded, asked for by uid:1000 at 2026-01-02T00:00:00Z");
}

#[test]
fn a_revocation_that_fails_is_tried_again_and_said_until_the_certificate_ends() {
    let mut bench = edge();
    bench.rotate(EDGE);
    bench.settle();
    revoke(&mut bench, 1, false);
    for pause in [60, 600, 3600, 3600] {
        assert_eq!(bench.lines(), ["revoke certificates/edge 1"]);
        let now = bench.now;
        let revision = bench.record(EDGE).revisions.get_mut(&1).unwrap();
        let problem = Problem::new(Code::RevokeFailed, "it is away");
        revision.to_revoke.as_mut().unwrap().effort.failed(problem, None, &REVOKING_PAUSES, now);
        bench.assert_waits("revision 1 is to be revoked: tried again then: it is away");
        assert!(bench.plan().problems.iter().any(|(_, problem)| problem.code == Code::RevokeFailed));
        assert_eq!(bench.plan().next_wake, Some(now + SignedDuration::from_secs(pause)));
        bench.now += SignedDuration::from_secs(pause);
    }
    let end = bench.record(EDGE).revisions[&1].validity.unwrap().not_after;
    // Nobody has taken its objects out of PreviousSpec: it would be kept for that alone.
    bench.now = end - hours(1);
    assert!(!bench.lines().iter().any(|line| line.starts_with("retire")));
    bench.now = end + SignedDuration::from_secs(1);
    assert!(!bench.lines().iter().any(|line| line.starts_with("revoke")));
    bench.assert_waits("revision 1 is not revoked: it ended by itself at 2026-04-01T00:00:00Z");
    assert!(!bench.plan().problems.iter().any(|(_, problem)| problem.code == Code::RevokeFailed));
}

#[test]
fn what_is_in_use_is_replaced_first_or_not_as_it_is_asked() {
    let mut bench = edge();
    revoke(&mut bench, 1, false);
    assert_eq!(bench.lines(), ["revoke certificates/edge 1"]);
    let done = bench.settle();
    assert_eq!(done[..2], ["revoke certificates/edge 1", "issue certificates/edge 2 by le"]);
    let mut bench = edge();
    bench.rotate(EDGE);
    revoke(&mut bench, 1, true);
    let done = bench.settle();
    let place = |line: &str| done.iter().position(|done| done == line).unwrap();
    assert!(place("activate certificates/edge 2") < place("revoke certificates/edge 1"));
    // It was no matter of a key: its objects are kept as after any turn.
    assert!(names(&bench).contains(&"cert.edge.private-key.1".to_owned()));
}
