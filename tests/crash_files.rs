//! Directories on this machine: killed at every step of a delivery, and run again and again.
// Its crash points and clock are there only in a build for tests.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::Keyturn;

/// Every point that a delivery to directories passes.
const POINTS: [&str; 11] = [
    "key-made",
    "key-stored",
    "issued",
    "certificate-stored",
    "rollout-intended",
    "folder-written",
    "link-turned",
    "rollout-applied",
    "rollout-settled",
    "rollout-recorded",
    "activated",
];

const ASSETS: [&str; 4] = ["ca/internal", "certificates/edge", "jwt_keys/auth", "dh_params/edge"];

/// Keys of every kind, and a reader that counts how often it is told to reload.
fn site() -> Keyturn {
    Keyturn::alone().config(
        r#"
[daemon]
instance = "test"
state_dir = "state"
[delivery]
concurrency = 1
[issuers.internal]
kind = "internal"
common_name = "Test CA"
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.test"]
[[certificates.edge.targets]]
kind = "file"
dir = "tls"
files = { "tls.crt" = "fullchain", "tls.key" = "private-key" }
test = ["test", "-s", "{dir}/tls/tls.key"]
reload = ["sh", "-c", "echo reload >>{dir}/reloads"]
[jwt_keys.auth]
algorithm = "ES256"
rotate_every = "60d"
[[jwt_keys.auth.targets]]
kind = "file"
dir = "signer"
files = { "jwt.key" = "private-key", "jwt.kid" = "kid" }
[[jwt_keys.auth.targets]]
kind = "file"
dir = "verifier"
files = { "jwks.json" = "jwks" }
[dh_params.edge]
bits = 2048
source = "rfc7919"
[[dh_params.edge.targets]]
kind = "file"
dir = "tls"
files = { "dhparam.pem" = "dhparam" }
"#,
    )
}

/// Each asset's revisions and their states: what a crash must not change.
fn facts(keyturn: &Keyturn) -> BTreeMap<&'static str, Vec<(Value, Value)>> {
    let of = |asset: &&'static str| {
        let status = keyturn.status(asset);
        assert!(
            status["problems"].as_array().unwrap().iter().all(|one| one["code"] == "KT-PROOF-WEAK"),
            "{status:#}"
        );
        let revisions = status["revisions"].as_array().unwrap().iter();
        (*asset, revisions.map(|one| (one["revision"].clone(), one["state"].clone())).collect())
    };
    ASSETS.iter().map(of).collect()
}

fn read(keyturn: &Keyturn, file: &str) -> String {
    fs::read_to_string(keyturn.dir().join(file)).unwrap_or_default()
}

/// The revision whose pair the directory shows; a pair of two revisions is none.
fn shown(keyturn: &Keyturn) -> Option<u32> {
    let (certificate, key) = (read(keyturn, "tls/tls.crt"), read(keyturn, "tls/tls.key"));
    (1..=2).find(|number| {
        let Some(material) = keyturn.material("certificates/edge", *number) else { return false };
        let leaf = material["certificate"].as_str().unwrap_or("none");
        certificate.starts_with(leaf) && material["private_key"] == json!(key)
    })
}

fn hidden_folders(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries.filter(|entry| entry.file_type().unwrap().is_dir()).count()
}

/// What has come of it is what comes of it without a crash.
fn assert_whole(
    keyturn: &Keyturn,
    wanted: &BTreeMap<&'static str, Vec<(Value, Value)>>,
    number: u32,
    when: &str,
) {
    assert_eq!(&facts(keyturn), wanted, "{when}");
    assert_eq!(shown(keyturn), Some(number), "{when}: the pair that is installed");
    assert_eq!(hidden_folders(&keyturn.dir().join("tls")), 2, "{when}: no old key is left");
    assert_eq!(hidden_folders(&keyturn.dir().join("signer")), 1, "{when}");
    keyturn.ok(&["audit", "--verify"]);
    let reloads = read(keyturn, "reloads");
    let again = keyturn.ok(&["run"]);
    assert!(again.contains("nothing to do"), "{when}: {again}");
    assert_eq!(read(keyturn, "reloads"), reloads, "{when}: nothing to do, nothing to reload");
}

#[test]
fn killed_in_the_first_run() {
    let clean = site();
    clean.ok(&["run"]);
    let wanted = facts(&clean);
    for point in POINTS {
        let mut passed = 0;
        for n in 1.. {
            let mut keyturn = site();
            keyturn.kill_at(point, n);
            let ran = keyturn.run(&["run"]);
            if ran.ok() {
                break;
            }
            assert_eq!(ran.signal, Some(6), "{point}:{n}: {ran:#?}");
            keyturn.kill_nowhere();
            keyturn.ok(&["run"]);
            assert_whole(&keyturn, &wanted, 1, &format!("{point}:{n}"));
            passed = n;
        }
        assert!(passed > 0, "{point} is not passed");
        println!("{point}: {passed} times");
    }
}

#[test]
fn killed_in_a_rotation() {
    let clean = site();
    clean.ok(&["run"]);
    clean.ok(&["rotate", "certificates/edge"]);
    let wanted = facts(&clean);
    for point in POINTS {
        let mut keyturn = site();
        keyturn.ok(&["run"]);
        let before = read(&keyturn, "reloads");
        keyturn.kill_at(point, 1);
        let ran = keyturn.run(&["rotate", "certificates/edge"]);
        assert_eq!(ran.signal, Some(6), "{point}: {ran:#?}");
        keyturn.kill_nowhere();
        assert!(shown(&keyturn).is_some(), "{point}: a pair of two revisions");
        let begun = keyturn.material("certificates/edge", 2);
        keyturn.ok(&["run"]);
        if let Some(begun) = begun {
            let finished = keyturn.material("certificates/edge", 2).unwrap();
            assert_eq!(begun["private_key"], finished["private_key"], "{point}: a stored key is used again");
        }
        let reloads = read(&keyturn, "reloads")[before.len()..].lines().count();
        assert!((1..=2).contains(&reloads), "{point}: {reloads} reloads");
        assert_whole(&keyturn, &wanted, 2, point);
        keyturn.set("KEYTURN_CLOCK_OFFSET", Some("691200"));
        keyturn.ok(&["run"]);
        assert_eq!(facts(&keyturn)["certificates/edge"][0], (json!(1), json!("retired")), "{point}");
        assert_eq!(keyturn.material("certificates/edge", 1), None, "{point}");
    }
}

#[test]
fn a_hundred_runs_change_nothing() {
    let keyturn = site();
    keyturn.ok(&["run"]);
    let journal = || {
        let folder = fs::read_dir(keyturn.dir().join("state/journal")).unwrap();
        let files = folder.map(|entry| entry.unwrap().path()).map(|path| (fs::read(&path).unwrap(), path));
        files.collect::<Vec<_>>()
    };
    let before = (journal(), facts(&keyturn), read(&keyturn, "state/audit.log"), read(&keyturn, "reloads"));
    for _ in 0..100 {
        assert!(keyturn.ok(&["run"]).contains("nothing to do"));
    }
    let after = (journal(), facts(&keyturn), read(&keyturn, "state/audit.log"), read(&keyturn, "reloads"));
    assert!(before == after, "no key, no order, no frame, no line");
    assert!(!before.0.is_empty() && !before.2.is_empty());
}
