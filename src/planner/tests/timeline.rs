//! The coming year of each asset, looked at by itself.

use jiff::SignedDuration;

use super::bench::{Bench, days, jwt as jwt_key};
use crate::desired::KindSpec;
use crate::planner::timeline;

/// What the lanes show is what the plan of all will do, but for rollouts that are shared.
#[test]
fn the_year_is_drawn_with_its_overlaps() {
    let mut bench = Bench::edge().with(jwt_key("auth"));
    bench.settle();
    let lanes = timeline(&bench.desired, &bench.inventory, bench.now, bench.now + days(365), bench.seed());
    assert_eq!(lanes.len(), bench.desired.assets.len());
    for lane in &lanes {
        assert!(!lane.spans.is_empty(), "{}: nothing is drawn", lane.asset);
        assert!(!lane.spans[0].foreseen && lane.spans.len() > 1, "{}: {:#?}", lane.asset, lane.spans);
        let numbers: Vec<u32> = lane.spans.iter().map(|span| span.number).collect();
        assert_eq!(
            numbers,
            (1..=numbers.len() as u32).collect::<Vec<_>>(),
            "{}: none is forgotten",
            lane.asset
        );
        for pair in lane.spans.windows(2) {
            let (Some(gone), from) = (pair[0].gone.or(pair[0].not_after), pair[1].from) else { continue };
            assert!(from <= gone, "{}: not there in time: {pair:#?}", lane.asset);
        }
        assert!(lane.coming.is_sorted_by_key(|step| step.at) && !lane.coming.is_empty());
    }
}

/// A year of certificates that live for minutes has a hundred thousand steps, for one asset.
#[test]
fn a_lane_of_minutes_is_cut_short() {
    let mut bench = Bench::edge();
    if let KindSpec::Certificate(certificate) = &mut bench.spec("certificates/edge").kind {
        certificate.duration = SignedDuration::from_mins(4);
    }
    bench.settle();
    let lanes = timeline(&bench.desired, &bench.inventory, bench.now, bench.now + days(365), bench.seed());
    let longest = lanes.iter().map(|lane| lane.coming.len()).max();
    assert!(longest.is_some_and(|steps| (100..500).contains(&steps)), "{longest:?}");
}
