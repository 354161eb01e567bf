//! What was replaced goes when nobody can need it any more, and not before; and services of every kind.
// Its crash points and clock are there only in a build for tests.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Engine, Keyturn, Nginx, Plain, Prober, Site, engine_or_skip, pause};

const EIGHT_DAYS: &str = "691200";

fn quick() -> [&'static str; 2] {
    ["--update-monitor=1s", "--rollback-monitor=1s"]
}

/// Our secrets of certificate `edge`, without `cert.edge.`.
fn ours(engine: &Engine) -> Vec<String> {
    let names = engine.names("secret").into_iter();
    names.filter_map(|name| name.strip_prefix("cert.edge.").map(str::to_owned)).collect()
}

fn served(engine: &Engine, address: &str) -> Vec<String> {
    let prober = Prober::start(engine, address);
    pause(Duration::from_millis(500));
    prober.stop().leaves.into_keys().collect()
}

fn revision(keyturn: &Keyturn, number: u32) -> Value {
    let status = keyturn.status("certificates/edge");
    let all = status["revisions"].as_array().unwrap();
    all.iter().find(|one| one["revision"] == number).unwrap()["state"].clone()
}

#[test]
fn a_rollback_finds_its_secrets_until_they_are_of_no_use() {
    let engine = engine_or_skip!();
    let web = Nginx::new("web_nginx", 8443).args(quick()).create(&engine);
    let mut keyturn = Site::default().beside(&engine);
    keyturn.ok(&["run"]);
    let first = keyturn.fingerprint("certificates/edge");
    keyturn.ok(&["rotate", "edge"]);

    // PreviousSpec names them, however long ago it was.
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some(EIGHT_DAYS));
    let kept = keyturn.ok(&["run"]);
    assert!(
        kept.contains("cert.edge.fullchain.1 is kept: the PreviousSpec of service web_nginx names it"),
        "{kept}"
    );
    let plan = keyturn.ok(&["plan"]);
    assert!(plan.contains("cert.edge.private-key.1 is kept: the PreviousSpec"), "{plan}");
    assert_eq!(ours(&engine), ["fullchain.1", "fullchain.2", "private-key.1", "private-key.2"]);
    assert_eq!(revision(&keyturn, 1), "retiring");

    engine.ok(["service", "rollback", "--quiet", "--detach", "web_nginx"]);
    engine.wait_update("web_nginx", "rollback_completed");
    engine.wait_running("web_nginx", 2);
    assert_eq!(served(&engine, &web.address()), [first], "the old leaf is back");

    // A person's word stands: it is said, and left.
    let version = engine.service("web_nginx")["Version"].take();
    let noted = keyturn.run(&["run"]);
    assert!(noted.ok() && noted.stdout.contains("KT-DRIFT"), "{noted:#?}");
    let again = keyturn.run(&["run"]);
    assert!(again.ok() && again.stdout.contains("nothing to do"), "{again:#?}");
    assert_eq!(engine.service("web_nginx")["Version"], version, "it does not fight");
    assert_eq!(keyturn.status("certificates/edge")["problems"][0]["code"], "KT-DRIFT");

    keyturn.ok(&["rotate", "edge"]);
    assert_eq!(keyturn.status("certificates/edge")["problems"], json!([]));
    assert_eq!(served(&engine, &web.address()), [keyturn.fingerprint("certificates/edge")]);
    // What was rolled back from has been replaced only now.
    let kept = keyturn.ok(&["run"]);
    assert!(kept.contains("cert.edge.fullchain.2 is kept: the retention has not passed"), "{kept}");
    assert!(kept.contains("cert.edge.fullchain.1 is kept: the PreviousSpec"), "{kept}");
}

#[test]
fn what_nobody_names_goes_after_the_retention_and_not_before() {
    let engine = engine_or_skip!();
    Nginx::new("web_nginx", 8443).replicas(1).args(quick()).create(&engine);
    let mut keyturn = Site::default().beside(&engine);
    keyturn.ok(&["run"]);
    // Theirs, by a name like ours, by our labels of another installation, and by no label.
    engine.feed(["secret", "create", "cert.edge.fullchain.99", "-"], b"theirs");
    let labels = ["instance=other", "asset=certificates/edge", "revision=1", "part=fullchain", "digest=0"];
    let labels = labels.map(|label| format!("--label=keyturn.{label}"));
    engine.feed(
        ["secret", "create", "cert.edge.chain.1", "-"].into_iter().chain(labels.iter().map(String::as_str)),
        b"theirs",
    );
    // A service of the user's own that names our first chain by itself.
    let secret = "--secret=source=cert.edge.fullchain.1,target=copy.crt";
    Plain::sleeping("watcher").args([secret]).create(&engine);
    keyturn.ok(&["rotate", "edge"]);
    keyturn.ok(&["rotate", "edge"]);
    let early = keyturn.ok(&["run"]);
    assert!(early.contains("private-key.1 is kept: the retention has not passed (until "), "{early}");
    assert!(keyturn.material("certificates/edge", 1).is_some());

    keyturn.set("KEYTURN_CLOCK_OFFSET", Some(EIGHT_DAYS));
    let ran = keyturn.ok(&["run"]);
    assert!(ran.contains("cert.edge.fullchain.1 is kept: the spec of service watcher names it"), "{ran}");
    let others = [
        "chain.1",
        "fullchain.1",
        "fullchain.100",
        "fullchain.101",
        "fullchain.99",
        "private-key.2",
        "private-key.3",
    ];
    assert_eq!(ours(&engine), others, "only the old private key is gone");
    assert_eq!(revision(&keyturn, 1), "retiring");

    // A task that has not ended names it, though no spec does.
    engine.ok(["service", "update", "--quiet", "--detach", "--secret-rm=cert.edge.fullchain.1", "watcher"]);
    engine.wait_running("watcher", 1);
    let ran = keyturn.ok(&["run"]);
    assert!(ran.contains("the PreviousSpec of service watcher names it"), "{ran}");
    // Someone has removed it by hand meanwhile: that is done, too.
    engine.ok(["service", "rm", "watcher"]);
    engine.ok(["secret", "rm", "cert.edge.fullchain.1"]);
    let ran = keyturn.run(&["run"]);
    assert!(ran.ok() && ran.stderr.contains("retire   revision 1"), "{ran:#?}");
    assert_eq!(revision(&keyturn, 1), "retired");
    assert_eq!(keyturn.material("certificates/edge", 1), None, "its key is out of the state");
    assert_eq!(
        ours(&engine),
        ["chain.1", "fullchain.100", "fullchain.101", "fullchain.99", "private-key.2", "private-key.3"]
    );
    for part in ["private-key", "certificate"] {
        let export = keyturn.run(&["export", "edge", "--part", part, "--revision", "1"]);
        assert_eq!(export.code, Some(2), "{export:#?}");
        assert!(export.stderr.contains("retired"), "{export:#?}");
        assert_eq!(export.stdout, "");
    }
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
    keyturn.ok(&["audit", "--verify"]);
}

/// Dies in the middle of clearing away: what is gone is done, what is left is gone with the next run.
#[test]
fn killed_while_deleting() {
    let engine = engine_or_skip!();
    Nginx::new("web_nginx", 8443).replicas(1).args(quick()).create(&engine);
    let mut keyturn = Site { delivery: "concurrency = 1".to_owned(), ..Site::default() }.beside(&engine);
    keyturn.ok(&["run"]);
    keyturn.ok(&["rotate", "edge"]);
    keyturn.ok(&["rotate", "edge"]);
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some(EIGHT_DAYS));
    let service = engine.service("web_nginx");
    for (failpoint, left) in [("delete-intended:1", 6), ("deleted:1", 5), ("deleted:2", 4), ("retired:1", 4)]
    {
        keyturn.set("KEYTURN_FAILPOINT", Some(&format!("{failpoint}:abort")));
        let ran = keyturn.run(&["run"]);
        assert_eq!(ran.signal, Some(6), "{failpoint}: {ran:#?}");
        assert_eq!(ours(&engine).len(), left, "{failpoint}");
    }
    keyturn.kill_nowhere();
    assert!(keyturn.ok(&["run"]).contains("nothing to do"), "all was done");
    assert_eq!(ours(&engine), ["fullchain.2", "fullchain.3", "private-key.2", "private-key.3"]);
    assert_eq!((revision(&keyturn, 1), keyturn.material("certificates/edge", 1)), (json!("retired"), None));
    assert_eq!(engine.service("web_nginx"), service);
    keyturn.ok(&["audit", "--verify"]);
}

#[test]
fn services_of_every_kind() {
    let engine = engine_or_skip!();
    global(&engine);
    scaled_to_nothing(&engine);
    found_by_label(&engine);
    removed_and_created_again(&engine);
    not_there_yet(&engine);
}

fn global(engine: &Engine) {
    let web = Nginx::new("everywhere", 8443).global().args(quick()).create(engine);
    let keyturn = Site::of("everywhere", 8443).beside(engine);
    keyturn.ok(&["run"]);
    keyturn.ok(&["rotate", "everywhere"]);
    let status = keyturn.status("certificates/everywhere");
    assert_eq!((&status["revision"], &status["targets"][0]["proof"]), (&json!(2), &json!("handshake")));
    assert_eq!(served(engine, &web.address()), [status["fingerprint_sha256"].as_str().unwrap()]);
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
}

fn scaled_to_nothing(engine: &Engine) {
    Nginx::new("asleep", 8444).replicas(0).args(quick()).create(engine);
    let keyturn = Site::of("asleep", 8444).beside(engine);
    let ran = keyturn.run(&["run"]);
    assert!(ran.ok() && ran.stdout.contains("KT-PROOF-WEAK"), "{ran:#?}");
    let status = keyturn.status("certificates/asleep");
    assert_eq!((&status["targets"][0]["state"], &status["served_at"]), (&json!("delivered"), &Value::Null));
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));

    engine.ok(["service", "scale", "--detach", "asleep=2"]);
    engine.wait_running("asleep", 2);
    let spec = engine.service("asleep")["Spec"].take();
    let ran = keyturn.run(&["run"]);
    assert!(ran.ok() && !ran.stderr.contains("rollout"), "{ran:#?}");
    assert_eq!(engine.service("asleep")["Spec"], spec);
    let status = keyturn.status("certificates/asleep");
    assert_eq!((&status["targets"][0]["proof"], &status["problems"]), (&json!("handshake"), &json!([])));
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
}

fn found_by_label(engine: &Engine) {
    let label = "--label=keyturn.asset=certificates/labelled";
    Nginx::new("some_name", 8445).replicas(1).args(quick()).args([label]).create(engine);
    let site = Site { services: String::new(), ..Site::of("labelled", 8445) };
    let keyturn = site.beside(engine);
    keyturn.ok(&["run"]);
    let status = keyturn.status("certificates/labelled");
    assert_eq!(status["targets"][0]["name"], "some_name");
    assert_eq!(status["targets"][0]["proof"], "handshake", "{status:#}");
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
}

fn removed_and_created_again(engine: &Engine) {
    let again = || Nginx::new("anew", 8446).replicas(1).args(quick());
    again().create(engine);
    let keyturn = Site::of("anew", 8446).beside(engine);
    keyturn.ok(&["run"]);
    engine.ok(["service", "rm", "anew"]);
    let gone = keyturn.run(&["run"]);
    assert!(gone.ok() && gone.stdout.contains("waits for service anew"), "{gone:#?}");
    engine.ok(["config", "rm", "anew.conf"]);
    engine.ok(["secret", "rm", "anew-placeholder-tls.crt", "anew-placeholder-tls.key"]);
    let web = again().create(engine);
    let ran = keyturn.run(&["run"]);
    assert!(ran.ok() && ran.stderr.contains("rollout  anew"), "{ran:#?}");
    let status = keyturn.status("certificates/anew");
    assert_eq!((&status["revision"], &status["problems"]), (&json!(1), &json!([])), "the same revision");
    assert_eq!(served(engine, &web.address()), [status["fingerprint_sha256"].as_str().unwrap()]);
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
}

/// The objects are made for a stack that is deployed later, and names them: then nothing is to be changed.
fn not_there_yet(engine: &Engine) {
    let keyturn = Site::of("later", 8447).beside(engine);
    let ran = keyturn.run(&["run"]);
    assert!(ran.ok() && ran.stdout.contains("waits for service later"), "{ran:#?}");
    assert_eq!(keyturn.status("certificates/later")["problems"][0]["code"], "KT-SERVICE-MISSING");
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));

    let secrets = ["fullchain.1,target=tls.crt", "private-key.1,target=tls.key"];
    let secrets = secrets.map(|secret| format!("--secret=source=cert.later.{secret}"));
    let web = Nginx::new("later", 8447).without_secrets().replicas(1).args(&secrets).create(engine);
    engine.wait_running("later", 1);
    let service = engine.service("later");
    let ran = keyturn.run(&["run"]);
    assert!(ran.ok(), "{ran:#?}");
    assert_eq!(engine.service("later"), service, "no rollout");
    let status = keyturn.status("certificates/later");
    assert_eq!((&status["state"], &status["targets"][0]["proof"]), (&json!("active"), &json!("handshake")));
    assert_eq!(status["problems"], json!([]));
    assert_eq!(served(engine, &web.address()), [status["fingerprint_sha256"].as_str().unwrap()]);
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
}
