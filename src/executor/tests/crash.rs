//! I12: whatever is cut, and wherever, the end is the same; and no more keys are made than processes died.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::fuse::Cut;
use super::house::House;
use super::site::{Role, Site};
use super::tokens::wrongs;
use super::{Bug, days, seconds, start, wait};

/// Long after the first turn, and long before the second: until here things go wrong.
const CALM: i64 = 75;
/// Long after the second turn, and long before the third.
const END: i64 = 135;

fn site(concurrency: usize) -> Site {
    let roles = vec![Role::signer(2), Role::verifier(1).with_url(), Role::verifier(2), Role::both(1)];
    Site { roles, concurrency, ..Site::default() }
}

/// A life of two turns: what may be cut is in the first.
struct Life {
    house: House,
    /// How many effects there were until all was calm.
    effects: u64,
    /// How many keys were made until then.
    made: u64,
    /// How it stood then. What only a `PreviousSpec` names is not in it: a service whose rollout was put back goes from
    /// the old to the newest without what lay between, and rightly keeps the older one to go back to.
    calm: Vec<String>,
    /// How it stands after one more turn, in which nothing was cut. Every `PreviousSpec` is of that turn, so that nothing
    /// at all may be left of what went wrong.
    end: Vec<String>,
}

/// A life with `cuts`, and what has come of it.
fn life(cuts: &[(u64, Cut)], concurrency: usize, bug: Option<Bug>) -> Life {
    let house = House::with_bug(site(concurrency), bug);
    let mut sorted = cuts.to_vec();
    sorted.sort_by_key(|(n, _)| *n);
    sorted.iter().for_each(|(n, cut)| house.fuse.cut(*n, *cut));
    wait(async {
        house.live(start() + days(CALM)).await;
        let (effects, made) = (house.fuse.passed(), house.hands.made());
        let calm = house.end_state(&house.swarm.contents_of_use()).await;
        house.fuse.mend();
        house.live(start() + days(END)).await;
        let end = house.end_state(&house.swarm.contents()).await;
        Life { house, effects, made, calm, end }
    })
}

/// What is only in `have`, and what only in `want`.
fn differences(when: &str, have: &[String], want: &[String]) -> Vec<String> {
    let only_now = have.iter().filter(|line| !want.contains(line));
    let missing = want.iter().filter(|line| !have.contains(line));
    only_now
        .map(|line| format!("I12: only now: {line} ({when})"))
        .chain(missing.map(|line| format!("I12: missing: {line} ({when})")))
        .collect()
}

/// What differs from the life without a cut.
fn faults(cuts: &[(u64, Cut)], bug: Option<Bug>, whole: &Life) -> Vec<String> {
    let side_by_side = whole.house.site.concurrency;
    let cut = life(cuts, side_by_side, bug);
    let mut faults = wrongs(&cut.house, seconds(4 * 3600));
    faults.extend(differences("after the first turn", &cut.calm, &whole.calm));
    faults.extend(differences("after the second turn", &cut.end, &whole.end));
    let extra = cut.made.saturating_sub(whole.made);
    // A key whose making was reported as a failure is lost like one that a crash has come in between; the first two
    // are made at once where that is possible.
    let losses = (cuts.len() * side_by_side.min(2)) as u64;
    if extra > losses {
        faults.push(format!("I12: {extra} keys too many, {} crashes", cut.house.crashes()));
    }
    faults
}

/// Each effect of a whole life, cut in each of these ways.
fn cut_at_every_effect(ways: &[Cut]) {
    let whole = life(&[], 1, None);
    let effects = whole.effects;
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

/// Found by chance once; each is a life side by side.
#[test]
fn cut_as_before() {
    let whole = life(&[], 16, None);
    let found: &[&[(u64, Cut)]] = &[
        // A step was durable, its answer was lost, and what was made beside it wrote over it from memory: the private key
        // of the first was kept for ever, without a record.
        &[(3, Cut::LoseReply)],
        &[(3, Cut::LoseReply), (6, Cut::KillBefore)],
        &[(1, Cut::Refuse), (4, Cut::LoseReply)],
        // A rollout and its putting back failed: when it was tried again, the JWKS it had was two behind.
        &[(64, Cut::Refuse), (66, Cut::Refuse)],
    ];
    for cuts in found {
        let faults = faults(cuts, None, &whole);
        assert!(faults.is_empty(), "{cuts:?}:\n{}", faults.join("\n"));
    }
}

/// How many lives are cut by chance; `PROPTEST_CASES=2000` takes minutes.
fn lives() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(24)
}

#[test]
fn cut_again_and_again() {
    let whole = life(&[], 16, None);
    let config = ProptestConfig { cases: lives(), failure_persistence: None, ..ProptestConfig::default() };
    let lived = TestRunner::new(config).run(&cuts(), |cuts| {
        let faults = faults(&cuts, None, &whole);
        prop_assert!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(())
    });
    lived.unwrap_or_else(|fault| panic!("{fault}"));
}

/// A disk that forgets is found out, by the end state, by the intents, and by the keys made in vain.
#[test]
fn planted_losses_are_found() {
    let whole = life(&[], 1, None);
    let found = |bug: Bug, invariant: &str| {
        let at = |n: u64| faults(&[(n, Cut::KillAfter)], Some(bug), &whole);
        (1..=whole.effects).any(|n| at(n).iter().any(|fault| fault.starts_with(invariant)))
    };
    assert!(found(Bug::LosesLastStep, "I9"));
    assert!(found(Bug::LosesState, "I12: only now"));
    assert!(found(Bug::LosesState, "I12: 2 keys too many"));
}
