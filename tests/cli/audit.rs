//! The history: whole, changed, cut.

use std::fs;

use super::{assert_says, quick};
use crate::support::{Keyturn, files_site};

fn site() -> Keyturn {
    let keyturn = files_site("");
    assert_says(&quick(&keyturn, &["audit", "--verify"]), 2, &["no history yet"]);
    keyturn.ok(&["run"]);
    keyturn
}

fn lines(keyturn: &Keyturn) -> Vec<String> {
    let text = fs::read_to_string(keyturn.dir().join("state/audit.log")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn write(keyturn: &Keyturn, lines: &[String]) {
    fs::write(keyturn.dir().join("state/audit.log"), lines.join("\n") + "\n").unwrap();
}

#[test]
fn a_whole_history_verifies_and_is_shown() {
    let keyturn = site();
    let entries = lines(&keyturn).len();
    let whole = quick(&keyturn, &["audit", "--verify"]);
    assert!(whole.ok() && whole.stdout.contains(&format!("{entries} entries")), "{whole:#?}");
    let json = quick(&keyturn, &["audit", "--verify", "-o", "json"]).json();
    assert_eq!((&json["whole"], &json["entries"]), (&true.into(), &entries.into()));
    let table = quick(&keyturn, &["audit"]);
    assert_eq!(table.stdout.lines().count(), entries + 1);
    for action in ["issued", "generated", "rollout-begun", "delivered", "activated"] {
        assert!(table.stdout.contains(action), "{action}: {}", table.stdout);
    }
}

#[test]
fn a_changed_dropped_or_added_line_is_named() {
    let keyturn = site();
    let good = lines(&keyturn);
    let changed = |n: usize, from: &str, to: &str| {
        let mut lines = good.clone();
        assert!(lines[n].contains(from), "{}", lines[n]);
        lines[n] = lines[n].replace(from, to);
        lines
    };
    let mut dropped = good.clone();
    dropped.remove(4);
    let mut doubled = good.clone();
    doubled.insert(4, good[3].clone());
    let mut swapped = good.clone();
    swapped.swap(4, 5);
    let damages = [
        ("changed", changed(4, "\"actor\":\"uid:", "\"actor\":\"uid:7"), "line 5"),
        ("a space", changed(4, "\",\"", "\", \""), "line 5"),
        ("dropped", dropped, "line 5"),
        ("doubled", doubled, "line 5"),
        ("swapped", swapped, "line 5"),
    ];
    for (what, lines, named) in damages {
        write(&keyturn, &lines);
        assert_says(&quick(&keyturn, &["audit", "--verify"]), 1, &["does not hold", named]);
        let json = quick(&keyturn, &["audit", "--verify", "-o", "json"]);
        assert_eq!((json.code, &json.json()["whole"]), (Some(1), &false.into()), "{what}");
        // The work goes on, and a writer says it too; the fault stays for all to see.
        let run = quick(&keyturn, &["run"]);
        assert!(run.ok() && run.stderr.contains("KT-AUDIT-BROKEN"), "{what}: {run:#?}");
        assert_says(&quick(&keyturn, &["audit", "--verify"]), 1, &[named]);
    }
}

/// The journal has every entry of late: a line that is cut off is not lost.
#[test]
fn cut_lines_come_back_from_the_journal() {
    let keyturn = site();
    let good = lines(&keyturn);
    let cut = good.len() - 1;
    let half = [&good[..cut], &[good[cut][..20].to_owned()]].concat();
    for short in [&good[..cut], &good[..cut - 3], &half, &[]] {
        fs::write(keyturn.dir().join("state/audit.log"), short.join("\n")).unwrap();
        let verified = quick(&keyturn, &["audit", "--verify"]);
        assert!(
            verified.ok() && verified.stdout.contains(&format!("{} entries", good.len())),
            "{verified:#?}"
        );
        let run = quick(&keyturn, &["run"]);
        assert!(run.ok() && run.stderr.contains("audit-completed"), "{run:#?}");
        assert_eq!(lines(&keyturn), good);
    }
}
