//! What each place gets, and how it is proven.

use jiff::SignedDuration;

use super::bench::{days, dir, handshake, labelled, service};
use super::{Bench, Wish, ca, certificate, dh, jwt_key, services};
use crate::model::{
    Action, Code, DeliveryState, ObjectKind, Part, Place, Problem, Proof, ProofAsk, RolloutRecord,
};
use crate::planner::health;

const TLS: [(&str, Part); 2] = [("tls.crt", Part::Fullchain), ("tls.key", Part::PrivateKey)];

fn broken() -> Problem {
    Problem::new(Code::RolloutFailed, "task 1 died")
}

/// A rollout of the edge's certificate that is being undone.
fn undoing(bench: &Bench) -> RolloutRecord {
    RolloutRecord {
        place: Place::Service("web".to_owned()),
        started_at: bench.now,
        assets: vec!["certificates/edge".parse().unwrap()],
        before: Default::default(),
        service_id: None,
        identities: Default::default(),
        against: Default::default(),
        undoing: Some(broken()),
        not_put_back: false,
    }
}

/// An NGINX whose certificate is looked at.
fn watched() -> Bench {
    let target = handshake(services(&["web"], &TLS));
    Bench::new().with(ca()).with(certificate("edge").to(target)).service("web")
}

#[test]
fn what_is_due_together_is_one_rollout() {
    let mut bench = Bench::edge().with(dh("edge"));
    let rollouts = |done: &[String]| done.iter().filter(|line| line.starts_with("rollout")).count();
    let done = bench.settle();
    assert_eq!(rollouts(&done), 1, "{done:#?}");
    assert!(done.contains(&"rollout swarm:web certificates/edge+dh_params/edge".to_owned()));
    bench.rotate("certificates/edge");
    bench.rotate("dh_params/edge");
    bench.rotate("ca/internal");
    let done = bench.settle();
    assert_eq!(rollouts(&done), 1, "{done:#?}");
}

#[test]
fn dh_parameters_ride_on_the_next_rollout() {
    let mut bench = Bench::edge().with(dh("edge"));
    bench.settle();
    bench.now += days(95);
    bench.record("certificates/edge").revisions.get_mut(&1).unwrap().validity.as_mut().unwrap().not_after +=
        days(60);
    assert_eq!(bench.settle(), ["generate dh_params/edge 2"]);
    bench.assert_waits("rides on the next rollout of web, or goes alone then");
    bench.rotate("certificates/edge");
    let done = bench.settle();
    assert!(done.contains(&"rollout swarm:web certificates/edge+dh_params/edge".to_owned()), "{done:#?}");
}

#[test]
fn dh_parameters_go_alone_when_nothing_comes() {
    let mut bench = Bench::new().with(dh("edge")).service("web");
    bench.settle();
    bench.now = bench.plan().next_wake.unwrap();
    assert_eq!(bench.settle(), ["generate dh_params/edge 2"]);
    let wake = bench.plan().next_wake.unwrap();
    assert_eq!(wake, bench.now + days(30));
    bench.now = wake;
    assert!(bench.settle().contains(&"rollout swarm:web dh_params/edge".to_owned()));
}

#[test]
fn a_rider_does_not_wait_where_it_is_missing() {
    let mut bench = Bench::new().with(dh("edge")).service("web");
    bench.settle();
    bench.now = bench.plan().next_wake.unwrap();
    bench.settle();
    bench.web().id = "service-web-2".to_owned();
    bench.web().references.clear();
    assert!(bench.settle().contains(&"rollout swarm:web dh_params/edge".to_owned()));
}

#[test]
fn a_failed_neighbour_does_not_make_riders_run() {
    let mut bench = Bench::edge().with(dh("edge"));
    bench.settle();
    bench.rotate("certificates/edge");
    for _ in 0..2 {
        for step in bench.plan().steps.iter().filter(|step| !matches!(step.action, Action::Rollout(_))) {
            crate::planner::assume(&bench.desired, &mut bench.inventory, step, bench.now);
        }
    }
    bench.fail("rollout swarm:web certificates/edge", broken());
    let now = bench.now;
    bench.record("dh_params/edge").revisions.get_mut(&1).unwrap().active_at = Some(now - days(91));
    assert!(bench.settle().contains(&"generate dh_params/edge 2".to_owned()));
    bench.now = bench.plan().next_wake.unwrap();
    assert_eq!(bench.now, now + SignedDuration::from_secs(60), "no sooner than the failed one");
    let done = bench.settle();
    assert!(done.contains(&"rollout swarm:web certificates/edge".to_owned()), "apart: {done:#?}");
}

#[test]
fn a_missing_service_gets_its_objects_and_is_waited_for() {
    let mut bench = Bench::edge();
    bench.inventory.world.services.clear();
    let done = bench.settle();
    assert_eq!(
        done[3..],
        [
            "publish secret cert.edge.fullchain.1 [1]",
            "publish secret cert.edge.private-key.1 [1]",
            "note certificates/edge swarm:web KT-SERVICE-MISSING",
        ]
    );
    bench.assert_waits("waits for service web");
    assert_eq!(bench.record("certificates/edge").revisions[&1].state.name(), "prepared");
    let mut bench = bench.service("web");
    assert_eq!(bench.settle(), ["rollout swarm:web certificates/edge", "activate certificates/edge 1"]);
    assert_eq!(bench.delivery("certificates/edge", "swarm:web").note, None);
}

#[test]
fn a_service_made_anew_is_delivered_to_again() {
    let mut bench = Bench::edge();
    bench.settle();
    bench.inventory.world.services.insert("web".to_owned(), service("web"));
    bench.web().id = "service-web-2".to_owned();
    assert_eq!(bench.settle(), ["rollout swarm:web certificates/edge"]);
}

#[test]
fn failures_of_several_are_told_apart() {
    let mut bench = Bench::edge().with(dh("edge"));
    for _ in 0..4 {
        for step in bench.plan().steps.iter().filter(|step| !matches!(step.action, Action::Rollout(_))) {
            crate::planner::assume(&bench.desired, &mut bench.inventory, step, bench.now);
        }
    }
    bench.fail("rollout swarm:web certificates/edge+dh_params/edge", broken());
    assert_eq!(bench.lines(), ["rollout swarm:web certificates/edge"]);
    bench.assert_waits("dh_params/edge: web: tried apart from the others, since it has failed");
    bench.fail("rollout swarm:web certificates/edge", broken());
    let done = bench.settle();
    assert_eq!(done, ["rollout swarm:web dh_params/edge", "activate dh_params/edge 1"]);
    bench.assert_waits("web is tried again then: task 1 died");
}

#[test]
fn a_failed_delivery_waits_or_goes_at_once_when_the_service_changes() {
    let mut bench = Bench::edge();
    bench.settle();
    bench.rotate("certificates/edge");
    for step in bench.plan().steps {
        crate::planner::assume(&bench.desired, &mut bench.inventory, &step, bench.now);
    }
    for pause in [60, 300, 900, 3600, 6 * 3600, 6 * 3600] {
        bench.fail("rollout swarm:web", broken());
        assert!(bench.lines().iter().all(|line| !line.starts_with("rollout")));
        assert_eq!(bench.plan().next_wake, Some(bench.now + SignedDuration::from_secs(pause)));
        bench.now += SignedDuration::from_secs(pause);
    }
    bench.fail("rollout swarm:web", broken());
    bench.web().spec_digest = "another spec".to_owned();
    assert!(bench.lines().contains(&"rollout swarm:web certificates/edge".to_owned()));
}

#[test]
fn a_swap_names_what_was_there_and_keeps_what_it_is_not_told() {
    let mut bench = Bench::edge();
    bench.settle();
    bench.web().references[0].mode = 0o400;
    bench.rotate("certificates/edge");
    let plan = loop {
        let plan = bench.plan();
        if plan.steps.iter().any(|step| matches!(step.action, Action::Rollout(_))) {
            break plan;
        }
        for step in plan.steps {
            crate::planner::assume(&bench.desired, &mut bench.inventory, &step, bench.now);
        }
    };
    let Some(Action::Rollout(rollout)) = plan.steps.iter().map(|step| step.action.clone()).next_back() else {
        panic!("{plan:?}")
    };
    let swaps = &rollout.parcels[0].swaps;
    let told: Vec<_> = swaps.iter().map(|swap| (swap.path.as_str(), swap.object.as_str())).collect();
    assert_eq!(told, [("tls.crt", "cert.edge.fullchain.2"), ("tls.key", "cert.edge.private-key.2")]);
    assert_eq!(swaps[0].before.as_ref().unwrap().name, "cert.edge.fullchain.1");
    assert_eq!(swaps[0].mode, None);
    assert_eq!(rollout.before().len(), 2);
    assert!(!rollout.applied);
}

#[test]
fn what_a_crash_left_applied_is_only_proven() {
    let mut bench = Bench::edge();
    bench.settle();
    bench.delivery("certificates/edge", "swarm:web").state = DeliveryState::Delivering;
    let record = RolloutRecord { undoing: None, ..undoing(&bench) };
    bench.inventory.rollouts.insert(record.place.clone(), record);
    // Our own rollout may well be unfinished, and outside the windows: it is ours to finish.
    bench.web().update = crate::model::Update::Unfinished("updating".to_owned());
    bench.desired.windows.schedules.push("0 0 3 * * *".parse().unwrap());
    let Action::Rollout(rollout) = bench.step("rollout").action else { panic!() };
    assert!(rollout.applied && rollout.undo.is_none());
    assert!(bench.step("rollout").action.services().is_empty());
}

/// While it is being put back nobody need be woken; only when that fails, too.
#[test]
fn an_undoing_under_way_is_no_fault_and_one_that_failed_is() {
    let mut bench = Bench::edge();
    bench.settle();
    let told = |bench: &Bench| {
        let problems = health(&bench.desired, &bench.inventory, bench.now, bench.seed());
        problems.iter().any(|(_, problem)| problem.code == Code::PutBackFailed)
    };
    let mut record = undoing(&bench);
    bench.inventory.rollouts.insert(record.place.clone(), record.clone());
    assert!(!told(&bench));
    record.not_put_back = true;
    bench.inventory.rollouts.insert(record.place.clone(), record);
    assert!(told(&bench));
}

#[test]
fn an_interrupted_undoing_comes_first() {
    let mut bench = Bench::edge().with(dh("edge"));
    bench.settle();
    let record = undoing(&bench);
    bench.inventory.rollouts.insert(record.place.clone(), record.clone());
    bench.rotate("dh_params/edge");
    bench.settle();
    let mut bench = Bench { ..bench };
    bench.inventory.rollouts.insert(record.place.clone(), record);
    assert_eq!(bench.lines(), ["rollout undo swarm:web certificates/edge"]);
    // Also where no target goes any more.
    bench.desired.assets.clear();
    assert_eq!(bench.lines(), ["rollout undo swarm:web certificates/edge"]);
    bench.inventory.world.engine = crate::model::Engine::Down(broken());
    bench.assert_idle();
}

#[test]
fn drift_is_noted_once_and_repaired_by_the_next_turn() {
    let mut bench = Bench::edge();
    bench.settle();
    let ours = bench.web().references.clone();
    bench.web().references[0].id = "someone-elses".to_owned();
    assert_eq!(bench.settle(), ["note certificates/edge swarm:web KT-DRIFT"]);
    let plan = bench.plan();
    assert!(plan.problems.iter().any(|(_, problem)| problem.code == Code::Drift
        && problem.message == "service web no longer names our objects on tls.crt"));
    let mut back = bench.clone();
    back.web().references = ours;
    assert_eq!(back.settle(), ["note certificates/edge swarm:web gone"]);
    bench.rotate("certificates/edge");
    let done = bench.settle();
    assert!(done.contains(&"rollout swarm:web certificates/edge".to_owned()), "{done:#?}");
    assert_eq!(bench.delivery("certificates/edge", "swarm:web").note, None);
    bench.assert_idle();
}

#[test]
fn handshakes_prove_a_certificate() {
    let mut bench = watched();
    bench.web().replicas = Some(5);
    bench.settle();
    let delivery = bench.delivery("certificates/edge", "swarm:web");
    assert_eq!((delivery.state, delivery.proof), (DeliveryState::Proven, Some(Proof::Handshake)));
    bench.delivery("certificates/edge", "swarm:web").state = DeliveryState::Failed;
    let Action::Rollout(rollout) = bench.step("rollout").action else { panic!() };
    let ProofAsk::Handshake { count, .. } = rollout.parcels[0].proof else { panic!() };
    assert_eq!(count, 40);
}

#[test]
fn scaled_to_nothing_it_converges_and_is_proven_later() {
    let mut bench = watched();
    bench.web().replicas = Some(0);
    bench.web().running = 0;
    bench.settle();
    let delivery = bench.delivery("certificates/edge", "swarm:web");
    assert_eq!((delivery.state, delivery.proof), (DeliveryState::Delivered, Some(Proof::Converged)));
    assert!(bench.plan().problems.iter().any(|(_, problem)| problem.code == Code::ProofWeak));
    bench.web().replicas = Some(2);
    bench.assert_idle();
    bench.web().running = 2;
    assert_eq!(bench.lines(), ["verify swarm:web certificates/edge"]);
    let mut failing = bench.clone();
    let now = failing.now;
    failing.delivery("certificates/edge", "swarm:web").effort.failed(broken(), None, &[60], now);
    failing.assert_idle();
    assert_eq!(failing.plan().next_wake, Some(now + SignedDuration::from_secs(60)), "it is looked at again");
    assert_eq!(bench.settle(), ["verify swarm:web certificates/edge"]);
    bench.assert_idle();
}

#[test]
fn services_are_found_by_their_label() {
    let mut bench = Bench::new().with(ca()).with(certificate("edge").to(labelled(&TLS))).service("web");
    bench.web().labelled.insert("certificates/edge".parse().unwrap());
    let done = bench.settle();
    assert!(done.contains(&"rollout swarm:web certificates/edge".to_owned()), "{done:#?}");
    let mut bench = bench.service("other");
    let other = bench.inventory.world.services.get_mut("other").unwrap();
    other.labelled.insert("certificates/edge".parse().unwrap());
    assert_eq!(bench.settle(), ["rollout swarm:other certificates/edge"]);
    // While the Swarm cannot be seen, they are those that were delivered to before.
    bench.inventory.world.engine = crate::model::Engine::Down(broken());
    bench.inventory.world.services.clear();
    bench.assert_waits("certificates/edge: other waits: task 1 died");
    bench.assert_waits("certificates/edge: web waits: task 1 died");
    bench.assert_idle();
}

#[test]
fn a_label_that_is_gone_holds_nothing_for_ever() {
    let mut bench = Bench::new().with(ca()).with(certificate("edge").to(labelled(&TLS))).service("web");
    bench.web().labelled.insert("certificates/edge".parse().unwrap());
    bench.settle();
    bench.inventory.world.services.clear();
    let until = bench.now + days(365);
    bench.play(until);
    let revisions = &bench.record("certificates/edge").revisions;
    assert!(revisions.values().filter(|revision| !revision.state.is_over()).count() <= 2, "{revisions:?}");
}

#[test]
fn two_assets_on_one_path_are_refused() {
    let other = services(&["web"], &[("/run/secrets/tls.key", Part::PrivateKey)]);
    let mut bench = Bench::edge();
    bench.settle();
    let mut bench = bench.with(certificate("api").to(other));
    let done = bench.settle();
    assert!(done.iter().all(|line| !line.starts_with("rollout")), "who is there stays: {done:#?}");
    bench.assert_waits("certificates/api and certificates/edge both write /run/secrets/tls.key of web");
    assert!(bench.plan().problems.iter().any(|(_, problem)| problem.code == Code::PathConflict));
}

#[test]
fn an_asset_that_meets_itself_on_one_path_is_refused() {
    let named = services(&["web"], &[("tls.key", Part::PrivateKey)]);
    let spec = certificate("edge").to(named).to(labelled(&[("/run/secrets/tls.key", Part::Fullchain)]));
    let mut bench = Bench::new().with(ca()).with(spec).service("web");
    bench.web().labelled.insert("certificates/edge".parse().unwrap());
    let done = bench.settle();
    assert!(done.iter().all(|line| !line.starts_with("rollout")), "{done:#?}");
    bench.assert_waits("certificates/edge and certificates/edge both write /run/secrets/tls.key of web");
}

#[test]
fn where_two_meet_on_one_path_nothing_is_removed_twice() {
    let mut bench = Bench::edge();
    bench.settle();
    for _ in 0..2 {
        bench.rotate("certificates/edge");
        bench.settle();
    }
    bench.now += days(8);
    let other = services(&["web"], &[("/run/secrets/tls.key", Part::PrivateKey)]);
    let lines = bench.with(certificate("api").to(other)).lines();
    let deleted: Vec<&String> = lines.iter().filter(|line| line.starts_with("delete")).collect();
    assert_eq!(deleted, ["delete cert.edge.fullchain.1", "delete cert.edge.private-key.1"]);
}

#[test]
fn assets_that_share_a_directory_are_one_rollout() {
    let files = |prefix: &str| -> [(String, Part); 1] { [(format!("{prefix}.crt"), Part::Fullchain)] };
    let (a, b) = (files("a"), files("b"));
    let target = |files: &[(String, Part); 1]| dir("/etc/tls", &[(files[0].0.as_str(), files[0].1)]);
    let mut bench =
        Bench::new().with(ca()).with(certificate("a").to(target(&a))).with(certificate("b").to(target(&b)));
    let done = bench.settle();
    assert!(done.contains(&"rollout file:/etc/tls certificates/a+certificates/b".to_owned()), "{done:#?}");
    // A link that someone has turned away is put right.
    let shown = [("/etc/tls".into(), "elsewhere".to_owned())].into();
    bench.inventory.world.dirs.insert("certificates/b".parse().unwrap(), shown);
    let Action::Rollout(rollout) = bench.step("rollout").action else { panic!() };
    assert!(!rollout.applied);
    assert_eq!(bench.settle(), ["rollout file:/etc/tls certificates/b"]);
}

/// Nobody knows what it shows: nothing is begun there, the others go on, and it is said for as long as it lasts.
#[test]
fn a_directory_that_does_not_answer_is_left_alone_and_said() {
    let key = [("jwt.key", Part::PrivateKey)];
    let mut bench = Bench::new()
        .with(jwt_key("mute").to(dir("/srv/mute", &key)))
        .with(jwt_key("well").to(dir("/srv/well", &key)));
    bench.settle();
    let mute = std::path::PathBuf::from("/srv/mute");
    let problem = Problem::new(Code::FileFailed, "/srv/mute does not answer");
    bench.inventory.world.dirs.values_mut().for_each(|dirs| dirs.retain(|dir, _| *dir != mute));
    bench.inventory.world.silent.insert(mute.clone(), problem.clone());
    bench.now += days(61);
    let done = bench.settle();
    assert!(done.contains(&"rollout file:/srv/well jwt_keys/well".to_owned()), "{done:#?}");
    assert!(!done.iter().any(|line| line.contains("rollout file:/srv/mute")), "{done:#?}");
    bench.assert_waits("/srv/mute waits: KT-FILE-FAILED");
    let told = |bench: &Bench| bench.plan().problems.iter().any(|(_, told)| *told == problem);
    assert!(told(&bench));
    bench.inventory.world.silent.clear();
    let done = bench.settle();
    assert!(done.contains(&"rollout file:/srv/mute jwt_keys/mute".to_owned()), "{done:#?}");
    assert!(!told(&bench));
}

#[test]
fn an_undoing_in_a_directory_knows_what_was_there() {
    let target = dir("/etc/tls", &TLS);
    let mut bench = Bench::new().with(ca()).with(certificate("edge").to(target));
    bench.settle();
    let shown = crate::planner::identity(&bench.delivery("certificates/edge", "file:/etc/tls").content);
    let record = RolloutRecord { place: "file:/etc/tls".parse().unwrap(), ..undoing(&bench) };
    bench.inventory.rollouts.insert(record.place.clone(), record);
    let Action::Rollout(rollout) = bench.step("rollout undo").action else { panic!() };
    assert_eq!(rollout.parcels[0].install.as_ref().unwrap().previous, Some(shown));
}

#[test]
fn a_jwt_verifier_is_asked_for_its_keys() {
    let mut target = services(&["gate"], &[("/jwks.json", Part::Jwks)]);
    target.verify = Some(crate::desired::Verify::Url("http://gate/jwks".to_owned()));
    let mut bench = Bench::new().with(jwt_key("auth").to(target)).service("gate");
    bench.settle();
    assert_eq!(bench.delivery("jwt_keys/auth", "swarm:gate").proof, Some(Proof::Jwks));
    bench.delivery("jwt_keys/auth", "swarm:gate").state = DeliveryState::Failed;
    let Action::Rollout(rollout) = bench.step("rollout").action else { panic!() };
    let ProofAsk::Jwks { kids, .. } = &rollout.parcels[0].proof else { panic!() };
    assert_eq!(kids, &["jwt_keys/auth#1", "jwt_keys/auth#2"]);
    assert!(bench.inventory.objects.keys().all(|(kind, _)| *kind == ObjectKind::Config));
}
