//! `ca sign`: what a role allows is signed and remembered, everything else is refused.

use std::path::Path;

use super::{assert_says, quick};
use crate::support::{Keyturn, Ran, command};

fn site() -> Keyturn {
    let keyturn = Keyturn::alone().config(
        r#"
[daemon]
instance = "test"
state_dir = "state"
[issuers.internal]
kind = "internal"
common_name = "Test CA"
name_constraints = { permitted_dns = ["example.internal"], permitted_ip_ranges = ["10.0.0.0/8"] }
crl = { lifetime = "30d" }
[issuers.internal.sign.clients]
dns_names = ["*.clients.example.internal"]
ip_addresses = ["10.0.0.0/8"]
common_names = ["svc-*"]
usages = ["client-auth"]
duration = "30d"
[issuers.internal.sign.others]
common_names = ["other"]
usages = ["client-auth"]
duration = "1d"
by = ["uid:4242"]
"#,
    );
    assert!(quick(&keyturn, &["ca", "init", "internal"]).ok());
    keyturn
}

/// A request by OpenSSL.
fn request(keyturn: &Keyturn, common_name: &str, names: &str) -> String {
    let file = |name: &str| keyturn.dir().join(name).display().to_string();
    let (key, out) = (file("key.pem"), file("request.pem"));
    let (subject, names) = (format!("/CN={common_name}"), format!("subjectAltName={names}"));
    let curve = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let rest = ["-keyout", &key, "-out", &out, "-subj", &subject];
    let names = ["-addext", &names];
    let names = if names[1].ends_with('=') { &names[..0] } else { &names[..] };
    let made = command("openssl", curve.iter().chain(&rest).chain(names)).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    out
}

fn sign(keyturn: &Keyturn, request: &str, more: &[&str]) -> Ran {
    quick(keyturn, &[&["ca", "sign", request, "--role", "clients"], more].concat())
}

/// What OpenSSL says of a chain: nothing where it is good.
fn verify(keyturn: &Keyturn, fullchain: &Path) -> String {
    let root = keyturn.write("root.pem", &root(keyturn));
    let lists = keyturn.write("lists.pem", &quick(keyturn, &["ca", "crl", "internal"]).stdout);
    let (chain, root, lists) = (fullchain.to_str().unwrap(), root.to_str().unwrap(), lists.to_str().unwrap());
    let checks = ["verify", "-x509_strict", "-purpose", "sslclient", "-crl_check_all", "-CRLfile", lists];
    let args = checks.into_iter().chain(["-CAfile", root, "-untrusted", chain, chain]);
    let said = command("openssl", args).output().unwrap();
    if said.status.success() { String::new() } else { String::from_utf8_lossy(&said.stderr).into_owned() }
}

fn root(keyturn: &Keyturn) -> String {
    let shown = quick(keyturn, &["-o", "json", "ca", "show", "internal"]).json();
    let all = shown["certificates"].as_array().unwrap();
    all.iter().find(|one| one["role"] == "root").unwrap()["pem"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_role_allows_is_signed_remembered_and_revoked() {
    let keyturn = site();
    let asked = request(&keyturn, "svc-1", "DNS:a.clients.example.internal,IP:10.1.2.3");
    let signed = sign(&keyturn, &asked, &["-o", "json", "--duration", "7d"]);
    assert!(signed.ok(), "{signed:#?}");
    let signed = signed.json();
    let fullchain = keyturn.write("client.pem", signed["fullchain"].as_str().unwrap());
    assert_eq!(verify(&keyturn, &fullchain), "");
    let serial = signed["serial"].as_str().unwrap();
    let audit = quick(&keyturn, &["audit", "-o", "json"]).json();
    let entry = audit["entries"].as_array().unwrap().iter().find(|entry| entry["action"] == "csr-signed");
    let detail = &entry.unwrap()["detail"];
    assert_eq!((&detail["serial"], &detail["role"]), (&serial.into(), &"clients".into()), "{audit:#}");
    assert_eq!(detail["names"], "svc-1 a.clients.example.internal 10.1.2.3");

    let other = keyturn.write("other.pem", &sign(&keyturn, &asked, &[]).stdout);
    let revoked =
        quick(&keyturn, &["revoke", "ca/internal", "--serial", serial, "--reason", "key-compromise"]);
    assert!(revoked.ok(), "{revoked:#?}");
    let said = verify(&keyturn, &fullchain);
    assert!(said.contains("certificate revoked"), "{said}");
    assert_eq!(verify(&keyturn, &other), "", "the other one is still good");
    let again = quick(&keyturn, &["revoke", "ca/internal", "--serial", serial]);
    assert_says(&again, 2, &["was revoked at"]);
    let nobody = quick(&keyturn, &["revoke", "ca/internal", "--serial", "00ff"]);
    assert_says(&nobody, 2, &["has signed no request with the serial number 00ff"]);
}

#[test]
fn everything_else_is_refused_and_nothing_is_remembered() {
    let keyturn = site();
    for (common_name, names, why) in [
        ("svc-1", "DNS:a.example.internal", "does not sign for the name a.example.internal"),
        ("svc-1", "DNS:a.b.clients.example.internal", "does not sign for the name"),
        ("svc-1", "IP:192.0.2.1", "does not sign for the address 192.0.2.1"),
        ("root", "DNS:a.clients.example.internal", "does not sign for the common name root"),
        ("svc-1", "email:a@example.internal", "names of other kinds"),
    ] {
        let asked = request(&keyturn, common_name, names);
        assert_says(&sign(&keyturn, &asked, &[]), 5, &[why]);
    }
    let good = request(&keyturn, "svc-1", "");
    assert_says(&sign(&keyturn, &good, &["--duration", "31d"]), 2, &["allows less"]);
    assert_says(&quick(&keyturn, &["ca", "sign", &good]), 2, &["more than one role"]);
    assert_says(
        &quick(&keyturn, &["ca", "sign", &good, "--role", "client"]),
        2,
        &["did you mean `clients`?"],
    );
    assert_says(
        &quick(&keyturn, &["ca", "sign", "nothing.pem", "--role", "clients"]),
        2,
        &["cannot be read"],
    );
    let text = std::fs::read_to_string(&good).unwrap();
    let broken = keyturn.write("broken.pem", &text.replace("MI", "MA"));
    assert_says(&sign(&keyturn, broken.to_str().unwrap(), &[]), 2, &["not a request"]);
    assert_eq!(keyturn.audited("csr-signed"), 0);
}
