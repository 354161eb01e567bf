//! `csr` and `import`: a certificate that a person carries to a CA and back.

use super::{assert_says, quick};
use crate::support::{Keyturn, Ran, command, status};

fn site() -> Keyturn {
    let keyturn = Keyturn::alone().config(
        r#"
[daemon]
instance = "test"
state_dir = "state"
[issuers.shop]
kind = "manual"
[certificates.edge]
issuers = ["shop"]
dns_names = ["www.example.org"]
[[certificates.edge.targets]]
kind = "file"
dir = "out"
files = { "tls.crt" = "fullchain", "tls.key" = "private-key" }
"#,
    );
    let usage = "-addext keyUsage=critical,keyCertSign,cRLSign";
    openssl(
        &keyturn,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -days 1000 -subj /CN=Root -out root.pem {usage}"
        ),
    );
    keyturn.write("ca.ext", "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n");
    openssl(
        &keyturn,
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout middle.key -subj /CN=Middle -out middle.csr",
    );
    openssl(
        &keyturn,
        "x509 -req -in middle.csr -CA root.pem -CAkey root.key -days 900 -extfile ca.ext -out middle.pem",
    );
    keyturn.write("leaf.ext", "basicConstraints=critical,CA:FALSE\nsubjectAltName=DNS:www.example.org,DNS:example.org\nextendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n");
    // As CAs pack them: anything, in any order.
    let read = |name: &str| std::fs::read_to_string(keyturn.dir().join(name)).unwrap();
    keyturn.write("bundle.pem", &(read("root.pem") + &read("middle.pem")));
    keyturn
}

fn openssl(keyturn: &Keyturn, line: &str) {
    let output = command("openssl", line.split(' ')).current_dir(keyturn.dir()).output().unwrap();
    assert!(output.status.success(), "openssl {line}: {output:?}");
}

/// The CA's part: `leaf.pem` for a request, valid for so many days.
fn issue(keyturn: &Keyturn, request: &str, days: u32) {
    keyturn.write("leaf.csr", request);
    openssl(
        keyturn,
        &format!(
            "x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key -days {days} -extfile leaf.ext -out leaf.pem"
        ),
    );
}

fn import(keyturn: &Keyturn, more: &[&str]) -> Ran {
    let file = |name: &str| keyturn.dir().join(name).display().to_string();
    let (leaf, bundle) = (file("leaf.pem"), file("bundle.pem"));
    let fixed = ["import", "certificates/edge", "--cert", leaf.as_str(), "--chain", bundle.as_str()];
    quick(keyturn, &[&fixed, more].concat())
}

#[test]
fn a_request_is_made_answered_delivered_and_renewed() {
    let keyturn = site();
    let waits = quick(&keyturn, &["run"]);
    assert!(waits.ok() && waits.stdout.contains("keyturn csr certificates/edge"), "{waits:#?}");
    let request = quick(&keyturn, &["csr", "certificates/edge"]);
    assert!(
        request.ok() && request.stdout.starts_with("-----BEGIN CERTIFICATE REQUEST-----"),
        "{request:#?}"
    );
    issue(&keyturn, &request.stdout, 397);
    openssl(&keyturn, "req -verify -noout -in leaf.csr");
    let show = ["req", "-noout", "-text", "-in", "leaf.csr"];
    let text = command("openssl", show).current_dir(keyturn.dir()).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("TLS Web Server Authentication") && !text.contains("Client"), "{text}");
    let taken = import(&keyturn, &[]);
    assert!(taken.ok(), "{taken:#?}");
    let served = std::fs::read_to_string(keyturn.dir().join("out/tls.crt")).unwrap();
    assert_eq!(served.matches("BEGIN CERTIFICATE").count(), 2, "in order, without the root");
    openssl(&keyturn, "verify -CAfile root.pem -untrusted out/tls.crt out/tls.crt");
    let edge = &status(&keyturn)["certificates/edge"];
    assert_eq!((&edge["state"], &edge["issuer"]), (&"active".into(), &"shop".into()), "{edge:#}");
    assert!(quick(&keyturn, &["run"]).stdout.contains("nothing to do"));
    assert_says(&import(&keyturn, &[]), 2, &["is the one in use already"]);

    // Its successor has another key; a person is told in time.
    let next = quick(&keyturn, &["csr", "certificates/edge"]);
    assert_ne!(next.stdout, request.stdout);
    issue(&keyturn, &next.stdout, 6);
    assert!(import(&keyturn, &[]).ok());
    let edge = &status(&keyturn)["certificates/edge"];
    assert_eq!((&edge["revision"], &edge["state"]), (&2.into(), &"active".into()), "{edge:#}");
}

#[test]
fn a_certificate_that_was_there_before_comes_with_its_key() {
    let keyturn = site();
    openssl(&keyturn, "req -new -newkey rsa:2048 -nodes -keyout own.key -subj /CN=x -out own.csr");
    let request = std::fs::read_to_string(keyturn.dir().join("own.csr")).unwrap();
    issue(&keyturn, &request, 397);
    assert_says(&import(&keyturn, &[]), 2, &["is for no key that is here"]);
    let key = keyturn.dir().join("own.key").display().to_string();
    let wrong = keyturn.dir().join("root.key").display().to_string();
    assert_says(&import(&keyturn, &["--key", &wrong]), 2, &["does not belong to the certificate"]);
    let taken = import(&keyturn, &["--key", &key]);
    assert!(taken.ok(), "{taken:#?}");
}

/// The key is in wrong hands: the next one is there at once, and what a person has to do is said until it is done.
#[test]
fn a_key_in_wrong_hands_is_replaced_and_its_revocation_seen_to() {
    let keyturn = site();
    let first = quick(&keyturn, &["csr", "certificates/edge"]);
    issue(&keyturn, &first.stdout, 397);
    assert!(import(&keyturn, &[]).ok());
    let old = std::fs::read(keyturn.dir().join("out/tls.key")).unwrap();
    let serial = status(&keyturn)["certificates/edge"]["serial"].as_str().unwrap().to_owned();

    let asked = quick(&keyturn, &["rotate", "--compromised", "certificates/edge"]);
    let told = format!("KT-REVOKE-BY-HAND: have shop revoke the serial number {serial} (key-compromise)");
    assert!(asked.stdout.contains(&told), "{asked:#?}");
    assert!(asked.stdout.contains("waits: certificates/edge: waits for a person"), "{asked:#?}");
    assert!(!asked.stdout.contains("KT-REVOKE-FAILED"), "{asked:#?}");
    assert_eq!(keyturn.audited("csr-made"), 2, "the next key is made already");

    // The CA has reissued for the old request: who has the key could go on.
    issue(&keyturn, &first.stdout, 397);
    keyturn.write("stolen.key", std::str::from_utf8(&old).unwrap());
    let stolen = keyturn.dir().join("stolen.key").display().to_string();
    let refused = || {
        let words = ["is for a key of certificates/edge that was called compromised", "keyturn csr"];
        assert_says(&import(&keyturn, &[]), 2, &words);
        assert_says(&import(&keyturn, &["--key", &stolen]), 2, &words);
    };
    refused();
    let next = quick(&keyturn, &["csr", "certificates/edge"]);
    assert_eq!(keyturn.audited("csr-made"), 2);
    issue(&keyturn, &next.stdout, 397);
    assert!(import(&keyturn, &[]).ok());
    assert_ne!(std::fs::read(keyturn.dir().join("out/tls.key")).unwrap(), old);
    let edge = &status(&keyturn)["certificates/edge"];
    assert_eq!((&edge["revision"], &edge["state"]), (&2.into(), &"active".into()), "{edge:#}");

    // Served by another key now; it is still to be revoked.
    let said = quick(&keyturn, &["status"]).stdout;
    assert!(said.contains("KT-REVOKE-BY-HAND") && said.contains("--revision 1 --done"), "{said}");
    let done = quick(&keyturn, &["revoke", "certificates/edge", "--revision", "1", "--done"]);
    assert!(done.ok(), "{done:#?}");
    let said = quick(&keyturn, &["status"]).stdout;
    assert!(!said.contains("KT-REVOKE-BY-HAND"), "{said}");
    let edge = &status(&keyturn)["certificates/edge"];
    assert_eq!(edge["revisions"][0]["state"], "revoked", "{edge:#}");
    // Also when nothing of it is kept any more.
    issue(&keyturn, &first.stdout, 397);
    refused();
    assert!(quick(&keyturn, &["run"]).stdout.contains("nothing to do"));
}

#[test]
fn what_is_to_be_revoked_is_asked_of_a_person() {
    let keyturn = site();
    let first = quick(&keyturn, &["csr", "certificates/edge"]);
    issue(&keyturn, &first.stdout, 397);
    assert!(import(&keyturn, &[]).ok());
    let asked = quick(&keyturn, &["revoke", "certificates/edge", "--reason", "superseded"]);
    assert!(
        asked.stdout.contains("KT-REVOKE-BY-HAND") && asked.stdout.contains("(superseded)"),
        "{asked:#?}"
    );
    // Revoked before its successor is there: that is waited for all the more.
    let done = quick(&keyturn, &["revoke", "certificates/edge", "--done"]);
    assert!(
        done.stdout.contains("waits for a person") && !done.stdout.contains("KT-REVOKE-BY-HAND"),
        "{done:#?}"
    );
}

#[test]
fn what_is_for_other_uses_is_refused() {
    let keyturn = site();
    let request = quick(&keyturn, &["csr", "certificates/edge"]);
    let names =
        "subjectAltName=DNS:www.example.org\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";
    for (lines, why) in [
        ("extendedKeyUsage=clientAuth\n", "its extendedKeyUsage lacks server-auth"),
        ("basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,digitalSignature\n", "it is a CA's"),
    ] {
        keyturn.write("leaf.ext", &format!("{lines}{names}"));
        issue(&keyturn, &request.stdout, 397);
        assert_says(&import(&keyturn, &[]), 2, &[why]);
    }
    assert_eq!(keyturn.audited("imported"), 0);
    // Without one it is for everything.
    for lines in ["", "extendedKeyUsage=anyExtendedKeyUsage\n"] {
        keyturn.write("leaf.ext", &format!("{lines}{names}"));
        issue(&keyturn, &request.stdout, 397);
        let taken = import(&keyturn, &[]);
        assert!(taken.ok(), "{lines}: {taken:#?}");
    }
}

/// Clients refuse it, and anybody could have forged it: the leaf's, and those above it.
#[test]
fn what_is_signed_with_sha_1_is_refused() {
    let keyturn = site();
    let sign = |line: &str| openssl(&keyturn, &format!("x509 -req {line}"));
    openssl(
        &keyturn,
        "req -x509 -newkey rsa:2048 -nodes -keyout root.key -days 1000 -subj /CN=Root -sha1 -out root.pem",
    );
    let request = quick(&keyturn, &["csr", "certificates/edge"]);
    sign("-sha1 -in middle.csr -CA root.pem -CAkey root.key -days 900 -extfile ca.ext -out middle.pem");
    issue(&keyturn, &request.stdout, 397);
    let bundle = || {
        let read = |name: &str| std::fs::read_to_string(keyturn.dir().join(name)).unwrap();
        keyturn.write("bundle.pem", &(read("root.pem") + &read("middle.pem")));
    };
    bundle();
    assert_says(&import(&keyturn, &[]), 2, &["`CN=Middle` is signed with SHA-1"]);
    openssl(&keyturn, "req -new -newkey rsa:2048 -nodes -keyout middle.key -subj /CN=Middle -out middle.csr");
    sign("-sha256 -in middle.csr -CA root.pem -CAkey root.key -days 900 -extfile ca.ext -out middle.pem");
    bundle();
    sign("-sha1 -in leaf.csr -CA middle.pem -CAkey middle.key -days 90 -extfile leaf.ext -out leaf.pem");
    assert_says(&import(&keyturn, &[]), 2, &["is signed with SHA-1"]);
    // A root's own signature is not what it is trusted for.
    issue(&keyturn, &request.stdout, 397);
    let taken = import(&keyturn, &[]);
    assert!(taken.ok(), "{taken:#?}");
}

#[test]
fn what_is_for_other_names_is_refused() {
    let keyturn = site();
    keyturn.write("leaf.ext", "subjectAltName=DNS:example.org\n");
    let request = quick(&keyturn, &["csr", "certificates/edge"]);
    issue(&keyturn, &request.stdout, 397);
    assert_says(&import(&keyturn, &[]), 2, &["is not for www.example.org"]);
    assert_eq!(keyturn.audited("imported"), 0);
}
