//! What is kept ready is drawn, is never used twice whatever crashes, and does not grow old.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::fuse::Cut;
use super::house::House;
use super::site::Site;
use super::tokens::wrongs;
use super::{days, seconds, start, wait};
use crate::clock::Clock;

fn site(stock: usize) -> Site {
    Site { stock, ..Site::default() }
}

/// `private k7`, of each record in the stock.
fn spares(house: &House) -> Vec<String> {
    let records = house.ledger.records_under("stock/");
    let pem = |record: &String| serde_json::from_str::<serde_json::Value>(record).unwrap()["pem"].clone();
    records.iter().map(|record| pem(record).as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_turn_draws_what_is_ready_and_makes_nothing() {
    let house = House::new(site(2));
    wait(async {
        house.fill_stock().await;
        assert_eq!((spares(&house).len(), house.hands.made()), (2, 2));
        house.live_for(days(1)).await;
        assert_eq!((spares(&house).len(), house.hands.made()), (0, 2), "the first two were ready");
        let drawn = house.ledger.events().into_iter().filter(|event| event.detail.contains_key("spare"));
        let drawn: Vec<String> =
            drawn.map(|event| format!("{} {}", event.action, event.detail["spare"])).collect();
        assert_eq!(
            drawn,
            [
                "spare-made rsa-3072/1",
                "spare-made rsa-3072/2",
                "generated rsa-3072/1",
                "generated rsa-3072/2"
            ]
        );
        // With nothing ready a key is made as ever.
        house.live_for(days(61)).await;
        assert_eq!((spares(&house).len(), house.hands.made()), (0, 3));
        house.fill_stock().await;
        let commits = house.ledger.commits();
        house.fill_stock().await;
        assert_eq!((spares(&house).len(), house.ledger.commits()), (2, commits), "full is full");
    });
}

#[test]
fn nothing_lies_ready_for_longer_than_ninety_days() {
    let house = House::new(site(1));
    wait(async {
        house.live_for(days(1)).await;
        house.fill_stock().await;
        let first = spares(&house);
        house.sleep(days(90) - seconds(1));
        house.fill_stock().await;
        assert_eq!(spares(&house), first);
        house.sleep(seconds(1));
        house.fill_stock().await;
        assert!(spares(&house).len() == 1 && spares(&house) != first);
        assert!(house.ledger.events().iter().any(|event| event.action == "spare-discarded"));
    });
}

/// What is done with a site that has a stock.
#[derive(Debug, Clone, Copy)]
enum Event {
    Fill,
    Rotate,
    Live(i64),
    Cut(u64, Cut),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => Just(Event::Fill),
        1 => Just(Event::Rotate),
        3 => (1..70i64).prop_map(Event::Live),
        3 => (1..20u64, 0..Cut::ALL.len()).prop_map(|(n, cut)| Event::Cut(n, Cut::ALL[cut])),
    ];
    proptest::collection::vec(event, 1..12)
}

async fn live(house: &House, events: &[Event]) {
    for event in events {
        match *event {
            Event::Fill => house.fill_stock().await,
            Event::Rotate => {
                house.live_for(seconds(1)).await;
                house.ask().await;
            }
            Event::Live(time) => drop(house.live_for(days(time)).await),
            Event::Cut(n, cut) => house.fuse.cut(n, cut),
        }
        once(house).await;
    }
}

/// Each key is in one place: ready, or one revision's, and never again once that is over.
async fn once(house: &House) {
    let destroyed = house.ledger.destroyed().into_iter().map(|(key, _)| key);
    let all: Vec<String> = spares(house).into_iter().chain(house.ledger.keys()).chain(destroyed).collect();
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "{all:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_key_is_used_twice_whatever_is_cut(stock in 1..4usize, events in events()) {
        let house = House::new(site(stock));
        wait(async {
            live(&house, &events).await;
            // A failure has its pause.
            house.live(house.clock.now().max(start()) + days(1)).await;
            house.fill_stock().await;
            house.fill_stock().await;
        });
        prop_assert!(spares(&house).len() <= stock);
        let wrongs = wrongs(&house, days(8));
        prop_assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
    }
}
