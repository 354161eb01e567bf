//! `[[hooks]]`: run once for what they are for, told what happened, and again when they fail or we do.

use std::fs;
use std::time::Duration;

use super::site;
use super::support::{Daemon, Inbox, Keyturn, Port, daemon_lines, status, wait_for};

/// Writes down what it was told, and fails while there is a file `stuck`.
const SCRIPT: &str = "#!/bin/sh\nenv | grep ^KEYTURN_ | sort | tr '\\n' ' ' >> \"$(dirname \"$0\")/ran\"; echo >> \"$(dirname \"$0\")/ran\"\n\
                      test ! -e \"$(dirname \"$0\")/stuck\" || { echo no way; exit 3; }\n";

fn hooked(more: &str) -> Keyturn {
    let rest = "[[hooks]]\nevent = \"activated\"\nassets = [\"certificates/*\"]\ncommand = [\"./hook\", \"$(id)\"]\n";
    let keyturn = site("", &(rest.to_owned() + more));
    let path = keyturn.write("hook", SCRIPT);
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    keyturn
}

fn runs(keyturn: &Keyturn) -> Vec<String> {
    let text = fs::read_to_string(keyturn.dir().join("ran")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_hook_runs_once_for_each_event() {
    let keyturn = hooked("");
    keyturn.ok(&["run"]);
    let ran = runs(&keyturn);
    assert_eq!(ran.len(), 1, "not for the CA: {ran:#?}");
    for told in [
        "KEYTURN_ASSET=certificates/edge ",
        "KEYTURN_EVENT=activated ",
        "KEYTURN_INSTANCE=site ",
        "KEYTURN_KIND=certificates ",
        "KEYTURN_NAME=edge ",
        "KEYTURN_REVISION=1 ",
    ] {
        assert!(ran[0].contains(told), "{told}: {ran:#?}");
    }
    keyturn.ok(&["run"]);
    assert_eq!(runs(&keyturn).len(), 1);
    keyturn.ok(&["rotate", "edge"]);
    assert_eq!(runs(&keyturn).len(), 2);
    assert_eq!(keyturn.audited("hook-ran"), 2, "{}", keyturn.ok(&["audit"]));
    let history = keyturn.ok(&["audit"]);
    assert!(
        history.contains("event=activated exit=0 hook=./hook") || history.contains("exit=0 hook=/"),
        "{history}"
    );
}

#[test]
fn what_fails_is_a_problem_and_is_tried_again() {
    let inbox = Inbox::start();
    let mut keyturn = hooked(
        "[notify.ops]\nkind = \"slack\"\nurl_file = \"url\"\nallow_private = true\nevents = [\"failure\", \"recovery\"]\nleast = \"warning\"\n",
    );
    keyturn.write("url", &inbox.url("secret-path"));
    keyturn.write("stuck", "");
    keyturn.run(&["run"]);
    let problems = status(&keyturn)["certificates/edge"]["problems"].to_string();
    assert!(problems.contains("KT-HOOK-FAILED") && problems.contains("no way"), "{problems}");
    assert_eq!(runs(&keyturn).len(), 1);
    let ran = keyturn.run(&["run"]);
    assert!(ran.code == Some(1) && runs(&keyturn).len() == 1, "not before its pause: {ran:#?}");
    fs::remove_file(keyturn.dir().join("stuck")).unwrap();
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some("3700"));
    keyturn.run(&["run"]);
    assert_eq!(runs(&keyturn).len(), 2);
    assert!(!status(&keyturn)["certificates/edge"]["problems"].to_string().contains("KT-HOOK"));
    let history = keyturn.ok(&["audit"]);
    assert_eq!((keyturn.audited("hook-failed"), keyturn.audited("hook-ran")), (1, 1), "{history}");
    assert!(history.contains("exit=3") && !history.contains("no way"), "its end, not its words: {history}");
    keyturn.ok(&["run"]);
    let told: Vec<String> =
        inbox.received().iter().map(|one| one.json()["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, ["🟠 site: 1 warning", "🟢 site: 1 over"]);
}

#[test]
fn a_crash_on_either_side_of_a_run_loses_none() {
    for point in ["hook-running", "hook-ran"] {
        let mut keyturn = hooked("");
        keyturn.kill_at(point, 1);
        assert_eq!(keyturn.run(&["run"]).signal, Some(6), "{point}");
        keyturn.kill_nowhere();
        keyturn.ok(&["run"]);
        // At least once: what has run and was not put on record runs again.
        let expected = if point == "hook-ran" { 2 } else { 1 };
        assert_eq!(runs(&keyturn).len(), expected, "{point}");
        keyturn.ok(&["run"]);
        assert_eq!(runs(&keyturn).len(), expected, "{point}");
    }
}

/// One that takes a minute keeps neither other hooks nor alerts waiting, also not when the configuration is read again.
#[test]
fn a_slow_hook_keeps_nobody_else_waiting() {
    let inbox = Inbox::start();
    let port = Port::free(None);
    let script = |name: &str, more: &str| {
        format!(
            "[[hooks]]\nevent = \"activated\"\nassets = [\"certificates/*\"]\ntimeout = \"2m\"\n\
             command = [\"sh\", \"-c\", \"echo >> {{dir}}/{name}{more}\"]\n"
        )
    };
    let channel =
        "[notify.ops]\nkind = \"webhook\"\nurl_file = \"url\"\nallow_private = true\nheartbeat = \"10s\"\n";
    let rest = script("slow", "; sleep 60") + &script("quick", "") + channel;
    let keyturn = site(&daemon_lines(&port), &rest);
    keyturn.write("url", &inbox.url("hook"));
    let lines = |name: &str| fs::read_to_string(keyturn.dir().join(name)).unwrap_or_default().lines().count();
    let soon = |holds: &dyn Fn() -> bool| wait_for(Duration::from_secs(15), holds);
    let daemon = Daemon::start(&keyturn, &port);
    assert!(soon(&|| lines("slow") == 1 && lines("quick") == 1), "{}", daemon.log());
    keyturn.ok(&["rotate", "edge"]);
    assert!(soon(&|| lines("quick") == 2), "it waits for another's command: {}", daemon.log());
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    daemon.wait_says("reloaded: ");
    let before = inbox.received().len();
    keyturn.ok(&["rotate", "edge"]);
    let told = |what: &str| inbox.received()[before..].iter().any(|one| one.text().contains(what));
    assert!(soon(&|| told("revision 3 is in use")), "{}", daemon.log());
    assert!(soon(&|| told("heartbeat") && lines("quick") == 3), "{}", daemon.log());
    assert_eq!(lines("slow"), 1, "two runs of one command at a time");
    daemon.stop();
}
