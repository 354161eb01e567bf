//! Each challenge, each kind of name.

use std::fs;

use serde_json::Value;

use super::site::{configuration, fails, http, issuer, names, passes, pebble_or_skip, site, verifies};
use crate::support::{Keyturn, Pebble, PebbleOptions, command, wait_for};

const NAMES: &str = r#"dns_names = ["www.edge.test", "edge.test"]"#;

#[test]
fn http_01() {
    let pebble = pebble_or_skip!();
    let keyturn = site(&pebble, &http(&pebble), NAMES);
    passes(&keyturn, &pebble);
    let status = keyturn.status("edge");
    assert_eq!((&status["issuer"], &status["state"]), (&"pebble".into(), &"active".into()));
    assert_eq!(names(&keyturn), ["DNS:edge.test", "DNS:www.edge.test"]);
    assert_eq!(pebble.counts().validations, 2);
}

#[test]
fn http_01_by_a_web_servers_folder() {
    let pebble = pebble_or_skip!();
    let webroot = pebble.place().dir().join("webroot");
    fs::create_dir(&webroot).unwrap();
    fs::write(webroot.join("index.html"), "hello").unwrap();
    let port = pebble.http_port();
    let at = format!("127.0.0.1:{port}");
    let mut httpd = command("busybox", ["httpd", "-f", "-p", &at, "-h", webroot.to_str().unwrap()]);
    let _httpd = pebble.place().start("httpd", &mut httpd);
    let serves = || pebble.place().get(&format!("http://{at}/index.html")).is_some();
    assert!(wait_for(std::time::Duration::from_secs(10), serves));
    let challenge = format!("challenge = {{ kind = \"http-01\", webroot = \"{}\" }}", webroot.display());
    let keyturn = site(&pebble, &challenge, NAMES);
    passes(&keyturn, &pebble);
    assert!(verifies(&keyturn, &pebble.root(0)));
    // What was put up is gone, and what was there before is not.
    let proofs = webroot.join(".well-known/acme-challenge");
    let left = fs::read_dir(&proofs).map_or(0, Iterator::count);
    assert_eq!((left, webroot.join("index.html").exists()), (0, true));
}

#[test]
fn tls_alpn_01() {
    let pebble = pebble_or_skip!();
    let challenge =
        format!("challenge = {{ kind = \"tls-alpn-01\", listen = \"127.0.0.1:{}\" }}", pebble.tls_port());
    let keyturn = site(&pebble, &challenge, NAMES);
    passes(&keyturn, &pebble);
    assert!(verifies(&keyturn, &pebble.root(0)));
    assert_eq!(names(&keyturn), ["DNS:edge.test", "DNS:www.edge.test"]);
}

#[test]
fn addresses_by_http_01_and_tls_alpn_01() {
    let pebble = pebble_or_skip!();
    let tls =
        format!("challenge = {{ kind = \"tls-alpn-01\", listen = \"127.0.0.1:{}\" }}", pebble.tls_port());
    for challenge in [http(&pebble), tls] {
        let keyturn = site(&pebble, &challenge, r#"ip_addresses = ["127.0.0.1"]"#);
        passes(&keyturn, &pebble);
        assert_eq!(names(&keyturn), ["IP Address:127.0.0.1"]);
        assert!(verifies(&keyturn, &pebble.root(0)));
    }
}

#[test]
fn a_name_as_people_write_it() {
    let pebble = pebble_or_skip!();
    let keyturn = site(&pebble, &http(&pebble), r#"dns_names = ["Bücher.test", "straße.bücher.test"]"#);
    passes(&keyturn, &pebble);
    assert_eq!(names(&keyturn), ["DNS:xn--bcher-kva.test", "DNS:xn--strae-oqa.xn--bcher-kva.test"]);
}

/// `edge`, whose proof is at `at`, and `mail`, whose proof is where Pebble looks.
fn two(pebble: &Pebble, at: u16) -> String {
    let edge = format!("challenge = {{ kind = \"http-01\", listen = \"127.0.0.1:{at}\" }}");
    let certificates = format!(
        "[certificates.edge]\nissuers = [\"pebble\"]\n{NAMES}\n{edge}\n\
         [certificates.mail]\nissuers = [\"pebble\"]\ndns_names = [\"mail.test\"]\n"
    );
    configuration(&issuer("pebble", pebble, &http(pebble)), &certificates)
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
