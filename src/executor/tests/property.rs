//! I3 and I4 over many sites: whatever the thresholds and however slowly and badly the services converge, no token
//! that is still valid is refused, and a dead key is forgotten.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::fuse::Cut;
use super::house::House;
use super::site::{Role, Site};
use super::tokens::wrongs;
use super::{days, seconds, start, wait};
use crate::clock::Clock;
use crate::model::DELIVERY_PAUSES;

/// What happens on the way, beside time: at which share of the life, to which service.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// The operator asks for a turn.
    Rotate,
    /// So many rollouts of this service fail.
    Trouble(usize, u32),
    /// An effect soon after is cut.
    Cut(u64, Cut),
}

fn role() -> impl Strategy<Value = Role> {
    let kind = prop_oneof![4 => Just((true, false)), 4 => Just((false, true)), 1 => Just((true, true))];
    (kind, 0..4u64, any::<bool>()).prop_map(|((signs, verifies), replicas, url)| Role {
        replicas,
        signs,
        verifies,
        has_url: url && verifies,
    })
}

fn site() -> impl Strategy<Value = Site> {
    let cache = 1..7200i64;
    let token = 1..86_400i64;
    let skew = 0..600i64;
    // Down to the tightest windows that the configuration allows.
    let spare = prop_oneof![0..60i64, 0..5_184_000i64];
    let before = prop_oneof![Just(0i64), 0..172_800i64];
    let maintenance =
        prop_oneof![3 => Just(None), 1 => Just(Some("* * 1-5 * * *")), 1 => Just(Some("0 0 3 * * Sun"))];
    let times = (cache, token, skew, spare, before, 0..700_000i64);
    let roles = proptest::collection::vec(role(), 1..4);
    (times, roles, maintenance, 0..400u64, any::<u32>()).prop_map(
        |((cache, token, skew, spare, before, retention), mut roles, maintenance, longest_delay, seed)| {
            if !roles.iter().any(|role| role.verifies) {
                roles.push(Role::verifier(2));
            }
            let publish_before = seconds(cache + before);
            let mut site = Site {
                publish_before,
                jwks_max_age: seconds(cache),
                max_token_ttl: seconds(token),
                skew: seconds(skew),
                retention: seconds(retention),
                maintenance,
                roles,
                longest_delay,
                seed: u64::from(seed),
                ..Site::default()
            };
            site.rotate_every = (publish_before + site.linger() + seconds(spare)).max(seconds(600));
            site
        },
    )
}

fn events() -> impl Strategy<Value = Vec<(u32, Event)>> {
    let event = prop_oneof![
        Just(Event::Rotate),
        (0..4usize, 1..3u32).prop_map(|(service, times)| Event::Trouble(service, times)),
        (1..60u64, 0..Cut::ALL.len()).prop_map(|(n, cut)| Event::Cut(n, Cut::ALL[cut])),
    ];
    proptest::collection::vec((0..100u32, event), 0..8)
}

/// Four turns of the key, with what happens on the way.
async fn live(house: &House, mut events: Vec<(u32, Event)>) {
    let life = house.site.rotate_every * 4;
    events.sort_by_key(|(share, _)| *share);
    for (share, event) in events {
        let at = start() + seconds(life.as_secs() / 100 * i64::from(share));
        house.live(at.max(house.clock.now())).await;
        match event {
            Event::Rotate => house.ask().await,
            Event::Cut(n, cut) => house.fuse.cut(n, cut),
            Event::Trouble(service, times) => {
                house.swarm.trouble(&Site::name(service % house.site.roles.len()), times);
            }
        }
    }
    house.live(start() + life).await;
}

/// How long a dead key may still be known: each failure has its pause, after which a window must be waited for.
fn patience(site: &Site, events: &[(u32, Event)]) -> SignedDuration {
    let failures = events.iter().map(|(_, event)| match event {
        Event::Rotate => 0,
        Event::Cut(..) => 1,
        Event::Trouble(_, times) => *times as usize,
    });
    let failures: usize = failures.sum();
    let pauses = DELIVERY_PAUSES.iter().chain(std::iter::repeat(&DELIVERY_PAUSES[4])).take(failures);
    let window = if site.maintenance.is_some() { days(7) } else { seconds(0) };
    let tries = i32::try_from(failures).unwrap() + 1;
    seconds(pauses.sum()) + (window + seconds(7200)) * tries
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_valid_token_is_refused_and_no_dead_key_is_known(site in site(), events in events()) {
        let patience = patience(&site, &events);
        let house = House::new(site);
        wait(live(&house, events));
        let wrongs = wrongs(&house, patience);
        prop_assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
        let record = wait(house.record());
        // Hours of failures and days without a window are longer than four short lives.
        if house.site.maintenance.is_none() && house.site.rotate_every >= days(1) {
            prop_assert!(record.active().is_some_and(|active| active.number > 1), "it has turned");
        }
    }
}
