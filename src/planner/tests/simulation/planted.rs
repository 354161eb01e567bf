//! Each invariant's check catches a planted bug.

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::SignedDuration;
use proptest::sample::Index;

use super::super::bench::{Bench, days, hours};
use super::at;
use super::run::{Alter, Run};
use super::shape::{By, Event, Key, Leaf, Shape, Where};
use crate::desired::{KindSpec, Overlap, Turn};
use crate::model::{Action, Make, OldObject, Plan, RevisionState, Signer, Step};

/// One certificate of 30 days and one JWT key, each in two services.
fn shape() -> Shape {
    let leaf = Leaf {
        life: days(30),
        turn: Turn::ShareLeft { of: 2, parts: 6 },
        place: Where::Named(vec![0, 1]),
        watched: true,
        keep_key: false,
        by: By::Internal,
    };
    let key = Key {
        every: 30,
        ttl: 3600,
        max_age: 3 * 3600,
        skew: 60,
        publish_before: 4 * 3600,
        signers: Where::Named(vec![2]),
        verifiers: Where::Named(vec![3]),
    };
    Shape { leaves: vec![leaf], keys: vec![key], dh: true, nights_only: false, events: Vec::new(), chance: 7 }
}

#[track_caller]
fn caught(run: Run, by: &str) {
    let verdict = run.play(at("2026-05-01T00:00:00Z"));
    let broken = verdict.expect_err("nothing was noticed");
    assert!(broken.contains(by), "{broken}");
}

fn altered(alter: Alter) -> Run {
    Run::new(&shape(), alter)
}

fn with_overlap(shape: &Shape, change: impl Fn(&mut Overlap)) -> Run {
    let mut run = Run::new(shape, |_, _| {});
    change(&mut run.bench.spec("jwt_keys/key0").overlap);
    run
}

fn push(plan: &mut Plan, bench: &Bench, asset: &str, action: Action) {
    plan.steps.push(Step {
        at: bench.now,
        assets: vec![asset.parse().unwrap()],
        action,
        reason: "planted".to_owned(),
    });
}

const LEAF: &str = "certificates/leaf0";
const KEY: &str = "jwt_keys/key0";

#[test]
fn without_bugs_nothing_is_caught() {
    let mut shape = shape();
    shape.events = vec![(100, rotate_key()), (101, rotate_key())];
    Run::new(&shape, |_, _| {}).play(at("2027-06-01T00:00:00Z")).unwrap();
}

#[test]
fn i1_a_renewal_that_is_forgotten() {
    caught(
        altered(|plan, bench| {
            let served =
                bench.inventory.assets.get(&LEAF.parse().unwrap()).is_some_and(|r| r.active().is_some());
            plan.steps.retain(|step| !served || !matches!(step.action, Action::Issue(_)));
        }),
        "I1",
    );
}

/// The key is the last of four assets: CA, certificate, DH parameters, JWT key.
fn rotate_key() -> Event {
    Event::Rotate(index_of(3))
}

/// An index that picks `wanted` of four.
fn index_of(wanted: usize) -> Index {
    use proptest::strategy::{Strategy, ValueTree};
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    loop {
        let index = proptest::prelude::any::<Index>().new_tree(&mut runner).unwrap().current();
        if index.index(4) == wanted {
            return index;
        }
    }
}

#[test]
fn i3_a_standby_that_nobody_has_fetched_yet() {
    let mut shape = shape();
    shape.events = vec![(100, rotate_key()), (101, rotate_key())];
    caught(with_overlap(&shape, |overlap| overlap.publish_before = SignedDuration::ZERO), "I3");
}

#[test]
fn i4_a_key_that_leaves_before_its_tokens_have_died() {
    caught(with_overlap(&shape(), |overlap| overlap.linger = SignedDuration::ZERO), "I4");
    caught(with_overlap(&shape(), |overlap| overlap.linger = hours(3)), "I4");
}

#[test]
fn i5_an_order_twice_a_day() {
    caught(
        altered(|plan, bench| {
            let Some(record) = bench.inventory.assets.get(&LEAF.parse().unwrap()) else { return };
            let Some(last) = record.revisions.values().next_back() else { return };
            let rested = plan.steps.is_empty() && last.state == RevisionState::Active;
            if rested && last.created_at + hours(12) <= bench.now {
                let make = Make {
                    asset: LEAF.parse().unwrap(),
                    revision: last.number + 1,
                    made_for: last.made_for.clone(),
                    keep_key_of: None,
                    crossed: None,
                    signer: Some(Signer::Internal("ca/internal".parse().unwrap(), 1)),
                };
                push(plan, bench, LEAF, Action::Issue(make));
            }
            plan.next_wake = Some(bench.now + hours(6));
        }),
        "I5",
    );
}

fn delete_any(plan: &mut Plan, bench: &Bench, wanted: impl Fn(&crate::model::ObjectRecord) -> bool) {
    if let Some(object) = bench.inventory.objects.values().find(|object| wanted(object)) {
        let (kind, name, id) = (object.kind, object.name.clone(), object.id.clone());
        let asset = object.asset.to_string();
        let old = OldObject { kind, name, id, asset: object.asset.clone() };
        push(plan, bench, &asset, Action::Delete(old));
    }
}

#[test]
fn i6_an_object_that_a_spec_names() {
    caught(altered(|plan, bench| delete_any(plan, bench, |object| object.revisions[..] == [2])), "I6");
}

#[test]
fn i6_an_object_that_only_previous_spec_names() {
    let replaced = |plan: &mut Plan, bench: &Bench| {
        delete_any(plan, bench, |object| object.replaced_at.is_some_and(|at| at + days(8) < bench.now));
    };
    caught(altered(replaced), "a service names it");
}

#[test]
fn i6_an_object_that_is_young() {
    let young = |plan: &mut Plan, bench: &Bench| {
        for step in &mut plan.steps {
            if let Action::Rollout(rollout) = &mut step.action {
                rollout.parcels.iter_mut().for_each(|parcel| parcel.swaps.clear());
            }
        }
        delete_any(plan, bench, |object| object.id.is_some());
    };
    caught(altered(young), "it is young");
}

#[test]
fn i7_a_key_that_is_served() {
    caught(
        altered(|plan, bench| {
            let record = bench.inventory.assets.get(&LEAF.parse().unwrap());
            if let Some(active) = record.and_then(|record| record.active()) {
                push(plan, bench, LEAF, Action::Retire(LEAF.parse().unwrap(), active.number));
            }
        }),
        "it is served",
    );
}

#[test]
fn i7_a_key_whose_tokens_live() {
    caught(
        altered(|plan, bench| {
            let Some(record) = bench.inventory.assets.get(&KEY.parse().unwrap()) else { return };
            let retiring = record.revisions.values().find(|r| r.state == RevisionState::Retiring);
            if let Some(retiring) = retiring {
                push(plan, bench, KEY, Action::Retire(KEY.parse().unwrap(), retiring.number));
            }
        }),
        "I7",
    );
}

#[test]
fn i14_a_leaf_that_outlives_its_ca() {
    let mut shape = shape();
    shape.leaves[0].life = days(400);
    Run::new(&shape, |_, _| {}).play(at("2028-01-01T00:00:00Z")).unwrap();
    let forgotten = |plan: &mut Plan, _: &Bench| {
        for step in &mut plan.steps {
            if let Action::Issue(make) = &mut step.action {
                make.signer = None;
            }
        }
    };
    caught(Run::new(&shape, forgotten), "I14: certificates/leaf0 1 outlives ca/internal 1");
}

#[test]
fn a_pass_without_end() {
    caught(
        altered(|plan, bench| {
            let asset = LEAF.parse().unwrap();
            push(plan, bench, LEAF, Action::Note(asset, "swarm:s0".parse().unwrap(), None));
        }),
        "does not come to rest",
    );
}

#[test]
fn alarms_for_nothing() {
    caught(altered(|plan, bench| plan.next_wake = Some(bench.now + hours(1))), "alarms rang for nothing");
    caught(altered(|plan, bench| plan.next_wake = Some(bench.now)), "rings in the past");
}

#[test]
fn what_is_left_behind() {
    let mut shape = shape();
    shape.leaves[0].life = days(1);
    shape.dh = false;
    let keep = |plan: &mut Plan, _: &Bench| {
        plan.steps.retain(|step| !matches!(step.action, Action::Delete(_)));
    };
    caught(Run::new(&shape, keep), "are left");
}

#[test]
fn a_plan_that_differs_from_itself() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    caught(
        altered(|plan, _| plan.warnings.push(COUNT.fetch_add(1, Ordering::Relaxed).to_string())),
        "two plans of one world differ",
    );
}

#[test]
fn the_root_ends_and_nothing_spins() {
    let mut run = altered(|_, _| {});
    let KindSpec::Ca(ca) = &mut run.bench.spec("ca/internal").kind else { panic!() };
    (ca.root_lifetime, ca.root_in_state) = (days(400), false);
    let broken = run.play(at("2028-01-01T00:00:00Z")).expect_err("the root has ended");
    assert!(broken.contains("I1"), "{broken}");
}
