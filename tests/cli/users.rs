//! Who may write: the state's owner, and root in its place.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;

use super::{assert_says, quick};
use crate::support::{Keyturn, Ran, Tree, command, files_site, must, skipped};

const OTHER: u32 = 54_321;

/// Runs a copy of the binary that everyone can reach, as `uid`.
fn run_as(uid: u32, keyturn: &Keyturn, args: &[&str]) -> Ran {
    let binary = keyturn.dir().join("keyturn");
    if !binary.exists() {
        fs::copy(env!("CARGO_BIN_EXE_keyturn"), &binary).unwrap();
        must(command("chmod", [Path::new("755"), &binary, keyturn.dir()]));
        must(command("chmod", [Path::new("644"), &keyturn.dir().join("keyturn.toml")]));
    }
    let mut run = command(binary.to_str().unwrap(), ["--config"]);
    run.arg(keyturn.dir().join("keyturn.toml")).args(args).uid(uid).gid(uid).current_dir("/");
    let output = run.output().unwrap();
    Ran::new(output.status, &output.stdout, &output.stderr)
}

fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        skipped(test, "taking on other users needs root");
    }
    root
}

#[test]
fn who_does_not_own_the_state_is_refused() {
    if !is_root("users::who_does_not_own_the_state_is_refused") {
        return;
    }
    let keyturn = files_site("");
    keyturn.ok(&["run"]);
    let before = Tree::of(&[keyturn.dir().join("state"), keyturn.dir().join("out")]);
    for args in
        [["run"].as_slice(), &["rotate", "certificates/edge"], &["export", "auth", "--part", "private-key"]]
    {
        assert_says(&run_as(OTHER, &keyturn, args), 5, &["belongs to uid 0", &OTHER.to_string()]);
    }
    let status = run_as(OTHER, &keyturn, &["status"]);
    assert!(!status.ok() && !status.stderr.contains("panicked"), "{status:#?}");
    assert!(before.changed(&Tree::of(&[keyturn.dir().join("state"), keyturn.dir().join("out")])).is_empty());
}

/// What root writes into a daemon's state would lock the daemon out.
#[test]
fn root_takes_on_the_states_owner() {
    if !is_root("users::root_takes_on_the_states_owner") {
        return;
    }
    let keyturn = files_site("");
    for folder in ["state", "out"] {
        let path = keyturn.dir().join(folder);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        chown(&path, Some(OTHER), Some(OTHER)).unwrap();
    }
    fs::set_permissions(keyturn.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let ran = quick(&keyturn, &["run"]);
    assert!(ran.ok(), "{ran:#?}");
    for (path, found) in Tree::of(&[keyturn.dir().join("state"), keyturn.dir().join("out")]).0 {
        assert_eq!(found.owner, (OTHER, OTHER), "{}", path.display());
    }
    // The history has who it was.
    let history = quick(&keyturn, &["audit", "-o", "json"]).json();
    assert!(
        history["entries"].as_array().unwrap().iter().all(|entry| entry["actor"] == "uid:0"),
        "{history:#}"
    );
    let own = run_as(OTHER, &keyturn, &["rotate", "certificates/edge"]);
    assert!(own.ok(), "{own:#?}");
    assert!(quick(&keyturn, &["run"]).stdout.contains("nothing to do"));
}
