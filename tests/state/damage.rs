//! sled's folder is never needed: whatever becomes of it, nothing is lost and it is said.

use std::fs;
use std::path::Path;

use super::{Kept, cut, flip, offsets};

/// What is done to a state.
type Damage<'d> = &'d dyn Fn(&Kept);

/// Runs on the damaged state: it works, and nothing was lost or made anew. What it said.
fn survives(kept: &Kept, what: &str) -> String {
    let before = kept.facts();
    let ran = kept.run(&["run"]);
    assert!(ran.ok() && ran.stdout.contains("nothing to do"), "{what}: {ran:#?}");
    assert!(!ran.stderr.contains("panicked"), "{what}: {ran:#?}");
    assert_eq!(kept.facts(), before, "{what}");
    ran.stderr
}

#[test]
fn without_its_index_nothing_is_lost() {
    let kept = Kept::new();
    let gone = |kept: &Kept| fs::remove_dir_all(kept.state("db")).unwrap();
    let hollow = |kept: &Kept| {
        gone(kept);
        fs::create_dir(kept.state("db")).unwrap();
        fs::set_permissions(kept.state("db"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    };
    let garbage = |kept: &Kept| fs::write(kept.state("db/db"), [0xa5; 70_000]).unwrap();
    let no_file = |kept: &Kept| fs::remove_file(kept.state("db/db")).unwrap();
    let damages: [(&str, Damage<'_>); 4] =
        [("removed", &gone), ("hollow", &hollow), ("garbage", &garbage), ("no file", &no_file)];
    for (what, damage) in damages {
        kept.again();
        damage(&kept);
        let said = survives(&kept, what);
        assert!(said.contains("KT-STATE-REPAIRED") && said.contains("index-rebuilt"), "{what}: {said}");
        // It is mended, and not every time anew.
        assert!(!survives(&kept, what).contains("KT-STATE-REPAIRED"), "{what}");
    }
    // Any other writer mends it as well.
    kept.again();
    gone(&kept);
    let exported = kept.run(&["export", "certificates/edge", "--part", "private-key"]);
    assert!(exported.ok() && exported.stderr.contains("index-rebuilt"), "{exported:#?}");
}

/// sled#1533: a crash leaves a snapshot of no bytes, and sled cannot be opened with it.
#[test]
fn an_empty_snapshot_of_sleds_stops_nothing() {
    let kept = Kept::new();
    for name in ["snap.0000000000000000", "snap.000000000000FFFF", "snap.tmp"] {
        kept.again();
        for entry in fs::read_dir(kept.state("db")).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("snap.") {
                cut(&entry.path(), 0);
            }
        }
        fs::write(kept.state("db").join(name), "").unwrap();
        survives(&kept, name);
        survives(&kept, name);
    }
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let all = fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
    all.filter(|path| path.is_file() && path.metadata().unwrap().len() > 0).collect()
}

#[test]
fn an_index_cut_anywhere_loses_nothing() {
    let kept = Kept::new();
    for file in files(&kept.state("db")) {
        kept.again();
        let length = file.metadata().unwrap().len();
        for offset in offsets(0, length, 24) {
            kept.again();
            cut(&file, offset);
            survives(&kept, &format!("{} cut at {offset} of {length}", file.display()));
        }
    }
}

#[test]
fn a_bit_flipped_in_the_index_loses_nothing() {
    let kept = Kept::new();
    let mut told = 0;
    for file in files(&kept.state("db")) {
        kept.again();
        let length = file.metadata().unwrap().len();
        for (n, offset) in offsets(0, length, 32).into_iter().enumerate() {
            kept.again();
            flip(&file, offset, u8::try_from(n % 8).unwrap());
            let said = survives(&kept, &format!("{} flipped at {offset} of {length}", file.display()));
            told += usize::from(said.contains("KT-STATE-REPAIRED"));
        }
    }
    // Some bits of the files mean nothing; those of the records do, and are noticed.
    assert!(told > 0);
}
