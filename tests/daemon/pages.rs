//! What it serves over HTTP.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::{running, wait_file};
use crate::support::{Daemon, Keyturn, Port, command, files_site_with, get};

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
fn revocation_lists_are_served_where_certificates_say() {
    let port = Port::free(None);
    let keyturn = Keyturn::alone().config(&format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
{}
[issuers.internal]
kind = "internal"
common_name = "Test CA"
crl = {{ lifetime = "30d", url = "http://{}/" }}
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.test"]
[[certificates.edge.targets]]
kind = "file"
dir = "out"
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key", "ca.crt" = "ca" }}
"#,
        crate::support::daemon_lines(&port),
        port.address()
    ));
    let daemon = Daemon::start(&keyturn, &port);
    wait_file(&keyturn.dir().join("out/ca.crt"));
    keyturn.ok(&["run"]);
    let list = daemon.get("/crl/internal.crl");
    assert_eq!((list.status, list.head.contains("application/pkix-crl")), (200, true), "{}", list.head);
    assert_eq!(daemon.get("/crl/internal.root-1.crl").status, 200, "its root's, too");
    // OpenSSL fetches the list from where the leaf says.
    fs::copy(keyturn.dir().join("out/tls.crt"), keyturn.dir().join("old.crt")).unwrap();
    let verified = |leaf: &str| {
        let leaf = keyturn.dir().join(leaf);
        let (leaf, root) = (leaf.to_str().unwrap(), keyturn.dir().join("out/ca.crt"));
        let checks = ["verify", "-x509_strict", "-crl_check", "-crl_download", "-CAfile"];
        let args = checks.into_iter().chain([root.to_str().unwrap(), "-untrusted", leaf, leaf]);
        command("openssl", args).env("no_proxy", "127.0.0.1").output().unwrap()
    };
    let good = verified("old.crt");
    assert!(good.status.success(), "{good:?}");
    keyturn.ok(&["revoke", "certificates/edge", "--reason", "key-compromise"]);
    let (bad, good) = (verified("old.crt"), verified("out/tls.crt"));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("certificate revoked"), "{bad:?}");
    assert!(good.status.success(), "{good:?}");
    for path in ["/crl/internal.9.crl", "/crl/internal.root-9.crl", "/crl/nobody.crl", "/crl/internal"] {
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

/// The status of `path` to who has been led here by this name (`Host`).
fn status_under(daemon: &Daemon, name: &str, path: &str) -> u16 {
    let mut stream = TcpStream::connect(daemon.listen()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A page elsewhere that has its own name lead to our address gets nothing of what is for people; machines ask as ever.
#[test]
fn pages_for_people_are_served_under_our_names_alone() {
    let port = Port::free(None);
    let hosts = format!("{}\nhosts = [\"keys.example.org\"]", crate::support::daemon_lines(&port));
    let keyturn = files_site_with(&hosts, "");
    let daemon = Daemon::start(&keyturn, &port);
    wait_file(&keyturn.dir().join("out/edge/tls.crt"));
    let pages = ["/", "/assets/certificates/edge", "/problems/KT-DRIFT"];
    for path in pages {
        for ours in ["127.0.0.1:9780", "[::1]", "localhost:9780", "manager1", "Keys.example.org:80"] {
            assert_eq!(status_under(&daemon, ours, path), 200, "{path} of {ours}");
        }
        for foreign in ["evil.example", "127.0.0.1.evil.example:9780", "keys.example.org.evil.example"] {
            assert_eq!(status_under(&daemon, foreign, path), 421, "{path} of {foreign}");
        }
    }
    for path in ["/metrics", "/healthz", "/readyz", "/jwks/auth", "/ca/internal.pem"] {
        assert_eq!(status_under(&daemon, "tasks.keyturn.example", path), 200, "{path}");
    }
    daemon.stop();
}
