//! What cannot be had, and who is asked instead.

use super::pebble_or_skip;
use super::site::{configuration, site};
use crate::support::{Keyturn, PebbleOptions};

const NAMES: &str = r#"dns_names = ["www.edge.test"]"#;

#[test]
fn a_proof_that_the_ca_does_not_find() {
    let pebble = pebble_or_skip!(PebbleOptions::default());
    // Nothing listens where Pebble looks.
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let keyturn =
        site(&pebble, &format!("challenge = {{ kind = \"http-01\", listen = \"{elsewhere}\" }}"), NAMES);
    let ran = keyturn.run(&["run"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("KT-CHALLENGE-FAILED") && ran.stderr.contains("www.edge.test"), "{ran:#?}");
    let key = |number| keyturn.material("certificates/edge", number).unwrap()["private_key"].clone();
    let before = key(1);
    // Not at once again; and when the operator asks, with the same key.
    keyturn.run(&["run"]);
    assert_eq!(pebble.counts().orders, 1);
    keyturn.run(&["rotate", "edge"]);
    assert_eq!(pebble.counts().orders, 2);
    assert_eq!(key(1), before);
}

#[test]
fn the_second_issuer_when_the_first_is_away() {
    let pebble = pebble_or_skip!(PebbleOptions::default());
    let dead =
        format!("[issuers.away]\nkind = \"acme\"\nserver = \"https://127.0.0.1:9/dir\"\n{}\n", pebble.http());
    let issuers = pebble.issuer("pebble", &pebble.http()) + &dead;
    let names = format!("[certificates.edge]\nissuers = [\"away\", \"pebble\"]\n{NAMES}");
    let keyturn = Keyturn::alone().config(&configuration(&issuers, &names));
    let ran = keyturn.run(&["run"]);
    assert_eq!(keyturn.status("edge")["issuer"], "pebble", "{ran:#?}");
    assert!(ran.stderr.contains("KT-ISSUER-UNREACHABLE"), "what did not work is told: {ran:#?}");
    let again = keyturn.run(&["run"]);
    assert!(again.ok() && again.stdout.contains("nothing to do"), "{again:#?}");
}
