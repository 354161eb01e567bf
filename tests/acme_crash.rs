//! The real binary, killed at each step of an order with a real Pebble: C1 to C8 of the faults, and C20 in short. Orders,
//! finalizations and accounts are counted at Pebble.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use support::{Keyturn, Pebble, PebbleOptions, skipped};

fn site(pebble: &Pebble) -> Keyturn {
    let (server, ca, port) = (pebble.directory(), pebble.ca_file(), pebble.http_port());
    Keyturn::alone().config(&format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
[issuers.pebble]
kind = "acme"
server = "{server}"
ca_file = "{}"
challenge = {{ kind = "http-01", listen = "127.0.0.1:{port}" }}
[certificates.edge]
dns_names = ["www.edge.test", "edge.test"]
"#,
        ca.display()
    ))
}

/// What was counted at Pebble after a crash at `point` and a run that finished the work.
fn killed_at(point: &str) -> (usize, usize, usize) {
    // Nonces are not rejected: a request that was sent twice would be counted twice.
    let pebble = PebbleOptions { nonce_reject: 0, ..PebbleOptions::default() }.start();
    let mut keyturn = site(&pebble);
    keyturn.kill_at(point, 1);
    let ran = keyturn.run(&["run"]);
    assert!(ran.signal.is_some(), "{point} was not reached: {ran:#?}");
    let key = keyturn.material("certificates/edge", 1).map(|kept| kept["private_key"].clone());
    keyturn.kill_nowhere();
    let ran = keyturn.run(&["run"]);
    assert!(ran.ok(), "{point}: {ran:#?}\n{}", pebble.log());
    let status = keyturn.status("edge");
    assert_eq!((&status["revision"], &status["state"]), (&1.into(), &"active".into()), "{point}");
    if let Some(key) = key {
        // C2: a key that was stored is the one that is certified.
        assert_eq!(keyturn.material("certificates/edge", 1).unwrap()["private_key"], key, "{point}");
    }
    let counts = pebble.counts();
    println!("{point}: {counts:?}");
    (counts.orders, counts.finalizations, counts.accounts)
}

#[test]
fn killed_at_each_step_of_an_order() {
    if let Some(reason) = Pebble::missing() {
        return skipped("acme_crash::killed_at_each_step_of_an_order", &reason);
    }
    // The step, and how many orders may have been placed after it: a lost answer costs one more.
    for (point, orders) in [
        ("key-made", 1),                 // C1
        ("key-stored", 1),               // C2
        ("acme-order-placed", 2),        // C3
        ("acme-order-stored", 1),        // C4
        ("acme-challenge-set", 1),       // C5
        ("acme-challenge-triggered", 1), // C5
        ("acme-finalized", 1),           // C6
        ("acme-certificate-fetched", 1), // C7
        ("issued", 1),                   // C7
        ("certificate-stored", 1),       // C8
    ] {
        let (placed, finalized, accounts) = killed_at(point);
        assert_eq!((placed, finalized, accounts), (orders, 1, 1), "{point}: orders, finalizations, accounts");
    }
}

/// C20 in short: `run` again and again, with nothing due.
#[test]
fn restarts_ask_the_ca_for_nothing() {
    if let Some(reason) = Pebble::missing() {
        return skipped("acme_crash::restarts_ask_the_ca_for_nothing", &reason);
    }
    let pebble = Pebble::start();
    let keyturn = site(&pebble);
    keyturn.ok(&["run"]);
    let before = pebble.counts().all_requests();
    let fingerprint = keyturn.fingerprint("edge");
    for _ in 0..20 {
        assert!(keyturn.ok(&["run"]).contains("nothing to do"));
    }
    assert_eq!(pebble.counts().all_requests(), before);
    assert_eq!(keyturn.fingerprint("edge"), fingerprint);
}
