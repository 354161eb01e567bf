//! An engine that cannot be worked with: a message that names what is wrong, before anything was changed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use support::{Cluster, Engine, Keyturn, Ran, pause, wait_for};

/// One certificate for a service, one for a directory: the second must not suffer with the first.
fn site(keyturn: Keyturn, socket: &Path) -> Keyturn {
    let socket = socket.display();
    keyturn.config(&format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
[docker]
socket = "{socket}"
[issuers.internal]
kind = "internal"
common_name = "Test CA"
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.test"]
[[certificates.edge.targets]]
kind = "swarm"
services = ["web_nginx"]
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key" }}
[certificates.local]
issuers = ["internal"]
dns_names = ["local.test"]
[[certificates.local.targets]]
kind = "file"
dir = "out"
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key" }}
"#
    ))
}

/// The run fails for the Swarm's asset alone, with `code` and these words.
fn refused(ran: &Ran, keyturn: &Keyturn, code: &str, words: &[&str]) {
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert!(all.contains(code), "{all}");
    for word in words {
        assert!(all.contains(word), "{word}: {all}");
    }
    assert!(keyturn.status("certificates/edge")["revision"].is_null(), "nothing was made for it");
    assert!(keyturn.dir().join("out/tls.crt").exists(), "the directory is served all the same");
}

#[test]
fn nobody_listens() {
    let keyturn = Keyturn::alone();
    let socket = keyturn.dir().join("docker.sock");
    let keyturn = site(keyturn, &socket);
    let ran = keyturn.run(&["run"]);
    let path = socket.display().to_string();
    refused(&ran, &keyturn, "KT-ENGINE-UNREACHABLE", &[&path, "No such file", "docker.socket"]);
}

#[test]
fn what_listens_is_no_engine() {
    let keyturn = Keyturn::alone();
    let socket = keyturn.dir().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        }
    });
    let keyturn = site(keyturn, &socket);
    let ran = keyturn.run(&["run"]);
    refused(&ran, &keyturn, "KT-ENGINE-UNREACHABLE", &[&socket.display().to_string()]);
}

#[test]
fn an_engine_in_no_swarm() {
    if let Some(reason) = support::missing() {
        return support::skipped("an_engine_in_no_swarm", &reason);
    }
    let engine = Engine::without_swarm();
    let keyturn = site(Keyturn::beside(&engine), &engine.socket());
    let ran = keyturn.run(&["run"]);
    refused(&ran, &keyturn, "KT-ENGINE-NOT-MANAGER", &["is in no Swarm", "docker swarm init"]);
}

#[test]
fn a_worker_an_election_and_a_lost_quorum() {
    if let Some(reason) = support::missing() {
        return support::skipped("a_worker_an_election_and_a_lost_quorum", &reason);
    }
    let mut cluster = Cluster::start(4);
    let first = &cluster.managers[0];
    let worker = cluster.managers[3].name().to_owned();
    first.ok(["node", "demote", &worker]);
    let is_worker =
        || cluster.managers[3].ok(["info", "-f", "{{.Swarm.ControlAvailable}}"]).trim() == "false";
    assert!(wait_for(Duration::from_secs(30), is_worker));
    let keyturn = site(Keyturn::beside(&cluster.managers[3]), &cluster.managers[3].socket());
    refused(
        &keyturn.run(&["run"]),
        &keyturn,
        "KT-ENGINE-NOT-MANAGER",
        &["is a worker", "docker node promote"],
    );

    // The leader dies: for ten to twenty seconds there is none. A run in the middle of that ends in time, and either
    // finds the new leader or says that there is none; a later one finds it.
    let keyturn = site(Keyturn::beside(&cluster.managers[1]), &cluster.managers[1].socket());
    cluster.managers[0].stop("KILL");
    let begun = Instant::now();
    let ran = keyturn.run(&["run"]);
    assert!(begun.elapsed() < Duration::from_secs(45), "{:?}", begun.elapsed());
    if ran.code != Some(0) {
        refused(&ran, &keyturn, "KT-ENGINE-NO-QUORUM", &[]);
    }
    let led = || {
        pause(Duration::from_secs(2));
        keyturn.run(&["run"]).ok()
    };
    assert!(wait_for(Duration::from_secs(90), led), "there is a leader again");
    assert!(
        !cluster.managers[1].names("secret").is_empty(),
        "the objects are made, and wait for the service"
    );

    cluster.managers[2].stop("KILL");
    let keyturn = site(Keyturn::beside(&cluster.managers[1]), &cluster.managers[1].socket());
    let lost = || {
        let ran = keyturn.run(&["run"]);
        let told = format!("{}{}", ran.stdout, ran.stderr).contains("KT-ENGINE-NO-QUORUM");
        assert!(!told || ran.code == Some(1), "{ran:#?}");
        told
    };
    assert!(wait_for(Duration::from_secs(60), lost));
}
