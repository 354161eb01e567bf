//! End to end on a real Swarm: certificates of a real Pebble that live for two minutes, renewed by themselves under load.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::{
    Engine, Keyturn, Nginx, Pebble, PebbleOptions, Prober, engine_or_skip, pause, skip_without, wait_for,
};

/// Of a certificate, in seconds.
const VALIDITY: u64 = 120;
/// Renewals that must come by themselves.
const RENEWALS: usize = 3;
/// Between two looks at what the daemon has come to.
const EVERY: Duration = Duration::from_secs(2);

fn site(engine: &Engine, pebble: &Pebble) -> Keyturn {
    let (socket, issuer) = (engine.socket().display().to_string(), pebble.issuer("pebble", &pebble.http()));
    Keyturn::beside(engine).config(&format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
control_socket = "control.sock"
[docker]
socket = "{socket}"
{issuer}
[certificates.edge]
issuers = ["pebble"]
dns_names = ["edge.test"]
renew_before = "80s"
[[certificates.edge.targets]]
kind = "swarm"
services = ["web_nginx"]
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key" }}
preflight = ["nginx", "-t"]
verify = {{ connect = ["127.0.0.1:8443"], server_name = "edge.test" }}
[jwt_keys.auth]
algorithm = "ES256"
[[jwt_keys.auth.targets]]
kind = "file"
dir = "out"
files = {{ "jwks.json" = "jwks", "jwt.key" = "private-key" }}
"#
    ))
}

#[test]
fn renews_itself_three_times_under_load() {
    skip_without!(Pebble);
    let engine = engine_or_skip!();
    let pebble = PebbleOptions { validity: Some(VALIDITY), ..PebbleOptions::default() }.beside(&engine);
    let web = Nginx::new("web_nginx", 8443).create(&engine);
    let keyturn = site(&engine, &pebble);
    let daemon = keyturn.spawn(&["daemon"]);
    assert!(
        wait_for(Duration::from_secs(60), || keyturn.status("edge")["state"] == "active"),
        "{}",
        daemon.stderr()
    );
    let mut leaves = vec![keyturn.fingerprint("certificates/edge")];
    let prober = Prober::start(&engine, &web.address());
    let since = Instant::now();
    while leaves.len() <= RENEWALS {
        assert!(since.elapsed() < Duration::from_secs(2 * VALIDITY), "{:#}", keyturn.status("edge"));
        pause(EVERY);
        // A person's orders meanwhile are in nobody's way.
        keyturn.ok(&["rotate", "jwt_keys/auth"]);
        let leaf = keyturn.fingerprint("certificates/edge");
        if !leaves.contains(&leaf) {
            println!("renewed after {:.0} s", since.elapsed().as_secs_f64());
            leaves.push(leaf);
        }
    }
    let served = || keyturn.status("edge")["targets"][0]["state"] == "proven";
    assert!(wait_for(Duration::from_secs(60), served), "{:#}", keyturn.status("edge"));
    daemon.stop();
    let report = prober.stop();
    report.assert_clean();
    let order: Vec<_> = leaves.iter().map(|leaf| report.leaves[leaf].last).collect();
    assert!(order.is_sorted(), "one after the other: {report:#?}");
    assert_eq!(report.leaves.len(), RENEWALS + 1, "no other leaf is served: {report:#?}");
    let status = keyturn.status("edge");
    assert_eq!((&status["state"], &status["targets"][0]["proof"]), (&json!("active"), &json!("handshake")));
    let counts = pebble.counts();
    let made = [counts.orders, counts.finalizations, counts.issued.len(), counts.accounts];
    assert_eq!(made, [RENEWALS + 1, RENEWALS + 1, RENEWALS + 1, 1], "{counts:#?}");
    println!("{RENEWALS} renewals, {} connections, {:.0} a second, 0 failed", report.ok, report.rate());
}
