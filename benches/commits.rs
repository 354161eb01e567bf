//! How many durable steps a second the state takes: each with its journal frame, its sync and sled.
//!
//! `cargo bench --bench commits`, with `TMPDIR` on the disk that is to be measured.

// A benchmark is there to print.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use keyturn::clock::{Clock, Entropy, System};
use keyturn::model::{AssetId, AssetKind, Secret};
use keyturn::store::{Change, MaterialId, OpenOptions, StateKey, StateStore, Store};

/// A record of a common size, under one of a thousand names.
fn record(n: usize) -> Change {
    let value = format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(500));
    Change {
        puts: vec![(format!("asset/certificates/{}", n % 1000), Some(value.into_bytes()))],
        ..Change::default()
    }
}

/// A material of the size that an RSA key with its chain has.
fn material(n: usize) -> Change {
    let id = MaterialId::new(AssetId::new(AssetKind::Certificate, format!("c{}", n % 1000)), 1);
    Change { materials: vec![(id, Some(Secret::new(vec![b'k'; 6_000])))], ..Change::default() }
}

async fn single(store: &Store, count: usize, change: fn(usize) -> Change) {
    for n in 0..count {
        store.commit(change(n)).await.expect("a commit");
    }
}

async fn grouped(store: &Store, count: usize, change: fn(usize) -> Change) {
    for start in (0..count).step_by(16) {
        let all = join_all((start..start + 16).map(|n| store.commit(change(n)))).await;
        assert!(all.iter().all(Result::is_ok));
    }
}

fn show(what: &str, count: usize, took: Duration) {
    println!("{what:<44} {:>8.0} a second", count as f64 / took.as_secs_f64());
}

/// What the disk alone can do: the limit for single steps.
fn floor(dir: &Path, clock: &System) {
    use std::io::Write;
    let mut file = std::fs::File::create(dir.join("floor")).expect("a file");
    let start = clock.monotonic();
    for _ in 0..5_000 {
        file.write_all(&[7; 650]).and_then(|()| file.sync_data()).expect("a write");
    }
    show("limit: append 650 bytes, fdatasync", 5_000, clock.monotonic() - start);
}

#[tokio::main]
async fn main() {
    let (root, clock, entropy) = (tempfile::tempdir().expect("a folder"), System::new(), Entropy::system());
    let options =
        OpenOptions { dir: root.path().join("state"), key: StateKey::generate(&entropy).expect("a key") };
    floor(root.path(), &clock);
    let (store, _) = Store::open(options.clone(), &entropy, clock.now()).expect("a state");
    let start = clock.monotonic();
    single(&store, 10_000, record).await;
    show("single steps, 0.5 KiB records", 10_000, clock.monotonic() - start);
    let start = clock.monotonic();
    single(&store, 3_000, material).await;
    show("single steps, 6 KiB materials", 3_000, clock.monotonic() - start);
    let start = clock.monotonic();
    grouped(&store, 32_000, record).await;
    show("16 at a time, 0.5 KiB records", 32_000, clock.monotonic() - start);
    let start = clock.monotonic();
    drop(store);
    println!("{:<44} {:>8.1} ms", "closing", (clock.monotonic() - start).as_secs_f64() * 1e3);
    let start = clock.monotonic();
    let (_store, notices) = Store::open(options, &entropy, clock.now()).expect("a state");
    assert!(notices.is_empty());
    println!(
        "{:<44} {:>8.1} ms",
        "opening 1,000 records, 1,000 materials",
        (clock.monotonic() - start).as_secs_f64() * 1e3
    );
}
