//! The real peers of the ACME tests: that each starts, is what the tests take it for, and does what its helpers say.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use support::{Pebble, PebbleOptions, Place, command, engine_or_skip, skip_without, wait_for};

/// The directory, asked for over TLS with the peer's own CA.
fn directory(place: &Place, url: &str) -> Value {
    let text = place.get(url).unwrap_or_else(|| panic!("{url} does not answer"));
    serde_json::from_str(&text).unwrap()
}

fn is_running(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[test]
fn pebble_answers_and_counts() {
    skip_without!(Pebble);
    let pebble = Pebble::start();
    assert!(directory(pebble.place(), &pebble.directory())["newOrder"].is_string());
    let counts = pebble.counts();
    assert_eq!((counts.orders, counts.accounts, counts.nonces()), (0, 0, 0));
    assert!(counts.requests_to("/dir") > 0 && counts.issued.is_empty(), "{counts:?}");
    assert_eq!(pebble.certificate_status("0123"), None);
    assert!(pebble.is_alive());
}

#[test]
fn pebble_has_the_chains_and_accounts_that_are_asked_for() {
    skip_without!(Pebble);
    let eab = Some((
        "kid-1".to_owned(),
        "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W".to_owned(),
    ));
    let pebble =
        PebbleOptions { alternate_roots: 1, chain_length: 2, eab, ..PebbleOptions::default() }.start();
    assert_ne!(pebble.root(0), pebble.root(1));
    assert!(pebble.intermediate(0).starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(pebble.manage("roots/2"), None);
    let directory = directory(pebble.place(), &pebble.directory());
    assert_eq!(directory["meta"]["externalAccountRequired"], true);
}

#[test]
fn pebble_that_hangs_is_noticed_and_its_end_leaves_nothing() {
    skip_without!(Pebble);
    let mut pebble = Pebble::start();
    let watch = pebble.watch();
    pebble.signal(Signal::SIGSTOP);
    assert!(wait_for(Duration::from_secs(30), || watch.has_hung()));
    drop(watch);
    pebble.kill();
    pebble.boot();
    let (pid, folder) = (pebble.pid(), pebble.place().dir().to_owned());
    assert!(is_running(pid) && folder.exists());
    drop(pebble);
    assert!(!is_running(pid) && !folder.exists());
}

#[test]
fn pebble_lives_beside_an_engine() {
    let engine = engine_or_skip!();
    skip_without!(Pebble);
    let pebble = Pebble::beside(&engine);
    assert!(directory(pebble.place(), &pebble.directory())["newOrder"].is_string());
    // From here that network cannot be reached.
    let outside = command("curl", ["-ksS", "-m", "5", &pebble.directory()]).output().unwrap();
    assert!(!outside.status.success());
}
