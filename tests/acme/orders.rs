//! When there is an order, and what of the last one still counts.

use super::site::{configuration, http, issuer, passes, pebble_or_skip, site};
use crate::support::{Keyturn, PebbleOptions};

const NAMES: &str = "dns_names = [\"edge.test\"]";

#[test]
fn a_second_pass_asks_the_ca_nothing() {
    let pebble = pebble_or_skip!();
    let keyturn = site(&pebble, &http(&pebble), NAMES);
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
        let keyturn = site(&pebble, &http(&pebble), NAMES);
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
#[ignore = "the plan takes the first issuer only"]
fn the_second_issuer_steps_in_for_a_dead_first_one_in_the_same_pass() {
    let pebble = pebble_or_skip!();
    let closed = pebble.place().port();
    let dead = issuer("dead", &pebble, &http(&pebble))
        .replace(&pebble.directory(), &format!("https://{}/dir", closed.address()));
    let issuers = dead + &issuer("pebble", &pebble, &http(&pebble));
    let certificate = format!("[certificates.edge]\nissuers = [\"dead\", \"pebble\"]\n{NAMES}");
    let keyturn = Keyturn::alone().config(&configuration(&issuers, &certificate));
    keyturn.run(&["run"]);
    let status = keyturn.status("edge");
    assert_eq!((&status["issuer"], &status["state"]), (&"pebble".into(), &"active".into()));
    assert_eq!((pebble.counts().orders, status["revision"].clone()), (1, 1.into()));
}
