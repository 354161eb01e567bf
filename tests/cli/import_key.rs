//! `import jwt_keys/NAME`: a key that signs elsewhere signs on here, under the ID that its tokens name.

use serde_json::Value;

use super::{assert_says, quick};
use crate::support::{Keyturn, Ran, command, status};

const KID: &str = "auth-2024/a";

fn site(lines: &str, targets: &str) -> Keyturn {
    Keyturn::alone().config(&format!(
        "[daemon]\ninstance = \"test\"\nstate_dir = \"state\"\n[delivery]\nretention = \"0s\"\n\
         [jwt_keys.auth]\n{lines}\n{targets}"
    ))
}

const TARGETS: &str = r#"
[[jwt_keys.auth.targets]]
kind = "file"
dir = "signer"
files = { "jwt.key" = "private-key", "jwt.kid" = "kid" }
[[jwt_keys.auth.targets]]
kind = "file"
dir = "verifier"
files = { "jwks.json" = "jwks", "keys.pem" = "public-keys" }
"#;

fn openssl(keyturn: &Keyturn, line: &str) -> String {
    let output = command("openssl", line.split(' ')).current_dir(keyturn.dir()).output().unwrap();
    assert!(output.status.success(), "openssl {line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn import(keyturn: &Keyturn, key: &str, more: &[&str]) -> Ran {
    let key = keyturn.dir().join(key).display().to_string();
    quick(keyturn, &[&["import", "jwt_keys/auth", "--key", &key], more].concat())
}

fn read(keyturn: &Keyturn, file: &str) -> String {
    std::fs::read_to_string(keyturn.dir().join(file)).unwrap()
}

/// The key IDs that verifiers have.
fn known(keyturn: &Keyturn) -> Vec<String> {
    let set: Value = serde_json::from_str(&read(keyturn, "verifier/jwks.json")).unwrap();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// What a token of the old service is: something signed by the key that was in use there.
fn sign(keyturn: &Keyturn) {
    keyturn.write("token", "header.claims");
    openssl(keyturn, "dgst -sha256 -sign old.key -out token.sig token");
}

/// Whether a verifier takes it: by the key that it has under the token's ID.
fn is_taken(keyturn: &Keyturn) -> bool {
    let at = known(keyturn).iter().position(|kid| kid == KID);
    let pem = read(keyturn, "verifier/keys.pem");
    let mut blocks = pem.split_inclusive("-----END PUBLIC KEY-----\n");
    let Some(block) = at.and_then(|at| blocks.nth(at)) else { return false };
    keyturn.write("verifier.pem", block);
    let args = ["dgst", "-sha256", "-verify", "verifier.pem", "-signature", "token.sig", "token"];
    command("openssl", args).current_dir(keyturn.dir()).output().unwrap().status.success()
}

/// Through its next turn: who has a token of yesterday is let in, until the last of them is dead.
#[cfg(feature = "failpoints")]
#[test]
fn a_key_in_use_signs_on_under_its_own_id_and_is_turned_over_from_here() {
    let mut keyturn = site("bits = 2048", TARGETS);
    openssl(&keyturn, "genrsa -traditional -out old.key 2048");
    sign(&keyturn);
    let ran = import(&keyturn, "old.key", &["--kid", KID]);
    assert!(ran.ok(), "{ran:#?}");
    assert_eq!(read(&keyturn, "signer/jwt.kid"), KID);
    let delivered = openssl(&keyturn, "rsa -in signer/jwt.key -noout -modulus");
    assert_eq!(delivered, openssl(&keyturn, "rsa -in old.key -noout -modulus"), "nothing else signs");
    let auth = status(&keyturn)["jwt_keys/auth"].clone();
    assert_eq!((&auth["state"], &auth["kid"]), (&"active".into(), &KID.into()), "{auth:#}");
    assert_eq!(known(&keyturn)[0], KID);
    assert_eq!(known(&keyturn).len(), 2, "and the standby");
    assert!(is_taken(&keyturn));
    assert_eq!(keyturn.audited("imported"), 1);
    assert!(quick(&keyturn, &["run"]).stdout.contains("nothing to do"));
    let jwks = quick(&keyturn, &["jwks", "auth"]).stdout;
    assert_eq!(jwks, read(&keyturn, "verifier/jwks.json"));
    assert_says(
        &import(&keyturn, "old.key", &["--kid", KID]),
        2,
        &["has a key with the ID auth-2024/a already"],
    );

    let turned_at = 61 * 86_400;
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&turned_at.to_string()));
    assert!(quick(&keyturn, &["run"]).ok());
    assert_ne!(read(&keyturn, "signer/jwt.kid"), KID);
    assert!(is_taken(&keyturn), "a token of a minute ago");
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&(turned_at + 3600).to_string()));
    assert!(quick(&keyturn, &["run"]).ok());
    assert!(is_taken(&keyturn), "its last token may still be kept by someone with an old set");
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&(turned_at + 3600 + 7 * 60).to_string()));
    assert!(quick(&keyturn, &["run"]).ok());
    assert!(!is_taken(&keyturn) && !known(&keyturn).contains(&KID.to_owned()));
    let revisions = status(&keyturn)["jwt_keys/auth"]["revisions"].clone();
    assert_eq!((&revisions[0]["state"], &revisions[0]["kid"]), (&"retired".into(), &KID.into()));
}

#[test]
fn without_an_id_it_has_its_thumbprint_and_every_algorithm_has_its_keys() {
    let kinds = [
        ("PS256", "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out old.key"),
        ("ES256", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out old.key"),
        ("ES384", "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out old.key"),
        ("EdDSA", "genpkey -algorithm ED25519 -out old.key"),
    ];
    for (algorithm, line) in kinds {
        let keyturn = site(&format!("algorithm = \"{algorithm}\""), TARGETS);
        openssl(&keyturn, line);
        let ran = import(&keyturn, "old.key", &[]);
        assert!(ran.ok(), "{algorithm}: {ran:#?}");
        assert_eq!(read(&keyturn, "signer/jwt.kid").len(), 43, "SHA-256 in base64url");
        assert_eq!(known(&keyturn)[0], read(&keyturn, "signer/jwt.kid"));
        let public = openssl(&keyturn, "pkey -in old.key -pubout");
        assert!(read(&keyturn, "verifier/keys.pem").starts_with(&public), "{algorithm}");
    }
}

#[test]
fn what_cannot_sign_is_refused_and_it_is_said_why() {
    let keyturn = site("", TARGETS);
    openssl(&keyturn, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out small.key");
    openssl(&keyturn, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out tiny.key");
    openssl(&keyturn, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out good.key");
    openssl(&keyturn, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out curve.key");
    openssl(&keyturn, "ecparam -name prime256v1 -genkey -noout -out sec1.key");
    keyturn.write("password", "correct horse\n");
    openssl(&keyturn, "pkcs8 -topk8 -in good.key -passout file:password -out sealed.key");
    openssl(&keyturn, "req -x509 -key good.key -subj /CN=x -days 9 -out cert.pem");
    openssl(&keyturn, "pkey -in good.key -pubout -out public.pem");
    let path = |name: &str| keyturn.dir().join(name).display().to_string();
    let refused = |key: &str, more: &[&str], words: &[&str]| {
        assert_says(&import(&keyturn, key, more), 2, words);
    };
    refused("small.key", &[], &["rsa-2048", "RS256 with rsa-3072", "set bits = 2048"]);
    refused("tiny.key", &[], &["1024 bits are not supported"]);
    refused("curve.key", &[], &["ecdsa-p256", "RS256 with rsa-3072", "`algorithm`"]);
    refused("sec1.key", &[], &["sec1.key", "`EC PRIVATE KEY`", "openssl pkcs8 -topk8"]);
    refused("sealed.key", &[], &["sealed.key", "encrypted", "--password-file"]);
    refused("sealed.key", &["--password-file", &path("cert.pem")], &["sealed.key", "password is wrong"]);
    refused("cert.pem", &[], &["cert.pem", "`CERTIFICATE`, which is no private key"]);
    refused("public.pem", &[], &["public.pem", "`PUBLIC KEY`, which is no private key"]);
    refused("none.key", &[], &["none.key cannot be read"]);
    refused("good.key", &["--cert", &path("cert.pem")], &["has no certificate"]);
    refused("good.key", &["--kid", ""], &["--kid", "empty"]);
    refused("good.key", &["--kid", "a\nb"], &["--kid", "control character"]);
    refused("good.key", &["--kid", &"k".repeat(201)], &["--kid", "longer than 200"]);
    assert_says(&quick(&keyturn, &["import", "jwt_keys/auth"]), 2, &["--key FILE"]);
    assert_says(&quick(&keyturn, &["import", "jwt_keys/none", "--key", &path("good.key")]), 2, &["no asset"]);
    assert!(import(&keyturn, "sealed.key", &["--password-file", &path("password")]).ok());
    assert_eq!(keyturn.audited("imported"), 1, "of all of these");
}

/// Neither where it was, nor under another name or key ID.
#[test]
fn a_key_in_wrong_hands_does_not_come_back() {
    let keyturn = site("algorithm = \"ES256\"", "[jwt_keys.other]\nalgorithm = \"ES256\"");
    openssl(&keyturn, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out old.key");
    assert!(import(&keyturn, "old.key", &["--kid", KID]).ok());
    assert!(quick(&keyturn, &["rotate", "--compromised", "jwt_keys/auth"]).ok());
    let words = ["this is a key of jwt_keys/auth that was called compromised"];
    assert_says(&import(&keyturn, "old.key", &["--kid", "another"]), 2, &words);
    let key = keyturn.dir().join("old.key").display().to_string();
    assert_says(&quick(&keyturn, &["import", "jwt_keys/other", "--key", &key]), 2, &words);
    assert_eq!(keyturn.audited("imported"), 1);
}

/// A daemon may have been quicker.
#[test]
fn keys_that_nobody_has_make_room_and_others_do_not() {
    let keyturn = site("algorithm = \"ES256\"", "");
    openssl(&keyturn, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out old.key");
    assert!(quick(&keyturn, &["run"]).ok());
    let ran = import(&keyturn, "old.key", &["--kid", KID]);
    assert!(ran.ok(), "{ran:#?}");
    let auth = status(&keyturn)["jwt_keys/auth"].clone();
    assert_eq!((&auth["state"], &auth["kid"], &auth["revision"]), (&"active".into(), &KID.into(), &3.into()));
    let set = quick(&keyturn, &["jwks", "auth"]).json();
    assert_eq!((&set["keys"][0]["kid"], set["keys"].as_array().unwrap().len()), (&KID.into(), 2), "{set:#}");

    let late = site("algorithm = \"ES256\"", TARGETS);
    openssl(&late, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out old.key");
    assert!(quick(&late, &["run"]).ok());
    let words = ["has keys of its own already", "signer", "verifier", "before its targets are configured"];
    assert_says(&import(&late, "old.key", &["--kid", KID]), 2, &words);
}
