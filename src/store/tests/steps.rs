//! What a store does when nothing fails.

use super::*;

#[test]
fn what_was_committed_is_there_after_reopening() {
    let home = Home::new();
    let store = home.open_clean();
    assert_eq!(commit(&store, put("asset/a", "one")), 1);
    assert_eq!(commit(&store, keep(7, "the key")), 2);
    assert_eq!(commit(&store, tell("issued")), 3);
    assert_eq!(
        (record(&store, "asset/a"), material(&store, 7)),
        (Some("one".into()), Some("the key".into()))
    );
    drop(store);
    let store = home.open_clean();
    assert_eq!(
        (record(&store, "asset/a"), material(&store, 7)),
        (Some("one".into()), Some("the key".into()))
    );
    assert_eq!(commit(&store, delete("asset/a")), 4);
    assert_eq!((record(&store, "asset/a"), material(&store, 8)), (None, None));
}

#[test]
fn what_changes_nothing_writes_nothing() {
    let home = Home::new();
    let store = home.open_clean();
    commit(&store, Change { audit: vec![event("issued")], ..put("a", "one") });
    commit(&store, keep(1, "key"));
    drop(store);
    let (journal, log) = (home.journal(), home.dir().join("audit.log"));
    let before = bytes_of(&home.dir());
    let store = home.open_clean();
    for change in [put("a", "one"), delete("b"), destroy(9), Change::default()] {
        assert_eq!(commit(&store, change), 2);
    }
    drop(store);
    let after = bytes_of(&home.dir());
    assert_eq!((&before[&journal], &before[&log]), (&after[&journal], &after[&log]));
    // Within db/ sled does as it likes.
    let ours = |all: &BTreeMap<PathBuf, _>| {
        all.keys().filter(|path| !path.starts_with(home.dir().join("db"))).count()
    };
    assert_eq!(ours(&before), ours(&after));
}

#[test]
fn the_last_put_of_a_step_counts() {
    let home = Home::new();
    let store = home.open_clean();
    let mut change = put("a", "one");
    change.puts.extend(put("a", "two").puts);
    commit(&store, change);
    assert_eq!(record(&store, "a"), Some("two".into()));
}

#[test]
fn changes_that_wait_together_keep_their_order() {
    let home = Home::new();
    let store = home.open_clean();
    let sequences = wait(async {
        let all = (0..200).map(|n| store.commit(tell(&n.to_string())));
        futures_util::future::join_all(all).await
    });
    let sequences: Vec<_> = sequences.into_iter().map(Result::unwrap).collect();
    assert_eq!(sequences, (1..=200).collect::<Vec<_>>());
    assert_eq!(record(&store, "told"), Some("199".into()));
    assert_eq!(crate::audit::verify(home.snapshot().audit_lines().unwrap()).unwrap().entries, 200);
    drop(store);
    home.open_clean();
}

#[test]
fn what_is_too_big_is_refused_alone() {
    let home = Home::new();
    let store = home.open_clean();
    let big = "x".repeat(super::super::MAX_VALUE + 1);
    for change in [put("big", &big), keep(1, &big), put(&big, "x"), tell(&big)] {
        assert!(matches!(wait(store.commit(change)), Err(StoreError::TooBig { .. })));
    }
    let history = Change { audit: vec![event(&big[600..]); 600], ..Change::default() };
    assert!(matches!(wait(store.commit(history)), Err(StoreError::TooBig { .. })));
    assert_eq!(commit(&store, put("big", &big[1..])), 1);
    assert_eq!(record(&store, "big").unwrap().len(), super::super::MAX_VALUE);
}

#[test]
fn readers_see_whole_steps_while_a_writer_runs() {
    let home = Home::new();
    let store = home.open_clean();
    commit(&store, put("a", "0"));
    let (dir, key) = (home.dir(), home.key.clone());
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stop = done.clone();
    let reader = std::thread::spawn(move || {
        let (mut last, mut reads) = (0, 0);
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let snapshot = Snapshot::read(&dir, &key).unwrap();
            assert!(snapshot.sequence() >= last);
            assert_eq!(snapshot.record("a"), snapshot.record("b").or(Some(b"0")));
            crate::audit::verify(snapshot.audit_lines().unwrap()).unwrap();
            for id in snapshot.materials() {
                assert!(snapshot.material(id).unwrap().is_some());
            }
            last = snapshot.sequence();
            reads += 1;
        }
        reads
    });
    for n in 1..150 {
        let mut change = tell(&n.to_string());
        change
            .puts
            .extend([put("a", &n.to_string()), put("b", &n.to_string())].into_iter().flat_map(|c| c.puts));
        change.materials = keep(n % 5, &n.to_string()).materials;
        commit(&store, change);
        if n % 40 == 0 {
            wait(store.compact()).unwrap();
        }
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(reader.join().unwrap() > 1);
}

#[test]
fn a_hundred_thousand_updates_keep_the_size_bounded() {
    let home = Home::new();
    let store = home.open_clean();
    let (mut longest, mut db) = (0, 0);
    for round in 0..1_600 {
        wait(async {
            let all = (0..64)
                .map(|n| store.commit(put(&format!("asset/{n}"), &format!("{round} {}", "x".repeat(200)))));
            for outcome in futures_util::future::join_all(all).await {
                outcome.unwrap();
            }
        });
        longest = longest.max(std::fs::metadata(home.journal()).unwrap().len());
        if round % 100 == 0 {
            db = db.max(bytes_of(&home.dir().join("db")).values().map(|(bytes, _)| bytes.len()).sum());
        }
    }
    assert!(longest < 3 << 20, "the journal grew to {longest}");
    assert!(db < 32 << 20, "db/ grew to {db}");
    assert_eq!(home.snapshot().sequence(), 102_400);
    drop(store);
    assert!(record(&home.open_clean(), "asset/63").unwrap().starts_with("1599 "));
}

#[test]
fn destroyed_material_leaves_the_disk() {
    let home = Home::new();
    let store = home.open_clean();
    commit(&store, keep(1, "old key"));
    commit(&store, keep(2, "new key"));
    let place = home.snapshot().replay_place(&id(1));
    let sealed = std::fs::read(home.journal()).unwrap()[place].to_vec();
    drop(store);
    let holds = |home: &Home| {
        bytes_of(&home.dir())
            .into_values()
            .any(|(bytes, _)| bytes.windows(sealed.len()).any(|part| part == sealed))
    };
    assert!(holds(&home));
    let store = home.open_clean();
    commit(&store, destroy(1));
    assert_eq!((material(&store, 1), material(&store, 2)), (None, Some("new key".into())));
    // Closing does it when nothing did before.
    drop(store);
    assert!(!holds(&home));
    assert!(!journal::new_path(&home.dir()).exists());
    let store = home.open_clean();
    assert_eq!((material(&store, 1), material(&store, 2)), (None, Some("new key".into())));
}

#[test]
fn compaction_keeps_everything_else() {
    let home = Home::new();
    let store = home.open_clean();
    for n in 0..300 {
        commit(&store, Change { materials: keep(n, &"k".repeat(8000)).materials, ..tell(&n.to_string()) });
    }
    let before = home.snapshot().records();
    wait(store.compact()).unwrap();
    assert_eq!(home.snapshot().records(), before);
    assert_eq!(home.snapshot().materials().count(), 300);
    assert_eq!(commit(&store, tell("after")), 301);
    drop(store);
    let store = home.open_clean();
    assert_eq!(material(&store, 299), Some("k".repeat(8000)));
    assert_eq!(crate::audit::verify(home.snapshot().audit_lines().unwrap()).unwrap().last.seq, 301);
}

#[test]
fn another_state_key_takes_over() {
    let home = Home::new();
    let store = home.open_clean();
    commit(&store, keep(1, "key"));
    let new = StateKey::generate(&Entropy::system()).unwrap();
    wait(store.rekey(new.clone())).unwrap();
    commit(&store, put("a", "one"));
    drop(store);
    assert!(matches!(home.try_open(), Err(StoreError::WrongKey { .. })));
    let (store, notices) = open(&home.dir(), &new).unwrap();
    assert_eq!((notices, material(&store, 1)), (vec![], Some("key".into())));
}

#[test]
fn many_restarts_find_nothing_to_mend() {
    let home = Home::new();
    for n in 0..60u32 {
        let store = home.open_clean();
        if n % 3 > 0 {
            commit(&store, keep(n % 7, &n.to_string()));
            commit(&store, tell(&n.to_string()));
        }
    }
}
