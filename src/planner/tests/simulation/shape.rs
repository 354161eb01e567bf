//! Random sites, and what happens to them.

use jiff::SignedDuration;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::Index;

use super::super::Wish;
use super::super::bench::{Bench, ca, certificate, days, dh, dir, handshake, hours, jwt, labelled, services};
use crate::desired::{AcmeSpec, AssetSpec, IssuerRef, KindSpec, TargetSpec, Turn, Windows};
use crate::model::{AssetId, Limits, Part};

/// How many services there are.
pub(super) const SERVICES: [&str; 4] = ["s0", "s1", "s2", "s3"];

/// The ACME CAs.
pub(super) const CAS: [&str; 2] = ["first", "second"];

/// Where an asset goes.
#[derive(Debug, Clone)]
pub(super) enum Where {
    Named(Vec<usize>),
    Labelled(usize),
    Dir,
}

#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) life: SignedDuration,
    pub(super) turn: Turn,
    pub(super) place: Where,
    pub(super) watched: bool,
    pub(super) keep_key: bool,
    pub(super) by: By,
}

/// Who issues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Internal,
    /// One ACME CA.
    Acme,
    /// Two, one after the other.
    Either,
}

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) every: i64,
    pub(super) ttl: i64,
    pub(super) max_age: i64,
    pub(super) skew: i64,
    pub(super) publish_before: i64,
    pub(super) signers: Where,
    pub(super) verifiers: Where,
}

/// What happens, and for how long in hundredths of the longest that the invariants allow.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Rotate(Index),
    Recreate(usize),
    Scale(usize, i64),
    Busy(usize, i64),
    Outage(i64),
    EngineDown(i64),
    /// No proof of control is found.
    Unproven(i64),
    Rewish(Index),
}

/// A site and ten years of its life.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) leaves: Vec<Leaf>,
    pub(super) keys: Vec<Key>,
    pub(super) dh: bool,
    pub(super) nights_only: bool,
    /// By the hour.
    pub(super) events: Vec<(i64, Event)>,
    pub(super) chance: u64,
}

fn place() -> impl Strategy<Value = Where> {
    prop_oneof![
        4 => proptest::collection::vec(0..SERVICES.len(), 1..3).prop_map(Where::Named),
        1 => (0..SERVICES.len()).prop_map(Where::Labelled),
        1 => Just(Where::Dir),
    ]
}

fn leaf() -> impl Strategy<Value = Leaf> {
    let life = prop_oneof![1 => 1..4i64, 4 => 7..30i64, 6 => 30..91i64];
    let turn = (any::<bool>(), 1..4u32, 10..60i64);
    let by = prop_oneof![Just(By::Internal), Just(By::Acme), Just(By::Either)];
    (life, turn, place(), any::<bool>(), any::<bool>(), by).prop_map(
        |(life, (share, of, percent), place, watched, keep_key, by)| {
            let left = SignedDuration::from_secs(life * 864 * percent);
            let turn = if share { Turn::ShareLeft { of, parts: 6 } } else { Turn::Left(left) };
            Leaf { life: days(life), turn, place, watched, keep_key, by }
        },
    )
}

fn key() -> impl Strategy<Value = Key> {
    let times = (30..91i64, 60..86_400i64, 10..3600i64, 0..300i64, 0..86_400i64);
    (times, place(), place()).prop_map(|((every, ttl, max_age, skew, before), signers, verifiers)| Key {
        every,
        ttl,
        max_age,
        skew,
        publish_before: max_age + before,
        signers,
        verifiers,
    })
}

fn event() -> impl Strategy<Value = Event> {
    let service = || 0..SERVICES.len();
    let share = || 1..100i64;
    prop_oneof![
        4 => any::<Index>().prop_map(Event::Rotate),
        1 => service().prop_map(Event::Recreate),
        1 => (service(), share()).prop_map(|(service, share)| Event::Scale(service, share)),
        1 => (service(), share()).prop_map(|(service, share)| Event::Busy(service, share)),
        2 => share().prop_map(Event::Outage),
        1 => share().prop_map(Event::EngineDown),
        2 => share().prop_map(Event::Unproven),
        1 => any::<Index>().prop_map(Event::Rewish),
    ]
}

/// Any site.
pub(super) fn shape() -> impl Strategy<Value = Shape> {
    let assets = (proptest::collection::vec(leaf(), 0..4), proptest::collection::vec(key(), 0..3));
    let events = proptest::collection::vec((0..10 * 365 * 24i64, event()), 0..40);
    (assets, any::<(bool, bool)>(), events, any::<u64>()).prop_map(
        |((leaves, keys), (dh, nights_only), events, chance)| {
            let events = with_pairs(events);
            Shape { leaves, keys, dh, nights_only, events, chance }
        },
    )
}

/// Who rotates often does so again within the hour: that is where overlaps are short.
fn with_pairs(mut events: Vec<(i64, Event)>) -> Vec<(i64, Event)> {
    let again: Vec<_> = events.iter().filter(|(hour, _)| hour % 3 == 0).cloned().collect();
    events.extend(again.into_iter().map(|(hour, event)| (hour + hour % 5, event)));
    events.sort_by_key(|(hour, _)| *hour);
    events
}

impl Shape {
    /// The site before its first day.
    pub(super) fn bench(&self) -> Bench {
        let mut bench = Bench::new().with(ca());
        for (name, limits) in CAS.into_iter().zip([Limits::LETS_ENCRYPT, Limits::default()]) {
            bench.desired.acme.insert(name.to_owned(), AcmeSpec { limits });
        }
        for name in SERVICES {
            bench = bench.service(name);
        }
        for (number, leaf) in self.leaves.iter().enumerate() {
            bench = with(bench, self.leaf(number, leaf), &[&leaf.place]);
        }
        for (number, key) in self.keys.iter().enumerate() {
            bench = with(bench, self.key(number, key), &[&key.signers, &key.verifiers]);
        }
        if self.dh {
            let mut spec = dh("edge");
            spec.targets = vec![services(&["s0"], &[("dhparam.pem", Part::Dhparam)])];
            bench = with(bench, spec, &[]);
        }
        if self.nights_only {
            let schedules = vec!["* * 1-5 * * *".parse().unwrap()];
            bench.desired.windows = Windows { schedules, timezone: jiff::tz::TimeZone::UTC };
        }
        bench
    }

    fn leaf(&self, number: usize, leaf: &Leaf) -> AssetSpec {
        let name = format!("leaf{number}");
        let (crt, key) = (format!("{name}.crt"), format!("{name}.key"));
        let files = [(crt.as_str(), Part::Fullchain), (key.as_str(), Part::PrivateKey)];
        let target = target(&leaf.place, &name, &files);
        let target = if leaf.watched { handshake(target) } else { target };
        let mut spec = certificate(&name).to(target).overlap(|overlap| overlap.turn = leaf.turn);
        if let KindSpec::Certificate(certificate) = &mut spec.kind {
            (certificate.duration, certificate.keep_key) = (leaf.life, leaf.keep_key);
            let acme = |name: &&str| IssuerRef::Acme((*name).to_owned());
            match leaf.by {
                By::Internal => {}
                By::Acme => certificate.issuers = CAS[..1].iter().map(acme).collect(),
                By::Either => certificate.issuers = CAS.iter().map(acme).collect(),
            }
        }
        spec
    }

    fn key(&self, number: usize, key: &Key) -> AssetSpec {
        let name = format!("key{number}");
        let (private, jwks) = (format!("{name}.pem"), format!("/{name}.json"));
        jwt(&name)
            .to(target(&key.signers, &format!("{name}-signer"), &[(private.as_str(), Part::PrivateKey)]))
            .to(target(&key.verifiers, &format!("{name}-verifier"), &[(jwks.as_str(), Part::Jwks)]))
            .overlap(|overlap| {
                overlap.turn = Turn::Every(days(key.every));
                overlap.publish_before = SignedDuration::from_secs(key.publish_before);
                overlap.max_age = SignedDuration::from_secs(key.max_age);
                overlap.linger = SignedDuration::from_secs(key.ttl + key.max_age + key.skew);
            })
    }

    /// The shortest time that any renewal has in hand.
    pub(super) fn shortest_lead(&self) -> SignedDuration {
        let lead = |leaf: &Leaf| match leaf.turn {
            Turn::ShareLeft { of, parts } => {
                SignedDuration::from_secs(leaf.life.as_secs() * i64::from(of) / i64::from(parts))
            }
            Turn::Left(left) => left.min(SignedDuration::from_secs(leaf.life.as_secs() / 2)),
            Turn::Every(every) => every,
        };
        self.leaves.iter().map(lead).min().unwrap_or(hours(24 * 30)).min(hours(24 * 30))
    }
}

fn target(place: &Where, folder: &str, files: &[(&str, Part)]) -> TargetSpec {
    match place {
        Where::Named(numbers) => {
            let names: Vec<&str> = numbers.iter().map(|number| SERVICES[*number]).collect();
            services(&names, files)
        }
        Where::Labelled(_) => labelled(files),
        Where::Dir => dir(&format!("/etc/{folder}"), files),
    }
}

fn with(mut bench: Bench, spec: AssetSpec, places: &[&Where]) -> Bench {
    let id: AssetId = spec.id.clone();
    for place in places {
        if let Where::Labelled(number) = place {
            let service = bench.inventory.world.services.get_mut(SERVICES[*number]).unwrap();
            service.labelled.insert(id.clone());
        }
    }
    bench.with(spec)
}
