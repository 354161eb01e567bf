//! audit.log beside the journal (FAULTS.md C17, I9, I10).

use super::*;
use crate::audit::verify;

/// A state with four entries, closed, and its audit.log.
fn four() -> (Home, PathBuf, String) {
    let home = Home::new();
    let store = home.open_clean();
    for action in ["a", "b", "c", "d"] {
        commit(&store, tell(action));
    }
    drop(store);
    let path = home.dir().join("audit.log");
    let text = std::fs::read_to_string(&path).unwrap();
    (home, path, text)
}

fn next(home: &Home) -> Result<crate::audit::Summary, crate::audit::Broken> {
    let (store, _) = home.open();
    commit(&store, tell("next"));
    verify(std::fs::read_to_string(home.dir().join("audit.log")).unwrap().lines())
}

#[test]
fn an_answer_follows_its_durable_entry() {
    let home = Home::new();
    let store = home.open_clean();
    for n in 1..=20 {
        let change = Change { audit: vec![event("one"), event("two")], ..put("n", &n.to_string()) };
        commit(&store, change);
        let text = std::fs::read_to_string(home.dir().join("audit.log")).unwrap();
        assert_eq!(verify(text.lines()).unwrap().entries, 2 * n);
    }
}

#[test]
fn a_line_cut_anywhere_is_completed_from_the_journal() {
    let (home, path, text) = four();
    let from = text[..text.len() - 1].rfind('\n').unwrap() + 1;
    for end in [from, from + 1, from + 20, text.len() - 2, text.len() - 1, 0, 10] {
        std::fs::write(&path, &text[..end]).unwrap();
        assert_eq!(home.snapshot().audit_lines().unwrap().len(), 4);
        let (store, notices) = home.open();
        assert_eq!(kinds(&notices), [NoticeKind::AuditCompleted], "cut at {end}: {notices:?}");
        drop(store);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    assert_eq!(next(&home).unwrap().last.seq, 5);
}

#[test]
fn a_changed_line_is_told_and_left() {
    let (home, path, text) = four();
    std::fs::write(&path, text.replace(r#""action":"b""#, r#""action":"x""#)).unwrap();
    let (store, notices) = home.open();
    assert_eq!(kinds(&notices), [NoticeKind::AuditAltered]);
    assert!(notices[0].text.contains("line 2"), "{notices:?}");
    drop(store);
    assert!(std::fs::read_to_string(&path).unwrap().contains(r#""action":"x""#));
    assert_eq!(next(&home).unwrap_err().line, 2);
}

#[test]
fn a_history_written_anew_is_told() {
    let (home, path, _) = four();
    let (other, forged, _) = four();
    // Whole in itself, but not the journal's.
    let forged = std::fs::read_to_string(forged).unwrap();
    let mut position = crate::audit::Position::default();
    let lines: String = forged
        .lines()
        .map(|_| {
            let entry = crate::audit::Entry::after(&position, event("never happened"));
            position = entry.position();
            entry.line() + "\n"
        })
        .collect();
    drop(other);
    verify(lines.lines()).unwrap();
    std::fs::write(&path, &lines).unwrap();
    assert_eq!(kinds(&home.open().1), [NoticeKind::AuditAltered]);
    let shorter: String = lines.split_inclusive('\n').take(2).collect();
    std::fs::write(&path, shorter).unwrap();
    assert!(kinds(&home.open().1).contains(&NoticeKind::AuditAltered));
}

#[test]
fn the_history_is_kept_over_compaction() {
    let (home, path, text) = four();
    let store = home.open_clean();
    wait(store.compact()).unwrap();
    drop(store);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert_eq!(next(&home).unwrap().last.seq, 5);
    assert_eq!(home.snapshot().audit_position().seq, 5);
    // What the journal no longer has cannot be completed, and is said.
    let shorter: String = text.split_inclusive('\n').take(2).collect();
    std::fs::write(&path, shorter).unwrap();
    let notices = home.open().1;
    assert!(kinds(&notices).contains(&NoticeKind::AuditShortened), "{notices:?}");
    assert!(notices.iter().any(|notice| notice.text.contains("entries 3 to 4")), "{notices:?}");
    assert_eq!(next(&home).unwrap_err().line, 3);
}

#[test]
fn a_removed_history_is_told() {
    let (home, path, text) = four();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(kinds(&home.open().1), [NoticeKind::AuditCompleted]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let store = home.open_clean();
    wait(store.compact()).unwrap();
    drop(store);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(kinds(&home.open().1), [NoticeKind::AuditShortened]);
    assert!(next(&home).is_err());
}

#[test]
fn bytes_that_are_no_line_do_no_harm() {
    for junk in [&b"\xff\xfe\n"[..], b"\n\n\n", b"{}", b"{\"seq\":18446744073709551615}\n", b"\0\0\0\0"] {
        let (home, path, text) = four();
        std::fs::write(&path, [text.as_bytes(), junk].concat()).unwrap();
        let (store, notices) = home.open();
        assert!(!notices.is_empty());
        commit(&store, tell("more"));
        drop(store);
        assert_eq!(home.snapshot().audit_position().seq, 5);
    }
}
