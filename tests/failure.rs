//! A bad new revision is put back, whatever the Swarm itself makes of it; and the message says who said what.
// Its crash points and clock are there only in a build for tests.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Engine, Keyturn, Nginx, Prober, Ran, Site, engine_or_skip, pause};

/// A mismatched pair from the next rotation on: what `nginx -t` calls "key values mismatch".
fn rotate_to_a_bad_pair(keyturn: &mut Keyturn) -> Ran {
    keyturn.set("KEYTURN_FAILPOINT", Some("mismatched-key:1:plant"));
    let ran = keyturn.run(&["rotate", "edge"]);
    keyturn.kill_nowhere();
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    ran
}

fn running_tasks(engine: &Engine) -> Vec<Value> {
    let running = |task: &Value| task["DesiredState"] == "running";
    let mut ids: Vec<Value> =
        engine.tasks("web_nginx").into_iter().filter(running).map(|task| task["ID"].clone()).collect();
    ids.sort_by_key(Value::to_string);
    ids
}

fn failed_target(keyturn: &Keyturn, code: &str) -> String {
    let status = keyturn.status("certificates/edge");
    assert_eq!(status["targets"][0]["state"], "failed", "{status:#}");
    let problems = status["problems"].as_array().unwrap();
    let problem =
        problems.iter().find(|problem| problem["code"] == code).unwrap_or_else(|| panic!("{status:#}"));
    problem["message"].as_str().unwrap().to_owned()
}

#[test]
fn preflight_stops_a_mismatched_pair_before_any_task_is_touched() {
    let engine = engine_or_skip!();
    let web = Nginx::new("web_nginx", 8443).create(&engine);
    let mut keyturn = Site::default().beside(&engine);
    keyturn.ok(&["run"]);
    let (service, tasks) = (engine.service("web_nginx"), running_tasks(&engine));

    let prober = Prober::start(&engine, &web.address());
    let ran = rotate_to_a_bad_pair(&mut keyturn);
    prober.stop().assert_clean();
    assert!(ran.stderr.contains("key values mismatch"), "NGINX's own line: {}", ran.stderr);
    assert!(ran.stderr.contains("KT-PREFLIGHT-FAILED"), "{}", ran.stderr);
    assert_eq!(engine.service("web_nginx"), service);
    assert_eq!(running_tasks(&engine), tasks);
    assert!(engine.ok(["service", "ls", "--quiet"]).lines().count() == 1, "the job is gone");
    let message = failed_target(&keyturn, "KT-PREFLIGHT-FAILED");
    assert!(message.contains("key values mismatch") && message.contains("nginx -t"), "{message}");

    let waits = keyturn.run(&["run"]);
    assert_eq!(waits.code, Some(1), "it stays wrong, and is not tried before its time: {waits:#?}");
    assert!(waits.stdout.contains("is tried again then"), "{}", waits.stdout);
    assert_eq!(engine.service("web_nginx"), service);
}

/// Without a preflight the Swarm gets the bad pair, and does what its failure action says.
fn put_back_with(action: &str) {
    let engine = engine_or_skip!();
    let arguments = [
        format!("--update-failure-action={action}"),
        "--update-delay=2s".into(),
        "--update-monitor=2s".into(),
    ];
    let web = Nginx::new("web_nginx", 8443).args(&arguments).create(&engine);
    let site = Site {
        target: r#"verify = { connect = ["127.0.0.1:8443"], server_name = "edge.test" }"#.to_owned(),
        ..Site::default()
    };
    let mut keyturn = site.beside(&engine);
    keyturn.ok(&["run"]);
    let before = engine.service("web_nginx");
    let old = keyturn.fingerprint("certificates/edge");

    let ran = rotate_to_a_bad_pair(&mut keyturn);
    assert!(ran.stderr.contains("key values mismatch"), "which task said what: {}", ran.stderr);
    let after = engine.service("web_nginx");
    assert_eq!(after["Spec"], before["Spec"], "the old references are back, and nothing else is changed");
    assert_eq!(after["PreviousSpec"], before["Spec"], "and a rollback cannot bring the bad ones back");
    let message = failed_target(&keyturn, "KT-ROLLOUT-FAILED");
    assert!(message.contains("task web_nginx.") && message.contains("key values mismatch"), "{message}");

    engine.wait_running("web_nginx", 2);
    let prober = Prober::start(&engine, &web.address());
    pause(Duration::from_secs(1));
    let report = prober.stop();
    report.assert_clean();
    assert_eq!(report.leaves.keys().collect::<Vec<_>>(), [&old], "only the old leaf is served");
    engine.ok(["service", "rollback", "--quiet", "--detach", "web_nginx"]);
    pause(Duration::from_secs(1));
    engine.wait_running("web_nginx", 2);
    assert_eq!(engine.secrets_of("web_nginx"), refs(&before));

    // The material itself was good: the same revision goes out when its time has come.
    let status = keyturn.status("certificates/edge");
    let coming = status["revisions"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&coming["revision"], &coming["state"]), (&json!(2), &json!("prepared")), "{status:#}");
}

fn refs(service: &Value) -> Vec<(String, String)> {
    let secrets = service["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    secrets.iter().map(|secret| (text(&secret["File"]["Name"]), text(&secret["SecretName"]))).collect()
}

#[test]
fn put_back_after_pause() {
    put_back_with("pause");
}

#[test]
fn put_back_after_the_swarms_own_rollback() {
    put_back_with("rollback");
}

#[test]
fn put_back_though_the_swarm_calls_it_completed() {
    put_back_with("continue");
}

#[test]
fn a_good_pair_that_is_not_what_is_served_is_noticed() {
    let engine = engine_or_skip!();
    let _web = Nginx::new("web_nginx", 8443).create(&engine);
    // Someone else's server answers where the proof looks: the service's own port is another.
    let _other = Nginx::new("other", 9443).create(&engine);
    let site = Site {
        target: r#"verify = { connect = ["127.0.0.1:9443"], server_name = "edge.test" }"#.to_owned(),
        ..Site::default()
    };
    let keyturn = site.beside(&engine);
    let before = engine.service("web_nginx");
    let ran = keyturn.run(&["run"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert_eq!(engine.service("web_nginx")["Spec"], before["Spec"]);
    let message = failed_target(&keyturn, "KT-PROOF-FAILED");
    assert!(message.contains("127.0.0.1:9443"), "{message}");
}
