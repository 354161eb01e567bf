//! Names of Docker objects, and their removal.

use jiff::SignedDuration;

use super::bench::{days, service};
use super::{Bench, Wish, at, ca, certificate, services};
use crate::model::{
    Action, AssetId, Code, Engine, Numbers, Object, ObjectKind, ObjectRecord, Part, Problem, RevisionState,
};

const SECRET: ObjectKind = ObjectKind::Secret;

fn foreign(bench: &mut Bench, kind: ObjectKind, name: &str) {
    let created_at = bench.now;
    let (name, id) = (name.to_owned(), format!("foreign-{name}"));
    bench.inventory.world.objects.push(Object { kind, name, id, labels: None, created_at });
}

fn published(done: &[String]) -> Vec<&str> {
    done.iter().filter_map(|line| line.strip_prefix("publish secret ")).collect()
}

/// An edge that has turned twice, on the first of January and the first of February.
fn turned() -> Bench {
    let mut bench = Bench::edge();
    bench.settle();
    bench.now = at("2026-02-01T00:00:00Z");
    bench.rotate("certificates/edge");
    bench.settle();
    bench
}

#[test]
fn numbers_go_on_from_the_highest_anywhere() {
    let mut bench = Bench::edge();
    foreign(&mut bench, ObjectKind::Config, "CERT.edge.Fullchain.6");
    foreign(&mut bench, SECRET, "cert.edge.private-key.x");
    bench.record("certificates/edge").numbers.insert("private-key".to_owned(), 8);
    let done = bench.settle();
    assert_eq!(published(&done), ["cert.edge.fullchain.7 [1]", "cert.edge.private-key.9 [1]"]);
}

#[test]
fn two_services_share_an_object() {
    let files = [("tls.crt", Part::Fullchain)];
    let both = services(&["web", "mail"], &files);
    let again = services(&["mail"], &[("other.crt", Part::Fullchain)]);
    let mut bench =
        Bench::new().with(ca()).with(certificate("edge").to(both).to(again)).service("web").service("mail");
    let done = bench.settle();
    assert_eq!(published(&done), ["cert.edge.fullchain.1 [1]"]);
    assert_eq!(bench.inventory.world.services["mail"].references.len(), 2);
}

#[test]
fn secrets_and_configs_of_one_part_have_different_names() {
    let files = [("tls.crt", Part::Fullchain), ("/etc/tls.crt", Part::Fullchain)];
    let mut bench =
        Bench::new().with(ca()).with(certificate("edge").to(services(&["web"], &files))).service("web");
    bench.settle();
    let names: Vec<&str> = bench.inventory.objects.keys().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names.len(), 2);
    assert_ne!(names[0], names[1]);
}

#[test]
fn what_was_intended_is_made_under_its_name() {
    let mut bench = Bench::edge();
    let record = ObjectRecord {
        kind: SECRET,
        name: "cert.edge.fullchain.4".to_owned(),
        asset: "certificates/edge".parse().unwrap(),
        part: Part::Fullchain,
        revisions: Numbers::from_slice(&[1]),
        password: None,
        id: None,
        created_at: bench.now,
        replaced_at: None,
    };
    bench.inventory.objects.insert((SECRET, record.name.clone()), record);
    let done = bench.clone().settle();
    assert_eq!(published(&done), ["cert.edge.fullchain.4 [1]", "cert.edge.private-key.1 [1]"]);
    // Another has taken the name meanwhile: then the next free number.
    foreign(&mut bench, SECRET, "cert.edge.fullchain.4");
    let done = bench.settle();
    assert_eq!(published(&done), ["cert.edge.fullchain.5 [1]", "cert.edge.private-key.1 [1]"]);
}

#[test]
fn what_the_engine_has_lost_is_made_again_once() {
    let mut bench = Bench::edge();
    for _ in 0..9 {
        bench.record("certificates/edge").numbers.insert("fullchain".to_owned(), 8);
    }
    bench.settle();
    bench.inventory.world.objects.retain(|object| object.name != "cert.edge.fullchain.9");
    bench.web().references.clear();
    bench.web().tasks.clear();
    bench.web().id = "service-web-2".to_owned();
    let done = bench.settle();
    assert_eq!(published(&done), ["cert.edge.fullchain.10 [1]"], "{done:#?}");
    bench.now += days(8);
    assert_eq!(bench.settle(), ["delete cert.edge.fullchain.9"]);
}

#[test]
fn nothing_is_lost_because_the_engine_is_away() {
    let mut bench = Bench::edge();
    bench.settle();
    let problem = Problem::new(Code::EngineUnreachable, "no socket");
    bench.inventory.world.engine = Engine::Down(problem);
    bench.inventory.world.objects.clear();
    bench.inventory.world.services.clear();
    bench.now += days(40);
    bench.assert_idle();
}

#[test]
fn a_replaced_object_goes_when_nobody_can_need_it() {
    let mut bench = turned();
    bench.now += days(8);
    bench.assert_idle();
    bench.assert_waits("cert.edge.private-key.1 is kept: the PreviousSpec of service web names it");
    bench.web().previous.clear();
    bench.web().tasks.insert("id-secret-cert.edge.private-key.1".to_owned());
    assert_eq!(bench.lines(), ["delete cert.edge.fullchain.1"]);
    bench.assert_waits("cert.edge.private-key.1 is kept: a task of service web names it");
    bench.web().tasks.clear();
    assert_eq!(bench.settle().len(), 3, "two objects, then the revision itself");
    assert_eq!(bench.record("certificates/edge").revisions[&1].state, RevisionState::Retired);
    bench.assert_idle();
}

#[test]
fn the_retention_is_waited_for() {
    let mut bench = turned();
    bench.web().previous.clear();
    bench.assert_idle();
    bench.assert_waits("cert.edge.fullchain.1 is kept: the retention has not passed");
    assert_eq!(bench.plan().next_wake, Some(at("2026-02-08T00:00:00Z")));
    bench.now = at("2026-02-08T00:00:00Z");
    assert_eq!(bench.lines(), ["delete cert.edge.fullchain.1", "delete cert.edge.private-key.1"]);
    let Action::Delete(old) = bench.step("delete").action else { panic!() };
    assert_eq!(old.id.as_deref(), Some("id-secret-cert.edge.fullchain.1"));
}

#[test]
fn without_a_proven_successor_nothing_goes() {
    let mut bench = turned();
    bench.web().previous.clear();
    bench.now += days(8);
    let mut other = bench.clone();
    bench.delivery("certificates/edge", "swarm:web").state = crate::model::DeliveryState::Failed;
    bench.fail("rollout", Problem::new(Code::RolloutFailed, "task 1 died"));
    assert!(bench.lines().iter().all(|line| !line.starts_with("delete")));
    bench.assert_waits("its successor is not proven in web");
    // A service that was made anew has not got it either: first its rollout.
    other.inventory.world.services.insert("web".to_owned(), service("web"));
    other.web().id = "service-web-2".to_owned();
    assert_eq!(other.lines(), ["rollout swarm:web certificates/edge"]);
}

#[test]
fn what_another_service_names_stays() {
    let mut bench = turned().service("other");
    bench.web().previous.clear();
    bench.now += days(8);
    let mut reference = bench.web().references[0].clone();
    reference.id = "id-secret-cert.edge.fullchain.1".to_owned();
    bench.inventory.world.services.get_mut("other").unwrap().references.push(reference);
    assert_eq!(bench.lines(), ["delete cert.edge.private-key.1"]);
    bench.assert_waits("cert.edge.fullchain.1 is kept: the spec of service other names it");
}

#[test]
fn foreign_objects_and_those_of_forgotten_assets_are_left_alone() {
    let mut bench = turned();
    foreign(&mut bench, SECRET, "cert.edge.fullchain.99");
    bench.desired.assets.remove(&"certificates/edge".parse::<AssetId>().unwrap());
    bench.web().references.clear();
    bench.web().previous.clear();
    bench.now += days(30) + SignedDuration::from_secs(1);
    assert!(bench.settle().iter().all(|line| !line.starts_with("delete")));
}
