//! When there is an order, and what of the last one still counts.

use std::time::Duration;

use super::pebble_or_skip;
use super::site::{passes, site, verifies};
use crate::support::{PebbleOptions, wait_for};

const NAMES: &str = "dns_names = [\"edge.test\"]";

#[test]
fn a_second_pass_asks_the_ca_nothing() {
    let pebble = pebble_or_skip!(PebbleOptions::default());
    let keyturn = site(&pebble, &pebble.http(), NAMES);
    passes(&keyturn, &pebble);
    let before = pebble.counts();
    assert_eq!((before.orders, before.accounts, before.issued.len()), (1, 1, 1));
    let said = keyturn.ok(&["run"]);
    assert!(said.contains("nothing to do"), "{said}");
    assert_eq!(pebble.counts(), before);
}

#[test]
fn a_control_that_the_ca_remembers_is_not_shown_again() {
    for (authz_reuse, validations) in [(0, 2), (100, 1)] {
        let pebble = pebble_or_skip!(PebbleOptions { authz_reuse, ..PebbleOptions::default() });
        let keyturn = site(&pebble, &pebble.http(), NAMES);
        passes(&keyturn, &pebble);
        keyturn.ok(&["rotate", "edge"]);
        passes(&keyturn, &pebble);
        let counts = pebble.counts();
        assert_eq!((counts.orders, counts.accounts, counts.issued.len()), (2, 1, 2));
        assert_eq!(counts.validations, validations, "{authz_reuse}");
        assert_eq!(keyturn.status("edge")["revision"], 2);
    }
}

#[test]
fn a_certificate_is_renewed_by_itself_when_its_time_has_come() {
    // Half of a life is the most that is given up: it is due after 40 s. Less than a minute is no life.
    let pebble = pebble_or_skip!(PebbleOptions { validity: Some(80), ..PebbleOptions::default() });
    let certificate = format!("{NAMES}\nrenew_before = \"79s\"");
    let keyturn = site(&pebble, &pebble.http(), &certificate);
    passes(&keyturn, &pebble);
    let first = keyturn.status("edge");
    assert_eq!((&first["revision"], pebble.counts().orders), (&1.into(), 1), "{first}");
    let renewed = || {
        passes(&keyturn, &pebble);
        pebble.counts().orders > 1
    };
    assert!(wait_for(Duration::from_secs(60), renewed), "{}", keyturn.status("edge"));
    let second = keyturn.status("edge");
    assert_eq!((&second["revision"], &second["state"]), (&2.into(), &"active".into()));
    assert_ne!(first["serial"], second["serial"]);
    assert!(second["issued_at"].as_str() >= first["renew_at"].as_str(), "{first} {second}");
    assert!(verifies(&keyturn, &pebble.root(0)));
}
