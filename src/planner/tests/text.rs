//! Plans as people read them.

use insta::assert_snapshot;
use jiff::SignedDuration;

use super::bench::{Bench, days, handshake, hours};
use super::{Wish, at, ca, certificate, dh, jwt_key, services};
use crate::model::{Part, Update};
use crate::planner::{forecast, render};

fn told(bench: &Bench, ahead: SignedDuration) -> String {
    render(&forecast(&bench.desired, &bench.inventory, (bench.now, bench.now + ahead), bench.seed(), || true))
}

fn edge() -> Bench {
    let files = [("tls.crt", Part::Fullchain), ("tls.key", Part::PrivateKey)];
    let target = handshake(services(&["web"], &files));
    Bench::new().with(ca()).with(certificate("edge").to(target)).with(dh("edge")).service("web")
}

#[test]
fn the_first_day() {
    let mut bench = edge();
    bench.web().habits.push("web has one replica and stop-first: connections are cut".to_owned());
    assert_snapshot!(told(&bench, hours(1)), @r#"
    2026-01-01T00:00:00Z  generate  ca/internal revision 1                            because there is none yet
    2026-01-01T00:00:00Z  generate  dh_params/edge revision 1                         because there is none yet
    2026-01-01T00:00:00Z  activate  ca/internal revision 1                            because every target has it
    2026-01-01T00:00:00Z  issue     certificates/edge revision 1                      because there is none yet
    2026-01-01T00:00:00Z  publish   certificates/edge secret cert.edge.fullchain.1    because fullchain of revision 1
    2026-01-01T00:00:00Z  publish   certificates/edge secret cert.edge.private-key.1  because private-key of revision 1
    2026-01-01T00:00:00Z  publish   dh_params/edge secret dh.edge.dhparam.1           because dhparam of revision 1
    2026-01-01T00:00:00Z  rollout   certificates/edge + dh_params/edge in swarm:web   because certificates/edge is new here, dh_params/edge is new here  [restarts web]
    2026-01-01T00:00:00Z  activate  certificates/edge revision 1                      because every target has it
    2026-01-01T00:00:00Z  activate  dh_params/edge revision 1                         because every target has it

    waits
      certificates/edge  waits for ca/internal

    warnings
      web has one replica and stop-first: connections are cut
    "#);
}

#[test]
fn a_renewal() {
    let mut bench = edge();
    bench.settle();
    assert_snapshot!(told(&bench, days(60)), @r#"
    2026-03-01T23:15:12Z  issue     certificates/edge revision 2                      because ends at 2026-04-01T00:00:00Z
    2026-03-01T23:15:12Z  publish   certificates/edge secret cert.edge.fullchain.2    because fullchain of revision 2
    2026-03-01T23:15:12Z  publish   certificates/edge secret cert.edge.private-key.2  because private-key of revision 2
    2026-03-01T23:15:12Z  rollout   certificates/edge in swarm:web                    because certificates/edge has turned  [restarts web]
    2026-03-01T23:15:12Z  activate  certificates/edge revision 2                      because every target has it
    "#);
}

#[test]
fn a_turn_of_a_jwt_key_over_its_overlap() {
    let spec = jwt_key("auth")
        .to(services(&["api"], &[("jwt.key", Part::PrivateKey)]))
        .to(services(&["gate"], &[("/jwks.json", Part::Jwks)]));
    let mut bench = Bench::new().with(spec).service("api").service("gate");
    bench.settle();
    bench.now += hours(20);
    bench.rotate("jwt_keys/auth");
    assert_snapshot!(told(&bench, days(20)), @r#"
    2026-01-02T00:00:00Z  publish   jwt_keys/auth secret jwt.auth.private-key.2  because private-key of revision 2
    2026-01-02T00:00:00Z  rollout   jwt_keys/auth in swarm:api                   because jwt_keys/auth has turned  [restarts api]
    2026-01-02T00:00:00Z  activate  jwt_keys/auth revision 2                     because every target has it
    2026-01-02T00:00:00Z  generate  jwt_keys/auth revision 3                     because the standby
    2026-01-02T00:00:00Z  publish   jwt_keys/auth config jwt.auth.jwks.2         because jwks of revisions 1, 2, 3
    2026-01-02T00:00:00Z  rollout   jwt_keys/auth in swarm:gate                  because jwt_keys/auth has other public keys to show  [restarts gate]
    2026-01-02T00:00:00Z  publish   jwt_keys/auth revision 3                     because all who verify have it
    2026-01-02T01:06:00Z  publish   jwt_keys/auth config jwt.auth.jwks.3         because jwks of revisions 2, 3
    2026-01-02T01:06:00Z  rollout   jwt_keys/auth in swarm:gate                  because jwt_keys/auth has other public keys to show  [restarts gate]
    2026-01-09T00:00:00Z  delete    jwt_keys/auth config jwt.auth.jwks.1         because nobody names it, and its successor is proven

    waits
      jwt_keys/auth  until 2026-01-02T00:00:00Z  asked for by uid:1000 at 2026-01-01T20:00:00Z; the standby must have been in every JWKS for 24 hours first
    "#);
}

#[test]
fn a_busy_service() {
    let mut bench = edge();
    bench.settle();
    bench.now = at("2026-03-03T00:00:00Z");
    bench.web().update = Update::Unfinished("paused: update paused due to failure".to_owned());
    bench.settle();
    assert_snapshot!(told(&bench, hours(1)), @r#"
    nothing to do; the next look is due at 2026-03-17T00:00:01Z

    waits
      certificates/edge  web: the last update of service web is paused: update paused due to failure

    problems
      certificates/edge  KT-SERVICE-BUSY: the last update of service web is paused: update paused due to failure
      certificates/edge  KT-OVERDUE: its successor was due at 2026-03-01T23:15:12Z
    "#);
}

#[test]
fn nothing_at_all() {
    assert_eq!(told(&Bench::new(), hours(1)), "nothing to do\n");
}
