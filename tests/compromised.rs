//! A key in wrong hands, on a real Swarm: nothing brings it back.
// Its crash points are there only in a build for tests.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use serde_json::Value;
use support::{Engine, Keyturn, Nginx, Prober, Site, engine_or_skip};

fn ours(engine: &Engine) -> Vec<String> {
    let names = engine.names("secret").into_iter();
    names.filter_map(|name| name.strip_prefix("cert.edge.").map(str::to_owned)).collect()
}

/// The names of the secrets in one of the service's specs.
fn named(service: &Value, spec: &str) -> Vec<String> {
    let secrets = service[spec]["TaskTemplate"]["ContainerSpec"]["Secrets"].as_array().unwrap();
    secrets.iter().map(|secret| secret["SecretName"].as_str().unwrap().to_owned()).collect()
}

fn quick() -> [&'static str; 2] {
    ["--update-monitor=1s", "--rollback-monitor=1s"]
}

fn assert_forgotten(engine: &Engine, keyturn: &Keyturn) {
    assert_eq!(ours(engine), ["fullchain.2", "private-key.2"]);
    let service = engine.service("web_nginx");
    assert_eq!(named(&service, "PreviousSpec"), named(&service, "Spec"), "{service:#}");
    let revisions = keyturn.status("certificates/edge")["revisions"].take();
    assert_eq!((&revisions[0]["state"], &revisions[1]["state"]), (&"revoked".into(), &"active".into()));
    assert!(keyturn.material("certificates/edge", 1).is_none(), "its key is destroyed");
}

#[test]
fn a_key_that_is_out_is_gone_in_one_pass_and_no_rollback_finds_it() {
    let engine = engine_or_skip!();
    let web = Nginx::new("web_nginx", 8443).args(quick()).create(&engine);
    let keyturn = Site::default().beside(&engine);
    keyturn.ok(&["run"]);
    let (first, tasks) = (keyturn.fingerprint("certificates/edge"), engine.tasks("web_nginx").len());
    let prober = Prober::start(&engine, &web.address());
    keyturn.ok(&["rotate", "--compromised", "edge"]);
    prober.stop().assert_clean();
    assert_forgotten(&engine, &keyturn);
    assert_eq!(engine.tasks("web_nginx").len(), tasks + 2, "forgetting restarts nothing");
    // Who rolls back finds what is there already.
    engine.docker(["service", "rollback", "--quiet", "--detach", "web_nginx"]);
    engine.wait_running("web_nginx", 2);
    assert_ne!(keyturn.fingerprint("certificates/edge"), first);
    let names = named(&engine.service("web_nginx"), "Spec");
    assert!(names.iter().all(|name| name.ends_with(".2")), "{names:?}");
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
}

#[test]
fn killed_at_any_step_the_next_pass_finishes_it() {
    let engine = engine_or_skip!();
    Nginx::new("web_nginx", 8443).args(quick()).replicas(1).create(&engine);
    let mut keyturn = Site::default().beside(&engine);
    keyturn.ok(&["run"]);
    keyturn.kill_at("rotate-asked", 1);
    keyturn.run(&["rotate", "--compromised", "edge"]);
    for point in ["certificate-stored", "rollout-settled", "activated", "forgotten", "revoked", "deleted"] {
        keyturn.kill_at(point, 1);
        let ran = keyturn.run(&["run"]);
        assert!(!ran.ok() && ran.code.is_none(), "{point} was not reached: {ran:#?}");
    }
    keyturn.kill_nowhere();
    keyturn.ok(&["run"]);
    assert_forgotten(&engine, &keyturn);
}
