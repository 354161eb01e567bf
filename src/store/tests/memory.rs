//! What a state that is open for months keeps in memory.

use super::super::writer::Writer;
use super::*;

/// More than sled may have touched before it is opened anew.
const MUCH: usize = 2 << 20;

fn writer(home: &Home) -> Writer {
    let options = OpenOptions { dir: home.dir(), key: home.key.clone() };
    let (writer, notices) = Writer::open(options, Entropy::system(), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(notices, []);
    writer
}

/// Materials of together [`MUCH`] octets, from revision `first` on.
fn much(writer: &mut Writer, first: u32) {
    let secret = "k".repeat(60_000);
    for revision in first..first + u32::try_from(MUCH / secret.len() + 1).unwrap() {
        writer.commit(vec![keep(revision, &secret)]).pop().unwrap().unwrap();
    }
    writer.do_chores();
}

#[test]
fn sled_is_opened_anew_when_much_has_gone_through_it() {
    let home = Home::new();
    let mut writer = writer(&home);
    writer.commit(vec![put("a", "one")]).pop().unwrap().unwrap();
    writer.do_chores();
    assert!(!writer.has_chores());
    much(&mut writer, 1);
    assert!(writer.has_chores(), "it holds all of it");
    writer.lighten();
    assert!(!writer.has_chores());
    assert_eq!(writer.material(&id(1)).unwrap().unwrap().len(), 60_000);
    assert_eq!(writer.records().unwrap()["a"], b"one");
    // What is open goes on as before.
    writer.commit(vec![put("a", "two")]).pop().unwrap().unwrap();
    writer.close();
    assert_eq!(record(&home.open_clean(), "a").unwrap(), "two");
}

#[test]
fn when_it_does_not_come_back_it_is_built_from_the_journal() {
    let home = Home::new();
    let mut writer = writer(&home);
    much(&mut writer, 1);
    let db = home.dir().join("db");
    std::fs::rename(&db, home.root.path().join("gone")).unwrap();
    writer.lighten();
    assert!(db.exists());
    assert_eq!(writer.material(&id(3)).unwrap().unwrap().len(), 60_000);
    writer.close();
    home.open_clean();
}

#[test]
fn a_put_of_what_is_there_is_known_for_that_without_its_value() {
    let home = Home::new();
    let mut writer = writer(&home);
    let mut commit = |change| writer.commit(vec![change]).pop().unwrap().unwrap();
    let first = commit(put("a", "one"));
    assert_eq!(commit(put("a", "one")), first);
    assert_eq!(commit(delete("b")), first);
    assert!(commit(put("a", "two")) > first);
    writer.close();
}
