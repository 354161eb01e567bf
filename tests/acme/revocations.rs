//! What is taken back, by Pebble's own word.

use serde_json::{Value, json};

use super::pebble_or_skip;
use super::site::{edge, passes, shown, site};
use crate::support::{Keyturn, Pebble, PebbleOptions};

const NAMES: &str = r#"dns_names = ["www.edge.test"]"#;

/// What Pebble says of the certificate with this serial.
fn told(pebble: &Pebble, serial: &str) -> Value {
    pebble.certificate_status(serial).unwrap_or_else(|| panic!("{serial} is not known"))
}

fn serial(keyturn: &Keyturn) -> String {
    shown(keyturn, &["-serial"]).trim_start_matches("serial=").trim().to_lowercase()
}

/// Asks for it to be revoked; how often the CA was, and its word on the one that was in use.
fn taken_back(keyturn: &Keyturn, pebble: &Pebble, wish: &[&str]) -> (usize, Value) {
    let (old, before) = (serial(keyturn), pebble.counts().revocations());
    assert_eq!(told(pebble, &old)["Status"], "Valid");
    keyturn.ok(wish);
    assert_eq!(told(pebble, &serial(keyturn))["Status"], "Valid", "its successor stands");
    (pebble.counts().revocations() - before, told(pebble, &old))
}

#[test]
fn by_the_account_by_the_certificates_key_and_when_compromised() {
    // No nonce is rejected, so that each request to revoke counts.
    let pebble = pebble_or_skip!(PebbleOptions { nonce_reject: 0, ..PebbleOptions::default() });
    let keyturn = site(&pebble, &pebble.http(), NAMES);
    edge(&keyturn, &pebble);
    let wishes: [(&[&str], u8); 4] = [
        (&["revoke", "edge", "--reason", "superseded"], 4),
        (&["revoke", "edge", "--reason", "cessation-of-operation", "--now"], 5),
        (&["revoke", "edge", "--reason", "key-compromise"], 1),
        (&["rotate", "--compromised", "edge"], 1),
    ];
    for (wish, reason) in wishes {
        let (asked, told) = taken_back(&keyturn, &pebble, wish);
        assert_eq!(
            (asked, &told["Status"], &told["Reason"]),
            (1, &json!("Revoked"), &json!(reason)),
            "{wish:?}"
        );
    }
    passes(&keyturn, &pebble);
    assert_eq!((pebble.counts().orders, &keyturn.status("edge")["revision"]), (5, &json!(5)));
}
