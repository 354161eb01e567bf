//! What all of these tests start from: a Pebble, and a site with a certificate of it.

use std::fs;

use crate::support::{Keyturn, Pebble, command, must};

/// The configuration of a site with `issuers`, and `certificates` as their tables.
pub(super) fn configuration(issuers: &str, certificates: &str) -> String {
    format!("[daemon]\ninstance = \"test\"\nstate_dir = \"state\"\n{issuers}{certificates}\n")
}

/// A site with one certificate `edge`; `lines` are the issuer's further ones, `certificate` the certificate's.
pub(super) fn site(pebble: &Pebble, lines: &str, certificate: &str) -> Keyturn {
    let certificate = format!("[certificates.edge]\nissuers = [\"pebble\"]\n{certificate}");
    Keyturn::alone().config(&configuration(&pebble.issuer("pebble", lines), &certificate))
}

/// One pass, which must end well; its stderr.
pub(super) fn passes(keyturn: &Keyturn, pebble: &Pebble) -> String {
    let ran = keyturn.run(&["run", "-vv"]);
    assert!(ran.ok(), "{ran:#?}\n{}", pebble.log());
    ran.stderr
}

/// One pass, after which `edge` is a certificate of this Pebble that OpenSSL believes.
pub(super) fn edge(keyturn: &Keyturn, pebble: &Pebble) {
    passes(keyturn, pebble);
    let status = keyturn.status("edge");
    assert_eq!((&status["issuer"], &status["state"]), (&"pebble".into(), &"active".into()));
    assert!(verifies(keyturn, &pebble.root(0)));
}

/// One pass, which must fail; all that it says.
pub(super) fn fails(keyturn: &Keyturn) -> String {
    let ran = keyturn.run(&["run"]);
    assert!(ran.code == Some(1), "{ran:#?}");
    format!("{}\n{}", ran.stdout, ran.stderr)
}

/// What OpenSSL says of the certificate in use.
pub(super) fn shown(keyturn: &Keyturn, what: &[&str]) -> String {
    let file = keyturn.write("shown.pem", &keyturn.ok(&["export", "edge", "--part", "fullchain"]));
    let mut openssl = command("openssl", ["x509", "-noout", "-in", file.to_str().unwrap()]);
    openssl.args(what);
    must(openssl)
}

/// Whether OpenSSL finds its way from the certificate in use to `root` by what is served with it.
pub(super) fn verifies(keyturn: &Keyturn, root: &str) -> bool {
    let root = keyturn.write("root.pem", root);
    let leaf = keyturn.write("leaf.pem", &keyturn.ok(&["export", "edge", "--part", "certificate"]));
    let chain = keyturn.write("chain.pem", &keyturn.ok(&["export", "edge", "--part", "chain"]));
    let mut openssl = command("openssl", ["verify", "-purpose", "sslserver", "-CAfile"]);
    openssl.arg(root).arg("-untrusted").arg(&chain).arg(&leaf);
    let said = openssl.output().unwrap();
    println!("{}", String::from_utf8_lossy(&said.stderr));
    assert!(!fs::read_to_string(chain).unwrap().is_empty());
    said.status.success()
}

/// Whether the private key in use is that of the certificate in use.
pub(super) fn key_fits(keyturn: &Keyturn) -> bool {
    let key = keyturn.write("exported.key", &keyturn.ok(&["export", "edge", "--part", "private-key"]));
    let public = must(command("openssl", ["pkey", "-pubout", "-in", key.to_str().unwrap()]));
    public == shown(keyturn, &["-pubkey"])
}
