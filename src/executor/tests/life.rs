//! One key's life, step by step.

use super::house::House;
use super::site::{JWKS, KEY, KID, Role, Site};
use super::swarm::Task;
use super::tokens::wrongs;
use super::{Bug, auth, days, seconds, start, wait};
use crate::clock::Clock;
use crate::model::RevisionState;

/// When a task with `what` in its file `path` first ran.
fn first(house: &House, path: &str, what: &str) -> jiff::Timestamp {
    let has = |task: &&Task| task.files.get(path).is_some_and(|text| text.split(' ').any(|one| one == what));
    house.swarm.history().iter().filter(has).map(|task| task.from).min().unwrap()
}

/// When the last one was gone.
fn last(house: &House, path: &str, what: &str) -> jiff::Timestamp {
    let has = |task: &&Task| task.files.get(path).is_some_and(|text| text.split(' ').any(|one| one == what));
    house.swarm.history().iter().filter(has).map(|task| task.to.unwrap()).max().unwrap()
}

fn assert_clean(house: &House) {
    let wrongs = wrongs(house, seconds(600));
    assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
}

#[test]
fn a_key_from_first_day_to_its_end() {
    wait(async {
        let house = House::new(Site::default());
        house.pass().await;
        assert_eq!(house.states().await, "1 active, 2 published");
        for verifier in ["one-1", "one-2"] {
            assert_eq!(house.swarm.shown()[verifier][JWKS], "k1 k2", "the standby from the first day on");
            assert_eq!(house.swarm.updates(verifier), 1);
        }
        assert_eq!(house.swarm.updates("one-0"), 1);
        let quiet = house.ledger.commits();
        house.live(start() + days(58)).await;
        assert_eq!(house.ledger.commits(), quiet, "nothing is due, nothing is written");

        house.live(start() + days(60) + seconds(600)).await;
        assert_eq!(house.states().await, "1 retiring, 2 active, 3 published");
        assert_eq!(house.swarm.shown()["one-0"][KEY], "private k2");
        assert_eq!(house.swarm.shown()["one-1"][JWKS], "k1 k2 k3");
        let gone = last(&house, KID, "k1");
        house.live(gone + house.site.linger() - seconds(1)).await;
        assert_eq!(house.swarm.shown()["one-1"][JWKS], "k1 k2 k3", "the last token may still live");
        house.live_for(seconds(300)).await;
        assert_eq!(house.swarm.shown()["one-1"][JWKS], "k2 k3");
        assert_eq!(house.states().await, "1 retiring, 2 active, 3 published");
        assert_eq!(house.ledger.materials(), [1, 2, 3], "the signer's PreviousSpec still names it");

        house.live(start() + days(200)).await;
        assert_eq!(house.states().await, "1 retired, 2 retired, 3 retiring, 4 active, 5 published");
        assert_eq!(house.ledger.materials(), [3, 4, 5]);
        assert_eq!(house.ledger.destroyed().len(), 2);
        assert_eq!(house.hands.made(), 5);
        assert_clean(&house);
    });
}

/// 60 days after the first use, and not a pass more than that takes.
#[test]
fn it_wakes_when_something_is_due_and_only_then() {
    wait(async {
        let house = House::new(Site { longest_delay: 0, ..Site::default() });
        let passed = house.pass().await;
        let due = passed.next_wake.unwrap();
        let life = due.duration_since(start());
        assert!(days(60) - seconds(3600) <= life && life <= days(60), "{life}");
        house.sleep(life);
        let passed = house.pass().await;
        assert_eq!(first(&house, KID, "k2"), due);
        assert_eq!(passed.next_wake, Some(due + house.site.linger()));
        house.sleep(house.site.linger());
        let passed = house.pass().await;
        assert_eq!(first(&house, JWKS, "k3"), due);
        assert_eq!(last(&house, JWKS, "k1"), due + house.site.linger());
        // The replaced JWKS of the first day: nobody names it any more, and it is kept for the retention.
        assert_eq!(passed.next_wake, Some(due + house.site.retention));
    });
}

#[test]
fn publish_before_counts_from_the_last_proof() {
    wait(async {
        let house = House::new(Site { longest_delay: 0, ..Site::default() });
        house.swarm.trouble("one-2", 1);
        house.pass().await;
        assert_eq!(house.states().await, "1 prepared, 2 prepared", "one verifier does not have it");
        assert!(house.swarm.shown()["one-0"].is_empty(), "so nobody signs");
        house.live_for(seconds(3600)).await;
        assert_eq!(house.states().await, "1 active, 2 published");

        house.swarm.trouble("one-2", 2);
        house.ask().await;
        let ready = house.revision(2).await.published_at.unwrap() + house.site.publish_before;
        house.live(ready + seconds(100)).await;
        assert_eq!(house.states().await, "1 retiring, 2 active, 3 prepared", "the standby was ready");
        house.ask().await;
        house.live_for(seconds(1200)).await;
        let proven = first_whole(&house, "k3");
        assert_eq!(house.revision(3).await.published_at, Some(proven));
        let passed = house.pass().await;
        assert_eq!(
            passed.next_wake,
            Some(house.revision(1).await.replaced_at.unwrap() + house.site.linger())
        );
        let reason = "the standby must have been in every JWKS for 24 hours first";
        let deferred = passed.deferred.iter().find(|deferred| deferred.reason.contains(reason)).unwrap();
        assert_eq!(deferred.until, Some(proven + house.site.publish_before));
        house.live(proven + house.site.publish_before - seconds(1)).await;
        assert_eq!(house.swarm.shown()["one-0"][KEY], "private k2", "not a second early");
        house.live_for(seconds(1)).await;
        assert_eq!(house.swarm.shown()["one-0"][KEY], "private k3");
        assert_clean(&house);
    });
}

/// Since when every verifier has had the key without a break.
fn first_whole(house: &House, kid: &str) -> jiff::Timestamp {
    let knows = |task: &Task| task.files.get(JWKS).is_some_and(|jwks| jwks.split(' ').any(|one| one == kid));
    let tasks = house.swarm.history();
    tasks
        .iter()
        .filter(|task| task.service != "one-0" && !knows(task))
        .filter_map(|task| task.to)
        .max()
        .unwrap()
}

/// Who fetched what a person has put there goes on with it for as long as it may be cached.
#[test]
fn a_jwks_that_was_changed_by_hand_is_repaired_and_waited_for() {
    wait(async {
        let house = House::new(Site { longest_delay: 0, ..Site::default() });
        house.live(start() + days(59)).await;
        house.swarm.tamper("one-1", JWKS, "k1");
        house.live(start() + days(60) + seconds(300)).await;
        assert_eq!(house.swarm.shown()["one-1"][JWKS], "k1 k2", "it would have held back the turn");
        assert_eq!(house.swarm.shown()["one-0"][KEY], "private k1");
        house.live_for(days(1)).await;
        assert_eq!(house.swarm.shown()["one-0"][KEY], "private k2");
        assert_clean(&house);
    });
}

/// The signer's own failure belongs to the signer; the verifier's holds back the new key, never the old.
#[test]
fn an_unproven_verifier_holds_back_the_new_key_only() {
    wait(async {
        let house = House::new(Site::default());
        house.live(start() + days(59)).await;
        // The JWKS with the third key comes with the first turn, so it is the second turn that is held back.
        house.swarm.trouble("one-1", 1000);
        let passed = house.live(start() + days(150)).await;
        assert_eq!(house.swarm.shown()["one-0"][KEY], "private k2");
        assert_eq!(house.revision(3).await.state, RevisionState::Prepared);
        assert!(house.swarm.shown()["one-1"][JWKS].contains("k2"), "what signs is known");
        let said: Vec<&str> = passed.deferred.iter().map(|deferred| deferred.reason.as_str()).collect();
        assert!(said.iter().any(|said| said.contains("the standby is not in every JWKS yet")), "{said:#?}");
        assert!(passed.problems.iter().any(|(id, _)| *id == auth()));

        house.swarm.trouble("one-1", 0);
        house.live_for(days(3)).await;
        assert_eq!(house.swarm.shown()["one-0"][KEY], "private k3", "a day after it was proven at last");
        let clean: Vec<String> = wrongs(&house, seconds(600))
            .into_iter()
            .filter(|wrong| !wrong.contains("is dead since"))
            .collect();
        assert!(clean.is_empty(), "{}", clean.join("\n"));
    });
}

#[test]
fn a_service_that_signs_and_verifies_has_one_rollout_on_the_first_day() {
    wait(async {
        let house = House::new(Site { roles: vec![Role::both(2).with_url()], ..Site::default() });
        house.pass().await;
        assert_eq!(house.swarm.updates("one-0"), 1);
        assert_eq!(house.states().await, "1 active, 2 published");
        house.live(start() + days(200)).await;
        assert_clean(&house);
    });
}

#[test]
fn a_signer_that_is_scaled_to_nothing_holds_back_nothing() {
    wait(async {
        let roles = vec![Role::signer(0), Role::signer(1), Role::verifier(0).with_url(), Role::verifier(1)];
        let house = House::new(Site { roles, ..Site::default() });
        house.live(start() + days(61)).await;
        assert_eq!(house.states().await, "1 retiring, 2 active, 3 published");
        assert_eq!(house.swarm.shown()["one-0"][KEY], "private k2");
        assert_clean(&house);
    });
}

/// Whatever is planted is found, by the check that is there for it.
#[test]
fn planted_bugs_are_found() {
    let cases = [
        (Bug::SettlesEarly, "I3"),
        (Bug::SettlesEarly, "I4"),
        (Bug::ReplacesNothing, "I3"),
        (Bug::DoesNotWait, "I3"),
        (Bug::ForgetsCaches, "I4"),
        (Bug::SeesOnlySpecs, "I6"),
        (Bug::DestroysAtOnce, "I7"),
    ];
    for (bug, invariant) in cases {
        let roles = vec![Role::signer(2), Role::verifier(2), Role::verifier(1)];
        // No task lives long enough to hide what goes on between two of them.
        let site = Site { roles, publish_before: seconds(300), longest_delay: 250, ..Site::default() };
        let house = House::with_bug(site, Some(bug));
        wait(async {
            house.live(start() + days(1)).await;
            house.ask().await;
            house.pass().await;
            // The standby is new: it must wait.
            house.ask().await;
            house.live(start() + days(130)).await;
        });
        let wrongs = wrongs(&house, seconds(3600));
        assert!(wrongs.iter().any(|wrong| wrong.starts_with(invariant)), "{bug:?}: {wrongs:#?}");
    }
}

/// Looking at what is served is worth something: with it, a Swarm that replaces nothing brings no key into use.
#[test]
fn a_proof_from_outside_sees_through_a_swarm_that_lies() {
    let site = Site { roles: vec![Role::signer(1), Role::verifier(1).with_url()], ..Site::default() };
    let seen = House::with_bug(site.clone(), Some(Bug::ReplacesNothing));
    wait(seen.live(start() + days(1)));
    assert!(seen.swarm.shown()["one-0"].is_empty());
}

#[test]
fn the_clock_of_the_house_is_the_only_one() {
    let house = House::new(Site::default());
    wait(house.live(start() + days(1)));
    let at = |event: &crate::audit::Event| start() <= event.at && event.at <= house.clock.now();
    assert!(house.ledger.events().iter().all(at));
}
