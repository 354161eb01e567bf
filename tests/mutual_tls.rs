//! An internal CA's root is rolled over on a real Swarm while NGINX asks for client certificates: servers and clients are in
//! mutual TLS all along, revocation lists end and are replaced, and nobody is locked out.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Engine, Keyturn, Mutual, Nginx, Prober, command, engine_or_skip, in_netns, pause, wait_for};

/// A rollover takes `trust_before`, as long again for the certificates, and the life of the last one under the old root.
const PATIENCE: Duration = Duration::from_secs(420);

fn site(engine: &Engine) -> Keyturn {
    Keyturn::beside(engine).config(&format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
control_socket = "control.sock"
[docker]
socket = "{}"
[delivery]
retention = "0s"
[issuers.internal]
kind = "internal"
common_name = "Test CA"
root_lifetime = "2h"
intermediate_lifetime = "1h"
trust_before = "20s"
crl = {{ lifetime = "90s" }}
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.test"]
duration = "150s"
renew_before = "75s"
[[certificates.edge.targets]]
kind = "swarm"
services = ["web_nginx"]
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key", "ca.crt" = "ca", "ca.crl" = "crl" }}
preflight = ["nginx", "-t"]
verify = {{ connect = ["127.0.0.1:8443"], server_name = "edge.test" }}
[certificates.probe]
issuers = ["internal"]
common_name = "probe"
usages = ["client-auth"]
duration = "150s"
renew_before = "75s"
[[certificates.probe.targets]]
kind = "file"
dir = "client"
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key", "ca.crt" = "ca" }}
"#,
        engine.socket().display()
    ))
}

/// The roots that the CA has now, by fingerprint.
fn roots(keyturn: &Keyturn) -> BTreeSet<String> {
    let shown: Value = serde_json::from_str(&keyturn.ok(&["-o", "json", "ca", "show", "internal"])).unwrap();
    let all = shown["certificates"].as_array().unwrap().iter();
    let roots = all.filter(|one| one["role"] == "root");
    roots.map(|one| one["fingerprint_sha256"].as_str().unwrap().to_owned()).collect()
}

/// How many editions of the revocation lists were made.
fn editions(keyturn: &Keyturn) -> usize {
    keyturn.ok(&["audit"]).lines().filter(|line| line.contains("crl-made")).count()
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// What is waiting to be accepted by a task that ends goes to another one on the same port: without it Linux resets it, a
/// few of tens of thousands, whoever ends the task.
fn migrate_requests(engine: &Engine) {
    let set = in_netns(engine, &command("sysctl", ["-qw", "net.ipv4.tcp_migrate_req=1"])).output().unwrap();
    assert!(set.status.success(), "{set:?}");
}

#[test]
fn a_root_is_rolled_over_and_no_handshake_fails() {
    let engine = engine_or_skip!();
    migrate_requests(&engine);
    let web = Nginx::new("web_nginx", 8443).asking_clients().without_secrets().create(&engine);
    let keyturn = site(&engine);
    let daemon = keyturn.spawn(&["daemon"]);
    let proven = || keyturn.status("edge")["targets"][0]["state"] == "proven";
    assert!(wait_for(Duration::from_secs(90), proven), "{}", daemon.stderr());
    engine.wait_running("web_nginx", 2);
    let client = keyturn.dir().join("client");
    let old = roots(&keyturn);
    let old_bundle = fs::read_to_string(client.join("ca.crt")).unwrap();
    assert_eq!(old.len(), 1);

    let prober = Prober::mutual(&engine, &web.address(), Mutual::new(&client, "edge.test"));
    let stubborn =
        Prober::mutual(&engine, &web.address(), Mutual::new(&client, "edge.test").trusting(&old_bundle));
    pause(Duration::from_secs(5));
    let since = Instant::now();
    keyturn.ok(&["ca", "rotate", "internal"]);
    assert_eq!(roots(&keyturn).len(), 2, "the old root is still there");

    // Who has never heard of the new root finds the way by what the old one has certified.
    let under_new = || {
        let chain = fs::read_to_string(client.join("tls.crt")).unwrap();
        chain.matches("BEGIN CERTIFICATE").count() == 3
    };
    assert!(wait_for(PATIENCE, under_new), "{:#}", keyturn.status("probe"));
    println!("the new root signs after {:.0} s", since.elapsed().as_secs_f64());
    let new_leaf = || {
        let leaf = keyturn.fingerprint("certificates/edge");
        prober.so_far().leaves.contains_key(&leaf)
    };
    pause(Duration::from_secs(25));
    assert!(wait_for(Duration::from_secs(60), new_leaf), "{:#?}", prober.so_far());
    pause(Duration::from_secs(5));
    let report = stubborn.stop();
    assert!(report.failures.is_empty(), "{report:#?}");
    println!("{} connections with the old root alone, 0 failed", report.ok);

    let gone = || {
        let roots = roots(&keyturn);
        roots.len() == 1 && roots != old
    };
    assert!(wait_for(PATIENCE, gone), "{}", daemon.stderr());
    println!("the old root is gone after {:.0} s", since.elapsed().as_secs_f64());
    let changed = || fs::read_to_string(client.join("ca.crt")).unwrap();
    assert!(wait_for(Duration::from_secs(60), || changed().matches("BEGIN").count() == 1));
    assert_ne!(changed(), old_bundle);

    // What is revoked is refused, by the list alone; its successor is let in.
    let kept = keyturn.dir().join("kept");
    copied(&client, &kept);
    keyturn.ok(&["revoke", "certificates/probe", "--reason", "superseded"]);
    assert!(wait_for(Duration::from_secs(60), proven), "{}", daemon.stderr());
    pause(Duration::from_secs(10));
    let revoked = Prober::mutual(&engine, &web.address(), Mutual::new(&kept, "edge.test"));
    pause(Duration::from_secs(2));
    let revoked = revoked.stop();
    assert!(revoked.ok == 0 && !revoked.failures.is_empty(), "{revoked:#?}");
    assert!(revoked.failures[0].error.contains("400"), "{revoked:#?}");

    let report = prober.stop();
    daemon.stop();
    assert!(report.failures.is_empty(), "{report:#?}");
    let lists = editions(&keyturn);
    assert!(lists >= 5 && report.lasted > Duration::from_secs(2 * 90), "{lists} editions");
    println!(
        "{} handshakes with client certificates in {:.0} s, {} leaves, {lists} editions of the lists, 0 failed",
        report.ok,
        report.lasted.as_secs_f64(),
        report.leaves.len()
    );
}
