//! A room on a real Matrix homeserver, a real Alertmanager, a real mail server.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use keyturn::config::Config;
use keyturn::desired::Desired;
use keyturn::model::{AssetId, AssetKind, Code, Inventory, Problem, Tidings};
use keyturn::notify::Channel;
use keyturn::notify::http::Line;
use keyturn::planner::tidings;

use super::support::{
    Alertmanager, Daemon, Keyturn, MailServer, Port, Synapse, daemon_lines, mail_parts, skip_without,
    wait_for,
};
use super::{break_it, mend_it, site};

const PATIENCE: Duration = Duration::from_secs(30);

fn broken(keyturn: &Keyturn) {
    break_it(keyturn);
    assert_eq!(keyturn.run(&["rotate", "edge"]).code, Some(1));
}

#[test]
fn a_matrix_room_is_told_once_also_over_a_crash_that_loses_the_answer() {
    skip_without!(Synapse);
    let synapse = Synapse::start();
    let rest = format!(
        "[notify.ops]\nkind = \"matrix\"\nhomeserver = \"{}\"\nroom = \"{}\"\ntoken_file = \"token\"\n\
         allow_private = true\nevents = [\"failure\", \"recovery\"]\n",
        synapse.url(),
        synapse.room()
    );
    let mut keyturn = site("", &rest);
    keyturn.write("token", synapse.token());
    let test = keyturn.ok(&["notify", "test"]);
    assert!(test.contains("ops (matrix): sent"), "{test}");
    keyturn.ok(&["run"]);
    // The message is there, and nobody has put on record that it is.
    keyturn.kill_at("notify-sent", 1);
    break_it(&keyturn);
    assert_eq!(keyturn.run(&["rotate", "edge"]).signal, Some(6));
    keyturn.kill_nowhere();
    assert_eq!(keyturn.run(&["run"]).code, Some(1));
    let messages = synapse.messages();
    assert_eq!(messages.len(), 2, "the test, and one alert: {messages:#?}");
    let (body, html) =
        (messages[1]["body"].as_str().unwrap(), messages[1]["formatted_body"].as_str().unwrap());
    assert!(body.contains("KT-FILE-TEST-FAILED") && body.contains("<!channel> *b* & @everyone"), "{body}");
    assert!(html.contains("&lt;!channel&gt; *b* &amp; @everyone"), "{html}");
    mend_it(&keyturn);
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some("7200"));
    keyturn.ok(&["run"]);
    let messages = synapse.messages();
    assert!(messages.len() == 3 && messages[2]["body"].as_str().unwrap().contains("over: "), "{messages:#?}");
}

#[test]
fn an_alertmanager_shows_what_is_open_and_a_heartbeat() {
    skip_without!(Alertmanager);
    let manager = Alertmanager::start();
    let port = Port::free(None);
    let rest = format!(
        "[notify.ops]\nkind = \"alertmanager\"\nurl = \"{}\"\nallow_private = true\nheartbeat = \"10s\"\n",
        manager.url()
    );
    let keyturn = site(&daemon_lines(&port), &rest);
    let daemon = Daemon::start(&keyturn, &port);
    let named = |name: &str| -> Vec<serde_json::Value> {
        manager.alerts().into_iter().filter(|alert| alert["labels"]["alertname"] == name).collect()
    };
    assert!(wait_for(PATIENCE, || named("KeyturnHeartbeat").len() == 1), "{}", daemon.log());
    assert!(named("Keyturn").is_empty());
    // What is broken before it was ever delivered comes and goes: that is told once an hour.
    keyturn.ok(&["run"]);
    broken(&keyturn);
    assert!(wait_for(PATIENCE, || named("Keyturn").len() == 1), "{}", daemon.log());
    let alert = &named("Keyturn")[0];
    assert_eq!(alert["labels"]["asset"], "certificates/edge");
    assert_eq!(
        (&alert["labels"]["severity"], &alert["annotations"]["code"]),
        (&"warning".into(), &"KT-FILE-TEST-FAILED".into())
    );
    mend_it(&keyturn);
    keyturn.ok(&["rotate", "edge"]);
    assert!(wait_for(PATIENCE, || named("Keyturn").is_empty()), "{:?} {}", named("Keyturn"), daemon.log());
    assert_eq!(named("KeyturnHeartbeat").len(), 1);
    // Beats and showings come again and again: the history is not filled with them.
    assert_eq!(keyturn.audited("told"), 0, "{}", keyturn.ok(&["audit"]));
    daemon.stop();
}

/// What becomes worse is one alert there as well: the milder one ends when the graver begins.
#[test]
fn an_alertmanager_has_one_alert_of_what_becomes_worse() {
    skip_without!(Alertmanager);
    let manager = Alertmanager::start();
    let settings = format!(
        "[daemon]\ninstance = \"site\"\n[notify.ops]\nkind = \"alertmanager\"\nurl = \"{}\"\nallow_private = true\n",
        manager.url()
    );
    let config = Config::parse(&settings, Path::new("/etc/keyturn/keyturn.toml")).unwrap();
    let listeners = Desired::of(&config).listeners;
    let channel = keyturn::notify::alertmanager::Alertmanager {
        line: Line::new(true, None, Arc::new(keyturn::clock::System::new())),
        url: manager.url(),
        token_file: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut known = Tidings::default();
    let begin = Timestamp::now() - jiff::SignedDuration::from_secs(20);
    let mut look = |code: Code, seconds: i64| {
        let now = begin + jiff::SignedDuration::from_secs(seconds);
        let asset = AssetId::new(AssetKind::Certificate, "edge");
        let problems = [(asset, Problem::new(code, "words"))];
        let found = tidings::conditions(&Inventory::default(), &problems, now);
        tidings::judge(&mut known, &listeners, &found, now);
        let alerts = tidings::shown(&known, &listeners.channels["ops"], now);
        runtime.block_on(channel.show("site", &alerts, now)).unwrap();
    };
    let open = || -> Vec<serde_json::Value> {
        manager.alerts().into_iter().map(|alert| alert["labels"]["severity"].clone()).collect()
    };
    look(Code::RolloutFailed, 0);
    assert!(wait_for(PATIENCE, || open() == ["warning"]), "{:?}", manager.alerts());
    look(Code::PutBackFailed, 10);
    assert!(wait_for(PATIENCE, || open() == ["critical"]), "{:?}", manager.alerts());
    look(Code::RolloutFailed, 20);
    assert!(wait_for(PATIENCE, || open() == ["warning"]), "{:?}", manager.alerts());
    // Nothing to show is taken as well, and changes nothing.
    runtime.block_on(channel.show("site", &[], Timestamp::now())).unwrap();
    assert_eq!(open(), ["warning"]);
}

#[test]
fn mail_arrives_encrypted_and_whole() {
    skip_without!(MailServer);
    let server = MailServer::start(true);
    let rest = format!(
        "[notify.mail]\nkind = \"email\"\nhost = \"localhost\"\nport = {}\nfrom = \"keyturn@example.org\"\n\
         to = [\"ops@example.org\", \"night@example.org\"]\nca_file = \"{}\"\nallow_private = true\n\
         events = [\"failure\", \"recovery\"]\n",
        server.port(),
        server.ca_file().display()
    );
    let keyturn = site("", &rest);
    keyturn.ok(&["run"]);
    broken(&keyturn);
    let mails = server.mails();
    assert_eq!(mails.len(), 1, "{mails:#?} {}", server.log());
    let (own, mail) =
        mails[0].split_once("\ntls: True\n").unwrap_or_else(|| panic!("in the clear: {mails:#?}"));
    assert_eq!(own, "to: ops@example.org,night@example.org");
    assert!(
        mail.contains("Auto-Submitted: auto-generated") && mail.contains("Message-ID: <site-mail-"),
        "{mail}"
    );
    let (subject, text) = mail_parts(mail);
    assert_eq!(subject, "🟠 site: 1 warning");
    assert!(text.contains("KT-FILE-TEST-FAILED") && text.contains("<!channel> *b* & @everyone"), "{text}");

    // A certificate that nobody trusts, and a server that does not encrypt: nothing is sent.
    let untrusted = rest.replace(&format!("ca_file = \"{}\"\n", server.ca_file().display()), "");
    let keyturn = site("", &untrusted);
    let ran = keyturn.run(&["notify", "test"]);
    assert!(ran.code == Some(1) && ran.stdout.contains("mail (email): FAILED"), "{ran:#?}");
    let plain = MailServer::start(false);
    let keyturn = site("", &rest.replace(&server.port().to_string(), &plain.port().to_string()));
    let ran = keyturn.run(&["notify", "test"]);
    assert!(ran.code == Some(1) && ran.stdout.contains("STARTTLS"), "{ran:#?}");
    assert!(plain.mails().is_empty() && server.mails().len() == 1);
}
