//! A certificate from a real Pebble: killed at every step, and run again until it is there (FAULTS C1 to C8, C20).
//!
//! What has come of it is counted at the CA, which is where a limit counts it.
// Its crash points and clock are there only in a build for tests.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::fs;

use serde_json::json;
use support::{Keyturn, Pebble, skip_without};

/// A step, and what may come of a crash there.
struct Step {
    point: &'static str,
    /// Of a run from nothing: whether the key was durable already, so that it must be used again.
    keeps_key: bool,
    /// Orders at the CA, from the first to the last run.
    orders: [usize; 2],
    /// Accounts at the CA.
    accounts: [usize; 2],
}

/// One order, one account.
const fn step(point: &'static str) -> Step {
    Step { point, keeps_key: true, orders: [1, 1], accounts: [1, 1] }
}

const STEPS: [Step; 11] = [
    // C1, C2
    Step { keeps_key: false, ..step("key-made") },
    step("key-stored"),
    // The reply is lost with the account's key: the CA has one account more that nobody uses.
    Step { accounts: [1, 2], ..step("acme-account-made") },
    // C3, C4
    Step { orders: [1, 2], ..step("acme-order-placed") },
    step("acme-order-stored"),
    // C5: nobody answers the CA that was told to look, so it may end the order.
    step("acme-challenge-set"),
    Step { orders: [1, 2], ..step("acme-challenge-triggered") },
    // C6, C7, C8
    step("acme-finalized"),
    step("acme-certificate-fetched"),
    step("issued"),
    step("certificate-stored"),
];

/// One certificate for two names, by http-01 on an own listener.
fn site(pebble: &Pebble) -> Keyturn {
    let issuer = pebble.issuer("pebble", &pebble.http());
    Keyturn::alone().config(&format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
{issuer}
[certificates.edge]
issuers = ["pebble"]
dns_names = ["www.edge.test", "edge.test"]
"#
    ))
}

/// Runs as a timer would until there is nothing to do; how many runs it took.
fn finish(keyturn: &mut Keyturn) -> u32 {
    for n in 0..5_u32 {
        // A try that failed is made again only later.
        keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&(n * 700).to_string()));
        let ran = keyturn.run(&["run"]);
        if ran.ok() && keyturn.status("edge")["state"] == "active" {
            return n + 1;
        }
        println!("run {}: {}", n + 1, ran.stderr);
    }
    panic!("it does not come to an end: {:#}", keyturn.status("edge"));
}

fn key(keyturn: &Keyturn) -> Option<serde_json::Value> {
    keyturn.material("certificates/edge", 1).map(|material| material["private_key"].clone())
}

fn assert_within(counted: usize, [least, most]: [usize; 2], of: &str, point: &str) {
    assert!((least..=most).contains(&counted), "{point}: {counted} {of}, wanted {least} to {most}");
}

/// Kills a run at `step`, finishes, and compares what the CA has counted since.
fn crash(pebble: &Pebble, keyturn: &mut Keyturn, step: &Step) {
    let point = step.point;
    let before = pebble.counts();
    keyturn.kill_at(point, 1);
    let ran = keyturn.run(&["run"]);
    assert_eq!(ran.signal, Some(6), "{point}: {ran:#?}\n{}", pebble.log());
    keyturn.kill_nowhere();
    let begun = key(keyturn);
    assert_eq!(begun.is_some(), step.keeps_key, "{point}: whether the key is stored");
    let crashed = pebble.counts();
    let runs = finish(keyturn);
    let after = pebble.counts();
    if let Some(begun) = begun {
        assert_eq!(Some(begun), key(keyturn), "{point}: a stored key is used again");
    }
    let [orders, finalizations, accounts, certificates] = [
        after.orders - before.orders,
        after.finalizations - before.finalizations,
        after.accounts - before.accounts,
        after.issued.len() - before.issued.len(),
    ];
    println!(
        "{point}: {orders} orders ({} before the crash), {finalizations} finalizations, {accounts} accounts, {certificates} certificates, {runs} more runs",
        crashed.orders - before.orders
    );
    assert_within(orders, step.orders, "orders", point);
    assert_eq!(finalizations, 1, "{point}: finalizations");
    assert_eq!(certificates, 1, "{point}: certificates");
    assert_within(accounts, step.accounts, "accounts", point);
    assert_settled(pebble, keyturn, point);
}

/// There is one certificate, the history is whole, and nothing is left to do.
fn assert_settled(pebble: &Pebble, keyturn: &Keyturn, point: &str) {
    let status = keyturn.status("edge");
    let revisions = status["revisions"].as_array().unwrap();
    let active: Vec<_> = revisions.iter().filter(|one| one["state"] == "active").collect();
    assert_eq!(active.len(), 1, "{point}: {status:#}");
    assert_eq!(active[0]["revision"], json!(1), "{point}: {status:#}");
    keyturn.ok(&["audit", "--verify"]);
    let counts = pebble.counts();
    assert!(keyturn.ok(&["run"]).contains("nothing to do"), "{point}");
    assert_eq!(pebble.counts(), counts, "{point}: with nothing to do, nobody is asked");
}

#[test]
fn killed_in_the_first_run() {
    skip_without!(Pebble);
    let pebble = Pebble::start();
    for step in &STEPS {
        // A folder and a state of its own for each.
        crash(&pebble, &mut site(&pebble), step);
    }
    pebble.assert_alive();
}

/// FAULTS C20 has 1,000, which take minutes: `KEYTURN_TEST_RESTARTS=1000`.
fn restarts() -> u32 {
    std::env::var("KEYTURN_TEST_RESTARTS").map_or(30, |text| text.parse().unwrap())
}

#[test]
fn restarts_with_nothing_due_change_nothing() {
    skip_without!(Pebble);
    let pebble = Pebble::start();
    let keyturn = site(&pebble);
    keyturn.ok(&["run"]);
    let audit = || fs::read(keyturn.dir().join("state/audit.log")).unwrap();
    let facts = || (key(&keyturn), keyturn.fingerprint("edge"), audit(), pebble.counts());
    let before = facts();
    for n in 0..restarts() {
        assert!(keyturn.ok(&["run"]).contains("nothing to do"), "restart {n}");
    }
    assert!(before == facts(), "no key, no order, no line, no request");
    assert_eq!((before.3.orders, before.3.accounts), (1, 1));
    println!("{} restarts, {} requests in all", restarts(), pebble.counts().all_requests());
}
