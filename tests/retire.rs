//! What was replaced goes when nobody can need it any more, and not before; and services of every kind.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Engine, Keyturn, Nginx, Plain, Prober, Site, engine_or_skip, pause, wait_for};

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
    assert!(kept.contains("cert.edge.fullchain.1 is kept: the PreviousSpec of service web_nginx names it"), "{kept}");
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
    println!("{}", keyturn.ok(&["run"]));
    println!("{:?}", ours(&engine));
    keyturn.ok(&["rotate", "edge"]);
    println!("{}", keyturn.ok(&["run"]));
    println!("{:?}", ours(&engine));
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
    engine.feed(["secret", "create", "cert.edge.chain.1", "-"].into_iter().chain(labels.iter().map(String::as_str)), b"theirs");
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
    let others = ["chain.1", "fullchain.1", "fullchain.2", "fullchain.3", "fullchain.99", "private-key.2", "private-key.3"];
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
    assert_eq!(ours(&engine), ["chain.1", "fullchain.2", "fullchain.3", "fullchain.99", "private-key.2", "private-key.3"]);
    for part in ["private-key", "certificate"] {
        let export = keyturn.run(&["export", "edge", "--part", part, "--revision", "1"]);
        assert_eq!(export.code, Some(2), "{export:#?}");
        assert!(export.stderr.contains("retired"), "{export:#?}");
        assert_eq!(export.stdout, "");
    }
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
    keyturn.ok(&["audit", "--verify"]);
}
