//! The whole path: a condition begins, is told once, ends, is told once; over restarts, crashes and servers that are away.

use std::time::Duration;

use serde_json::Value;

use super::support::{Daemon, Inbox, Keyturn, Port, daemon_lines, pause, wait_for};
use super::{break_it, mend_it, site};

/// A signed webhook.
fn webhook(inbox: &Inbox) -> (String, String) {
    let lines = "[notify.ops]\nkind = \"webhook\"\nurl_file = \"url\"\nsecret_file = \"key\"\nallow_private = true\n\
                 events = [\"expiry\", \"failure\", \"recovery\", \"drift\"]\n";
    (lines.to_owned(), inbox.url("hook/very-secret-part"))
}

fn armed(daemon: &str, inbox: &Inbox) -> Keyturn {
    let (lines, url) = webhook(inbox);
    let keyturn = site(daemon, &lines);
    keyturn.write("url", &url);
    keyturn.write("key", "hmac-key\n");
    keyturn
}

/// "opened KT-FILE-TEST-FAILED certificates/edge"
fn told(inbox: &Inbox) -> Vec<String> {
    let items = |message: Value| message["items"].as_array().cloned().unwrap_or_default();
    let text = |item: &Value| {
        let word = |key: &str| item[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", word("phase"), word("code"), word("asset"))
    };
    inbox.received().iter().flat_map(|one| items(one.json())).map(|item| text(&item)).collect()
}

const OPENED: &str = "opened KT-FILE-TEST-FAILED certificates/edge";
const CLOSED: &str = "closed KT-FILE-TEST-FAILED certificates/edge";

#[test]
fn one_shot_passes_tell_a_beginning_and_an_end_once() {
    let inbox = Inbox::start();
    let mut keyturn = armed("", &inbox);
    keyturn.ok(&["run"]);
    assert_eq!(told(&inbox), [] as [String; 0], "nothing is wrong, and nobody wants to know of rotations");
    break_it(&keyturn);
    assert_eq!(keyturn.run(&["rotate", "edge"]).code, Some(1));
    assert_eq!(told(&inbox), [OPENED]);
    assert_eq!(keyturn.run(&["run"]).code, Some(1));
    assert_eq!(told(&inbox), [OPENED], "once");
    mend_it(&keyturn);
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some("7200"));
    keyturn.ok(&["run"]);
    assert_eq!(told(&inbox), [OPENED, CLOSED]);
    keyturn.ok(&["run"]);
    assert_eq!(told(&inbox).len(), 2);
    assert_eq!(keyturn.audited("told"), 2, "{}", keyturn.ok(&["audit"]));
    let message = &inbox.received()[0];
    assert!(message.field("keyturn-id").unwrap().starts_with("site-ops-"), "{message:?}");
}

#[test]
fn the_daemon_tells_and_a_restart_repeats_nothing() {
    let inbox = Inbox::start();
    let port = Port::free(None);
    let mut keyturn = armed(&daemon_lines(&port), &inbox);
    let daemon = Daemon::start(&keyturn, &port);
    break_it(&keyturn);
    assert_eq!(keyturn.run(&["rotate", "edge"]).code, Some(1));
    inbox.wait(1);
    daemon.stop();
    let daemon = Daemon::start(&keyturn, &port);
    pause(Duration::from_secs(3));
    daemon.kill();
    let daemon = Daemon::start(&keyturn, &port);
    pause(Duration::from_secs(3));
    assert_eq!(told(&inbox), [OPENED], "neither a restart nor a crash repeats it");
    daemon.stop();
    mend_it(&keyturn);
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some("7200"));
    let daemon = Daemon::start(&keyturn, &port);
    inbox.wait(2);
    assert_eq!(told(&inbox), [OPENED, CLOSED]);
    assert!(wait_for(Duration::from_secs(10), || keyturn.audited("told") == 2), "{}", keyturn.ok(&["audit"]));
    assert!(!keyturn.ok(&["audit"]).contains("very-secret-part"));
    assert!(!daemon.log().contains("very-secret-part"), "{}", daemon.log());
    daemon.stop();
}

#[test]
fn a_server_that_is_away_is_waited_for_over_a_restart() {
    let inbox = Inbox::start();
    let port = Port::free(None);
    let keyturn = armed(&daemon_lines(&port), &inbox);
    inbox.always(Some((429, "retry-after: 5\r\n", "slow down")));
    let daemon = Daemon::start(&keyturn, &port);
    break_it(&keyturn);
    assert_eq!(keyturn.run(&["rotate", "edge"]).code, Some(1));
    inbox.wait(1);
    daemon.wait_says("could not tell");
    assert!(
        daemon.log().contains("HTTP 429") && !daemon.log().contains("very-secret-part"),
        "{}",
        daemon.log()
    );
    daemon.stop();
    inbox.always(None);
    let daemon = Daemon::start(&keyturn, &port);
    pause(Duration::from_secs(3));
    assert_eq!(inbox.received().len(), 1, "the pause holds over the restart");
    assert!(wait_for(Duration::from_secs(20), || inbox.received().len() == 2));
    let ids: Vec<String> =
        inbox.received().iter().map(|one| one.field("keyturn-id").unwrap().to_owned()).collect();
    assert_eq!(ids[0], ids[1], "the same message has the same name");
    assert!(wait_for(Duration::from_secs(10), || keyturn.audited("told") == 1));
    assert_eq!(keyturn.audited("telling-failed"), 1, "{}", keyturn.ok(&["audit"]));
    daemon.stop();
}

/// What is wrong with no asset.
#[test]
fn a_history_that_was_changed_and_a_configuration_that_is_not_taken_up_are_told() {
    let inbox = Inbox::start();
    let port = Port::free(None);
    let keyturn = armed(&daemon_lines(&port), &inbox);
    keyturn.ok(&["run"]);
    let log = keyturn.dir().join("state/audit.log");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replacen("activated", "attivated", 1)).unwrap();
    let daemon = Daemon::start(&keyturn, &port);
    inbox.wait(1);
    assert_eq!(told(&inbox), ["opened KT-AUDIT-BROKEN -"]);
    let file = keyturn.dir().join("keyturn.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("duration = \"90d\"", "duration = 90")).unwrap();
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    inbox.wait(2);
    assert_eq!(told(&inbox)[1], "opened KT-CONFIG-REJECTED -");
    std::fs::write(&file, good).unwrap();
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    inbox.wait(3);
    assert_eq!(told(&inbox)[2], "closed KT-CONFIG-REJECTED -");
    daemon.stop();
}
