//! What a CA says about renewals, and what it makes of authorizations.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use keyturn::model::Code;

use super::house::{EDGE, House, Site, hours};
use super::recovery::words;
use super::table::row;
use crate::fake_ca::{Ari, Books, Endpoint, Forced, Problem, RetryAfter, Reuse, What};

/// A certificate whose CA advises this from its third day on; when that began.
async fn advised(ari: Ari) -> (House, Timestamp) {
    let mut house = House::new(Site::default()).await;
    house.issue().await;
    house.live(house.now() + hours(72)).await;
    let began = house.now();
    house.fault(|faults| faults.ari = ari);
    (house, began)
}

/// When the first order was placed.
fn first(books: &Books) -> Timestamp {
    books.entries.iter().find(|entry| entry.what == What::Order).unwrap().at
}

/// A20: it is found out at the next question, which the CA has put off by 6 h; after that there is an hour. A CA that
/// says so of whatever it issues is not followed for ever.
#[tokio::test]
async fn a20_advice_that_is_past() {
    let (mut house, began) = advised(Ari::Past).await;
    let asks = house.active("edge").await.unwrap().renewal.unwrap().ask_at.unwrap();
    house.live(asks + hours(1)).await;
    let once = house.books_since(began).of(&EDGE);
    let after = first(&once).duration_since(asks);
    assert!(after <= hours(1) && once.orders() == 1, "{after}\n{once}");
    house.live(began + hours(7 * 24)).await;
    let orders = house.books_since(began).of(&EDGE);
    assert!(orders.orders() <= 3, "{orders}");
    assert_eq!(house.problems_since(began), BTreeSet::from([Code::Overdue]));
    house.ca.heal();
    let healed = house.now();
    let well = house.converge().await.duration_since(healed);
    assert!(well <= hours(6), "{well}: it is asked again, and believed");
    row(
        "A20",
        "ARI in the past, of whatever is issued, for a week",
        &format!("renewed {} after it was told; {} orders in the week", words(after), orders.orders()),
        "renews within the hour; ≤ 3 orders a week",
    );
}

/// A20: our own deadline comes first.
#[tokio::test]
async fn a20_advice_that_never_comes() {
    let mut latest = Vec::new();
    for ari in [Ari::Year3000, Ari::Backwards, Ari::NoWidth, Ari::None] {
        let (mut house, began) = advised(ari).await;
        // Without a problem the driver sleeps until the plan wants to look.
        while house.books_since(began).of(&EDGE).orders() == 0 {
            let passed = house.pass().await;
            assert!(passed.problems.is_empty(), "{passed:#?}");
            house.sleep_until(passed.next_wake.unwrap());
        }
        let books = house.books_since(began).of(&EDGE);
        let issued = began - hours(72);
        let age = first(&books).duration_since(issued);
        // Of 90 days 30 are our lead, and the CA's word may take half of it.
        let bound = if ari == Ari::Year3000 { hours(75 * 24) } else { hours(60 * 24) };
        assert!(age <= bound, "{ari:?}: {}", words(age));
        latest.push(age);
        assert!(house.problems_since(began).is_empty());
    }
    row(
        "A20",
        "ARI in the year 3000 / without a span, or none",
        &format!(
            "of 90 days renewed after {:.1} / {:.1}",
            share(latest[0]),
            share(*latest[1..].iter().max().unwrap())
        ),
        "our own deadline wins; fallback",
    );
}

/// In days.
fn share(age: SignedDuration) -> f64 {
    age.as_secs() as f64 / 86_400.0
}

/// A20: nobody answers, or not now.
#[tokio::test]
async fn a20_no_advice_at_all() {
    let mut ages = Vec::new();
    let limited = Forced::problem(Problem::rate_limited("later")).retry_after(RetryAfter::Huge);
    for answer in [Forced::empty(500), Forced::html(502), limited.clone()] {
        let mut house = House::new(Site::default()).await;
        house.fault(|faults| drop(faults.forced.insert(Endpoint::RenewalInfo, answer)));
        house.issue().await;
        let issued = house.now();
        house.live(issued + hours(48)).await;
        let day = house
            .ca
            .books()
            .densest(24 * 3600, |what| matches!(what, What::Request { endpoint: Endpoint::RenewalInfo, .. }));
        assert!(day <= 5, "{day}");
        house.skip_to_renewal().await;
        house.converge().await;
        ages.push(house.now().duration_since(issued));
        assert_eq!(house.ca.orders(), 2);
        assert!(house.problems_since(issued).is_empty());
    }
    let latest = ages.into_iter().max().unwrap();
    assert!(latest <= hours(60 * 24), "{latest}");
    row("A20", "ARI down", &format!("of 90 days renewed after {:.1}", share(latest)), "fallback");
}

/// A20: who wants to be left alone about it is.
#[tokio::test]
async fn a20_retry_after_of_advice_holds() {
    let mut house = House::new(Site::default()).await;
    let limited = Forced::problem(Problem::rate_limited("later")).retry_after(RetryAfter::Huge);
    house.fault(|faults| drop(faults.forced.insert(Endpoint::RenewalInfo, limited)));
    house.issue().await;
    let asked = house.now();
    house.live(asked + hours(24) - SignedDuration::from_secs(1)).await;
    assert_eq!(house.ca.books().requests_to(Endpoint::RenewalInfo), 1);
}

/// A21: 500 at once.
#[tokio::test]
async fn a21_all_revoked_at_once() {
    const ALL: usize = 500;
    let mut house = House::new(Site { more: ALL - 1, ..Site::default() }).await;
    house.fault(|faults| faults.reuse = Reuse::Already);
    house.issue().await;
    house.sleep_until(house.now() + hours(24));
    let began = house.now();
    assert_eq!(house.ca.revoke_all(), ALL);
    house.converge().await;
    let books = house.books_since(began);
    assert_eq!((books.orders(), books.certificates()), (ALL, ALL));
    let times: Vec<Timestamp> =
        books.entries.iter().filter(|entry| entry.what == What::Order).map(|entry| entry.at).collect();
    let over = times.last().unwrap().duration_since(times[0]);
    let minute = books.densest(60, |what| *what == What::Order);
    assert!(minute <= 20 && over >= SignedDuration::from_mins(24), "{minute} {over}");
    let told = first(&books).duration_since(began);
    row(
        "A21",
        "500 certificates revoked at once, told by ARI",
        &format!(
            "begun {} after they could be known, over {}, at most {minute} orders in any minute; 500 orders",
            words(told),
            words(over)
        ),
        "spread",
    );
}

/// A22: three renewals each.
#[tokio::test]
async fn a22_authorizations_used_again_or_never() {
    let mut triggers = Vec::new();
    for reuse in [Reuse::Valid, Reuse::Never, Reuse::Already] {
        let mut house = House::new(Site::default()).await;
        house.fault(|faults| faults.reuse = reuse);
        house.issue().await;
        for _ in 0..3 {
            house.sleep_until(house.now() + hours(1));
            let began = house.now();
            house.rotate("edge").await;
            house.converge().await;
            assert_eq!(house.books_since(began).orders(), 1);
            assert!(house.problems_since(began).is_empty());
        }
        triggers.push(house.ca.books().triggers());
    }
    assert_eq!(triggers, [2, 8, 0], "two names, four orders");
    row(
        "A22",
        "authorizations reused / never / valid from the start, 4 orders for 2 names",
        &format!("one order each, {} / {} / {} challenges", triggers[0], triggers[1], triggers[2]),
        "works",
    );
}
