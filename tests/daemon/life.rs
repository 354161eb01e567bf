//! Its own life: start, work, reload, end, and what comes in between.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{running, site, wait_file};
use crate::support::{Daemon, status, wait_for};

#[test]
fn it_does_what_is_due_and_ends_when_told() {
    let (keyturn, daemon) = running("");
    let assets = status(&keyturn);
    assert_eq!(assets["jwt_keys/auth"]["state"], "active");
    assert_eq!(assets["certificates/edge"]["revision"], 1);
    let since = Instant::now();
    let ran = daemon.stop();
    assert!(since.elapsed() < Duration::from_secs(10), "{ran:#?}");
    assert!(ran.stderr.contains("ready: 4 assets"), "{ran:#?}");
}

#[test]
fn nothing_due_writes_nothing() {
    let (keyturn, daemon) = running("");
    let entries = keyturn.ok(&["audit"]).lines().count();
    let size = || {
        fs::read_dir(keyturn.dir().join("state/journal"))
            .unwrap()
            .map(|f| f.unwrap().metadata().unwrap().len())
            .sum::<u64>()
    };
    let before = size();
    for _ in 0..5 {
        keyturn.ok(&["run"]);
    }
    assert_eq!((keyturn.ok(&["audit"]).lines().count(), size()), (entries, before));
    daemon.stop();
}

#[test]
fn a_new_configuration_is_taken_up_and_a_bad_one_is_not() {
    let (keyturn, daemon) = running("");
    let good = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    keyturn.write("keyturn.toml", &good.replace("edge.example.org", "ed ge"));
    daemon.signal(Signal::SIGHUP);
    daemon.wait_says("the new configuration is not used, the old one goes on");
    assert!(daemon.log().contains("dns_names"), "the fault is named: {}", daemon.log());
    assert_eq!(daemon.get("/jwks/auth").status, 200);

    keyturn.write(
        "keyturn.toml",
        &good.replace("\"edge.example.org\"", "\"edge.example.org\", \"more.example.org\""),
    );
    daemon.signal(Signal::SIGHUP);
    daemon.wait_says("reloaded: 4 assets");
    let turned = || status(&keyturn)["certificates/edge"]["revision"] == 2;
    assert!(wait_for(Duration::from_secs(20), turned), "{}", daemon.log());
    let pem = fs::read_to_string(keyturn.dir().join("out/edge/tls.crt")).unwrap();
    let names = keyturn::pki::names(&pem).unwrap().dns;
    assert!(names.contains(&"more.example.org".to_owned()), "{names:?}");
    // Twice the same asks for nothing more (G2: one certificate for a change of names).
    daemon.signal(Signal::SIGHUP);
    keyturn.ok(&["run"]);
    assert_eq!(status(&keyturn)["certificates/edge"]["revision"], 2);
    daemon.stop();
}

/// All of a configuration, or nothing of it: another instance would make all that is there look foreign.
#[test]
fn a_new_configuration_that_needs_a_restart_is_refused_whole() {
    let (keyturn, daemon) = running("");
    let good = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    let more = good.replace("\"edge.example.org\"", "\"edge.example.org\", \"more.example.org\"");
    for (before, after, key) in [
        ("instance = \"files\"", "instance = \"flies\"", "daemon.instance"),
        ("state_dir = \"state\"", "state_dir = \"other\"", "daemon.state_dir"),
        ("control.sock", "other.sock", "daemon.control_socket"),
        ("listen =", "public_listen = \"127.0.0.1:1\"\nlisten =", "daemon.public_listen"),
    ] {
        assert!(more.contains(before), "{before}");
        keyturn.write("keyturn.toml", &more.replacen(before, after, 1));
        daemon.signal(Signal::SIGHUP);
        daemon.wait_says(&format!("{key} changed, which needs a restart"));
    }
    keyturn.write("keyturn.toml", &good);
    keyturn.ok(&["run"]);
    assert_eq!(status(&keyturn)["certificates/edge"]["revision"], 1, "nothing of it was taken up");
    keyturn.write("keyturn.toml", &more);
    daemon.signal(Signal::SIGHUP);
    daemon.wait_says("reloaded: 4 assets");
    let turned = || status(&keyturn)["certificates/edge"]["revision"] == 2;
    assert!(wait_for(Duration::from_secs(20), turned), "{}", daemon.log());
    daemon.stop();
}

/// A certificate with a folder of its own.
const OTHER: &str = r#"
[certificates.other]
issuers = ["internal"]
dns_names = ["other.example.org"]
[[certificates.other.targets]]
kind = "file"
dir = "out/other"
files = { "tls.crt" = "fullchain", "tls.key" = "private-key" }
"#;

/// One place at work, and that one hangs: more places are there as soon as the configuration says so.
#[test]
fn a_new_configuration_has_more_done_at_once() {
    let (keyturn, port) = site("reload = [\"/bin/sh\", \"-c\", \"test -e {dir}/calm || exec sleep 25\"]");
    keyturn.write("calm", "");
    let text = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    let text = format!("{text}\n{OTHER}\n");
    keyturn.write("keyturn.toml", &format!("{text}[delivery]\nconcurrency = 1\n"));
    let daemon = Daemon::start(&keyturn, &port);
    wait_file(&keyturn.dir().join("out/edge/tls.crt"));
    keyturn.ok(&["run"]);
    fs::remove_file(keyturn.dir().join("calm")).unwrap();
    let hanging = keyturn.spawn(&["rotate", "certificates/edge"]);
    let edge = keyturn.dir().join("out/edge");
    let second = || {
        fs::read_dir(&edge).unwrap().flatten().filter(|entry| is_folder_of_edge(&entry.path())).count() == 2
    };
    assert!(wait_for(Duration::from_secs(20), second), "{}", daemon.log());
    let mut waiting = keyturn.spawn(&["rotate", "certificates/other"]);
    assert!(!waiting.ends_within(Duration::from_secs(2)), "there is one place, and it is taken");
    keyturn.write("keyturn.toml", &format!("{text}[delivery]\nconcurrency = 2\n"));
    daemon.signal(Signal::SIGHUP);
    daemon.wait_says("reloaded: 5 assets");
    assert!(waiting.ends_within(Duration::from_secs(8)), "{}", daemon.log());
    daemon.stop();
    drop(hanging);
}

/// `.cert.edge.3fa29c…`, not the link `.cert.edge`.
fn is_folder_of_edge(path: &std::path::Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    name.starts_with(".cert.edge.") && path.is_dir()
}

/// The files of another asset, and their reload, are nobody else's business.
#[test]
fn one_that_hangs_delays_nobody_else() {
    let (keyturn, port) = site("reload = [\"/bin/sh\", \"-c\", \"test -e {dir}/calm || exec sleep 25\"]");
    keyturn.write("calm", "");
    let daemon = Daemon::start(&keyturn, &port);
    wait_file(&keyturn.dir().join("out/edge/tls.crt"));
    keyturn.ok(&["run"]);
    fs::remove_file(keyturn.dir().join("calm")).unwrap();
    let hanging = keyturn.spawn(&["rotate", "certificates/edge"]);
    daemon.wait_says("action=\"issue\"");
    let since = Instant::now();
    // Not the CA: its new root has to reach the place that hangs.
    keyturn.ok(&["rotate", "jwt_keys/auth"]);
    let passed = since.elapsed();
    assert!(passed < Duration::from_secs(10), "the other asset has waited {passed:?}");
    assert_eq!(keyturn.audited("rotate-asked"), 2);
    // The end does not wait for what hangs, either.
    let since = Instant::now();
    daemon.stop();
    assert!(since.elapsed() < Duration::from_secs(10));
    drop(hanging);
}

/// Killed in the middle, again and again: the next start finishes the work, and nothing is made twice.
#[test]
fn what_was_killed_is_finished_by_the_next_start() {
    let (mut keyturn, port) = site("");
    for failpoint in ["rollout-intended", "rollout-applied", "rollout-settled"] {
        keyturn.kill_at(failpoint, 1);
        let mut dying = keyturn.spawn(&["daemon"]);
        assert!(
            dying.ends_within(Duration::from_secs(20)),
            "{failpoint} was not reached: {}",
            dying.stderr()
        );
    }
    keyturn.kill_nowhere();
    let daemon = Daemon::start(&keyturn, &port);
    keyturn.ok(&["run"]);
    let assets = status(&keyturn);
    assert_eq!(assets["certificates/edge"]["revisions"].as_array().unwrap().len(), 1);
    assert_eq!(
        assets["jwt_keys/auth"]["revisions"].as_array().unwrap().len(),
        2,
        "one that signs, one that waits"
    );
    daemon.stop();
    keyturn.ok(&["audit", "--verify"]);
}

#[test]
fn where_it_cannot_listen_it_says_so() {
    let (keyturn, port) = site("");
    let _taken = std::net::TcpListener::bind(port.address()).unwrap();
    let ran = keyturn.run(&["daemon"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr.contains(&format!("could not listen on {} (daemon.listen)", port.address())),
        "{ran:#?}"
    );
}
