//! What the pages say, from facts that are made up.

use jiff::SignedDuration;

use super::*;

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

fn days(count: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * count)
}

fn span(number: u32, from: i64, active: i64, gone: i64) -> Span {
    Span {
        number,
        foreseen: from > 0,
        state: (from <= 0).then_some(RevisionState::Active),
        from: days(from),
        active: Some(days(active)),
        replaced: None,
        gone: Some(days(gone)),
        not_after: None,
    }
}

fn board(problems: Vec<Problem>) -> Board {
    let asset = Asset {
        id: "certificates/edge".parse().unwrap(),
        shown: None,
        renew_at: None,
        delivered_at: None,
        targets: Vec::new(),
        problems,
        spans: vec![span(1, -20, -20, 40), span(2, 30, 35, 100), span(3, 95, 100, 160)],
        coming: Vec::new(),
    };
    Board {
        instance: "prod".to_owned(),
        now: now(),
        until: days(365),
        next_look: None,
        problems: Vec::new(),
        assets: vec![asset],
        notes: Vec::new(),
        stock: Vec::new(),
        waiting: Vec::new(),
        channels: Vec::new(),
    }
}

/// What comes from outside (a CA's words, a service's name) is text, never markup.
#[test]
fn hostile_text_is_only_text() {
    let hostile = "</p><script>alert(1)</script><img src=x onerror=alert(1)>\"'";
    let mut board = board(vec![Problem::new(Code::ProofFailed, hostile)]);
    board.instance = hostile.to_owned();
    board.assets[0].targets.push(Target {
        kind: "swarm",
        name: hostile.to_owned(),
        state: "failed",
        proof: None,
        verified_at: None,
    });
    for page in [index::body(&board), asset::body(&board, &board.assets[0])] {
        let text = page.into_string();
        assert!(!text.contains("<script") && !text.contains("<img"), "{text}");
        assert!(text.contains("&lt;script&gt;"), "{text}");
    }
}

/// Revisions that are there at the same time lie one below the other; those that follow each other share a row.
#[test]
fn overlaps_are_seen() {
    let text = chart::draw(&board(Vec::new()).assets, now(), days(365)).into_string();
    let y = |number: u32| {
        let bar = &text[text.find(&format!("revision {number}:")).unwrap()..];
        let at = bar.find(" y=\"").unwrap() + 4;
        bar[at..].split('"').next().unwrap().parse::<f64>().unwrap()
    };
    assert!(y(2) > y(1), "2 is there before 1 is gone");
    assert!((y(3) - y(1)).abs() < 0.1, "3 comes after 1");
    assert_eq!(text.matches("class=\"bar foreseen\"").count(), 2);
}

#[test]
fn without_problems_all_is_well() {
    let text = index::body(&board(Vec::new())).into_string();
    assert!(text.contains("All is well: 1 asset, nothing needs you."), "{text}");
    let text =
        index::body(&board(vec![Problem::new(Code::ProofFailed, "the old one is served")])).into_string();
    assert!(text.contains("1 problem") && text.contains("the old one is served"), "{text}");
}

/// What is wrong with the whole site stands first, and nothing is well then; a request has its own list.
#[test]
fn problems_of_no_asset_are_seen() {
    let mut board = board(vec![Problem::new(Code::ProofFailed, "the old one is served")]);
    board.problems.push(Problem::new(Code::AuditBroken, "line 7 was <changed>"));
    board.problems.push(Problem::new(Code::ApprovalWaits, "request 3 waits"));
    let text = index::body(&board).into_string();
    let (site, asset) = (text.find("line 7 was &lt;changed&gt;").unwrap(), text.find("the old one").unwrap());
    assert!(site < asset && text.contains("2 problems") && !text.contains("request 3 waits"), "{text}");
    board.assets[0].problems.clear();
    let text = index::body(&board).into_string();
    assert!(text.contains("1 problem") && !text.contains("All is well"), "{text}");
}

#[test]
fn what_waits_for_a_word_needs_somebody() {
    let mut board = board(Vec::new());
    board.waiting.push(Waiting {
        number: 3,
        what: "rotate --compromised <b>".to_owned(),
        by: "uid:1000".to_owned(),
        expires_at: days(1),
    });
    let text = index::body(&board).into_string();
    assert!(!text.contains("All is well") && text.contains("1 request"), "{text}");
    assert!(text.contains("keyturn approve 3") && text.contains("compromised &lt;b&gt;"), "{text}");
}

#[test]
fn distances_read_well() {
    let says = |seconds: i64| words::distance(now() + SignedDuration::from_secs(seconds), now());
    assert_eq!(says(0), "now");
    assert_eq!(says(-60), "1 minute ago");
    assert_eq!(says(7200), "in 2 hours");
    assert_eq!(says(9 * 86_400 + 5), "in 9 days");
}
