//! Accounts: bound, rolled over, lost; and the chain that is preferred.

use super::outside::deactivate;
use super::pebble_or_skip;
use super::site::{edge, site};
use crate::support::{Keyturn, PebbleOptions, command, must};

const NAMES: &str = r#"dns_names = ["www.edge.test"]"#;

#[test]
fn an_account_that_the_ca_knows_beforehand() {
    let secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let eab = Some(("kid-1".to_owned(), secret.to_owned()));
    let pebble = pebble_or_skip!(PebbleOptions { eab, ..PebbleOptions::default() });
    let unbound = site(&pebble, &pebble.http(), NAMES);
    let ran = unbound.run(&["run"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("write eab = { kid = …, hmac_file = … } in issuers.pebble"), "{ran:#?}");
    assert_eq!(pebble.counts().accounts, 0);
    let folder = Keyturn::alone();
    let file = folder.write("eab.key", secret);
    let eab = format!("eab = {{ kid = \"kid-1\", hmac_file = \"{}\" }}", file.display());
    edge(&site(&pebble, &format!("{}\n{eab}", pebble.http()), NAMES), &pebble);
}

#[test]
fn a_new_key_also_over_a_crash() {
    let pebble = pebble_or_skip!(PebbleOptions::default());
    let mut keyturn = site(&pebble, &pebble.http(), NAMES);
    edge(&keyturn, &pebble);
    let told = keyturn.ok(&["acme", "rollover", "pebble"]);
    assert!(told.contains("has a new key"), "{told}");
    for point in ["acme-next-key-kept", "acme-key-changed"] {
        keyturn.kill_at(point, 1);
        let ran = keyturn.run(&["acme", "rollover", "pebble"]);
        assert!(ran.signal.is_some(), "{point} was not reached: {ran:#?}");
        keyturn.kill_nowhere();
        // The next order is placed with whichever key the CA has.
        let ran = keyturn.run(&["rotate", "edge"]);
        assert!(ran.ok(), "{point}: {ran:#?}");
    }
    let counts = pebble.counts();
    assert_eq!((counts.accounts, counts.orders), (1, 3), "one account, whatever its key");
    assert!(counts.key_changes() >= 3, "{counts:?}");
    assert_eq!(keyturn.ok(&["acme", "rollover", "pebble", "-o", "json"]).matches("\"account\"").count(), 1);
}

/// A CA that has lost its memory does not know the account: another is made by itself.
#[test]
fn an_account_that_the_ca_has_lost() {
    let mut pebble = pebble_or_skip!(PebbleOptions::default());
    let keyturn = site(&pebble, &pebble.http(), NAMES);
    edge(&keyturn, &pebble);
    pebble.kill();
    pebble.boot();
    let ran = keyturn.run(&["rotate", "edge"]);
    assert!(ran.ok(), "{ran:#?}");
    assert_eq!(keyturn.audited("acme-account-lost"), 1);
    assert_eq!(keyturn.audited("acme-account-created"), 2);
}

/// Who has deactivated it had a reason: no other takes its place by itself.
#[test]
fn an_account_that_someone_has_deactivated() {
    let pebble = pebble_or_skip!(PebbleOptions { nonce_reject: 0, ..PebbleOptions::default() });
    let keyturn = site(&pebble, &pebble.http(), NAMES);
    edge(&keyturn, &pebble);
    let before = keyturn.fingerprint("edge");
    deactivate(&keyturn, &pebble);
    let ran = keyturn.run(&["rotate", "edge"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("KT-ISSUE-FAILED") && ran.stderr.contains("unauthorized"), "{ran:#?}");
    assert_eq!((keyturn.audited("acme-account-lost"), pebble.counts().accounts), (0, 1));
    assert_eq!(keyturn.fingerprint("edge"), before, "what is in use stays");
    let told = keyturn.ok(&["acme", "register", "pebble"]);
    assert!(told.contains("is new"), "{told}");
    // The records count whole seconds, and an order of the same second as the failure is taken for the one that has failed.
    crate::support::pause(std::time::Duration::from_millis(1100));
    let ran = keyturn.run(&["rotate", "edge"]);
    assert!(ran.ok(), "{ran:#?}");
    assert_ne!(keyturn.fingerprint("edge"), before);
    assert_eq!(pebble.counts().accounts, 2);
}

#[test]
fn another_contact_is_told_once() {
    let pebble = pebble_or_skip!(PebbleOptions::default());
    let keyturn = site(&pebble, &pebble.http(), NAMES);
    edge(&keyturn, &pebble);
    let toml = std::fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    let keyturn = keyturn.config(&toml.replace("ops@example.org", "others@example.org"));
    for _ in 0..2 {
        assert!(keyturn.run(&["rotate", "edge"]).ok());
        assert_eq!(keyturn.audited("acme-contact-updated"), 1);
    }
    let kept = String::from_utf8(keyturn.kept("acme-account/pebble")).unwrap();
    assert!(kept.contains("others@example.org") && !kept.contains("ops@example.org"), "the new one is kept");
    assert_eq!(pebble.counts().accounts, 1);
}

#[test]
fn the_chain_that_is_preferred() {
    let pebble = pebble_or_skip!(PebbleOptions { alternate_roots: 2, ..PebbleOptions::default() });
    let root = Keyturn::alone();
    let file = root.write("root.pem", &pebble.root(2)).display().to_string();
    let subject =
        must(command("openssl", ["x509", "-in", &file, "-noout", "-subject", "-nameopt", "multiline"]));
    let name = subject.lines().find_map(|line| line.trim().strip_prefix("commonName")).unwrap();
    let name = name.trim_start_matches([' ', '=']).to_owned();
    let lines = format!("{}\npreferred_chain = \"{name}\"", pebble.http());
    let keyturn = site(&pebble, &lines, NAMES);
    let ran = keyturn.run(&["run"]);
    assert!(ran.ok(), "{ran:#?}");
    let chain = keyturn.ok(&["export", "edge", "--part", "fullchain"]);
    let chain = keyturn.write("fullchain.pem", &chain).display().to_string();
    must(command("openssl", ["verify", "-CAfile", &file, "-untrusted", &chain, &chain]));
}
