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

const CURVE: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// A request by OpenSSL.
fn request(keyturn: &Keyturn, common_name: &str, names: &str) -> String {
    request_for(keyturn, &format!("/CN={common_name}"), names, &CURVE)
}

/// The same for another subject and key.
fn request_for(keyturn: &Keyturn, subject: &str, names: &str, key: &[&str]) -> String {
    let file = |name: &str| keyturn.dir().join(name).display().to_string();
    let (key_file, out) = (file("key.pem"), file("request.pem"));
    let names = format!("subjectAltName={names}");
    let rest = ["req", "-new", "-nodes", "-keyout", &key_file, "-out", &out, "-subj", subject];
    let names = ["-addext", &names];
    let names = if names[1].ends_with('=') { &names[..0] } else { &names[..] };
    let made = command("openssl", rest.iter().chain(key).chain(names)).output().unwrap();
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

/// As browsers and servers compare them; a `*` where the role has one.
#[test]
fn names_are_signed_in_lower_case_and_a_star_where_the_role_has_it() {
    let keyturn = site();
    let asked = request(&keyturn, "svc-1", "DNS:A.Clients.Example.INTERNAL,DNS:*.clients.example.internal");
    let signed = sign(&keyturn, &asked, &[]);
    assert!(signed.ok(), "{signed:#?}");
    let fullchain = keyturn.write("client.pem", &signed.stdout);
    assert_eq!(verify(&keyturn, &fullchain), "");
    let show = ["x509", "-noout", "-ext", "subjectAltName", "-in", fullchain.to_str().unwrap()];
    let shown = String::from_utf8(command("openssl", show).output().unwrap().stdout).unwrap();
    assert!(shown.contains("DNS:a.clients.example.internal, DNS:*.clients.example.internal"), "{shown}");
}

#[test]
fn what_could_be_forged_is_refused() {
    let keyturn = site();
    let rsa = |bits: &str, more: &[&str]| {
        let bits = format!("rsa_keygen_bits:{bits}");
        let key = [&["-newkey", "rsa", "-pkeyopt", &bits], more].concat();
        request_for(&keyturn, "/CN=svc-1", "", &key)
    };
    let three = ["-pkeyopt", "rsa_keygen_pubexp:3"];
    let refused = |asked: String, why: &str| {
        assert_says(
            &sign(&keyturn, &asked, &[]),
            2,
            &["not a request for a certificate that can be granted", why],
        );
    };
    refused(rsa("2048", &["-sha1"]), "signed with SHA-1");
    refused(rsa("2048", &["-md5"]), "signed with MD5");
    refused(rsa("2048", &["-sha1", "-sigopt", "rsa_padding_mode:pss"]), "signed with SHA-1");
    refused(request_for(&keyturn, "/CN=svc-1", "", &[&CURVE[..], &["-sha1"]].concat()), "signed with SHA-1");
    refused(rsa("2048", &three), "public exponent of its RSA key is below 65537");
    let other = request_for(&keyturn, "/CN=svc-1", "", &[&CURVE[..], &["-sha512"]].concat());
    refused(other, "its signature algorithm ecdsa-with-SHA512 is not supported: sign it with SHA-256");
    refused(rsa("1024", &[]), "1024 bits are not supported");
    assert_eq!(keyturn.audited("csr-signed"), 0);
    assert!(sign(&keyturn, &rsa("2048", &[]), &[]).ok());
    let pss = ["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];
    let signed = sign(&keyturn, &rsa("2048", &pss), &[]);
    assert!(signed.ok(), "{signed:#?}");
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
        ("svc-1", "URI:spiffe://example.internal/svc-1", "names of other kinds"),
        ("svc-1", "DNS:*.example.internal", "does not sign for the name *.example.internal"),
        ("svc-1", "DNS:*.a.clients.example.internal", "does not sign for the name"),
        (
            "svc-1",
            "DNS:a.clients.example.internal.",
            "does not sign for the name a.clients.example.internal.",
        ),
    ] {
        let asked = request(&keyturn, common_name, names);
        assert_says(&sign(&keyturn, &asked, &[]), 5, &[why]);
    }
    // The role would, and the CA's own constraints do not; or there is nothing to sign for.
    let outside = request(&keyturn, "svc-1.example.com", "");
    assert_says(&sign(&keyturn, &outside, &[]), 1, &["svc-1.example.com", "name_constraints"]);
    let nobody = request_for(&keyturn, "/", "", &CURVE);
    assert_says(&sign(&keyturn, &nobody, &[]), 1, &["needs a common_name, dns_names or ip_addresses"]);
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
