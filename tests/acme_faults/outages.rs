//! What is wrong with whether and when a CA answers.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use keyturn::model::Code;

use super::house::{EDGE, House, Site, hours, minutes};
use super::recovery::{Recovery, words};
use super::table::row;
use crate::fake_ca::{Body, Books, Endpoint, Forced, Problem, RetryAfter, What};

/// The moments at which anything was asked of the CA.
fn tries(books: &Books) -> BTreeSet<Timestamp> {
    let requests = books.entries.iter().filter(|entry| matches!(entry.what, What::Request { .. }));
    requests.map(|entry| entry.at).collect()
}

/// A3: 60 certificates want something; one answer silences all, over a restart on a real state.
#[tokio::test]
async fn a3_too_many_requests() {
    let mut house = House::new(Site { more: 60, on_disk: true, ..Site::default() }).await;
    let began = house.now();
    let limited = Problem::rate_limited("too many new orders");
    house.fault(|faults| {
        let limited = Forced::problem(limited).retry_after(RetryAfter::Seconds(3600)).times(1);
        faults.forced.insert(Endpoint::NewOrder, limited);
    });
    house.pass().await;
    let asked = house.books_since(began).requests_to(Endpoint::NewOrder);
    for at in [minutes(10), minutes(59)] {
        house.sleep_until(began + at);
        house.restart().await;
        house.pass().await;
    }
    house.sleep_until(began + SignedDuration::from_secs(3599));
    house.pass().await;
    let silent = house.books_since(began + SignedDuration::from_secs(1));
    assert_eq!(silent.requests(), 0, "{silent}");
    assert_eq!(house.next_try().await.duration_since(began).as_secs(), 3600);
    assert_eq!(house.problems_since(began), BTreeSet::from([Code::IssuerLimited]));
    let well = house.converge().await;
    let after = well.duration_since(began);
    assert!(after <= SignedDuration::from_secs(3660), "{after}");
    assert_eq!(house.ca.orders(), 61);
    row(
        "A3",
        "429 with Retry-After 3600 as one of 61 orders is placed, two restarts",
        &format!(
            "{asked} orders asked for before it was heard, then no request for 3600 s; all well {} s later",
            after.as_secs() - 3600
        ),
        "silence for 3600 s, over a restart; R",
    );
}

/// A5: short and long.
#[tokio::test]
async fn a5_six_hours_of_503() {
    let mut house = House::due(Site::default()).await;
    let recovery = Recovery::of(&mut house, hours(6), |faults| {
        faults.everywhere = Some(Forced::empty(503));
    });
    let recovery = recovery.await;
    recovery.assert_r(Code::IssuerUnreachable);
    let books = house.books_since(recovery.began).between(recovery.began, recovery.ended);
    let tries = tries(&books).len();
    assert!((2..=12).contains(&tries), "{tries}\n{books}");
    row("A5", "503 for 6 h", &format!("{tries} tries; {recovery}"), "≤ 12 tries; R");
}

/// A6: a byte a second, and no byte at all, in real time; the directory, an answer in the middle, and the last one.
#[tokio::test]
async fn a6_a_byte_a_second() {
    let drip = Body::Drip(Duration::from_secs(1));
    let cases = [
        (Endpoint::Directory, drip.clone()),
        (Endpoint::Order, drip.clone()),
        (Endpoint::Certificate, drip),
        (Endpoint::NewOrder, Body::Stall),
    ];
    let all = cases.map(|(endpoint, body)| async move {
        let mut house = House::due(Site::default()).await;
        house.fault(|faults| {
            faults.body.insert(endpoint, body);
            faults.validating = Duration::from_secs(1);
            faults.reuse = crate::fake_ca::Reuse::Never;
        });
        let (due, began) = (house.now(), std::time::Instant::now());
        house.pass().await;
        let took = began.elapsed();
        // The directory is asked for by two steps: when to renew, and the order.
        let replies = if endpoint == Endpoint::Directory { 2.0 } else { 1.0 };
        let bound = 30.0 * replies - 1.0..30.0 * replies + 3.0;
        assert!(bound.contains(&took.as_secs_f64()), "{endpoint:?}: {took:?}");
        let message = house.problem();
        assert!(message.contains("no whole reply within 30 s"), "{endpoint:?}: {message}");
        house.ca.heal();
        let allowed = house.next_try().await;
        let well = house.converge().await;
        assert!(well.duration_since(allowed) <= minutes(1), "{endpoint:?}");
        assert_eq!(house.problems_since(due), BTreeSet::from([Code::IssuerUnreachable]));
        let orders = house.books_since(due).of(&EDGE).orders();
        assert!(orders <= 2, "{endpoint:?}: {orders}");
        took
    });
    let took = futures_util::future::join_all(all).await;
    let slowest = took.into_iter().max().unwrap();
    row(
        "A6",
        "one byte a second, or none after the headers, in each of 4 answers",
        &format!("a pass ends after {:.1} s at most, the body counted", slowest.as_secs_f64()),
        "cut at 30 s; R",
    );
}

/// A15: the order is with the CA for a day.
#[tokio::test]
async fn a15_processing_for_a_day() {
    let mut house = House::due(Site::default()).await;
    let recovery = Recovery::of(&mut house, hours(24), |faults| {
        faults.processing = Duration::from_secs(24 * 3600);
    });
    let recovery = recovery.await;
    recovery.assert_r(Code::OrderPending);
    let books = house.books_since(recovery.began);
    assert_eq!((books.orders(), books.finalizations(), recovery.extra), (1, 1, 0), "{books}");
    row(
        "A15",
        "`processing` for 24 h",
        &format!("1 order, finalized once; {recovery}"),
        "the same order resumed; R",
    );
}

/// A16: both ways in which an order ends.
#[tokio::test]
async fn a16_orders_that_end_invalid() {
    let refused = || Problem::new(403, "caa", "CAA forbids it");
    for unproven in [false, true] {
        let mut house = House::due(Site::default()).await;
        let recovery = Recovery::of(&mut house, hours(6), |faults| {
            faults.reuse = crate::fake_ca::Reuse::Never;
            match unproven {
                true => drop(faults.unproven.insert("*".to_owned(), refused())),
                false => faults.fails = Some(refused()),
            }
        });
        let recovery = recovery.await;
        let code = if unproven { Code::ChallengeFailed } else { Code::IssueFailed };
        recovery.assert_r_of_spoilt_orders(code);
        assert!(recovery.message.contains("CAA forbids it"), "{}", recovery.message);
        let books = house.books_since(recovery.began);
        let (failed, what) = match unproven {
            true => (What::FailedAuthorization, "an authorization"),
            false => (What::FailedOrder, "the order"),
        };
        // A name has one authorization an order.
        let worst =
            books.clone().of(if unproven { &EDGE[..1] } else { &EDGE }).densest(3600, |what| *what == failed);
        assert!((1..=5).contains(&worst), "{books}");
        row(
            "A16",
            &format!("{what} ends invalid, for 6 h"),
            &format!("{worst} failures a name in the worst hour; {recovery}"),
            "≤ 5 failures an hour",
        );
    }
}

/// A18: a person has done that; a CA that has lost the account says something else.
#[tokio::test]
async fn a18_the_account_is_deactivated_or_lost() {
    let mut house = House::due(Site::default()).await;
    let began = house.now();
    house.ca.deactivate_accounts();
    let recovery = Recovery::from(&mut house, began, hours(2)).await;
    recovery.assert_r(Code::IssueFailed);
    assert!(recovery.message.contains("keyturn acme register ca"), "{}", recovery.message);
    assert_eq!(house.ca.accounts().len(), 1, "no other takes its place by itself");

    house.skip_to_renewal().await;
    let due = house.now();
    house.ca.forget_accounts();
    let lost = house.converge().await.duration_since(due);
    let (orders, accounts) = (house.books_since(due).orders(), house.ca.accounts().len());
    assert!(lost < minutes(1) && (orders, accounts) == (1, 2), "{lost} {orders} {accounts}");
    assert!(house.problems_since(due).is_empty());
    row(
        "A18",
        "account deactivated / lost",
        &format!(
            "says so and what to do, no other account; {recovery} / another account, renewed in {}",
            words(lost)
        ),
        "told apart; R",
    );
}
