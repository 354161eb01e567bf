//! The control socket: writing verbs beside the daemon, and who may not.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use super::{running, site};
use crate::support::{Keyturn, Ran, command, skipped, status};

const OTHER: u32 = 54_321;

#[test]
fn writing_verbs_go_through_it() {
    let (keyturn, daemon) = running("");
    let ran = keyturn.run(&["rotate", "certificates/edge"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("issue    revision 2 (certificates/edge)"), "progress is shown: {ran:#?}");
    assert!(ran.stdout.contains("certificates/edge"), "{ran:#?}");
    assert_eq!(status(&keyturn)["certificates/edge"]["revision"], 2);
    let json = keyturn.run(&["run", "-o", "json"]).json();
    assert_eq!(json["assets"].as_array().unwrap().len(), 4);
    let unknown = keyturn.run(&["rotate", "certificates/egde"]);
    assert_eq!(unknown.code, Some(2), "{unknown:#?}");
    assert!(unknown.stderr.contains("did you mean certificates/edge?"), "{unknown:#?}");
    let key = keyturn.ok(&["export", "certificates/edge", "--part", "private-key"]);
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(keyturn.audited("exported"), 1);
    let revoked = keyturn.run(&["revoke", "certificates/edge"]);
    assert_eq!(revoked.code, Some(0), "{revoked:#?}");
    assert_eq!(status(&keyturn)["certificates/edge"]["revision"], 3);
    assert!(daemon.log().contains("verb=\"revoke\""), "{}", daemon.log());
    daemon.stop();
    keyturn.ok(&["audit", "--verify"]);
}

#[test]
fn there_is_one_daemon() {
    let (keyturn, daemon) = running("");
    let second = keyturn.run(&["daemon"]);
    assert_eq!(second.code, Some(4), "{second:#?}");
    assert!(second.stderr.contains("is in use by process"), "{second:#?}");
    // The first one's socket is still its own.
    keyturn.ok(&["run"]);
    daemon.stop();
}

#[test]
fn what_lies_at_the_sockets_place_is_left_alone() {
    let (keyturn, _port) = site("");
    let place = keyturn.dir().join("control.sock");
    fs::write(&place, "mine").unwrap();
    let ran = keyturn.run(&["daemon"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("something else than a socket"), "{ran:#?}");
    assert_eq!(fs::read_to_string(&place).unwrap(), "mine");
    fs::remove_file(&place).unwrap();
    symlink(keyturn.dir().join("keyturn.toml"), &place).unwrap();
    assert_eq!(keyturn.run(&["daemon"]).code, Some(1));
    assert!(fs::symlink_metadata(&place).unwrap().is_symlink());
}

/// A process that was killed leaves its socket behind: it is in nobody's way.
#[test]
fn a_left_socket_is_no_daemon() {
    let (keyturn, daemon) = running("");
    daemon.kill();
    assert!(keyturn.dir().join("control.sock").exists());
    keyturn.ok(&["rotate", "certificates/edge"]);
    assert_eq!(status(&keyturn)["certificates/edge"]["revision"], 2);
}

fn letter(path: &std::path::Path, body: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    let head = format!(
        "POST /v1/wishes HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Whoever is refused early need not read all of it.
    let _ = stream.write_all(body.as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn garbage_changes_nothing() {
    let (keyturn, daemon) = running("");
    let socket = keyturn.dir().join("control.sock");
    for (body, status) in [
        ("", "400"),
        ("{", "400"),
        ("[]", "400"),
        (r#"{"wish":{"verb":"destroy"},"manner":{"format":"json"}}"#, "400"),
    ] {
        let answer = letter(&socket, body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{body}: {answer}");
    }
    let long = letter(&socket, &"x".repeat(1024 * 1024));
    assert!(long.starts_with("HTTP/1.1 413") || long.is_empty(), "{long}");
    keyturn.ok(&["run"]);
    assert_eq!(status(&keyturn)["certificates/edge"]["revision"], 1);
    daemon.stop();
}

/// X3, X4: 400 callers that say nothing, of the owner's own uid, keep nobody out.
#[test]
fn the_owner_is_answered_among_many_who_dawdle() {
    let (keyturn, daemon) = running("");
    let socket = keyturn.dir().join("control.sock");
    let idle: Vec<UnixStream> = (0..400).filter_map(|_| UnixStream::connect(&socket).ok()).collect();
    assert!(idle.len() > 300, "{}", idle.len());
    let since = Instant::now();
    keyturn.ok(&["run"]);
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    drop(idle);
    daemon.stop();
}

pub(crate) fn run_as(uid: u32, keyturn: &Keyturn, args: &[&str]) -> Ran {
    let binary = keyturn.dir().join("keyturn");
    if !binary.exists() {
        fs::copy(env!("CARGO_BIN_EXE_keyturn"), &binary).unwrap();
    }
    for (path, mode) in [
        (binary.clone(), 0o755),
        (keyturn.dir().to_owned(), 0o755),
        (keyturn.dir().join("keyturn.toml"), 0o644),
    ] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut run = command(binary.to_str().unwrap(), ["--config"]);
    run.arg(keyturn.dir().join("keyturn.toml")).args(args).uid(uid).gid(uid).current_dir("/");
    let output = run.output().unwrap();
    Ran::new(output.status, &output.stdout, &output.stderr)
}

#[test]
fn strangers_are_refused_and_it_is_on_record() {
    if !nix::unistd::geteuid().is_root() {
        return skipped(
            "control::strangers_are_refused_and_it_is_on_record",
            "taking on other users needs root",
        );
    }
    let (keyturn, daemon) = running("");
    let shut = run_as(OTHER, &keyturn, &["rotate", "certificates/edge"]);
    assert_eq!(shut.code, Some(5), "{shut:#?}");
    assert!(shut.stderr.contains("may not be opened by you"), "{shut:#?}");
    // Even where the socket's mode lets them in, their uid decides.
    let socket = keyturn.dir().join("control.sock");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    for _ in 0..3 {
        let refused = run_as(OTHER, &keyturn, &["rotate", "certificates/edge"]);
        assert_eq!(refused.code, Some(5), "{refused:#?}");
        assert!(refused.stderr.contains(&format!("uid {OTHER} may not `rotate`")), "{refused:#?}");
    }
    assert_eq!(status(&keyturn)["certificates/edge"]["revision"], 1);
    assert_eq!(keyturn.audited("refused"), 1, "once in a while is enough");
    daemon.stop();
}

#[test]
fn who_may_operate_is_let_in() {
    if !nix::unistd::geteuid().is_root() {
        return skipped("control::who_may_operate_is_let_in", "taking on other users needs root");
    }
    let (keyturn, port) = site("");
    let text = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    keyturn.write("keyturn.toml", &format!("{text}\n[roles]\noperate = [\"gid:{OTHER}\"]\n"));
    let daemon = crate::support::Daemon::start(&keyturn, &port);
    keyturn.ok(&["run"]);
    let socket = keyturn.dir().join("control.sock");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let let_in = run_as(OTHER, &keyturn, &["rotate", "certificates/edge"]);
    assert_eq!(let_in.code, Some(0), "{let_in:#?}");
    assert_eq!(status(&keyturn)["certificates/edge"]["revision"], 2);
    let audit = keyturn.ok(&["audit"]);
    assert!(
        audit.lines().any(|line| line.contains("rotate-asked") && line.contains(&format!("uid:{OTHER}"))),
        "{audit}"
    );
    daemon.stop();
}
