//! What stands in the way of a rollout.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::bench::{days, hours};
use super::{Bench, at};
use crate::desired::Windows;
use crate::model::{Code, Update};

fn berlin(expression: &str) -> Windows {
    let timezone = TimeZone::get("Europe/Berlin").unwrap();
    Windows { schedules: vec![expression.parse().unwrap()], timezone }
}

/// With revision 1 served and revision 2 issued, at noon.
fn turning() -> Bench {
    let mut bench = Bench::edge();
    bench.settle();
    bench.desired.windows = berlin("* * 1-5 * * *");
    bench.now = at("2026-03-02T12:00:00Z");
    bench
}

#[test]
fn an_update_starts_in_a_window_only() {
    let mut bench = turning();
    bench.settle();
    bench.assert_waits("web: waits for a maintenance window");
    assert_eq!(bench.plan().next_wake, Some(at("2026-03-03T00:00:00Z")), "one o'clock in Berlin");
    bench.now = at("2026-03-03T00:00:00Z");
    assert!(bench.settle().contains(&"rollout swarm:web certificates/edge".to_owned()));
}

#[test]
fn what_is_asked_for_does_not_wait_for_a_window() {
    let mut bench = turning();
    bench.rotate("certificates/edge");
    assert!(bench.settle().contains(&"rollout swarm:web certificates/edge".to_owned()));
}

#[test]
fn what_ends_soon_waits_neither_for_windows_nor_for_others() {
    let mut bench = turning();
    bench.web().update = Update::Unfinished("paused".to_owned());
    bench.settle();
    bench.assert_waits("web: the last update of service web is paused");
    let end = bench.record("certificates/edge").active().unwrap().validity.unwrap().not_after;
    bench.now = end - days(15) - SignedDuration::from_secs(1);
    bench.settle();
    bench.assert_waits("web: the last update of service web is paused");
    bench.now = end - days(15) + SignedDuration::from_secs(1);
    assert!(bench.settle().contains(&"rollout swarm:web certificates/edge".to_owned()));
}

#[test]
fn a_busy_service_is_noted_and_freed() {
    let mut bench = turning();
    bench.web().update = Update::Unfinished("updating".to_owned());
    let done = bench.settle();
    assert!(done.contains(&"note certificates/edge swarm:web KT-SERVICE-BUSY".to_owned()), "{done:#?}");
    let problems = bench.plan().problems;
    assert!(problems.iter().any(|(_, problem)| problem.code == Code::ServiceBusy));
    bench.web().update = Update::Quiet;
    assert_eq!(bench.settle(), ["note certificates/edge swarm:web gone"], "now it waits for its window only");
}

#[test]
fn a_window_that_the_clock_skips_in_spring_is_not_waited_for() {
    // On 2026-03-29 the clocks in Berlin go from two to three.
    let windows = berlin("* * 2 * * *");
    let before = at("2026-03-28T12:00:00Z");
    assert_eq!(windows.next_opening(before), Some(at("2026-03-30T00:00:00Z")));
    assert!(!windows.are_open(at("2026-03-29T00:59:59Z")) && !windows.are_open(at("2026-03-29T01:00:00Z")));
}

#[test]
fn an_hour_that_comes_twice_in_autumn_opens_as_it_comes() {
    // On 2026-10-25 the clocks in Berlin go from three to two.
    let windows = berlin("0 30 2 * * *");
    assert_eq!(windows.next_opening(at("2026-10-24T12:00:00Z")), Some(at("2026-10-25T00:30:00Z")));
    let in_the_second = at("2026-10-25T01:10:00Z");
    assert_eq!(windows.next_opening(in_the_second), Some(at("2026-10-25T01:30:00Z")));
}

#[test]
fn a_window_is_open_when_it_says_it_opens() {
    for expression in ["* * 1-5 * * *", "0 30 2 * * Sun", "0 0 12 31 2,3 *", "*/7 15 2 28-31 3 *"] {
        let windows = berlin(expression);
        let mut now = at("2026-01-01T00:00:00Z");
        while let Some(next) = windows.next_opening(now).filter(|next| *next < at("2028-01-01T00:00:00Z")) {
            assert!(next > now && windows.are_open(next), "{expression}: {next}");
            now = next + hours(5);
        }
    }
    let never = Windows { schedules: vec!["0 0 0 1 1 * 2001".parse().unwrap()], ..berlin("* * * * * *") };
    assert_eq!(never.next_opening(at("2026-01-01T00:00:00Z")), None);
}

#[test]
fn several_windows_open_with_the_first() {
    let mut windows = berlin("0 0 4 * * *");
    windows.schedules.push("0 0 3 * * *".parse().unwrap());
    assert_eq!(windows.next_opening(at("2026-01-01T12:00:00Z")), Some(at("2026-01-02T02:00:00Z")));
    assert_eq!(Windows::always().next_opening(at("2026-01-01T12:00:00Z")), None);
    assert!(Windows::always().are_open(at("2026-01-01T12:00:00Z")));
}
