//! Random steps, crashes at random bytes: what is left is what was durable, or the step before it.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<(u8, Option<String>)>, Vec<(u8, Option<String>)>, u8),
    Compact,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let value = || proptest::option::weighted(0.8, "[a-z]{0,40}");
    let puts = proptest::collection::vec((0..6u8, value()), 0..4);
    let materials = proptest::collection::vec((0..4u8, value()), 0..3);
    prop_oneof![
        12 => (puts, materials, 0..3u8).prop_map(|(puts, materials, audit)| Step::Commit(puts, materials, audit)),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

/// What must be there.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    records: BTreeMap<String, Vec<u8>>,
    materials: BTreeMap<MaterialId, String>,
    entries: u64,
}

impl Model {
    fn take(&mut self, change: &Change) {
        for (key, value) in &change.puts {
            match value {
                Some(value) => self.records.insert(key.clone(), value.clone()),
                None => self.records.remove(key),
            };
        }
        for (id, secret) in &change.materials {
            match secret {
                Some(secret) => self.materials.insert(id.clone(), secret.expose_str().to_owned()),
                None => self.materials.remove(id),
            };
        }
        self.entries += change.audit.len() as u64;
    }

    fn of(snapshot: &Snapshot) -> Self {
        let secret = |id: &MaterialId| snapshot.material(id).unwrap().unwrap().expose_str().to_owned();
        Self {
            records: snapshot.records(),
            materials: snapshot.materials().map(|id| (id.clone(), secret(id))).collect(),
            entries: snapshot.audit_position().seq,
        }
    }
}

fn change(step: &Step) -> Option<Change> {
    let Step::Commit(puts, materials, audit) = step else {
        return None;
    };
    let put =
        |(key, value): &(u8, Option<String>)| (format!("k{key}"), value.clone().map(String::into_bytes));
    let material =
        |(number, value): &(u8, Option<String>)| (id(u32::from(*number)), value.clone().map(Secret::new));
    Some(Change {
        puts: puts.iter().map(put).collect(),
        materials: materials.iter().map(material).collect(),
        audit: (0..*audit).map(|n| event(&n.to_string())).collect(),
    })
}

/// Adds how long the file is now and what it says. It is compacted also by itself, soon after material
/// was destroyed: what was known of shorter lengths is then of another file.
fn remember(home: &Home, history: &mut Vec<(u64, Model)>, model: &Model) -> u64 {
    let length = || std::fs::metadata(home.journal()).unwrap().len();
    let (mut now, mut snapshot) = (length(), home.snapshot());
    while now != length() {
        (now, snapshot) = (length(), home.snapshot());
    }
    if snapshot.base() == snapshot.sequence() || now < history.last().unwrap().0 {
        history.clear();
    }
    history.push((now, model.clone()));
    now
}

/// Cuts a copy of the journal at `length` and says what is then there.
fn after_cut(home: &Home, length: u64) -> (Home, Result<Model, StoreError>) {
    let copy = home.crashed();
    let file = std::fs::OpenOptions::new().write(true).open(copy.journal()).unwrap();
    file.set_len(length).unwrap();
    let model = Snapshot::read(&copy.dir(), &copy.key).map(|snapshot| Model::of(&snapshot));
    (copy, model)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn crashes_leave_a_prefix(steps in proptest::collection::vec(step(), 1..24), cuts in proptest::collection::vec(0.0..1.0f64, 6)) {
        let home = Home::new();
        let mut store = home.open_clean();
        let mut model = Model::default();
        // The file's length after each step since the last compaction, with what is there then.
        let mut history = vec![(std::fs::metadata(home.journal()).unwrap().len(), model.clone())];
        for step in &steps {
            match change(step) {
                Some(change) => {
                    model.take(&change);
                    commit(&store, change);
                }
                None if matches!(step, Step::Compact) => wait(store.compact()).unwrap(),
                None => {
                    drop(store);
                    store = home.open_clean();
                }
            }
            remember(&home, &mut history, &model);
            prop_assert_eq!(&Model::of(&home.snapshot()), &model);
        }
        let frozen = home.crashed();
        let length = remember(&frozen, &mut history, &model);
        for (number, cut) in cuts.iter().enumerate() {
            let at = (cut * (length + 1) as f64) as u64;
            let (copy, found) = after_cut(&frozen, at);
            let wanted = history.iter().rev().find(|(end, _)| *end <= at).map(|(_, model)| model);
            match (&found, wanted) {
                (Ok(found), Some(wanted)) => prop_assert_eq!(found, wanted),
                (Err(StoreError::Damaged { .. }), None) => continue,
                (found, wanted) => prop_assert!(false, "cut at {}: {:?} for {:?}", at, found, wanted),
            }
            if number == 0 {
                let (store, _) = copy.open();
                prop_assert_eq!(wait(store.records()).unwrap(), found.unwrap().records);
                commit(&store, tell("on"));
                drop(store);
                copy.open_clean();
                crate::audit::verify(copy.snapshot().audit_lines().unwrap()).unwrap();
            }
        }
        for (id, secret) in &model.materials {
            prop_assert_eq!(material(&store, id.revision), Some(secret.clone()));
        }
    }
}
