//! A request is done at most once, and only after another, who may, has said yes to this very thing in time.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::model::AssetKind;

const ASKER: u32 = 1000;
const OTHER: u32 = 1001;

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn asset() -> AssetId {
    AssetId::new(AssetKind::Certificate, "edge")
}

fn assets(active: u32) -> BTreeMap<AssetId, Standing> {
    [(asset(), Standing { active, newest: active })].into()
}

fn bound(words: &str) -> Bound {
    Bound {
        guard: Guarded::Compromised,
        verb: "rotate --compromised".to_owned(),
        what: format!("rotate --compromised {words}"),
        wish: words.to_owned(),
        assets: assets(1),
        config: "c1".to_owned(),
    }
}

fn voter(uid: u32) -> Voter {
    Voter { uid, may_approve: true }
}

/// One that waits, of [`ASKER`], for an hour.
fn asked() -> (Approvals, u64) {
    let mut all = Approvals::default();
    let (number, is_new) =
        all.ask(bound("edge"), ASKER, start(), start() + SignedDuration::from_hours(1)).unwrap();
    assert!(is_new);
    (all, number)
}

fn good(assets: &BTreeMap<AssetId, Standing>) -> Against<'_> {
    Against { config: "c1", assets, now: start() }
}

#[test]
fn another_says_yes_and_it_is_done_once() {
    let (mut all, number) = asked();
    let now = assets(1);
    assert_eq!(all.redeem(number, good(&now)), Err(Refusal::NotApproved(number)));
    all.approve(number, voter(OTHER), good(&now)).unwrap();
    assert_eq!(all.approve(number, voter(OTHER), good(&now)), Err(Refusal::AlreadyApproved(number)));
    all.redeem(number, good(&now)).unwrap();
    let request = all.get(number).unwrap();
    assert_eq!((request.state, request.decided_by), (ApprovalState::Done, Some(OTHER)));
    // X6: neither the deed nor the word can be had again.
    assert_eq!(all.redeem(number, good(&now)).unwrap_err().name(), "used");
    assert_eq!(all.approve(number, voter(1002), good(&now)).unwrap_err().name(), "used");
    assert_eq!(all.deny(number, voter(1002), start()).unwrap_err().name(), "used");
}

#[test]
fn who_may_not_say_yes() {
    let (mut all, number) = asked();
    let now = assets(1);
    assert_eq!(all.approve(number, voter(ASKER), good(&now)), Err(Refusal::Own(number, ASKER)));
    assert_eq!(all.approve(number, voter(0), good(&now)), Err(Refusal::Root));
    let stranger = Voter { uid: 7, may_approve: false };
    assert_eq!(all.approve(number, stranger, good(&now)), Err(Refusal::NoRole(7)));
    assert_eq!(all.deny(number, stranger, start()), Err(Refusal::NoRole(7)));
    assert_eq!(all.approve(9, voter(OTHER), good(&now)), Err(Refusal::Unknown(9)));
    assert_eq!(all.get(number).unwrap().state, ApprovalState::Waiting);
    // The asker may take it back.
    all.deny(number, Voter { uid: ASKER, may_approve: false }, start()).unwrap();
    assert_eq!(all.get(number).unwrap().state, ApprovalState::Denied);
}

#[test]
fn what_is_another_since_is_not_approved() {
    let (now, later) = (assets(1), assets(2));
    let end = start() + SignedDuration::from_hours(1);
    for (against, state) in [
        (Against { config: "c2", ..good(&now) }, ApprovalState::Outdated),
        (good(&later), ApprovalState::Outdated),
        (Against { now: end, ..good(&now) }, ApprovalState::Expired),
    ] {
        let (mut all, number) = asked();
        assert!(all.approve(number, voter(OTHER), against).is_err());
        assert_eq!(all.get(number).unwrap().state, state);
        // The same between the word and the deed.
        let (mut all, number) = asked();
        all.approve(number, voter(OTHER), good(&now)).unwrap();
        assert!(all.redeem(number, against).is_err());
        assert_eq!(all.get(number).unwrap().state, state);
        assert!(all.redeem(number, good(&now)).is_err(), "and stays so");
    }
}

#[test]
fn the_same_again_is_the_same_while_it_waits() {
    let (mut all, number) = asked();
    let end = start() + SignedDuration::from_hours(1);
    assert_eq!(all.ask(bound("edge"), ASKER, start(), end), Ok((number, false)));
    assert_eq!(all.ask(bound("edge"), OTHER, start(), end), Ok((number + 1, true)), "another's is another");
    assert_eq!(all.ask(bound("other"), ASKER, start(), end), Ok((number + 2, true)));
    all.deny(number, voter(OTHER), start()).unwrap();
    assert_eq!(all.ask(bound("edge"), ASKER, start(), end), Ok((number + 3, true)));
}

#[test]
fn nobody_fills_the_list() {
    let mut all = Approvals::default();
    let end = start() + SignedDuration::from_hours(1);
    for n in 0..MOST_WAITING_OF_ONE {
        all.ask(bound(&n.to_string()), ASKER, start(), end).unwrap();
    }
    assert_eq!(all.ask(bound("more"), ASKER, start(), end), Err(Refusal::TooMany(MOST_WAITING_OF_ONE)));
    all.ask(bound("more"), OTHER, start(), end).unwrap();
    for n in 0..3 * MOST_OVER as u64 {
        let (number, _) = all.ask(bound(&format!("o{n}")), OTHER, start(), end).unwrap();
        all.deny(number, voter(OTHER), start()).unwrap();
    }
    assert_eq!(all.requests.len(), MOST_WAITING_OF_ONE + 1 + MOST_OVER);
}

/// What can happen.
#[derive(Debug, Clone)]
enum Act {
    Ask(u32, u8),
    Approve(u64, u32, bool),
    Deny(u64, u32, bool),
    Redeem(u64),
    Pass(i64),
    Expire,
    Turn,
    Reconfigure,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let uid = || prop_oneof![Just(0_u32), 1000..1003_u32];
    let act = prop_oneof![
        3 => (uid(), 0..3_u8).prop_map(|(uid, words)| Act::Ask(uid, words)),
        4 => (1..8_u64, uid(), any::<bool>()).prop_map(|(n, uid, may)| Act::Approve(n, uid, may)),
        1 => (1..8_u64, uid(), any::<bool>()).prop_map(|(n, uid, may)| Act::Deny(n, uid, may)),
        4 => (1..8_u64).prop_map(Act::Redeem),
        1 => (1..5000_i64).prop_map(Act::Pass),
        1 => Just(Act::Expire),
        1 => Just(Act::Turn),
        1 => Just(Act::Reconfigure),
    ];
    prop::collection::vec(act, 1..80)
}

/// What a request was asked for, by whom, and until when, apart from our own books; and what has happened to it.
#[derive(Debug, Clone)]
struct Story {
    by: u32,
    end: Timestamp,
    config: u32,
    active: u32,
    yes: Option<u32>,
    done: u32,
    denied: bool,
}

proptest! {
    #[test]
    fn never_done_without_another_word_in_time_and_never_twice(acts in acts()) {
        let mut all = Approvals::default();
        let mut stories: BTreeMap<u64, Story> = BTreeMap::new();
        let (mut now, mut config, mut active) = (start(), 1_u32, 1_u32);
        for act in acts {
            let digest = format!("c{config}");
            let standing = assets(active);
            let against = Against { config: &digest, assets: &standing, now };
            let before = all.clone();
            match act {
                Act::Ask(uid, words) => {
                    let wanted = Bound {
                        config: digest.clone(),
                        assets: standing.clone(),
                        ..bound(&words.to_string())
                    };
                    let end = now + SignedDuration::from_hours(1);
                    if let Ok((number, true)) = all.ask(wanted, uid, now, end) {
                        prop_assert!(!stories.contains_key(&number), "numbers are given once");
                        let story = Story { by: uid, end, config, active, yes: None, done: 0, denied: false };
                        stories.insert(number, story);
                    }
                }
                Act::Approve(number, uid, may) => {
                    let voter = Voter { uid, may_approve: may };
                    if all.approve(number, voter, against).is_ok() {
                        let story = stories.get_mut(&number).unwrap();
                        prop_assert!(uid != 0 && may && uid != story.by && now < story.end);
                        prop_assert!(story.config == config && story.active == active && !story.denied);
                        prop_assert!(story.yes.is_none() && story.done == 0);
                        story.yes = Some(uid);
                    } else if uid == 0 || !may {
                        prop_assert_eq!(&before, &all, "who may not changes nothing");
                    }
                }
                Act::Deny(number, uid, may) => {
                    if all.deny(number, Voter { uid, may_approve: may }, now).is_ok() {
                        let story = stories.get_mut(&number).unwrap();
                        prop_assert!(may || uid == 0 || uid == story.by);
                        story.denied = true;
                    }
                }
                Act::Redeem(number) => {
                    if all.redeem(number, against).is_ok() {
                        let story = stories.get_mut(&number).unwrap();
                        story.done += 1;
                        prop_assert!(story.done == 1 && !story.denied && now < story.end);
                        prop_assert!(story.yes.is_some_and(|uid| uid != story.by && uid != 0));
                        prop_assert!(story.config == config && story.active == active);
                    }
                }
                Act::Pass(seconds) => now += SignedDuration::from_secs(seconds),
                Act::Expire => {
                    let late = all.expire(now);
                    prop_assert!(late.iter().all(|number| stories[number].end <= now));
                    prop_assert!(all.next_expiry().is_none_or(|at| at > now));
                }
                Act::Turn => active += 1,
                Act::Reconfigure => config += 1,
            }
            // What is over stays what it is.
            for (number, request) in before.requests.iter().filter(|(_, request)| request.state.is_over()) {
                prop_assert!(all.get(*number).is_none_or(|now| now == request.as_ref()));
            }
            prop_assert!(all.waiting().count() <= MOST_WAITING);
        }
    }
}
