//! What holds for every channel: nothing private in what is said, no redirects, no strange addresses, bounded waiting.

use std::time::Duration;

use serde_json::Value;

use super::support::{Daemon, Inbox, Keyturn, Port, Ran, daemon_lines, wait_for};
use super::{break_it, site};

const SECRET: &str = "T0/B0/very-secret-part";

fn slack(url: &str, more: &str) -> Keyturn {
    let rest = format!("[notify.ops]\nkind = \"slack\"\nurl_file = \"url\"\n{more}");
    let keyturn = site("", &rest);
    keyturn.write("url", url);
    keyturn
}

fn refused(keyturn: &Keyturn) -> Ran {
    let ran = keyturn.run(&["-vvv", "notify", "test", "ops"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(!ran.stdout.contains("very-secret") && !ran.stderr.contains("very-secret"), "{ran:#?}");
    ran
}

#[test]
fn a_test_message_arrives_and_a_failure_says_why_without_the_address() {
    let inbox = Inbox::start();
    let keyturn = slack(&inbox.url(SECRET), "allow_private = true\n");
    let ran = keyturn.run(&["-vvv", "notify", "test"]);
    assert!(ran.ok() && ran.stdout == "ops (slack): sent\n", "{ran:#?}");
    assert!(!ran.stderr.contains("very-secret"), "{ran:#?}");
    assert!(inbox.wait(1)[0].text().contains("this is a test"));
    assert_eq!(inbox.received()[0].path, format!("/{SECRET}"));
    // The vendor's words may repeat our secret.
    inbox.then((404, "", "no_service /T0/B0/very-secret-part"));
    let said = refused(&keyturn).stdout;
    assert!(said.contains("HTTP 404") && said.contains("no_service [secret]"), "{said}");
    assert_eq!(keyturn.run(&["notify", "test", "nobody"]).code, Some(2));
}

#[test]
fn redirects_are_not_followed() {
    let inbox = Inbox::start();
    let keyturn = slack(&inbox.url(SECRET), "allow_private = true\n");
    inbox.then((307, "location: http://169.254.169.254/latest/meta-data/\r\n", ""));
    let said = refused(&keyturn).stdout;
    assert!(said.contains("redirect (307), which is not followed"), "{said}");
    assert_eq!(inbox.received().len(), 1);
}

#[test]
fn private_and_link_local_addresses_are_refused() {
    let inbox = Inbox::start();
    for url in [
        "https://127.0.0.1:1/very-secret",
        "https://10.0.0.1/very-secret",
        "https://[::1]/very-secret",
        "https://localhost/very-secret",
    ] {
        let said = refused(&slack(url, "")).stdout;
        assert!(said.contains("not spoken to: its address is one of a private network"), "{url}: {said}");
    }
    let said = refused(&slack(&inbox.url("very-secret"), "")).stdout;
    assert!(said.contains("is not https"), "{said}");
    for url in [
        "http://169.254.169.254/very-secret",
        "https://[fe80::1]/very-secret",
        "https://[::ffff:169.254.169.254]/very-secret",
    ] {
        let said = refused(&slack(url, "allow_private = true\n")).stdout;
        assert!(said.contains("not spoken to"), "{url}: {said}");
    }
    let said = refused(&slack("ftp://very-secret", "allow_private = true\n")).stdout;
    assert!(said.contains("neither https nor http"), "{said}");
    assert!(inbox.received().is_empty());
}

#[test]
fn a_message_that_is_refused_is_told_in_few_words() {
    let inbox = Inbox::start();
    let mut keyturn = slack(&inbox.url(SECRET), "allow_private = true\nevents = [\"failure\"]\n");
    keyturn.ok(&["run"]);
    break_it(&keyturn);
    inbox.then((400, "", "invalid_blocks"));
    keyturn.run(&["rotate", "edge"]);
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some("30"));
    keyturn.run(&["run"]);
    let received = inbox.received();
    assert_eq!(received.len(), 2);
    assert!(received[0].text().contains("KT-FILE-TEST-FAILED"));
    assert!(!received[1].text().contains("KT-FILE-TEST-FAILED") && received[1].text().contains("and 1 more"));
}

/// Nobody renews later because nobody can be told.
#[test]
fn a_channel_that_hangs_or_fails_holds_up_nothing_and_is_told_of_to_the_others() {
    let hung = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (failing, good) = (Inbox::start(), Inbox::start());
    failing.always(Some((500, "", "oops")));
    let port = Port::free(None);
    let rest = "[notify.hung]\nkind = \"webhook\"\nurl_file = \"hung\"\nallow_private = true\n\
                [notify.bad]\nkind = \"webhook\"\nurl_file = \"bad\"\nallow_private = true\n\
                [notify.good]\nkind = \"webhook\"\nurl_file = \"good\"\nallow_private = true\n";
    let keyturn = site(&daemon_lines(&port), rest);
    keyturn.write("hung", &format!("http://{}/very-secret", hung.local_addr().unwrap()));
    keyturn.write("bad", &failing.url("very-secret"));
    keyturn.write("good", &good.url("very-secret"));
    let daemon = Daemon::start(&keyturn, &port);
    // A turn that is asked for before there is anything to be turned over is none.
    keyturn.ok(&["run"]);
    for _ in 0..5 {
        let ran = keyturn.run(&["rotate", "edge"]);
        assert!(ran.ok(), "{ran:#?}");
    }
    let said = || -> Vec<String> {
        let text = |item: &Value| {
            format!("{} {}", item["code"].as_str().unwrap_or("-"), item["message"].as_str().unwrap())
        };
        let items = |one: &Value| one["items"].as_array().unwrap().iter().map(text).collect::<Vec<_>>();
        good.received().iter().flat_map(|one| items(&one.json())).collect()
    };
    assert!(
        wait_for(Duration::from_secs(60), || said().iter().any(|text| text.contains("revision 6 is in use"))),
        "{:?} {}",
        said(),
        daemon.log()
    );
    // Three failures, 10 and 30 s apart.
    let about = |text: &String| text.starts_with("KT-NOTIFY-FAILED notify.bad takes no messages");
    assert!(wait_for(Duration::from_secs(70), || said().iter().any(about)), "{:?} {}", said(), daemon.log());
    assert!(!failing.received().iter().any(|one| one.text().contains("KT-NOTIFY-FAILED notify.bad")));
    assert!(!daemon.log().contains("very-secret"));
    let began = std::time::Instant::now();
    daemon.stop();
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// A fault of ours in what carries messages is a problem, and not the end of it.
#[test]
fn a_task_that_breaks_off_is_begun_again() {
    let inbox = Inbox::start();
    let port = Port::free(None);
    let rest = "[notify.ops]\nkind = \"webhook\"\nurl_file = \"url\"\nallow_private = true\n";
    let mut keyturn = site(&daemon_lines(&port), rest);
    keyturn.write("url", &inbox.url("hook"));
    keyturn.set("KEYTURN_FAILPOINT", Some("notify-sending:1:panic"));
    let daemon = Daemon::start(&keyturn, &port);
    keyturn.kill_nowhere();
    daemon.wait_says("telling notify.ops has broken off by a fault of Keyturn");
    let listed = || keyturn.ok(&["status", "-o", "json"]).contains("telling notify.ops has broken off");
    assert!(wait_for(Duration::from_secs(20), listed), "{}", daemon.log());
    let told = || inbox.received().iter().any(|one| one.text().contains("revision 1 is in use"));
    assert!(wait_for(Duration::from_secs(30), told), "{}", daemon.log());
    assert!(daemon.get("/metrics").body.contains("keyturn_problem{asset=\"\",code=\"KT-NOTIFY-FAILED\"} 1"));
    daemon.stop();
}
