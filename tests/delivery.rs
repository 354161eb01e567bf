//! The main job on a real Swarm: delivered, taken up, proven, rotated without one failed connection.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{DH, Nginx, Prober, Site, engine_or_skip, pause};

/// All of a service's spec but for the references to our secrets.
fn without_references(service: &Value) -> Value {
    let mut spec = service["Spec"].clone();
    for reference in spec["TaskTemplate"]["ContainerSpec"]["Secrets"].as_array_mut().unwrap() {
        reference["SecretID"] = json!("");
        reference["SecretName"] = json!("");
    }
    spec
}

#[test]
fn certificate_and_parameters_in_one_rollout_then_rotated_under_load() {
    let engine = engine_or_skip!();
    let users_own = [
        "--label=team=edge",
        "--env=COLOUR=blue",
        "--constraint=node.role==manager",
        "--limit-memory=64M",
        "--container-label=seen.by=nobody",
    ];
    let web = Nginx::new("web_nginx", 8443).with_dhparam().args(users_own).create(&engine);
    let before = engine.service("web_nginx");
    let keyturn = Site { more: DH.to_owned(), ..Site::default() }.beside(&engine);

    let ran = keyturn.run(&["run"]);
    assert!(ran.ok(), "{ran:#?}");
    let after = engine.service("web_nginx");
    assert_eq!(without_references(&before), without_references(&after));
    assert_eq!(keyturn.audited("rollout-begun"), 2, "two assets");
    assert_eq!(ran.stderr.matches("rollout ").count(), 1, "{}", ran.stderr);
    assert_eq!(after["PreviousSpec"], before["Spec"], "one update, from what was there before");
    let status = keyturn.status("certificates/edge");
    assert_eq!((&status["state"], &status["targets"][0]["proof"]), (&json!("active"), &json!("handshake")));
    assert!(status["served_at"].is_string() && status["problems"] == json!([]), "{status:#}");

    let again = keyturn.run(&["run"]);
    assert!(again.ok() && again.stdout.contains("nothing to do"), "{again:#?}");
    assert_eq!(engine.service("web_nginx")["Version"], after["Version"], "no change, no touch");

    let old = keyturn.fingerprint("certificates/edge");
    let old_secrets = engine.secrets_of("web_nginx");
    let prober = Prober::start(&engine, &web.address());
    pause(Duration::from_secs(1));
    let ran = keyturn.run(&["rotate", "certificates/edge"]);
    assert!(ran.ok(), "{ran:#?}");
    let new = keyturn.fingerprint("certificates/edge");
    pause(Duration::from_secs(1));
    let report = prober.stop();
    report.assert_clean();
    assert!(report.rate() >= 50.0, "{:.0} connections a second", report.rate());
    assert_ne!(old, new);
    assert!(report.leaves[&new].last > report.leaves[&old].last, "all replicas are on the new leaf");
    let secrets = engine.names("secret");
    for (_, name) in &old_secrets {
        assert!(secrets.contains(name), "{name} is still there");
    }
    assert_eq!(without_references(&before), without_references(&engine.service("web_nginx")));
    println!("{} connections, {:.0} a second, 0 failed", report.ok, report.rate());
}
