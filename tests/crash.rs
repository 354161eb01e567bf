//! Killed at every persisted step of a rotation: the next run finishes it, with one change to the service in all.
// Its crash points and clock are there only in a build for tests.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Engine, Keyturn, Nginx, Prober, Site, engine_or_skip, pause, wait_for};

/// A failpoint, and the how-manieth time that it is passed.
type Kill = (&'static str, u32);

/// One certificate for one service of an engine that several share.
struct Lane<'e> {
    engine: &'e Engine,
    name: String,
    address: String,
    keyturn: Keyturn,
}

/// How a service and what belongs to it stood before a rotation.
struct Before {
    spec: Value,
    tasks: BTreeSet<String>,
    revision: u32,
}

impl<'e> Lane<'e> {
    /// A service that has had its first delivery.
    fn start(engine: &'e Engine, name: &str, port: u16) -> Self {
        Self::with(engine, name, port, Site::of(name, port), "rollback")
    }

    fn with(engine: &'e Engine, name: &str, port: u16, site: Site, failure_action: &str) -> Self {
        let action = format!("--update-failure-action={failure_action}");
        let args = ["--update-monitor=1s", "--rollback-monitor=1s", action.as_str()];
        let web = Nginx::new(name, port).replicas(1).args(args).create(engine);
        let keyturn = site.beside(engine);
        let lane = Self { engine, name: name.to_owned(), address: web.address(), keyturn };
        lane.keyturn.ok(&["run"]);
        lane
    }

    fn asset(&self) -> String {
        format!("certificates/{}", self.name)
    }

    fn tasks(&self) -> BTreeSet<String> {
        let id = |task: &Value| task["ID"].as_str().unwrap().to_owned();
        self.engine.tasks(&self.name).iter().map(id).collect()
    }

    fn before(&self) -> Before {
        let spec = self.engine.service(&self.name)["Spec"].take();
        let revision = self.keyturn.status(&self.asset())["revision"].as_u64().unwrap();
        Before { spec, tasks: self.tasks(), revision: u32::try_from(revision).unwrap() }
    }

    /// Dies there: by `rotate`, or by `run` where the rotation was asked for before.
    fn killed_at(&mut self, verb: &[&str], (failpoint, n): Kill) {
        self.keyturn.kill_at(failpoint, n);
        let ran = self.keyturn.run(verb);
        assert_eq!(ran.signal, Some(6), "{} is not passed: {ran:#?}", failpoint);
        self.keyturn.kill_nowhere();
    }

    /// A rotation that dies at each of `kills` in turn, and the run that finishes it.
    fn rotated_with(&mut self, kills: &[Kill]) {
        println!("{}: {kills:?}", self.name);
        let before = self.before();
        let asset = self.asset();
        for (index, kill) in kills.iter().enumerate() {
            let first: [&str; 2] = ["rotate", asset.as_str()];
            self.killed_at(if index == 0 { &first } else { &["run"] }, *kill);
        }
        let begun = self.keyturn.material(&asset, before.revision + 1);
        let ran = self.keyturn.run(&["run"]);
        assert!(ran.ok(), "after {kills:?}: {ran:#?}");
        let finished = self.keyturn.material(&asset, before.revision + 1).unwrap();
        if let Some(begun) = begun {
            assert_eq!(begun["private_key"], finished["private_key"], "a stored key is used again");
        }
        self.assert_turned_once(&before, &format!("after {kills:?}"));
    }

    /// One revision more, one change to the service, one secret a part, served; and nothing is left to do.
    fn assert_turned_once(&self, before: &Before, when: &str) {
        let (asset, number) = (self.asset(), before.revision + 1);
        let status = self.keyturn.status(&asset);
        assert_eq!((&status["revision"], &status["state"]), (&json!(number), &json!("active")), "{when}");
        assert_eq!(status["targets"][0]["proof"], "handshake", "{when}: {status:#}");
        assert_eq!(status["problems"], json!([]), "{when}");

        let service = self.engine.service(&self.name);
        assert_eq!(service["PreviousSpec"], before.spec, "{when}: the last change came from what was there");
        let fresh: Vec<String> = self.tasks().difference(&before.tasks).cloned().collect();
        assert_eq!(fresh.len(), 1, "{when}: one change starts one task: {fresh:?}");

        for part in ["fullchain", "private-key"] {
            let names = self.secrets_of(part);
            let wanted: BTreeSet<String> =
                (1..=number).map(|n| format!("cert.{}.{part}.{n}", self.name)).collect();
            assert_eq!(names, wanted, "{when}: one secret a revision");
        }
        let issued = self.keyturn.audited("issued");
        assert_eq!(issued, number as usize, "{when}: no certificate beside those in use");
        self.keyturn.ok(&["audit", "--verify"]);
        let services = self.engine.names("service");
        let jobs: Vec<&String> = services.iter().filter(|name| name.contains("preflight")).collect();
        assert!(jobs.iter().all(|job| !job.contains(&service_id(&service))), "{when}: {jobs:?}");

        assert_eq!(self.served(), [status["fingerprint_sha256"].as_str().unwrap()], "{when}");
        let version = self.engine.service(&self.name)["Version"].take();
        let again = self.keyturn.run(&["run"]);
        assert!(again.ok() && again.stdout.contains("nothing to do"), "{when}: {again:#?}");
        assert_eq!(self.engine.service(&self.name)["Version"], version, "{when}: no touch");
    }

    fn secrets_of(&self, part: &str) -> BTreeSet<String> {
        let filters = [format!("label=keyturn.asset={}", self.asset()), format!("label=keyturn.part={part}")];
        let args =
            ["secret", "ls", "--format", "{{.Name}}", "--filter", &filters[0], "--filter", &filters[1]];
        self.engine.ok(args).lines().map(str::to_owned).collect()
    }

    /// The leaves that are served now.
    fn served(&self) -> Vec<String> {
        let prober = Prober::start(self.engine, &self.address);
        pause(Duration::from_millis(300));
        prober.stop().leaves.into_keys().collect()
    }
}

fn service_id(service: &Value) -> String {
    service["ID"].as_str().unwrap()[..12].to_owned()
}

/// Each lane by itself, all on one engine.
fn all_lanes(engine: &Engine, lanes: &[(&str, u16, &[&[Kill]])]) {
    std::thread::scope(|scope| {
        for (name, port, rotations) in lanes {
            scope.spawn(move || {
                let mut lane = Lane::start(engine, name, *port);
                rotations.iter().for_each(|kills| lane.rotated_with(kills));
            });
        }
    });
}

#[test]
fn killed_while_making() {
    let engine = engine_or_skip!();
    let asking: &[&[Kill]] = &[&[("rotate-asked", 1)], &[("key-made", 1)], &[("key-stored", 1)]];
    let issuing: &[&[Kill]] = &[&[("issued", 1)], &[("certificate-stored", 1)], &[("object-intended", 1)]];
    let publishing: &[&[Kill]] =
        &[&[("object-intended", 2)], &[("object-created", 1)], &[("object-created", 2)]];
    all_lanes(
        &engine,
        &[("asking", 8443, asking), ("issuing", 8444, issuing), ("publishing", 8445, publishing)],
    );
}

#[test]
fn killed_while_delivering() {
    let engine = engine_or_skip!();
    let trying: &[&[Kill]] = &[&[("preflight-created", 1)], &[("rollout-intended", 1)]];
    let changing: &[&[Kill]] = &[&[("rollout-applied", 1)], &[("rollout-settled", 1)]];
    let noting: &[&[Kill]] = &[&[("rollout-recorded", 1)], &[("activated", 1)]];
    all_lanes(&engine, &[("trying", 8443, trying), ("changing", 8444, changing), ("noting", 8445, noting)]);
}

#[test]
fn killed_twice_in_a_row() {
    let engine = engine_or_skip!();
    let early: &[&[Kill]] =
        &[&[("key-stored", 1), ("object-created", 1)], &[("object-created", 1), ("object-created", 1)]];
    let late: &[&[Kill]] = &[
        &[("rollout-intended", 1), ("rollout-applied", 1)],
        &[("rollout-applied", 1), ("rollout-settled", 1), ("rollout-recorded", 1)],
    ];
    all_lanes(&engine, &[("early", 8443, early), ("late", 8444, late)]);
}

#[test]
fn killed_at_any_moment() {
    let engine = engine_or_skip!();
    let lane = Lane::start(&engine, "moments", 8443);
    for milliseconds in [30, 300, 900, 1600, 2600, 4000] {
        let (before, asset) = (lane.before(), lane.asset());
        let running = lane.keyturn.spawn(&["rotate", &asset]);
        pause(Duration::from_millis(milliseconds));
        running.signal(nix::sys::signal::Signal::SIGKILL);
        drop(running);
        lane.keyturn.ok(&["run"]);
        if lane.keyturn.status(&asset)["revision"] == json!(before.revision) {
            // It died before it had noted what it was asked for.
            lane.keyturn.ok(&["rotate", &asset]);
        }
        lane.assert_turned_once(&before, &format!("after {milliseconds} ms"));
    }
}

#[test]
fn killed_when_two_of_three_services_are_done() {
    let engine = engine_or_skip!();
    let target = |name: &str, port: u16| {
        format!(
            r#"
[[certificates.shared.targets]]
kind = "swarm"
services = ["{name}"]
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key" }}
verify = {{ connect = ["127.0.0.1:{port}"], server_name = "shared.test" }}
"#
        )
    };
    let services = ["shared", "shared-b", "shared-c"];
    for (service, port) in services.into_iter().zip(8443..) {
        let args = ["--update-monitor=1s"];
        Nginx::new(service, port).replicas(1).args(args).create(&engine);
    }
    let more = target("shared-b", 8444) + &target("shared-c", 8445);
    let delivery = "concurrency = 1".to_owned();
    let mut keyturn = Site { more, delivery, ..Site::of("shared", 8443) }.beside(&engine);
    keyturn.ok(&["run"]);
    let before = services.map(|service| engine.service(service)["Spec"].take());

    keyturn.kill_at("rollout-applied", 2);
    assert_eq!(keyturn.run(&["rotate", "shared"]).signal, Some(6));
    keyturn.kill_nowhere();
    let changed = |service: &str, before: &Value| engine.service(service)["Spec"] != *before;
    let states: Vec<bool> =
        services.iter().zip(&before).map(|(service, before)| changed(service, before)).collect();
    assert_eq!(states, [true, true, false], "one is done, one is begun");
    let first = engine.service("shared")["Version"].take();
    keyturn.ok(&["run"]);
    assert_eq!(engine.service("shared")["Version"], first, "what is done is left alone");
    for (service, before) in services.iter().zip(&before) {
        assert_eq!(engine.service(service)["PreviousSpec"], *before, "{service} has had one change");
    }
    let status = keyturn.status("certificates/shared");
    assert_eq!((&status["revision"], &status["state"]), (&json!(2), &json!("active")), "{status:#}");
    assert_eq!(engine.names("secret").iter().filter(|name| name.ends_with(".2")).count(), 2);
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
}

/// What a bad pair brings about, and where in that it dies.
const BAD: &str = "mismatched-key:1:plant";

#[test]
fn killed_while_undoing() {
    let engine = engine_or_skip!();
    let lanes = [("undo-pause", 8443, "pause"), ("undo-rollback", 8444, "rollback")];
    std::thread::scope(|scope| {
        for (name, port, action) in lanes {
            let engine = &engine;
            scope.spawn(move || undone(engine, name, port, action));
        }
    });
}

fn undone(engine: &Engine, name: &str, port: u16, action: &str) {
    // Without a preflight, the Swarm gets the bad pair.
    let target = format!(r#"verify = {{ connect = ["127.0.0.1:{port}"], server_name = "{name}.test" }}"#);
    let site = Site { target, ..Site::of(name, port) };
    let mut lane = Lane::with(engine, name, port, site, action);
    let (before, old, asset) = (lane.before(), lane.served(), lane.asset());
    for failpoint in ["rollout-applied", "undo-intended", "references-put-back", "undo-done"] {
        let when = format!("{name}: killed at {failpoint}");
        lane.keyturn.set("KEYTURN_FAILPOINT", Some(&format!("{BAD},{failpoint}:1:abort")));
        let ran = lane.keyturn.run(&["rotate", &asset]);
        assert_eq!(ran.signal, Some(6), "{when}: {ran:#?}");
        lane.keyturn.kill_nowhere();

        let ran = lane.keyturn.run(&["run"]);
        assert_eq!(ran.code, Some(1), "{when}: {ran:#?}");
        let service = engine.service(name);
        assert_eq!(service["Spec"], before.spec, "{when}: the old references are back");
        assert_eq!(
            service["PreviousSpec"], before.spec,
            "{when}: and a rollback cannot bring the bad ones back"
        );
        let status = lane.keyturn.status(&asset);
        assert_eq!(status["targets"][0]["state"], "failed", "{when}: {status:#}");
        let problem = &status["problems"][0];
        assert_eq!(problem["code"], "KT-ROLLOUT-FAILED", "{when}: {status:#}");
        assert_eq!(lane.served(), old, "{when}");

        let version = service["Version"].clone();
        let waits = lane.keyturn.run(&["run"]);
        assert_eq!(waits.code, Some(1), "{when}: {waits:#?}");
        assert!(
            waits.stdout.contains("is tried again then"),
            "{when}: the crash has not cost the pause: {waits:#?}"
        );
        assert_eq!(engine.service(name)["Version"], version, "{when}");
    }
    lane.keyturn.ok(&["rotate", &asset]);
    assert_ne!(lane.served(), old);
    assert!(lane.keyturn.ok(&["run"]).contains("nothing to do"));
}

/// The engine is killed while a rotation stands still at a point, and comes back some time after it goes on.
#[test]
fn the_engine_dies_at_each_call() {
    let mut engine = engine_or_skip!();
    let _web = Nginx::new("web_nginx", 8443).create(&engine);
    let mut keyturn = Site::default().beside(&engine);
    keyturn.ok(&["run"]);
    let points =
        ["object-intended", "preflight-created", "rollout-intended", "rollout-applied", "rollout-settled"];
    for (turn, point) in (2..).zip(points) {
        keyturn.set("KEYTURN_FAILPOINT", Some(&format!("{point}:1:stop")));
        let mut running = keyturn.spawn(&["rotate", "edge"]);
        keyturn.kill_nowhere();
        assert!(wait_for(Duration::from_secs(30), || is_stopped(running.pid())), "{}", running.stderr());
        engine.stop("KILL");
        running.signal(nix::sys::signal::Signal::SIGCONT);
        pause(Duration::from_secs(4));
        engine.boot_again();
        let tasks = || engine.ok(["service", "ps", "--no-trunc", "web_nginx"]);
        let ends = running.ends_within(Duration::from_secs(100));
        assert!(ends, "{point}: it hangs: {}\n{}", running.stderr(), tasks());
        let ran = running.take();
        println!("{point}: {:?} {}", ran.code, ran.stderr);
        assert!(
            ran.ok() || ran.code == Some(1) && format!("{}{}", ran.stdout, ran.stderr).contains("KT-"),
            "{point}: {ran:#?}"
        );
        // A local fault backs off by a minute at most.
        assert!(wait_for(Duration::from_secs(75), || keyturn.run(&["run"]).ok()), "{point}");
        let status = keyturn.status("certificates/edge");
        assert_eq!(
            (&status["revision"], &status["state"]),
            (&json!(turn), &json!("active")),
            "{point}: {status:#}"
        );
        let secrets = engine.names("secret").into_iter().filter(|name| name.starts_with("cert.edge"));
        assert_eq!(secrets.count(), 2 * turn, "{point}: no secret too many");
        assert_eq!(engine.names("service"), ["web_nginx"], "{point}: no preflight job is left");
    }
}

fn is_stopped(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && line.contains("stopped"))
}
