//! The daemon alone on a real Swarm, on short lives: a certificate of a real Pebble, one of its own CA and a JWT key are renewed
//! under load, an operator gives orders meanwhile, and whoever is told of it all hears everything once.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{
    Engine, Inbox, Keyturn, Nginx, Pebble, PebbleOptions, Plain, Prober, Report, command, engine_or_skip,
    in_netns, must, pause, skip_without, wait_for,
};

/// Of the public CA's certificates, in seconds.
const VALIDITY: u64 = 120;
/// How many turns of each there must be.
const TURNS: [(&str, u64); 3] = [("certificates/edge", 3), ("certificates/inner", 2), ("jwt_keys/auth", 2)];
const PATIENCE: Duration = Duration::from_secs(240);

fn site(engine: &Engine, pebble: &Pebble, inbox: &Inbox) -> Keyturn {
    let (socket, issuer) = (engine.socket().display().to_string(), pebble.issuer("pebble", &pebble.http()));
    let keyturn = Keyturn::beside(engine).config(&format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
control_socket = "control.sock"
[docker]
socket = "{socket}"
[delivery]
retention = "0s"
{issuer}
[issuers.internal]
kind = "internal"
common_name = "Test CA"
[certificates.edge]
issuers = ["pebble"]
dns_names = ["edge.test"]
renew_before = "80s"
[[certificates.edge.targets]]
kind = "swarm"
services = ["web_edge"]
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key" }}
preflight = ["nginx", "-t"]
verify = {{ connect = ["127.0.0.1:8443"], server_name = "edge.test" }}
[certificates.inner]
issuers = ["internal"]
dns_names = ["inner.test"]
duration = "120s"
renew_before = "60s"
[[certificates.inner.targets]]
kind = "swarm"
services = ["web_inner"]
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key" }}
preflight = ["nginx", "-t"]
verify = {{ connect = ["127.0.0.1:8444"], server_name = "inner.test" }}
[certificates.side]
issuers = ["internal"]
dns_names = ["side.test"]
[[certificates.side.targets]]
kind = "file"
dir = "side"
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key" }}
test = ["test", "!", "-e", "{{dir}}/broken"]
[jwt_keys.auth]
algorithm = "ES256"
allow_any_window = true
rotate_every = "60s"
publish_before = "5s"
jwks_max_age = "3s"
max_token_ttl = "10s"
skew = "1s"
[[jwt_keys.auth.targets]]
kind = "swarm"
services = ["api_auth"]
files = {{ "jwt.key" = "private-key", "jwt.kid" = "kid" }}
[[jwt_keys.auth.targets]]
kind = "swarm"
services = ["api_gateway"]
files = {{ "/srv/jwks.json" = "jwks" }}
verify = {{ url = "http://127.0.0.1:8080/jwks.json" }}
[notify.ops]
kind = "webhook"
url_file = "url"
allow_private = true
events = ["expiry", "failure", "recovery", "rotation", "drift"]
"#
    ));
    keyturn.write("url", &inbox.url("hook"));
    keyturn
}

/// What the audit has of `action`: asset, and revision.
fn audited(keyturn: &Keyturn, action: &str) -> Vec<(String, u64)> {
    let audit: Value = serde_json::from_str(&keyturn.ok(&["audit", "-o", "json"])).unwrap();
    let entries = audit["entries"].as_array().unwrap().iter().filter(|entry| entry["action"] == action);
    entries.filter_map(|one| Some((one["asset"].as_str()?.to_owned(), one["revision"].as_u64()?))).collect()
}

/// All that was told: how often each thing.
#[derive(Debug, Default)]
struct Told {
    messages: BTreeMap<String, usize>,
    /// By phase, code and asset.
    conditions: BTreeMap<(String, String, String), usize>,
    /// By asset and revision.
    rotations: BTreeMap<(String, u64), usize>,
}

impl Told {
    fn by(inbox: &Inbox) -> Self {
        let mut told = Self::default();
        for message in inbox.received() {
            *told.messages.entry(message.field("keyturn-id").unwrap().to_owned()).or_default() += 1;
            for item in message.json()["items"].as_array().unwrap() {
                let text = |name: &str| item[name].as_str().unwrap_or("-").to_owned();
                if text("event") == "rotation" {
                    let revision = item["revision"].as_u64().unwrap();
                    *told.rotations.entry((text("asset"), revision)).or_default() += 1;
                } else {
                    *told.conditions.entry((text("phase"), text("code"), text("asset"))).or_default() += 1;
                }
            }
        }
        told
    }

    fn has(&self, phase: &str) -> bool {
        self.conditions.keys().any(|(is, _, asset)| is == phase && asset == "certificates/side")
    }
}

/// The number of what is in use; 0 while nothing is.
fn revision(keyturn: &Keyturn, asset: &str) -> u64 {
    let status = keyturn.status(asset);
    status["revision"].as_u64().filter(|_| status["state"] == "active").unwrap_or(0)
}

fn said(name: &str, report: &Report) -> String {
    let leaves = report.leaves.len();
    format!(
        "{name}: {} connections, {:.0} a second, {leaves} leaves, {} failed",
        report.ok,
        report.rate(),
        report.failures.len()
    )
}

/// An operator breaks the delivery of one certificate, asks for a turn of it, and puts both right.
fn break_and_mend(keyturn: &Keyturn, inbox: &Inbox) {
    keyturn.write("broken", "");
    let ran = keyturn.run(&["rotate", "certificates/side"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("KT-FILE-TEST-FAILED"), "{ran:#?}");
    assert!(wait_for(Duration::from_secs(20), || Told::by(inbox).has("opened")), "{:#?}", Told::by(inbox));
    pause(Duration::from_secs(5));
    std::fs::remove_file(keyturn.dir().join("broken")).unwrap();
    keyturn.ok(&["rotate", "certificates/side"]);
    assert!(wait_for(Duration::from_secs(20), || Told::by(inbox).has("closed")), "{:#?}", Told::by(inbox));
}

#[test]
fn all_is_renewed_under_load_while_an_operator_gives_orders_and_everything_is_told_once() {
    skip_without!(Pebble);
    let engine = engine_or_skip!();
    must(in_netns(&engine, &command("sysctl", ["-qw", "net.ipv4.tcp_migrate_req=1"])));
    let pebble = PebbleOptions { validity: Some(VALIDITY), ..PebbleOptions::default() }.beside(&engine);
    let inbox = Inbox::beside(&engine);
    let edge = Nginx::new("web_edge", 8443).create(&engine);
    let inner = Nginx::new("web_inner", 8444).create(&engine);
    Plain::sleeping("api_auth").args(["--update-monitor=1s"]).create(&engine);
    Plain::serving("api_gateway", "/srv", 8080).args(["--update-monitor=1s"]).create(&engine);
    let keyturn = site(&engine, &pebble, &inbox);
    let daemon = keyturn.spawn(&["daemon"]);
    let all_there = || TURNS.iter().all(|(asset, _)| revision(&keyturn, asset) > 0);
    assert!(wait_for(PATIENCE, all_there), "{}", daemon.stderr());

    let first = TURNS.map(|(asset, _)| revision(&keyturn, asset));
    let probers =
        [&edge, &inner].map(|web| Prober::at_pace(&engine, &web.address(), 4, Duration::from_millis(100)));
    let since = Instant::now();
    pause(Duration::from_secs(10));
    break_and_mend(&keyturn, &inbox);
    // One order for what serves: it is nobody's turn yet.
    let before = revision(&keyturn, "certificates/inner");
    keyturn.ok(&["rotate", "certificates/inner"]);
    assert!(revision(&keyturn, "certificates/inner") > before);
    println!("the operator's orders are done after {:.0} s", since.elapsed().as_secs_f64());
    let turned = || {
        let done = |((asset, turns), first): (&(&str, u64), &u64)| revision(&keyturn, asset) >= first + turns;
        TURNS.iter().zip(&first).all(done)
    };
    assert!(wait_for(PATIENCE, turned), "{}", daemon.stderr());
    println!("all have turned after {:.0} s", since.elapsed().as_secs_f64());
    let at_rest = || {
        let told = Told::by(&inbox).rotations;
        audited(&keyturn, "activated").iter().all(|one| told.contains_key(one))
    };
    assert!(wait_for(Duration::from_secs(30), at_rest), "{:#?}", Told::by(&inbox));
    daemon.stop();

    for (name, prober) in ["edge", "inner"].into_iter().zip(probers) {
        let report = prober.stop();
        println!("{}", said(name, &report));
        assert!(report.failures.is_empty(), "{report:#?}");
        assert!(report.rate() > 10.0 && report.leaves.len() >= 3, "{report:#?}");
    }
    assert!(keyturn.ok(&["audit", "--verify"]).contains("whole"));
    judge(&keyturn, &Told::by(&inbox));
}

/// Every turn and every condition is told, and once.
fn judge(keyturn: &Keyturn, told: &Told) {
    println!(
        "{} messages; {} turns told; conditions: {:?}",
        told.messages.len(),
        told.rotations.len(),
        told.conditions
    );
    assert!(told.messages.values().all(|times| *times == 1), "{told:#?}");
    assert!(told.conditions.values().all(|times| *times == 1), "{told:#?}");
    assert!(told.rotations.values().all(|times| *times == 1), "{told:#?}");
    let broken =
        |phase: &str| (phase.to_owned(), "KT-FILE-TEST-FAILED".to_owned(), "certificates/side".to_owned());
    let expected: Vec<_> = ["closed", "opened"].map(broken).into();
    assert_eq!(told.conditions.keys().cloned().collect::<Vec<_>>(), expected, "nothing else was wrong");
    for (asset, revision) in audited(keyturn, "activated") {
        println!("told: {asset} revision {revision}");
        assert!(told.rotations.contains_key(&(asset.clone(), revision)), "{asset} {revision}: {told:#?}");
    }
    assert_eq!(audited(keyturn, "activated").len(), told.rotations.len(), "{told:#?}");
}
