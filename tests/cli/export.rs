//! `export`, `jwks` and `ca`.

use serde_json::Value;

use super::{assert_says, quick};
use crate::support::{Keyturn, command, fed, files_site};

fn exported(keyturn: &Keyturn, asset: &str, part: &str) -> String {
    let ran = quick(keyturn, &["export", asset, "--part", part]);
    assert!(ran.ok() && ran.stderr.is_empty(), "{asset} {part}: {ran:#?}");
    ran.stdout
}

fn entries(keyturn: &Keyturn) -> Vec<Value> {
    let mut history = quick(keyturn, &["audit", "-o", "json"]).json();
    history["entries"].as_array_mut().unwrap().drain(..).collect()
}

#[test]
fn every_public_part_is_printed_as_it_is_delivered() {
    let keyturn = files_site("");
    assert_says(&quick(&keyturn, &["export", "certificates/edge", "--part", "ca"]), 2, &["keyturn run"]);
    keyturn.ok(&["run"]);
    let before = entries(&keyturn).len();
    let delivered = |path: &str| std::fs::read_to_string(keyturn.dir().join("out").join(path)).unwrap();
    assert_eq!(exported(&keyturn, "certificates/edge", "fullchain"), delivered("edge/tls.crt"));
    assert_eq!(exported(&keyturn, "certificates/edge", "ca"), delivered("edge/ca.crt"));
    assert_eq!(exported(&keyturn, "ca/internal", "ca"), delivered("edge/ca.crt"));
    assert_eq!(exported(&keyturn, "dh_params/edge", "dhparam"), delivered("edge/dhparam.pem"));
    assert_eq!(exported(&keyturn, "auth", "kid"), delivered("signer/jwt.kid"));
    assert_eq!(exported(&keyturn, "auth", "jwks"), delivered("verifiers/jwks.json"));
    assert_eq!(quick(&keyturn, &["jwks", "auth"]).stdout, delivered("verifiers/jwks.json"));
    let (leaf, chain) = (
        exported(&keyturn, "certificates/edge", "certificate"),
        exported(&keyturn, "certificates/edge", "chain"),
    );
    assert_eq!(leaf.clone() + &chain, delivered("edge/tls.crt"));
    let key = exported(&keyturn, "certificates/edge", "public-key");
    assert_eq!(fed(command("openssl", ["x509", "-noout", "-pubkey"]), leaf.as_bytes()).stdout, key);
    assert_eq!(exported(&keyturn, "auth", "public-keys").matches("BEGIN PUBLIC KEY").count(), 2);
    assert_eq!(entries(&keyturn).len(), before, "what is public is not on the record");
}

#[test]
fn a_private_part_is_on_the_record_before_it_is_out() {
    let keyturn = files_site("");
    keyturn.ok(&["run"]);
    for part in ["private-key", "combined"] {
        let text = exported_private(&keyturn, part);
        let key = fed(command("openssl", ["pkey", "-check", "-noout"]), text.as_bytes());
        assert!(key.ok(), "{part}: {key:#?}");
        let entries = entries(&keyturn);
        let last = entries.last().unwrap();
        assert_eq!((&last["action"], &last["asset"]), (&"exported".into(), &"certificates/edge".into()));
        assert_eq!(last["detail"]["part"], part);
        assert_eq!(last["actor"], format!("uid:{}", nix::unistd::getuid()));
    }
    assert!(quick(&keyturn, &["audit", "--verify"]).ok());
}

fn exported_private(keyturn: &Keyturn, part: &str) -> String {
    let ran = quick(keyturn, &["export", "certificates/edge", "--part", part]);
    assert!(ran.ok(), "{ran:#?}");
    ran.stdout
}

#[test]
fn what_cannot_be_exported_is_said() {
    let keyturn = files_site("");
    keyturn.ok(&["run"]);
    let refused = |args: &[&str], words: &[&str]| {
        assert_says(&quick(&keyturn, &[&["export"], args].concat()), 2, words);
    };
    refused(&["certificates/edge", "--part", "jwks"], &["has no part `jwks`", "fullchain"]);
    refused(&["certificates/edge", "--part", "pkcs12"], &["--password-file"]);
    refused(&["certificates/edge", "--part", "ca", "--revision", "9"], &["has no revision 9"]);
    refused(&["ca/internal", "--part", "private-key"], &["has no part `private-key`"]);
    refused(&["nobody", "--part", "ca"], &["there is no asset `nobody`"]);
    assert_says(&quick(&keyturn, &["jwks", "edge"]), 2, &["there is no asset `jwt_keys/edge`"]);
}

#[test]
fn a_ca_is_made_beforehand_and_shown() {
    let keyturn = files_site("");
    assert_says(&quick(&keyturn, &["ca", "show", "internal"]), 2, &["keyturn ca init internal"]);
    let made = quick(&keyturn, &["ca", "init", "internal"]);
    assert!(made.ok() && !keyturn.dir().join("out").exists(), "{made:#?}");
    let shown = quick(&keyturn, &["ca", "show", "internal", "-o", "json"]).json();
    let certificates = shown["certificates"].as_array().unwrap();
    assert_eq!(certificates.iter().map(|ca| &ca["role"]).collect::<Vec<_>>(), ["root", "intermediate"]);
    for ca in certificates {
        let pem = ca["pem"].as_str().unwrap();
        let print =
            fed(command("openssl", ["x509", "-noout", "-fingerprint", "-sha256"]), pem.as_bytes()).stdout;
        let print = print.trim().rsplit('=').next().unwrap().replace(':', "").to_lowercase();
        assert_eq!(ca["fingerprint_sha256"], print);
    }
    assert!(quick(&keyturn, &["ca", "init", "internal"]).stdout.contains("nothing to do"));
    assert_says(&quick(&keyturn, &["ca", "show", "nope"]), 2, &["there is no asset `ca/nope`"]);
}

/// The clock ends a key, not a pass: whoever reads the set an hour later gets it without, though nothing has run.
#[cfg(feature = "failpoints")]
#[test]
fn a_keys_end_is_seen_at_every_reading() {
    let mut keyturn = files_site("");
    let stand_at = |keyturn: &mut Keyturn, seconds: i64| {
        keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&seconds.to_string()));
    };
    let turned_at = 61 * 86_400;
    keyturn.ok(&["run"]);
    let old = exported(&keyturn, "auth", "kid");
    stand_at(&mut keyturn, turned_at);
    keyturn.ok(&["run"]);
    let keys =
        |keyturn: &Keyturn| quick(keyturn, &["jwks", "auth"]).json()["keys"].as_array().unwrap().clone();
    let has_old = |keyturn: &Keyturn| keys(keyturn).iter().any(|key| key["kid"] == old);
    let blocks = |keyturn: &Keyturn| exported(keyturn, "auth", "public-keys").matches("BEGIN PUBLIC").count();
    assert!(has_old(&keyturn) && exported(&keyturn, "auth", "kid") != old);
    assert_eq!((keys(&keyturn).len(), blocks(&keyturn)), (3, 3));
    assert!(exported(&keyturn, "auth", "jwks").contains(&old));
    let of_one = ["export", "auth", "--part", "jwks", "--revision", "1"];
    assert!(quick(&keyturn, &of_one).stdout.contains(&old));

    // The token's hour, the caches' five minutes, a minute of skew.
    let end = turned_at + 3600 + 300 + 60;
    stand_at(&mut keyturn, end - 30);
    assert!(has_old(&keyturn), "its last token lives");
    stand_at(&mut keyturn, end + 60);
    assert!(!has_old(&keyturn));
    assert_eq!((keys(&keyturn).len(), blocks(&keyturn)), (2, 2));
    assert_says(&quick(&keyturn, &of_one), 2, &["revision 1", "no verifier may know it"]);
    let delivered = std::fs::read_to_string(keyturn.dir().join("out/verifiers/jwks.json")).unwrap();
    assert!(delivered.contains(&old), "no pass has run since");
}
