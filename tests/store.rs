//! The state from outside: killed at any moment, and under any umask.

// Clippy's leave for tests does not reach what stands outside of a `#[test]`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use keyturn::audit::{self, Event};
use keyturn::clock::Entropy;
use keyturn::model::{AssetId, AssetKind, Secret};
use keyturn::store::{
    Change, MaterialId, Notice, NoticeKind, OpenOptions, Snapshot, StateKey, StateStore, Store,
};

const DIR: &str = "KEYTURN_TEST_STATE";

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn open(root: &Path) -> (Store, Vec<Notice>) {
    let dir = root.join("state");
    let (key, _) = StateKey::load_or_create(&dir, &Entropy::system()).unwrap();
    Store::open(OpenOptions { dir, key }, &Entropy::system(), now()).unwrap()
}

fn asset() -> AssetId {
    AssetId::new(AssetKind::JwtKey, "auth")
}

fn change(n: u64) -> Change {
    let event = Event {
        at: now(),
        actor: "daemon".to_owned(),
        action: "counted".to_owned(),
        asset: Some(asset()),
        revision: None,
        detail: [("n".to_owned(), n.to_string())].into(),
    };
    let revision = u32::try_from(n % 9).unwrap();
    Change {
        puts: vec![("count".to_owned(), Some(n.to_string().into_bytes()))],
        materials: vec![(MaterialId::new(asset(), revision), Some(Secret::new(n.to_string())))],
        audit: vec![event],
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// What the killed process runs: it counts, and says each number once it is durable.
#[test]
fn counts_until_killed() {
    let Some(root) = std::env::var_os(DIR) else {
        return;
    };
    let (store, _) = open(Path::new(&root));
    let from = wait(store.records()).unwrap().remove("count");
    let from: u64 = from.map_or(0, |count| String::from_utf8(count).unwrap().parse().unwrap());
    for n in from + 1.. {
        wait(store.commit(change(n))).unwrap();
        println!("\ndurable {n}");
        if n % 50 == 0 {
            wait(store.compact()).unwrap();
        }
    }
}

/// Runs the counter until it has said `lines` numbers, kills it, and gives the last it said.
fn count_and_kill(root: &Path, lines: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "counts_until_killed", "--nocapture"])
        .env(DIR, root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut numbers = said.filter_map(|line| line.strip_prefix("durable ")?.parse().ok());
    let last = numbers.by_ref().take(lines).last().unwrap();
    child.kill().unwrap();
    // What it said before the signal came counts too.
    let last = numbers.last().unwrap_or(last);
    child.wait().unwrap();
    last
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let root = tempfile::tempdir().unwrap();
    for round in 0..25 {
        let said = count_and_kill(root.path(), 1 + round * 7 % 60);
        let (key, _) = StateKey::load_or_create(&root.path().join("state"), &Entropy::system()).unwrap();
        let read = Snapshot::read(&root.path().join("state"), &key).unwrap();
        let count: u64 = std::str::from_utf8(read.record("count").unwrap()).unwrap().parse().unwrap();
        // The step it was in may be there too.
        assert!(count == said || count == said + 1, "{count} after {said}");
        let (store, notices) = open(root.path());
        let harmless = [NoticeKind::TornTail, NoticeKind::IndexRebuilt, NoticeKind::AuditCompleted];
        assert!(notices.iter().all(|notice| harmless.contains(&notice.kind)), "{notices:?}");
        let last = MaterialId::new(asset(), u32::try_from(count % 9).unwrap());
        let secret = wait(store.material(&last)).unwrap().unwrap();
        assert_eq!(secret.expose_str(), count.to_string());
        drop(store);
        let log = std::fs::read_to_string(root.path().join("state/audit.log")).unwrap();
        assert_eq!(audit::verify(log.lines()).unwrap().entries, count);
    }
}

fn modes(dir: &Path, found: &mut Vec<(std::path::PathBuf, u32)>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = std::fs::symlink_metadata(&path).unwrap();
        found.push((path.clone(), meta.permissions().mode() & 0o7777));
        if meta.is_dir() {
            modes(&path, found);
        }
    }
}

#[test]
fn no_umask_opens_anything_to_others() {
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    let root = tempfile::tempdir().unwrap();
    for n in 1..4 {
        let (store, _) = open(root.path());
        wait(store.commit(change(n))).unwrap();
        if n == 2 {
            wait(store.compact()).unwrap();
        }
        let mut running = Vec::new();
        modes(root.path(), &mut running);
        drop(store);
        let mut closed = Vec::new();
        modes(root.path(), &mut closed);
        for (path, mode) in running.into_iter().chain(closed) {
            assert!(matches!(mode, 0o600 | 0o700), "{} has {mode:04o}", path.display());
        }
    }
}
