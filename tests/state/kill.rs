//! A pass over files, killed at each of its points: the next run finishes it, to the same end.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::quick;
use crate::support::{Keyturn, command, fed, files_site, pause, status};

/// What is to be the same however often it was killed: revisions and their states, deliveries, problems, and the
/// names of all files, without what is drawn anew each time.
fn shape(keyturn: &Keyturn) -> Vec<String> {
    let mut shape = Vec::new();
    for (name, asset) in status(keyturn) {
        let list = |field: &str, parts: &[&str]| {
            let one = |value: &Value| parts.iter().map(|part| value[*part].to_string()).collect::<Vec<_>>();
            asset[field].as_array().unwrap().iter().map(one).collect::<Vec<_>>()
        };
        shape.push(format!(
            "{name} {} {} {:?} {:?} {:?} {}",
            asset["revision"],
            asset["state"],
            list("revisions", &["revision", "state"]),
            list("targets", &["kind", "state", "proof"]),
            list("problems", &["code"]),
            asset["delivered_at"].is_null(),
        ));
    }
    names(&keyturn.dir().join("out"), "", &mut shape);
    shape.sort();
    shape
}

/// Paths below `dir`; a revision's folder has twelve hexadecimal digits at its end.
fn names(dir: &Path, under: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = match name.rsplit_once('.') {
            Some((stem, tail)) if tail.len() == 12 && tail.bytes().all(|b| b.is_ascii_hexdigit()) => {
                format!("{stem}.*")
            }
            _ => name,
        };
        let path = format!("{under}/{name}");
        if entry.file_type().unwrap().is_dir() {
            names(&entry.path(), &path, found);
        }
        found.push(path);
    }
}

/// How often the history has an action.
fn count(keyturn: &Keyturn, action: &str) -> usize {
    let history: Value = serde_json::from_str(&keyturn.ok(&["audit", "-o", "json"])).unwrap();
    history["entries"].as_array().unwrap().iter().filter(|entry| entry["action"] == action).count()
}

fn public_key(args: &[&str], pem: &[u8]) -> String {
    let ran = fed(command("openssl", args), pem);
    assert!(ran.ok(), "{ran:#?}\n{}", String::from_utf8_lossy(pem));
    ran.stdout
}

fn assert_pair(certificate: &[u8], key: &[u8]) {
    let of_certificate = public_key(&["x509", "-noout", "-pubkey"], certificate);
    assert_eq!(of_certificate, public_key(&["pkey", "-pubout"], key));
}

/// Reads the pair for as long as `work` runs, as a server that starts at any moment would, and checks every pair
/// that it has seen. Files that are there once must always be there.
fn watched<T>(dir: &Path, work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    let read = |name: &str| fs::read(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let watch = || {
        let mut pairs = BTreeSet::new();
        while !stop.load(Ordering::Relaxed) {
            let (certificate, key) = (read("tls.crt"), read("tls.key"));
            // Only if nothing was turned over between the two reads are they of one moment.
            if read("tls.crt") == certificate {
                pairs.insert((certificate, key));
            }
            pause(Duration::from_millis(1));
        }
        pairs
    };
    let (done, pairs) = std::thread::scope(|scope| {
        let watch = scope.spawn(watch);
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::Relaxed);
        (done, watch.join().unwrap())
    });
    assert!(!pairs.is_empty());
    pairs.iter().for_each(|(certificate, key)| assert_pair(certificate, key));
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn assert_pair_of(keyturn: &Keyturn) {
    let dir = keyturn.dir().join("out/edge");
    if let (Ok(certificate), Ok(key)) = (fs::read(dir.join("tls.crt")), fs::read(dir.join("tls.key"))) {
        assert_pair(&certificate, &key);
    }
}

/// Runs `scene` for `point` at its first, second, … passing, until it is not reached any more; how often it was.
fn at_each_passing(point: &str, mut scene: impl FnMut(u32) -> bool) {
    let reached = (1..).take_while(|n| scene(*n)).count();
    assert!(reached > 0, "{point} is never passed");
}

/// Whether the process was killed at its failpoint.
fn is_killed(keyturn: &mut Keyturn, args: &[&str], point: &str, n: u32) -> bool {
    keyturn.kill_at(point, n);
    let ran = quick(keyturn, args);
    keyturn.kill_nowhere();
    ran.signal == Some(nix::sys::signal::Signal::SIGABRT as i32)
}

/// Every point that a pass over files goes by when all is well.
const POINTS: [&str; 9] = [
    "key-made",
    "key-stored",
    "issued",
    "certificate-stored",
    "rollout-intended",
    "rollout-applied",
    "rollout-settled",
    "rollout-recorded",
    "activated",
];

/// The next run comes to the same end as one that nothing has interrupted, and the one after it rests.
fn assert_finished(keyturn: &Keyturn, wanted: &[String], issued: usize, what: &str) {
    let next = quick(keyturn, &["run"]);
    assert!(next.ok(), "{what}: {next:#?}");
    assert_eq!(shape(keyturn), wanted, "{what}");
    assert!(count(keyturn, "issued") <= issued, "{what}");
    assert_pair_of(keyturn);
    let rest = quick(keyturn, &["run"]);
    assert!(rest.stdout.contains("nothing to do"), "{what}: {rest:#?}");
    let audit = quick(keyturn, &["audit", "--verify"]);
    assert!(audit.ok(), "{what}: {audit:#?}");
}

#[test]
fn a_first_run_killed_anywhere_is_finished_by_the_next() {
    let whole = files_site("");
    whole.ok(&["run"]);
    let (wanted, issued) = (shape(&whole), count(&whole, "issued"));
    for point in POINTS {
        at_each_passing(point, |n| {
            let mut keyturn = files_site("");
            let killed = is_killed(&mut keyturn, &["run"], point, n);
            assert_pair_of(&keyturn);
            assert_finished(&keyturn, &wanted, issued + 1, &format!("{point}:{n}"));
            killed
        });
    }
}

/// With a test that fails while `{dir}/bad` is there, and a reload that leaves a mark.
fn tested_site() -> Keyturn {
    let keyturn = files_site(
        "test = [\"sh\", \"-c\", \"test ! -e {dir}/bad\"]\nreload = [\"sh\", \"-c\", \"echo reloaded >>{dir}/reloads\"]",
    );
    keyturn.ok(&["run"]);
    fs::remove_file(keyturn.dir().join("reloads")).unwrap();
    keyturn
}

#[test]
fn a_rotation_killed_anywhere_is_finished_by_the_next_run() {
    let whole = tested_site();
    whole.ok(&["rotate", "certificates/edge"]);
    let (wanted, issued) = (shape(&whole), count(&whole, "issued"));
    for point in POINTS {
        at_each_passing(point, |n| {
            let mut keyturn = tested_site();
            let dir = keyturn.dir().to_owned();
            let killed = watched(&dir.join("out/edge"), || {
                let killed = is_killed(&mut keyturn, &["rotate", "certificates/edge"], point, n);
                assert_finished(&keyturn, &wanted, issued + 1, &format!("{point}:{n}"));
                killed
            });
            assert!(dir.join("reloads").exists(), "{point}:{n}: never reloaded");
            killed
        });
    }
}

#[test]
fn a_delivery_that_failed_is_put_back_also_when_that_is_killed() {
    let fail = |keyturn: &Keyturn| keyturn.write("bad", "");
    let mend = |keyturn: &Keyturn| fs::remove_file(keyturn.dir().join("bad")).unwrap();
    let whole = tested_site();
    fail(&whole);
    assert_eq!(quick(&whole, &["rotate", "certificates/edge"]).code, Some(1));
    let undone = shape(&whole);
    mend(&whole);
    whole.ok(&["rotate", "certificates/edge"]);
    let wanted = shape(&whole);
    for point in ["undo-intended", "undo-done"] {
        at_each_passing(point, |n| {
            let mut keyturn = tested_site();
            let dir = keyturn.dir().join("out/edge");
            let old = fs::read(dir.join("tls.crt")).unwrap();
            fail(&keyturn);
            let killed = watched(&dir, || {
                let killed = is_killed(&mut keyturn, &["rotate", "certificates/edge"], point, n);
                // What failed stays failed, also when nothing would fail any more: it is put back, then tried again.
                let next = quick(&keyturn, &["run"]);
                assert_eq!(next.code, Some(1), "{point}:{n}: {next:#?}");
                assert_eq!(fs::read(dir.join("tls.crt")).unwrap(), old, "{point}:{n}");
                assert_eq!(shape(&keyturn), undone, "{point}:{n}");
                mend(&keyturn);
                keyturn.ok(&["rotate", "certificates/edge"]);
                killed
            });
            assert_eq!(shape(&keyturn), wanted, "{point}:{n}");
            killed
        });
    }
}
