//! One writes, all may read.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::quick;
use crate::support::{Keyturn, Running, files_site, wait_for};

/// A run that holds the lock until `{dir}/go` is there: its target's test waits for it.
fn blocked() -> (Keyturn, Running) {
    let keyturn = files_site("test = { command = [\"{dir}/wait\"], timeout = \"100s\" }");
    let wait = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\ntouch started\nwhile [ ! -e go ]; do sleep 0.05; done\n";
    let script = keyturn.write("wait", wait);
    fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let run = keyturn.spawn(&["run"]);
    assert!(wait_for(Duration::from_secs(60), || keyturn.dir().join("started").exists()), "{}", run.stderr());
    (keyturn, run)
}

#[test]
#[allow(clippy::disallowed_methods)]
fn a_second_writer_is_told_at_once_and_readers_are_not_held_up() {
    let (keyturn, mut run) = blocked();
    for args in [
        ["run"].as_slice(),
        &["rotate", "certificates/edge"],
        &["ca", "init", "internal"],
        &["export", "certificates/edge", "--part", "private-key"],
    ] {
        let start = Instant::now();
        let second = quick(&keyturn, args);
        let took = start.elapsed();
        assert_eq!(second.code, Some(4), "{args:?}: {second:#?}");
        assert!(second.stderr.contains(&format!("process {}", run.pid())), "{args:?}: {second:#?}");
        assert!(second.stdout.is_empty() && took < Duration::from_secs(1), "{args:?}: {took:?} {second:#?}");
    }
    for args in [
        ["status"].as_slice(),
        &["status", "-o", "json"],
        &["plan"],
        &["audit", "--verify"],
        &["jwks", "auth"],
        &["ca", "show", "internal"],
        &["export", "certificates/edge", "--part", "fullchain"],
    ] {
        let reader = quick(&keyturn, args);
        assert!(reader.ok(), "{args:?}: {reader:#?}");
    }
    keyturn.write("go", "");
    assert!(run.ends_within(Duration::from_secs(30)), "{}", run.stderr());
    assert!(run.take().ok());
}

#[test]
fn a_writer_that_was_killed_holds_nothing() {
    let (keyturn, mut run) = blocked();
    run.signal(Signal::SIGKILL);
    assert_eq!(run.take().signal, Some(Signal::SIGKILL as i32));
    keyturn.write("go", "");
    let next = quick(&keyturn, &["run"]);
    assert!(next.ok(), "{next:#?}");
    assert!(quick(&keyturn, &["run"]).stdout.contains("nothing to do"));
}
