//! Crashes, bad disks and bad hands (FAULTS.md S1 to S7).

use super::super::journal::append::faults::{self, Fault};
use super::super::journal::frame::{FOOT, HEAD, Head};
use super::super::journal::header;
use super::*;

/// Where each frame of a journal's bytes begins, and the end.
fn frames(bytes: &[u8]) -> Vec<usize> {
    let mut at = header::LEN;
    let mut starts = vec![at];
    while at < bytes.len() {
        at += Head::decode(&bytes[at..]).unwrap().frame_len();
        starts.push(at);
    }
    starts
}

/// A state with three steps, closed.
fn three() -> Home {
    let home = Home::new();
    let store = home.open_clean();
    commit(&store, put("a", "one"));
    commit(&store, keep(1, "key"));
    commit(&store, tell("issued"));
    drop(store);
    home
}

fn write(home: &Home, bytes: &[u8]) {
    std::fs::write(home.journal(), bytes).unwrap();
}

fn read(home: &Home) -> Result<u64, StoreError> {
    Snapshot::read(&home.dir(), &home.key).map(|snapshot| snapshot.sequence())
}

/// Opens must refuse and leave every byte and time as it is.
fn refused(home: &Home) -> StoreError {
    let before = bytes_of(&home.dir());
    let error = home.try_open().unwrap_err();
    assert_eq!(before, bytes_of(&home.dir()));
    error
}

#[test]
fn a_cut_anywhere_loses_the_last_step_at_most() {
    let home = three();
    let bytes = std::fs::read(home.journal()).unwrap();
    let starts = frames(&bytes);
    let base = starts[starts.len() - 4];
    for length in 0..bytes.len() {
        write(&home, &bytes[..length]);
        match read(&home) {
            Ok(sequence) => {
                let whole = starts.iter().filter(|start| **start <= length).count() - (starts.len() - 3);
                assert_eq!(sequence, whole as u64, "cut at {length}");
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Damaged { .. }) && length < base, "{length}: {error}");
            }
        }
    }
}

#[test]
fn zeros_in_place_of_the_end_are_a_torn_step() {
    let home = three();
    let bytes = std::fs::read(home.journal()).unwrap();
    let starts = frames(&bytes);
    let last = starts[starts.len() - 2];
    // Up to its tag itself: then its checksum holds.
    for from in last..=bytes.len() - 32 {
        let mut torn = bytes.clone();
        torn[from..].fill(0);
        write(&home, &torn);
        assert_eq!(read(&home).unwrap(), 2, "zeros from {from}");
    }
    for more in [1, 59, 60, 61, 5000, 100_000] {
        let mut long = bytes.clone();
        long.resize(bytes.len() + more, 0);
        write(&home, &long);
        assert_eq!(read(&home).unwrap(), 3, "{more} zeros");
    }
}

#[test]
fn a_torn_step_is_cut_off_and_said() {
    let home = three();
    commit(&home.open_clean(), put("b", "two"));
    let bytes = std::fs::read(home.journal()).unwrap();
    std::fs::remove_dir_all(home.dir().join("db")).unwrap();
    write(&home, &bytes[..bytes.len() - 1]);
    let (store, notices) = home.open();
    assert!(kinds(&notices).contains(&NoticeKind::TornTail), "{notices:?}");
    assert_eq!(record(&store, "b"), None);
    assert_eq!(commit(&store, put("a", "two")), 4);
    drop(store);
    assert_eq!(record(&home.open_clean(), "a"), Some("two".into()));
}

#[test]
fn every_flipped_bit_is_refused() {
    let home = three();
    let bytes = std::fs::read(home.journal()).unwrap();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        write(&home, &bad);
        let error = read(&home).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. } | StoreError::Newer { .. }), "byte {at}: {error}");
        if at % 97 == 0 {
            refused(&home);
        }
    }
    let text = refused(&home).to_string();
    assert!(
        text.contains("journal/log") && text.contains("at byte") && text.contains("sequence 2"),
        "{text}"
    );
}

#[test]
fn dropped_swapped_and_replayed_frames_are_refused() {
    let home = three();
    let bytes = std::fs::read(home.journal()).unwrap();
    let starts = frames(&bytes);
    let frame = |n: usize| &bytes[starts[starts.len() - 5 + n]..starts[starts.len() - 4 + n]];
    let head = &bytes[..starts[starts.len() - 4]];
    for bad in [
        [head, frame(2), frame(3)].concat(),
        [head, frame(1), frame(3)].concat(),
        [head, frame(2), frame(1), frame(3)].concat(),
        [head, frame(1), frame(2), frame(3), frame(2)].concat(),
        [head, frame(1), frame(1)].concat(),
    ] {
        write(&home, &bad);
        assert!(matches!(refused(&home), StoreError::Damaged { .. }));
    }
    let other = Home { root: tempfile::tempdir().unwrap(), key: home.key.clone() };
    let store = other.open_clean();
    commit(&store, put("a", "one"));
    drop(store);
    let foreign = std::fs::read(other.journal()).unwrap();
    let at = frames(&foreign);
    write(&home, &[head, &foreign[at[at.len() - 2]..]].concat());
    assert!(refused(&home).to_string().contains("another journal"));
}

#[test]
fn swapped_records_are_refused_even_with_right_checksums() {
    let home = Home::new();
    let store = home.open_clean();
    let mut change = keep(1, "old key");
    change.materials.extend(keep(2, "new key").materials);
    commit(&store, change);
    let (one, two) = (home.snapshot().replay_place(&id(1)), home.snapshot().replay_place(&id(2)));
    drop(store);
    let good = std::fs::read(home.journal()).unwrap();
    let mut bad = good.clone();
    bad[one.clone()].copy_from_slice(&good[two.clone()]);
    bad[two].copy_from_slice(&good[one]);
    let starts = frames(&good);
    let (start, end) = (starts[starts.len() - 2], starts[starts.len() - 1]);
    let sum = crc32fast::hash(&bad[start..end - FOOT]).to_le_bytes();
    bad[end - FOOT..end - FOOT + 4].copy_from_slice(&sum);
    write(&home, &bad);
    assert!(matches!(refused(&home), StoreError::Damaged { .. }));
    assert!(HEAD < end - start);
}

#[test]
fn steps_cut_away_are_noticed_and_their_numbers_not_used_again() {
    let home = three();
    let bytes = std::fs::read(home.journal()).unwrap();
    let starts = frames(&bytes);
    write(&home, &bytes[..starts[starts.len() - 3]]);
    let (store, notices) = home.open();
    let found = kinds(&notices);
    assert!(
        found.contains(&NoticeKind::JournalBehind) && found.contains(&NoticeKind::IndexRebuilt),
        "{notices:?}"
    );
    assert!(found.contains(&NoticeKind::AuditAhead), "{notices:?}");
    assert_eq!((record(&store, "a"), material(&store, 1)), (Some("one".into()), None));
    drop(store);
    // It is told once; the number is remembered without a write to the journal.
    let (store, notices) = home.open();
    assert_eq!(kinds(&notices), [NoticeKind::AuditAhead]);
    assert_eq!(commit(&store, tell("again")), 4);
    drop(store);
    home.open_clean();
    assert_eq!(crate::audit::verify(home.snapshot().audit_lines().unwrap()).unwrap().entries, 2);
}

#[test]
fn a_lost_journal_is_not_begun_anew() {
    let home = three();
    std::fs::remove_file(home.journal()).unwrap();
    assert!(matches!(home.try_open(), Err(StoreError::JournalGone { .. })));
    assert!(matches!(read(&home), Err(StoreError::JournalGone { .. })));
    let nothing = Home::new();
    assert!(matches!(read(&nothing), Err(StoreError::Missing { .. })));
}

/// Opens a state whose `db/` was harmed: it says so unless the harm is none, and has everything.
fn survives(home: &Home, must_say: bool, what: &str) {
    let (store, notices) = home.open();
    assert!(notices.iter().all(|notice| notice.kind == NoticeKind::IndexRebuilt), "{what}: {notices:?}");
    assert!(!must_say || !notices.is_empty(), "{what}");
    assert_eq!(record(&store, "a"), Some("one".into()), "{what}");
    assert_eq!(material(&store, 1), Some("key".into()), "{what}");
    assert!(commit(&store, put("b", "more")) > 3, "{what}");
    drop(store);
    // sled may have taken the harm for a torn end, and lose what it wrote after it.
    let (store, again) = home.open();
    assert!(
        again.is_empty() || !must_say && kinds(&again) == [NoticeKind::IndexRebuilt],
        "{what}: {again:?}"
    );
    assert_eq!(record(&store, "b"), Some("more".into()), "{what}");
}

#[test]
fn a_harmed_index_is_built_anew() {
    let origin = three();
    // Opened once more, sled has its `snap.*` too.
    drop(origin.open_clean());
    let db = |home: &Home| home.dir().join("db");
    let home = origin.crashed();
    std::fs::remove_dir_all(db(&home)).unwrap();
    survives(&home, true, "no folder");
    let home = origin.crashed();
    std::fs::remove_dir_all(db(&home)).unwrap();
    drop(super::super::posture::make_dir(&db(&home)));
    survives(&home, true, "an empty folder");
    for file in bytes_of(&db(&origin)).into_keys() {
        let name = file.file_name().unwrap().to_str().unwrap();
        let (bytes, harm) = (std::fs::read(&file).unwrap(), db(&origin).join(name));
        let harmed = |bytes: &[u8], must_say: bool, what: &str| {
            let home = origin.crashed();
            std::fs::write(db(&home).join(harm.file_name().unwrap()), bytes).unwrap();
            survives(&home, must_say, &format!("{name} {what}"));
        };
        harmed(&[], name != "conf", "emptied");
        harmed(&bytes[..bytes.len() / 2], false, "halved");
        harmed(&vec![0xff; bytes.len()], true, "overwritten");
        for part in 0..6 {
            let mut bad = bytes.clone();
            let at = bytes.len().min(700) * part / 6;
            bad[at] ^= 0x10;
            harmed(&bad, false, &format!("flipped at {at}"));
        }
    }
}

#[test]
fn a_failed_sync_ends_all_claims() {
    let home = three();
    let store = home.open_clean();
    faults::plant(&home.journal(), Fault::Sync);
    let error = wait(store.commit(tell("lost"))).unwrap_err();
    assert!(matches!(error, StoreError::Storage { action: "sync", .. }), "{error}");
    assert_refuses(&store);
    assert_eq!(record(&store, "told"), Some("issued".into()));
    drop(store);
    let (store, _) = home.open();
    commit(&store, put("b", "two"));
}

fn assert_refuses(store: &Store) {
    for change in [tell("again"), put("b", "two")] {
        assert!(matches!(wait(store.commit(change)), Err(StoreError::Storage { .. })));
    }
    assert!(wait(store.compact()).is_err());
}

/// What is in the journal is acknowledged; when audit.log cannot follow, nothing more is.
#[test]
fn a_failed_sync_of_the_history_ends_all_claims_too() {
    for steps in [1, 32] {
        let home = three();
        let store = home.open_clean();
        faults::plant(&home.dir().join("audit.log"), Fault::Sync);
        for n in 0..steps {
            commit(&store, tell(&n.to_string()));
        }
        // Nobody waits: it is synced, and fails. Under load it is, too.
        if steps == 1 {
            let (_sender, never) = std::sync::mpsc::channel::<()>();
            assert!(never.recv_timeout(std::time::Duration::from_millis(300)).is_err());
        }
        assert_refuses(&store);
        let (last, entries) = ((steps - 1).to_string(), steps + 1);
        assert_eq!(record(&store, "told").as_ref(), Some(&last));
        drop(store);
        let (store, _) = home.open();
        assert_eq!(record(&store, "told"), Some(last));
        commit(&store, put("b", "two"));
        assert_eq!(crate::audit::verify(home.snapshot().audit_lines().unwrap()).unwrap().entries, entries);
    }
}

/// After a power cut audit.log may lack what was not synced: any end of it. The journal has it.
#[test]
fn a_history_that_lost_its_unsynced_end_is_completed() {
    let home = three();
    let store = home.open_clean();
    let synced = std::fs::metadata(home.dir().join("audit.log")).unwrap().len();
    for n in 0..5 {
        commit(&store, tell(&n.to_string()));
    }
    let cut = home.crashed();
    drop(store);
    let whole = std::fs::read(cut.dir().join("audit.log")).unwrap();
    let synced = usize::try_from(synced).unwrap();
    let is_completed = |lost: &[u8], what: &str| {
        let home = cut.crashed();
        std::fs::write(home.dir().join("audit.log"), lost).unwrap();
        let lines = home.snapshot().audit_lines().unwrap();
        assert_eq!(crate::audit::verify(lines).unwrap().entries, 6, "{what}");
        let (store, notices) = home.open();
        let completed: &[_] = if lost == whole { &[] } else { &[NoticeKind::AuditCompleted] };
        let found = kinds(&notices);
        let found: Vec<_> = found.into_iter().filter(|kind| *kind != NoticeKind::IndexRebuilt).collect();
        assert_eq!(found, completed, "{what}: {notices:?}");
        drop(store);
        assert_eq!(std::fs::read(home.dir().join("audit.log")).unwrap(), whole, "{what}");
    };
    for at in (synced..=whole.len()).step_by(7) {
        is_completed(&whole[..at], &format!("cut at {at}"));
        // Its length was written, and its bytes were not; or a part of them was.
        let mut zeros = whole.clone();
        zeros[at..].fill(0);
        is_completed(&zeros, &format!("zeros from {at}"));
        let mut hole = whole.clone();
        let end = whole.len().min(at + 150);
        hole[at..end].fill(0);
        is_completed(&hole, &format!("zeros from {at} to {end}"));
        zeros.extend([0; 100]);
        is_completed(&zeros, &format!("zeros from {at}, and beyond"));
    }
}

/// What is not lost but changed is no power cut.
#[test]
fn a_history_that_was_changed_at_its_end_is_told_and_left() {
    let home = three();
    let store = home.open_clean();
    for n in 0..5 {
        commit(&store, tell(&n.to_string()));
    }
    drop(store);
    let path = home.dir().join("audit.log");
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 40..].fill(0);
    // Well before that, in a line of its own.
    bytes[end - 800] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let (store, notices) = home.open();
    assert!(kinds(&notices).contains(&NoticeKind::AuditAltered), "{notices:?}");
    drop(store);
    assert!(std::fs::read(&path).unwrap().starts_with(&bytes));
}

/// A compaction takes the entries out of the journal: they must be in audit.log for good before.
#[test]
fn nothing_is_compacted_before_the_history_is_synced() {
    let home = three();
    let store = home.open_clean();
    commit(&store, tell("one"));
    faults::plant(&home.dir().join("audit.log"), Fault::Sync);
    let before = std::fs::read(home.journal()).unwrap();
    assert!(matches!(wait(store.compact()), Err(StoreError::Storage { action: "sync", .. })));
    assert_eq!(std::fs::read(home.journal()).unwrap(), before);
}

#[test]
fn a_full_disk_keeps_nothing_of_the_step_and_can_be_freed() {
    for file in ["journal/log", "audit.log"] {
        for room in [0, 1, 23, 24, 25, 100, 180] {
            let home = three();
            let store = home.open_clean();
            let path = home.dir().join(file);
            let before = bytes_of(&home.dir());
            faults::plant(&path, Fault::Full(room));
            let error = wait(store.commit(tell("no room"))).unwrap_err();
            assert!(matches!(error, StoreError::NoSpace { .. }), "{error}");
            let after = bytes_of(&home.dir());
            for name in ["journal/log", "audit.log"] {
                assert_eq!(before[&home.dir().join(name)].0, after[&home.dir().join(name)].0);
            }
            faults::clear(&path);
            assert_eq!(record(&store, "told"), Some("issued".into()));
            commit(&store, tell("room"));
            drop(store);
            let store = home.open_clean();
            assert_eq!(record(&store, "told"), Some("room".into()));
            assert_eq!(crate::audit::verify(home.snapshot().audit_lines().unwrap()).unwrap().entries, 2);
        }
    }
}
