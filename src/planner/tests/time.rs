//! Clocks that are wrong, and machines that slept (FAULTS.md, T1 to T5).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::bench::{Bench, acme_certificate, at, certificate, days, hours};
use crate::desired::AcmeSpec;
use crate::model::{Action, Code, Limits, Rate};

/// Twelve names at a public CA that has no limits, all in use.
fn twelve() -> Bench {
    let mut bench = Bench::new();
    bench.desired.acme.insert("le".to_owned(), AcmeSpec { limits: Limits::default() });
    for number in 0..12 {
        bench = bench.with(acme_certificate(&format!("site{number:02}"), &["le"]));
    }
    bench.settle();
    bench
}

/// Orders by asset in what was done.
fn orders(done: &[String]) -> BTreeMap<String, usize> {
    let mut orders = BTreeMap::new();
    for line in done.iter().filter(|line| line.starts_with("issue ")) {
        *orders.entry(line.split(' ').nth(1).unwrap().to_owned()).or_default() += 1;
    }
    orders
}

#[test]
fn t1_a_clock_that_jumps_ninety_days_on_costs_one_order_a_name() {
    let mut bench = twelve();
    bench.now += days(90);
    let jumped = orders(&bench.settle());
    assert_eq!(jumped.len(), 12, "{jumped:?}");
    assert!(jumped.values().all(|count| *count == 1), "{jumped:?}");
    // And it is not done again at each look after it.
    for _ in 0..24 {
        bench.now += hours(1);
        assert_eq!(orders(&bench.settle()).len(), 0);
    }
    // Set right again, it stands before what the state has seen: nothing is done until it has come there.
    bench.inventory.last_seen = Some(bench.now);
    bench.now -= days(91);
    bench.assert_idle();
    assert!(bench.plan().problems.iter().all(|(_, problem)| problem.code == Code::ClockBack));
}

#[test]
fn t2_a_clock_that_jumps_a_year_back_costs_nothing() {
    let mut bench = twelve();
    bench.inventory.last_seen = Some(bench.now);
    let now = bench.now;
    for back in [days(365), days(30), hours(25)] {
        bench.now = now - back;
        bench.assert_idle();
        let codes: Vec<Code> = bench.plan().problems.iter().map(|(_, problem)| problem.code).collect();
        assert_eq!(codes, vec![Code::ClockBack; 12]);
    }
    bench.now = now;
    bench.assert_idle();
    assert!(bench.plan().problems.is_empty());
}

#[test]
fn t3_by_a_clock_that_was_never_set_nothing_is_begun() {
    for shown in ["1970-01-01T00:00:00Z", "1970-01-01T00:10:00Z", "2024-12-31T23:59:59Z"] {
        // Also where there is no state yet that could know better.
        let mut bench = Bench::edge();
        let good = std::mem::replace(&mut bench.now, at(shown));
        bench.assert_idle();
        assert!(bench.plan().problems.iter().all(|(_, problem)| problem.code == Code::ClockBack));
        bench.now = good;
        assert!(!bench.settle().is_empty(), "once it is set, it goes on");
    }
}

#[test]
fn t4_after_forty_days_of_sleep_what_ends_first_goes_first() {
    // Lives of different length, of which the names say nothing.
    let mut bench = Bench::new().with(super::bench::ca());
    for (name, life) in [("a", 90), ("b", 47), ("c", 60), ("d", 42), ("e", 55)] {
        let mut spec = certificate(name);
        if let crate::desired::KindSpec::Certificate(certificate) = &mut spec.kind {
            certificate.duration = days(life);
        }
        bench = bench.with(spec);
    }
    bench.settle();
    bench.now += days(40);
    let plan = bench.plan();
    let issued: Vec<String> = plan
        .steps
        .iter()
        .filter(|step| matches!(step.action, Action::Issue(_)))
        .map(|step| step.assets[0].name.clone())
        .collect();
    assert_eq!(issued, ["d", "b", "e", "c"], "42, 47, 55, 60 days of life; the one of 90 is not due");
}

#[test]
fn t4_also_where_a_ca_does_not_allow_all_at_once() {
    let mut bench = twelve();
    // The last by name ends first, and only three may be asked for.
    for number in 0..12 {
        let record = bench.record(&format!("certificates/site{number:02}"));
        let revision = record.revisions.get_mut(&1).unwrap();
        let validity = revision.validity.as_mut().unwrap();
        validity.not_after -= hours(number);
    }
    let limits = Limits { orders: Some(Rate { count: 3, window: hours(3) }), ..Limits::default() };
    bench.desired.acme.insert("le".to_owned(), AcmeSpec { limits });
    bench.now += days(80);
    let asked = orders(&bench.lines());
    let names: Vec<&str> = asked.keys().map(String::as_str).collect();
    assert_eq!(names, ["certificates/site09", "certificates/site10", "certificates/site11"]);
}

/// A leap second shows on POSIX clocks as the same second once more, or as a step of one second back.
#[test]
fn t5_a_second_that_comes_twice_changes_nothing() {
    let mut bench = twelve();
    let second: Timestamp = at("2026-06-30T23:59:59Z");
    bench.play(second);
    let before = bench.plan();
    bench.inventory.last_seen = Some(second);
    for now in [second, second, second - SignedDuration::from_secs(1), second] {
        bench.now = now;
        bench.assert_idle();
    }
    assert_eq!(bench.plan().next_wake, before.next_wake);
}
