//! What a proof that the CA does not find leads to, and what it leaves alone.

use serde_json::Value;

use super::pebble_or_skip;
use super::site::{configuration, fails, passes};
use crate::support::{Keyturn, Pebble, PebbleOptions};

const NAMES: &str = r#"dns_names = ["www.edge.test", "edge.test"]"#;

/// `edge`, whose proof is at `at`, and `mail`, whose proof is where Pebble looks.
fn two(pebble: &Pebble, at: u16) -> String {
    let edge = format!("challenge = {{ kind = \"http-01\", listen = \"127.0.0.1:{at}\" }}");
    let certificates = format!(
        "[certificates.edge]\nissuers = [\"pebble\"]\n{NAMES}\n{edge}\n\
         [certificates.mail]\nissuers = [\"pebble\"]\ndns_names = [\"mail.test\"]\n"
    );
    configuration(&pebble.issuer("pebble", &pebble.http()), &certificates)
}

/// How often a key was made, by the history.
fn keys_made(keyturn: &Keyturn, asset: &str) -> usize {
    let history = keyturn.run(&["audit", "-o", "json"]).json();
    let of_asset = |entry: &&Value| entry["action"] == "issuing" && entry["asset"] == asset;
    history["entries"].as_array().unwrap().iter().filter(of_asset).count()
}

#[test]
fn a_proof_that_is_not_found_fails_one_certificate_and_keeps_its_key() {
    let pebble = pebble_or_skip!(PebbleOptions { nonce_reject: 0, ..PebbleOptions::default() });
    let elsewhere = pebble.place().port();
    let keyturn = Keyturn::alone().config(&two(&pebble, elsewhere.number()));
    let said = fails(&keyturn);
    assert!(said.contains("KT-CHALLENGE-FAILED") && said.contains("edge.test: "), "{said}");
    assert!(!said.contains("mail.test"), "{said}");
    assert_eq!((&keyturn.status("mail")["state"], pebble.counts().issued.len()), (&"active".into(), 1));
    let failed = keyturn.status("edge");
    assert_eq!((&failed["revision"], &failed["state"]), (&1.into(), &"pending".into()));

    // It waits before it asks the CA again, and says so with the same problem.
    let before = pebble.counts().all_requests();
    keyturn.run(&["run"]);
    assert_eq!(pebble.counts().all_requests(), before);

    let mut keyturn = keyturn.config(&two(&pebble, pebble.http_port()));
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some("90"));
    passes(&keyturn, &pebble);
    let status = keyturn.status("edge");
    assert_eq!((&status["revision"], &status["state"]), (&1.into(), &"active".into()));
    assert_eq!(keys_made(&keyturn, "certificates/edge"), 1);
    assert_eq!(keyturn.status("mail")["revision"], 1);
}
