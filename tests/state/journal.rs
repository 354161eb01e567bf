//! The journal is the truth: a torn end is cut off, anything else that was changed is refused by name.

use std::fs;
use std::path::PathBuf;

use super::{Kept, cut, flip, offsets};
use crate::support::{Ran, Tree};

/// Where each frame of `journal/log` begins, and after them the end of the file. The layout is documented in
/// src/store/journal.
fn frames(bytes: &[u8]) -> Vec<u64> {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut at = number(12);
    let mut found = vec![at as u64];
    while at < bytes.len() {
        assert_eq!(&bytes[at..at + 4], b"KTfr");
        at += 24 + number(at + 8) + 4 + 32;
        found.push(at as u64);
    }
    found
}

fn log(kept: &Kept) -> PathBuf {
    kept.state("journal/log")
}

#[test]
fn a_journal_cut_within_its_last_frame_loses_that_frame_at_most() {
    let kept = Kept::new();
    let before = kept.facts();
    let frames = frames(&fs::read(log(&kept)).unwrap());
    let [.., last, end] = frames.as_slice() else { panic!("{frames:?}") };
    for offset in offsets(*last, *end, 40) {
        kept.again();
        cut(&log(&kept), offset);
        let status = kept.run(&["status"]);
        assert!(status.ok(), "cut at {offset}: {status:#?}");
        let ran = kept.run(&["run"]);
        let said = ran.stderr.contains("torn-tail") || ran.stderr.contains("journal-behind");
        assert!(ran.ok() && said, "cut at {offset}: {ran:#?}");
        assert_eq!(kept.facts(), before, "cut at {offset}");
        let again = kept.run(&["run"]);
        assert!(again.stdout.contains("nothing to do"), "cut at {offset}: {again:#?}");
        assert!(!again.stderr.contains("KT-STATE-REPAIRED"), "cut at {offset}: {again:#?}");
        let audit = kept.run(&["audit", "--verify"]);
        assert!(audit.ok(), "cut at {offset}: {audit:#?}");
    }
}

/// A refusal names the file and the byte, and changes nothing.
fn assert_refused(kept: &Kept, before: &Tree, what: &str) -> Ran {
    let ran = kept.run(&["run"]);
    assert_eq!(before.changed(&kept.tree()), Vec::<PathBuf>::new(), "{what}: {ran:#?}");
    assert!(matches!(ran.code, Some(1 | 2)), "{what}: {ran:#?}");
    assert!(ran.stderr.contains("journal/log") && ran.stdout.is_empty(), "{what}: {ran:#?}");
    assert!(!ran.stderr.contains("panicked"), "{what}: {ran:#?}");
    ran
}

#[test]
fn a_bit_flipped_in_the_journal_is_refused_and_nothing_is_written() {
    let kept = Kept::new();
    let frames = frames(&fs::read(log(&kept)).unwrap());
    let (head, end) = (frames[0], *frames.last().unwrap());
    for (n, offset) in offsets(0, end, 120).into_iter().enumerate() {
        kept.again();
        flip(&log(&kept), offset, u8::try_from(n % 8).unwrap());
        let before = kept.tree();
        let what = format!("flipped at {offset}");
        let ran = assert_refused(&kept, &before, &what);
        let frame = frames.iter().rev().find(|start| **start <= offset && offset >= head).unwrap_or(&0);
        let newer = (8..12).contains(&offset) && ran.stderr.contains("schema");
        assert!(
            newer
                || ran.stderr.contains(&format!("at byte {frame} "))
                || ran.stderr.contains(&format!("at byte {frame}:")),
            "{what}: {ran:#?}"
        );
        let status = kept.run(&["status"]);
        assert!(!status.ok() && status.stderr.contains("journal/log"), "{what}: {status:#?}");
    }
}

#[test]
fn frames_that_were_swapped_dropped_or_doubled_are_refused() {
    let kept = Kept::new();
    let bytes = fs::read(log(&kept)).unwrap();
    let starts = frames(&bytes);
    let frame = |n: usize| &bytes[starts[n] as usize..starts[n + 1] as usize];
    let head = &bytes[..starts[0] as usize];
    let count = starts.len() - 1;
    let order = |order: &[usize]| {
        order.iter().fold(head.to_vec(), |mut all, n| {
            all.extend_from_slice(frame(*n));
            all
        })
    };
    let all: Vec<usize> = (0..count).collect();
    let (mut swapped, mut dropped, mut doubled) = (all.clone(), all.clone(), all.clone());
    swapped.swap(2, 3);
    dropped.remove(count - 2);
    doubled.insert(3, 2);
    for (what, wrong) in [("swapped", swapped), ("dropped", dropped), ("doubled", doubled)] {
        kept.again();
        fs::write(log(&kept), order(&wrong)).unwrap();
        assert_refused(&kept, &kept.tree(), what);
    }
}

#[test]
fn a_journal_that_is_gone_or_no_journal_is_refused() {
    let kept = Kept::new();
    for (what, bytes) in [("empty", Vec::new()), ("garbage", vec![0x5a; 4096]), ("zeros", vec![0; 4096])] {
        kept.again();
        fs::write(log(&kept), bytes).unwrap();
        assert_refused(&kept, &kept.tree(), what);
    }
    kept.again();
    fs::remove_file(log(&kept)).unwrap();
    let ran = assert_refused(&kept, &kept.tree(), "gone");
    assert!(ran.stderr.contains("restore a backup"), "{ran:#?}");
}

#[test]
fn the_wrong_key_is_refused_and_every_byte_stays() {
    let kept = Kept::new();
    let wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    let garbage = "CANARY-CANARY-CANARY-CANARY-CANARY\n";
    for (what, key) in
        [("wrong", Some(wrong)), ("garbage", Some(garbage)), ("empty", Some("")), ("gone", None)]
    {
        kept.again();
        match key {
            Some(key) => fs::write(kept.state("state.key"), key).unwrap(),
            None => fs::remove_file(kept.state("state.key")).unwrap(),
        }
        let before = kept.tree();
        for args in [
            ["run"].as_slice(),
            &["rotate", "certificates/edge"],
            &["status"],
            &["export", "certificates/edge", "--part", "private-key"],
        ] {
            let ran = kept.run(args);
            assert_eq!(ran.code, Some(2), "{what} {args:?}: {ran:#?}");
            assert!(
                ran.stderr.contains("key") && !ran.stderr.contains("CANARY"),
                "{what} {args:?}: {ran:#?}"
            );
            assert_eq!(before.changed(&kept.tree()), Vec::<PathBuf>::new(), "{what} {args:?}");
        }
    }
}
