//! The state in the hands of the real binary: damaged, cut, opened with the wrong key, locked, and left behind by a
//! process that was killed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

#[path = "state/damage.rs"]
mod damage;
#[path = "state/journal.rs"]
mod journal;
#[cfg(feature = "failpoints")]
#[path = "state/kill.rs"]
mod kill;
#[path = "state/lock.rs"]
mod lock;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{Keyturn, Ran, Tree, command, files_site, must, status};

/// A site after its first run, with a copy of its state to begin from again and again.
struct Kept {
    keyturn: Keyturn,
}

impl Kept {
    fn new() -> Self {
        let keyturn = files_site("");
        keyturn.ok(&["run"]);
        copy(&keyturn.dir().join("state"), &keyturn.dir().join("kept"));
        Self { keyturn }
    }

    fn state(&self, path: &str) -> PathBuf {
        self.keyturn.dir().join("state").join(path)
    }

    /// The state as it was after the first run.
    fn again(&self) {
        fs::remove_dir_all(self.state("")).unwrap();
        copy(&self.keyturn.dir().join("kept"), &self.keyturn.dir().join("state"));
    }

    fn tree(&self) -> Tree {
        Tree::of(&[self.keyturn.dir().join("state"), self.keyturn.dir().join("out")])
    }

    /// What must not be lost: each asset's revisions, with serial, fingerprint and kid of the one in use.
    fn facts(&self) -> BTreeMap<String, Value> {
        let mut facts = status(&self.keyturn);
        for asset in facts.values_mut() {
            // Delivered again is no loss; issued again would be.
            for time in ["delivered_at", "served_at", "renew_at", "targets"] {
                asset[time].take();
            }
        }
        facts
    }

    fn run(&self, args: &[&str]) -> Ran {
        quick(&self.keyturn, args)
    }
}

/// Runs it without polling: these tests start hundreds.
fn quick(keyturn: &Keyturn, args: &[&str]) -> Ran {
    let output = keyturn.command(args).output().unwrap();
    Ran::new(output.status, &output.stdout, &output.stderr)
}

fn copy(from: &Path, to: &Path) {
    must(command("cp", [Path::new("-a"), from, to]));
}

fn cut(file: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length).unwrap();
}

fn flip(file: &Path, offset: u64, bit: u8) {
    let mut bytes = fs::read(file).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= 1 << (bit % 8);
    fs::write(file, bytes).unwrap();
}

/// About `count` offsets from `start` up to `end`, both ends among them, and no pattern between.
fn offsets(start: u64, end: u64, count: u64) -> Vec<u64> {
    let width = (end - start).div_ceil(count).max(1);
    let mut found: Vec<u64> = (0..count).map(|n| start + n * width + (n * 7919) % width).collect();
    found.extend([start, start + 1, end - 1]);
    found.retain(|offset| (start..end).contains(offset));
    found.sort_unstable();
    found.dedup();
    found
}
