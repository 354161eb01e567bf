//! What it serves over HTTP.

use std::fs;

use serde_json::Value;

use super::{running, wait_file};
use crate::support::{Daemon, Port, files_site_with, get};

#[test]
fn keys_and_cas_are_served_to_everyone() {
    let (keyturn, daemon) = running("");
    let jwks = daemon.get("/jwks/auth");
    assert_eq!(jwks.status, 200);
    for field in ["content-type: application/jwk-set+json", "cache-control: public, max-age=300", "etag: \""]
    {
        assert!(jwks.head.contains(field), "{field} is not in {}", jwks.head);
    }
    let file = fs::read_to_string(keyturn.dir().join("out/verifiers/jwks.json")).unwrap();
    let (served, file): (Value, Value) =
        (serde_json::from_str(&jwks.body).unwrap(), serde_json::from_str(&file).unwrap());
    assert_eq!(served, file);
    assert_eq!(served["keys"].as_array().unwrap().len(), 2, "the standby is there");
    assert!(!jwks.body.contains("\"d\""), "a private key is served");

    let ca = daemon.get("/ca/internal.pem");
    assert_eq!((ca.status, ca.head.contains("application/pem-certificate-chain")), (200, true));
    assert_eq!(ca.body, fs::read_to_string(keyturn.dir().join("out/edge/ca.crt")).unwrap());
    for path in [
        "/jwks/nobody",
        "/jwks/edge",
        "/ca/internal",
        "/ca/nobody.pem",
        "/crl/../jwks/auth",
        "/.well-known/acme-challenge/none",
        "/state.key",
    ] {
        assert_eq!(daemon.get(path).status, 404, "{path}");
    }
    daemon.stop();
}

#[test]
fn what_is_known_is_not_sent_again() {
    let port = Port::free(None);
    let keyturn = files_site_with(&crate::support::daemon_lines(&port), "");
    let daemon = Daemon::start(&keyturn, &port);
    wait_file(&keyturn.dir().join("out/verifiers/jwks.json"));
    keyturn.ok(&["run"]);
    let first = daemon.get("/jwks/auth");
    let tag = first.head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    let again = get(port.address(), "/jwks/auth", &format!("If-None-Match: {tag}\r\n")).unwrap();
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    daemon.stop();
}

#[test]
fn the_public_address_has_only_what_is_public() {
    let (private, public) = (Port::free(None), Port::free(None));
    let lines =
        format!("{}\npublic_listen = \"{}\"", crate::support::daemon_lines(&private), public.address());
    let keyturn = files_site_with(&lines, "");
    let daemon = Daemon::start(&keyturn, &private);
    wait_file(&keyturn.dir().join("out/verifiers/jwks.json"));
    let status = |path: &str| get(public.address(), path, "").unwrap().status;
    assert_eq!(status("/jwks/auth"), 200);
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        assert_eq!(status(path), 404, "{path}");
    }
    assert_eq!(daemon.get("/healthz").status, 200);
    assert_eq!(daemon.get("/jwks/auth").status, 404, "what is public is at the public address");
    daemon.stop();
}
