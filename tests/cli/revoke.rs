//! `revoke`, and `rotate --compromised`.

use std::fs;

use serde_json::Value;

use super::{assert_says, quick};
use crate::support::{Keyturn, files_site, status};

fn site() -> Keyturn {
    let keyturn = files_site("");
    assert_eq!(quick(&keyturn, &["run"]).code, Some(0));
    keyturn
}

fn states(keyturn: &Keyturn, asset: &str) -> Vec<String> {
    let revisions = status(keyturn)[asset]["revisions"].as_array().unwrap().clone();
    revisions.iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect()
}

/// From now on the key stays; the configuration as it was before.
fn keep_key(keyturn: &Keyturn) -> String {
    let before = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    let names = "dns_names = [\"edge.example.org\"]\n";
    let kept = format!("{names}private_key = {{ rotation = \"never\" }}\n");
    keyturn.write("keyturn.toml", &before.replace(names, &kept));
    before
}

fn read(keyturn: &Keyturn, path: &str) -> Vec<u8> {
    fs::read(keyturn.dir().join(path)).unwrap()
}

#[test]
fn what_is_in_use_is_replaced_and_then_revoked() {
    let keyturn = site();
    let old = read(&keyturn, "out/edge/tls.crt");
    let ran = quick(&keyturn, &["revoke", "certificates/edge", "--reason", "superseded"]);
    assert!(ran.ok(), "{ran:#?}");
    assert!(ran.stderr.contains("has no revocation lists"), "{ran:#?}");
    assert_ne!(read(&keyturn, "out/edge/tls.crt"), old);
    assert_eq!(states(&keyturn, "certificates/edge"), ["revoked", "active"]);
    assert_eq!(keyturn.material("certificates/edge", 1), None);
    for (action, count) in [("revoke-asked", 1), ("revoking", 1), ("revoked", 1)] {
        assert_eq!(keyturn.audited(action), count, "{action}");
    }
    let again = quick(&keyturn, &["revoke", "certificates/edge", "--revision", "1"]);
    assert_says(&again, 2, &["revision 1 of certificates/edge was revoked at"]);
    let done = quick(&keyturn, &["revoke", "certificates/edge", "--done"]);
    assert_says(&done, 2, &["--done is for what a person carries"]);
}

#[test]
fn what_is_replaced_already_is_only_revoked() {
    let keyturn = site();
    assert!(quick(&keyturn, &["rotate", "certificates/edge"]).ok());
    let ran = quick(&keyturn, &["revoke", "certificates/edge", "--revision", "1"]);
    assert!(ran.ok(), "{ran:#?}");
    assert_eq!(states(&keyturn, "certificates/edge"), ["revoked", "active"]);
}

/// The older certificate is named, and the newer one has the same key: it is not served on with it.
#[test]
fn a_key_in_wrong_hands_is_so_in_all_revisions_that_have_it() {
    let keyturn = site();
    let config = keep_key(&keyturn);
    let key = read(&keyturn, "out/edge/tls.key");
    assert!(quick(&keyturn, &["rotate", "certificates/edge"]).ok());
    assert_eq!(read(&keyturn, "out/edge/tls.key"), key, "it stays");
    // How keys are kept may have been changed since.
    keyturn.write("keyturn.toml", &config);
    assert!(quick(&keyturn, &["rotate", "certificates/edge"]).ok());
    let other = read(&keyturn, "out/edge/tls.key");
    assert_ne!(other, key);
    assert_eq!(states(&keyturn, "certificates/edge"), ["retiring", "retiring", "active"]);
    let ran =
        quick(&keyturn, &["revoke", "certificates/edge", "--revision", "1", "--reason", "key-compromise"]);
    assert!(ran.ok(), "{ran:#?}");
    assert_eq!(states(&keyturn, "certificates/edge"), ["revoked", "revoked", "active"]);
    assert_eq!(read(&keyturn, "out/edge/tls.key"), other, "what has another key is left alone");
}

/// The same of what is in use.
#[test]
fn a_key_in_wrong_hands_is_not_served_on_by_a_newer_certificate() {
    let keyturn = site();
    keep_key(&keyturn);
    let key = read(&keyturn, "out/edge/tls.key");
    assert!(quick(&keyturn, &["rotate", "certificates/edge"]).ok());
    assert_eq!(read(&keyturn, "out/edge/tls.key"), key);
    let ran =
        quick(&keyturn, &["revoke", "certificates/edge", "--revision", "1", "--reason", "key-compromise"]);
    assert!(ran.ok(), "{ran:#?}");
    assert_ne!(read(&keyturn, "out/edge/tls.key"), key);
    assert_eq!(states(&keyturn, "certificates/edge"), ["revoked", "revoked", "active"]);
}

#[test]
fn without_waiting_it_is_revoked_first_and_replaced_in_the_same_pass() {
    let keyturn = site();
    let ran = quick(&keyturn, &["revoke", "certificates/edge", "--now"]);
    assert!(ran.ok(), "{ran:#?}");
    let audit: Value = quick(&keyturn, &["audit", "-o", "json"]).json();
    let entries = audit["entries"].as_array().unwrap();
    let place = |action: &str| {
        entries.iter().rposition(|entry| entry["action"] == action && entry["asset"] == "certificates/edge")
    };
    assert!(place("revoked") < place("activated"), "{audit:#}");
    assert_eq!(status(&keyturn)["certificates/edge"]["revision"], 2);
}

#[test]
fn a_wish_that_cannot_be_is_refused() {
    let keyturn = site();
    let revoke = |more: &[&str]| quick(&keyturn, &[&["revoke"], more].concat());
    assert_says(&revoke(&["jwt_keys/auth"]), 2, &["is no certificate"]);
    assert_says(&revoke(&["certificates/edge", "--revision", "7"]), 2, &["revision 7", "is not known"]);
    let reason = revoke(&["certificates/edge", "--reason", "key-compromised"]);
    assert_says(&reason, 2, &["--reason", "did you mean `key-compromise`?"]);
    assert_eq!(states(&keyturn, "certificates/edge"), ["active"], "nothing was done");
}

#[test]
fn a_ca_whose_key_is_out_is_gone_with_all_under_it() {
    let keyturn = site();
    let (leaf, root) = (read(&keyturn, "out/edge/tls.crt"), read(&keyturn, "out/edge/ca.crt"));
    let ran = quick(&keyturn, &["rotate", "--compromised", "ca/internal"]);
    assert!(ran.ok(), "{ran:#?}");
    let (new_leaf, new_root) = (read(&keyturn, "out/edge/tls.crt"), read(&keyturn, "out/edge/ca.crt"));
    assert!(leaf != new_leaf && root != new_root);
    let count = |bytes: &[u8]| String::from_utf8_lossy(bytes).matches("BEGIN CERTIFICATE").count();
    assert_eq!((count(&new_leaf), count(&new_root)), (2, 1), "nothing of the old root is left");
    assert_eq!(states(&keyturn, "ca/internal"), ["retired", "active"]);
    assert_eq!(keyturn.material("ca/internal", 1), None);
    assert!(quick(&keyturn, &["run"]).stdout.contains("nothing to do"));
}

#[test]
fn a_certificate_whose_key_is_out_gets_another_and_is_revoked() {
    let keyturn = site();
    let key = read(&keyturn, "out/edge/tls.key");
    let ran = quick(&keyturn, &["rotate", "--compromised", "certificates/edge"]);
    assert!(ran.ok(), "{ran:#?}");
    assert_ne!(read(&keyturn, "out/edge/tls.key"), key);
    assert_eq!(states(&keyturn, "certificates/edge"), ["revoked", "active"]);
    let audit = quick(&keyturn, &["audit", "-o", "json"]).json();
    let asked = audit["entries"].as_array().unwrap().iter().find(|entry| entry["action"] == "rotate-asked");
    assert_eq!(asked.unwrap()["detail"]["compromised"], "true", "{audit:#}");
    let revoked = quick(&keyturn, &["revoke", "certificates/edge", "--reason", "key-compromise"]);
    assert!(revoked.ok(), "{revoked:#?}");
    assert_eq!(states(&keyturn, "certificates/edge"), ["revoked", "revoked", "active"]);
}
