use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::model::*;

fn suite(name: &'static str, exchange: KeyExchange, protection: Protection) -> CipherSuite {
    CipherSuite { id: 0, name, exchange, protection }
}

fn good() -> TlsOffer {
    TlsOffer {
        versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
        suites: vec![suite("ECDHE-RSA-AES128-GCM-SHA256", KeyExchange::Ecdhe, Protection::Aead)],
        dh: None,
        tickets: Some(false),
        ticket_lifetime: None,
        chain: vec![vec![1], vec![2]],
        stapled: false,
        http: Http::Answers(Some("max-age=63072000; includeSubDomains".to_owned())),
    }
}

fn codes(offer: &TlsOffer, change: impl FnOnce(&mut Served<'_>)) -> Vec<(Level, Code)> {
    let expected = Expected { leaf: vec![1], chain: vec![vec![2]] };
    let mut one = Served {
        endpoint: "a:443",
        is_dns: true,
        offer,
        expected: Some(expected),
        remarks: Vec::new(),
        responder: false,
        must_staple: false,
        primes: None,
    };
    change(&mut one);
    let found = served(&one);
    assert!(found.len() >= 8, "every check says something: {found:#?}");
    found.iter().filter_map(|finding| Some((finding.level, finding.code?))).collect()
}

type Change = (fn(&mut TlsOffer), fn(&mut Served<'_>), &'static [(Level, Code)]);

const FAULT: Level = Level::Fault;
const WARNING: Level = Level::Warning;
const SAME: fn(&mut Served<'_>) = |_| {};

/// What differs from a good server, and what is said of it.
const CASES: [Change; 20] = [
    (|_| {}, SAME, &[]),
    (|offer| offer.versions.insert(0, TlsVersion::Tls11), SAME, &[(FAULT, Code::TlsOldProtocol)]),
    (|offer| offer.versions = vec![TlsVersion::Tls12], SAME, &[(WARNING, Code::TlsNoTls13)]),
    (
        |offer| offer.suites.push(suite("AES128-SHA", KeyExchange::Rsa, Protection::Cbc)),
        SAME,
        &[(WARNING, Code::TlsWeakSuite)],
    ),
    (
        |offer| offer.suites.push(suite("RC4-SHA", KeyExchange::Rsa, Protection::Broken)),
        SAME,
        &[(FAULT, Code::TlsBrokenSuite)],
    ),
    (
        |offer| offer.suites.push(suite("ADH-AES128-GCM-SHA256", KeyExchange::Anonymous, Protection::Aead)),
        SAME,
        &[(FAULT, Code::TlsBrokenSuite)],
    ),
    (|offer| offer.dh = Some(DhGroup { prime: vec![0x80; 128] }), SAME, &[(FAULT, Code::TlsDhSmall)]),
    (|offer| offer.dh = Some(DhGroup { prime: vec![0x80; 256] }), SAME, &[(WARNING, Code::DhNotOurs)]),
    (
        |offer| offer.dh = Some(DhGroup { prime: vec![0x80; 256] }),
        |one| one.primes = Some(vec![vec![0x81; 256]]),
        &[(WARNING, Code::DhNotOurs)],
    ),
    (
        |offer| offer.dh = Some(DhGroup { prime: vec![0x80; 256] }),
        |one| one.primes = Some(vec![vec![0x80; 256]]),
        &[],
    ),
    (|_| {}, |one| one.primes = Some(vec![]), &[(WARNING, Code::DhUnused)]),
    (|offer| offer.tickets = Some(true), SAME, &[(WARNING, Code::TlsTickets)]),
    (|_| {}, |one| one.responder = true, &[(WARNING, Code::TlsStaple)]),
    (|_| {}, |one| one.must_staple = true, &[(FAULT, Code::TlsStaple)]),
    (|offer| offer.stapled = true, |one| one.must_staple = true, &[]),
    (|offer| offer.http = Http::Answers(None), SAME, &[(WARNING, Code::TlsHsts)]),
    (|offer| offer.http = Http::Answers(Some("Max-Age=\"300\"".into())), SAME, &[(WARNING, Code::TlsHsts)]),
    (|offer| offer.http = Http::Answers(None), |one| one.is_dns = false, &[]),
    (|offer| offer.chain = vec![vec![1]], SAME, &[(FAULT, Code::TlsChain)]),
    (|offer| offer.chain = vec![vec![9]], SAME, &[(FAULT, Code::TlsOtherLeaf)]),
];

#[test]
fn what_differs_from_a_good_server_is_said_and_nothing_else() {
    for (number, (offer, served, wanted)) in CASES.iter().enumerate() {
        let mut changed = good();
        offer(&mut changed);
        assert_eq!(codes(&changed, served), *wanted, "case {number}");
    }
}

#[test]
fn clocks_are_compared_and_the_state_looked_at() {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let seconds = SignedDuration::from_secs;
    let levels = |by: i64| {
        let others = vec![("ca".to_owned(), Ok(seconds(by)))];
        let found = clocks(&Clocks { now, synchronised: Some(true), last_seen: Some(now), others });
        (found[2].level, found[2].message.clone())
    };
    assert_eq!(levels(0), (Level::Ok, "it agrees with ca".to_owned()));
    assert_eq!(levels(-3).0, Level::Ok);
    assert_eq!(levels(30), (WARNING, "it is 30 s before the one of ca".to_owned()));
    assert_eq!(levels(-61), (FAULT, "it is 61 s behind the one of ca".to_owned()));
    let back = Clocks { now, synchronised: Some(false), last_seen: Some(now + seconds(61)), others: vec![] };
    let back: Vec<_> = clocks(&back).iter().map(|finding| finding.code).collect();
    assert_eq!(back, [Some(Code::ClockUnsynced), Some(Code::ClockBack)]);
}

#[test]
fn disks_keys_and_modes() {
    let disk = |free: u64, total: u64| Disk { path: PathBuf::from("/d"), free, total, out_of_inodes: false };
    let level = |disk: Disk| {
        let key = KeyPlace::File(PathBuf::from("/k"));
        let facts = StateFacts { dir: PathBuf::from("/s"), key, seen: StateSeen::NotYet, disks: vec![disk] };
        state(&facts).last().unwrap().level
    };
    assert_eq!(level(disk(8 << 30, 100 << 30)), Level::Ok);
    assert_eq!(level(disk(4 << 30, 100 << 30)), WARNING);
    assert_eq!(level(disk(99 << 20, 200 << 20)), WARNING);
    assert_eq!(level(disk(15 << 20, 20 << 20)), FAULT);
    assert_eq!(level(Disk { out_of_inodes: true, ..disk(8 << 30, 100 << 30) }), FAULT);
    assert_eq!(loose("f", 0o100644, false).level, Level::Ok);
    assert_eq!(loose("f", 0o100664, false).level, WARNING);
    assert_eq!(loose("f", 0o100646, false).level, FAULT);
    assert_eq!(loose("f", 0o100640, true).level, WARNING);
    assert_eq!(loose("f", 0o100644, true).level, FAULT);
    assert_eq!(loose("f", 0o100600, true).level, Level::Ok);
}

#[test]
fn managers_and_their_logs() {
    let now = Timestamp::UNIX_EPOCH;
    let facts = |up: &[bool], autolock| EngineFacts {
        node: "n".into(),
        version: "20.10".into(),
        api_version: "1.41".into(),
        managers: up.iter().map(|up| ("m".to_owned(), *up)).collect(),
        autolock,
        root_ends: Some(now + SignedDuration::from_hours(24 * 1000)),
        time: None,
    };
    let codes = |facts: EngineFacts| -> Vec<Code> {
        engine("s", &Ok(facts), now).iter().filter_map(|finding| finding.code).collect()
    };
    assert_eq!(codes(facts(&[true; 3], true)), []);
    assert_eq!(codes(facts(&[true; 1], true)), [Code::ManagersFew]);
    assert_eq!(codes(facts(&[true; 4], true)), [Code::ManagersFew]);
    assert_eq!(codes(facts(&[true, true, false], false)), [Code::ManagerAway, Code::SwarmUnlocked]);
    let soon = EngineFacts { root_ends: Some(now), ..facts(&[true; 3], true) };
    assert_eq!(codes(soon), [Code::SwarmRootEnding]);
}

#[test]
fn every_finding_of_a_server_says_who_says_so() {
    for code in Code::ALL.iter().filter(|code| code.name().starts_with("KT-TLS-")) {
        let known = matches!(code, Code::TlsUnreachable | Code::TlsOtherLeaf);
        assert!(known || source(*code).is_some(), "{code}");
    }
}
