//! The store's tests: by its public face, and with planted faults.

mod audit;
mod damage;
mod memory;
mod model;
mod posture;
mod steps;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{
    Change, MaterialId, Notice, NoticeKind, OpenOptions, Snapshot, StateKey, StateStore, Store, StoreError,
    journal,
};
use crate::audit::Event;
use crate::clock::Entropy;
use crate::model::{AssetId, AssetKind, Secret};

/// A state of its own for one test.
struct Home {
    root: tempfile::TempDir,
    key: StateKey,
}

impl Home {
    fn new() -> Self {
        let key = StateKey::generate(&Entropy::system()).unwrap();
        Self { root: tempfile::tempdir().unwrap(), key }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("state")
    }

    fn journal(&self) -> PathBuf {
        journal::path(&self.dir())
    }

    fn open(&self) -> (Store, Vec<Notice>) {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<(Store, Vec<Notice>), StoreError> {
        open(&self.dir(), &self.key)
    }

    /// Opens it where nothing is to be told.
    fn open_clean(&self) -> Store {
        let (store, notices) = self.open();
        assert_eq!(notices, []);
        store
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::read(&self.dir(), &self.key).unwrap()
    }

    /// The state as a crash at this moment would leave it, elsewhere.
    fn crashed(&self) -> Self {
        let root = tempfile::tempdir().unwrap();
        copy(&self.dir(), &root.path().join("state"));
        Self { root, key: self.key.clone() }
    }
}

fn open(dir: &Path, key: &StateKey) -> Result<(Store, Vec<Notice>), StoreError> {
    let options = OpenOptions { dir: dir.to_owned(), key: key.clone() };
    Store::open(options, &Entropy::system(), Timestamp::from_second(1_800_000_000).unwrap())
}

fn copy(from: &Path, to: &Path) {
    // A writer may rename a file under it.
    for _ in 0..20 {
        if std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap().success() {
            return;
        }
        std::fs::remove_dir_all(to).unwrap();
    }
    panic!("{} cannot be copied", from.display());
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn put(key: &str, value: &str) -> Change {
    Change { puts: vec![(key.to_owned(), Some(value.as_bytes().to_vec()))], ..Change::default() }
}

fn delete(key: &str) -> Change {
    Change { puts: vec![(key.to_owned(), None)], ..Change::default() }
}

fn id(revision: u32) -> MaterialId {
    MaterialId::new(AssetId::new(AssetKind::Certificate, "edge"), revision)
}

fn keep(revision: u32, secret: &str) -> Change {
    Change { materials: vec![(id(revision), Some(Secret::new(secret)))], ..Change::default() }
}

fn destroy(revision: u32) -> Change {
    Change { materials: vec![(id(revision), None)], ..Change::default() }
}

fn event(action: &str) -> Event {
    Event {
        at: Timestamp::from_second(1_800_000_000).unwrap(),
        actor: "daemon".to_owned(),
        action: action.to_owned(),
        asset: Some(id(1).asset),
        revision: Some(1),
        detail: BTreeMap::new(),
    }
}

fn tell(action: &str) -> Change {
    Change { audit: vec![event(action)], ..put("told", action) }
}

fn commit(store: &Store, change: Change) -> u64 {
    wait(store.commit(change)).unwrap()
}

fn material(store: &Store, revision: u32) -> Option<String> {
    let secret = wait(store.material(&id(revision))).unwrap();
    secret.map(|secret| secret.expose_str().to_owned())
}

fn record(store: &Store, key: &str) -> Option<String> {
    let value = wait(store.records()).unwrap().remove(key);
    value.map(|value| String::from_utf8(value).unwrap())
}

fn kinds(notices: &[Notice]) -> Vec<NoticeKind> {
    notices.iter().map(|notice| notice.kind).collect()
}

/// Every file below `dir` with its bytes and its time of change.
fn bytes_of(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            all.extend(bytes_of(&entry.path()));
        } else {
            let modified = entry.metadata().unwrap().modified().unwrap();
            all.insert(entry.path(), (std::fs::read(entry.path()).unwrap(), modified));
        }
    }
    all
}
