//! A state folder in which things are not what they should be: a clear word, the right exit code, nothing lost.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::{assert_says, quick};
use crate::support::{Keyturn, Tree, command, files_site, must};

fn clear(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
}

/// In place of `path`: bytes, a folder, or a link to where nothing is.
fn put(path: &Path, what: &str) {
    clear(path);
    match what {
        "folder" => {
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        "link" => symlink("/nowhere/at/all", path).unwrap(),
        _ => {
            fs::write(path, what).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// A site after its first run; `again` brings its state back.
struct Site {
    keyturn: Keyturn,
}

impl Site {
    fn new() -> Self {
        let site = Self { keyturn: files_site("") };
        site.keyturn.ok(&["run"]);
        must(command("cp", [Path::new("-a"), &site.state(""), &site.keyturn.dir().join("kept")]));
        site
    }

    fn state(&self, path: &str) -> PathBuf {
        self.keyturn.dir().join("state").join(path).components().collect()
    }

    fn again(&self) {
        if self.state("").is_symlink() {
            fs::remove_file(self.state("")).unwrap();
        } else {
            clear(&self.state(""));
        }
        must(command("cp", [Path::new("-a"), &self.keyturn.dir().join("kept"), &self.state("")]));
    }
}

#[test]
fn things_of_the_wrong_kind_are_refused_and_stay_as_they_are() {
    let site = Site::new();
    for name in ["", "state.key", "journal", "journal/log", "db", "audit.log", "lock"] {
        for what in ["folder", "link", "garbage-garbage-garbage\n"] {
            let fits = matches!(
                (name, what),
                ("" | "journal" | "db", "folder") | ("lock" | "audit.log", "garbage-garbage-garbage\n")
            );
            if fits {
                continue;
            }
            site.again();
            put(&site.state(name), what);
            let before = Tree::of(&[site.state("")]);
            for args in [["run"].as_slice(), &["rotate", "certificates/edge"]] {
                let ran = quick(&site.keyturn, args);
                let named = name.rsplit('/').next().unwrap();
                assert_says(&ran, ran.code.filter(|code| matches!(code, 1 | 2)).unwrap_or(2), &[named]);
                assert!(!ran.stderr.contains("garbage-"), "{name} {what}: {ran:#?}");
            }
            assert_eq!(before.changed(&Tree::of(&[site.state("")])), Vec::<PathBuf>::new(), "{name}: {what}");
            let status = quick(&site.keyturn, &["status"]);
            assert!(!status.stderr.contains("panicked"), "{status:#?}");
            // What a reader needs is refused by it, too; never does it show a site without anything.
            if ["", "state.key", "journal", "journal/log"].contains(&name) {
                assert!(matches!(status.code, Some(1 | 2)), "{name}: {what}: {status:#?}");
            }
        }
    }
}

#[test]
fn a_garbled_history_or_lock_stops_nothing() {
    let site = Site::new();
    fs::write(site.state("lock"), "no process\n").unwrap();
    assert!(quick(&site.keyturn, &["run"]).ok());
    fs::write(site.state("audit.log"), [0xc3, 0x28, b'\n'].repeat(3000)).unwrap();
    let run = quick(&site.keyturn, &["run"]);
    assert!(run.ok() && run.stderr.contains("KT-AUDIT-BROKEN"), "{run:#?}");
    assert_says(&quick(&site.keyturn, &["audit", "--verify"]), 1, &["line 1"]);
    assert!(quick(&site.keyturn, &["audit"]).ok());
}

#[test]
fn what_others_can_open_is_refused() {
    let site = Site::new();
    for (name, mode) in
        [("", 0o755), ("state.key", 0o640), ("journal", 0o710), ("journal/log", 0o604), ("audit.log", 0o644)]
    {
        site.again();
        fs::set_permissions(site.state(name), fs::Permissions::from_mode(mode)).unwrap();
        let wanted = format!("{mode:04o}");
        assert_says(&quick(&site.keyturn, &["run"]), 2, &["open to others", &wanted, "chmod"]);
    }
}

#[test]
fn outputs_that_are_in_the_way_are_a_failure_with_a_name() {
    let keyturn = files_site("");
    keyturn.write("out", "a file where the folder should be");
    let ran = quick(&keyturn, &["run"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("KT-FILE-FAILED") && ran.stderr.contains("/out"), "{ran:#?}");
    fs::remove_file(keyturn.dir().join("out")).unwrap();
    // It is tried again later by itself, and now when it is asked for.
    let status = quick(&keyturn, &["status"]);
    assert!(status.stdout.contains("KT-FILE-FAILED"), "{status:#?}");
    let again = quick(&keyturn, &["rotate", "--all"]);
    assert!(again.ok(), "{again:#?}");
    assert!(keyturn.dir().join("out/edge/tls.crt").exists());
}
