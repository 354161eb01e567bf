//! I12: whatever is cut, and wherever, the end is the same; and no more keys are made than processes died.

use proptest::prelude::*;

use super::fuse::Cut;
use super::house::House;
use super::site::{Role, Site};
use super::tokens::wrongs;
use super::{Bug, days, seconds, start, wait};

/// Long after the first turn, and long before the second.
const END: i64 = 75;

fn site(concurrency: usize) -> Site {
    let roles = vec![Role::signer(2), Role::verifier(1).with_url(), Role::verifier(2), Role::both(1)];
    Site { roles, concurrency, ..Site::default() }
}

/// A life, and what is left at its end.
type Life = (House, Vec<String>);

/// A life of one turn with `cuts`, and what has come of it.
fn life(cuts: &[(u64, Cut)], concurrency: usize, bug: Option<Bug>) -> Life {
    let house = House::with_bug(site(concurrency), bug);
    let mut sorted = cuts.to_vec();
    sorted.sort_by_key(|(n, _)| *n);
    sorted.iter().for_each(|(n, cut)| house.fuse.cut(*n, *cut));
    let end = wait(async {
        house.live(start() + days(END)).await;
        house.end_state().await
    });
    (house, end)
}

/// What differs from the life without a cut.
fn faults(cuts: &[(u64, Cut)], bug: Option<Bug>, whole: &Life) -> Vec<String> {
    let side_by_side = whole.0.site.concurrency;
    let (house, end) = life(cuts, side_by_side, bug);
    let mut faults = wrongs(&house, seconds(4 * 3600));
    let (have, want) = (&end, &whole.1);
    faults
        .extend(have.iter().filter(|line| !want.contains(line)).map(|line| format!("I12: only now: {line}")));
    faults
        .extend(want.iter().filter(|line| !have.contains(line)).map(|line| format!("I12: missing: {line}")));
    let extra = house.hands.made().saturating_sub(whole.0.hands.made());
    // A key whose making was reported as a failure is lost like one that a crash has come in between; the first two
    // are made at once where that is possible.
    let losses = (cuts.len() * side_by_side.min(2)) as u64;
    if extra > losses {
        faults.push(format!("I12: {extra} keys too many, {} crashes", house.crashes()));
    }
    faults
}

/// Each effect of a whole life, cut in each of these ways.
fn cut_at_every_effect(ways: &[Cut]) {
    let whole = life(&[], 1, None);
    let effects = whole.0.fuse.passed();
    assert!(effects > 80, "{effects}");
    for n in 1..=effects {
        let cut = ways[usize::try_from(n).unwrap() % ways.len()];
        let faults = faults(&[(n, cut)], None, &whole);
        assert!(faults.is_empty(), "{cut:?} at {n} of {effects}:\n{}", faults.join("\n"));
    }
}

#[test]
fn killed_at_every_effect() {
    cut_at_every_effect(&[Cut::KillAfter]);
}

#[test]
fn an_error_at_every_effect() {
    cut_at_every_effect(&[Cut::LoseReply, Cut::Refuse]);
}

fn cuts() -> impl Strategy<Value = Vec<(u64, Cut)>> {
    let cut = (0..Cut::ALL.len()).prop_map(|index| Cut::ALL[index]);
    // Close together, so that what follows a crash is cut too.
    (1..90u64, proptest::collection::vec((0..12u64, cut), 2..6))
        .prop_map(|(from, cuts)| cuts.into_iter().map(|(n, cut)| (from + n, cut)).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cut_again_and_again(cuts in cuts()) {
        let faults = faults(&cuts, None, &life(&[], 16, None));
        prop_assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

/// A disk that forgets is found out, by the end state, by the intents, and by the keys made in vain.
#[test]
fn planted_losses_are_found() {
    let whole = life(&[], 1, None);
    let found = |bug: Bug, invariant: &str| {
        let at = |n: u64| faults(&[(n, Cut::KillAfter)], Some(bug), &whole);
        (1..=whole.0.fuse.passed()).any(|n| at(n).iter().any(|fault| fault.starts_with(invariant)))
    };
    assert!(found(Bug::LosesLastStep, "I9"));
    assert!(found(Bug::LosesState, "I12: only now"));
    assert!(found(Bug::LosesState, "I12: 2 keys too many"));
}
