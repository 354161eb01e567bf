//! A plan is linear in what there is. `cargo test -- --ignored --nocapture speed` prints how long one takes.

use std::time::Duration;

use super::{Bench, Wish, ca, certificate, services};
use crate::clock::{Clock, System};
use crate::model::Part;

/// `count` certificates, a hundred to a service.
fn large(count: usize) -> Bench {
    let mut bench = Bench::new().with(ca());
    for number in 0..count {
        let service = format!("s{}", number / 100);
        let (crt, key) = (format!("{number}.crt"), format!("{number}.key"));
        let files = [(crt.as_str(), Part::Fullchain), (key.as_str(), Part::PrivateKey)];
        let spec = certificate(&format!("leaf{number}")).to(services(&[&service], &files));
        bench = bench.with(spec);
        if number % 100 == 0 {
            bench = bench.service(&service);
        }
    }
    bench
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let clock = System::new();
    let start = clock.monotonic();
    let done = work();
    (clock.monotonic() - start, done)
}

#[test]
fn a_large_site_comes_to_rest() {
    let mut bench = large(200);
    let done = bench.settle();
    assert_eq!(done.iter().filter(|line| line.starts_with("rollout")).count(), 2);
    bench.assert_idle();
}

#[test]
#[ignore = "prints times; nothing is asserted of them"]
fn speed() {
    for count in [5_000, 10_000, 20_000] {
        let mut bench = large(count);
        let (first, _) = timed(|| bench.plan());
        let (settled, _) = timed(|| bench.settle());
        let (idle, plan) = timed(|| bench.plan());
        assert!(plan.steps.is_empty());
        println!(
            "{count} assets: first plan {first:?}, all of the first day {settled:?}, nothing due {idle:?}"
        );
    }
}
