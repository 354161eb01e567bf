//! Under a real systemd, installed as docs/operations.md says: started, watched, reloaded, killed, stopped, called by its
//! socket, in its sandbox, and told of when it fails for good.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod support;

use std::time::Duration;

use serde_json::Value;
use support::{Inbox, Machine, Port, skip_without, wait_for};

/// Longer than a start, a pass and a restart.
const PATIENCE: Duration = Duration::from_secs(30);

/// A file of `systemd/` under the path where it is installed.
macro_rules! unit {
    ($path:literal, $file:literal) => {
        ($path, include_str!(concat!("../systemd/", $file)))
    };
}

/// All that is installed, but for the configuration.
const INSTALLED: [(&str, &str); 7] = [
    unit!("/etc/systemd/system/keyturn.service", "keyturn.service"),
    unit!("/etc/systemd/system/keyturn.socket", "keyturn.socket"),
    unit!("/etc/systemd/system/keyturn-failed@.service", "keyturn-failed@.service"),
    unit!("/etc/systemd/system/keyturn-run.service", "keyturn-run.service"),
    unit!("/etc/systemd/system/keyturn-run.timer", "keyturn-run.timer"),
    unit!("/usr/lib/sysusers.d/keyturn.conf", "keyturn.sysusers"),
    unit!("/usr/lib/tmpfiles.d/keyturn.conf", "keyturn.tmpfiles"),
];

/// As an operator without a Swarm writes it; and what makes a test of ten failed starts a short one.
const DROP_IN: &str = "[Unit]\nStartLimitBurst=3\n[Service]\nSupplementaryGroups=\nReadWritePaths=/srv/site\nRestartSec=200ms\n";

/// `edge` lies where the service may write, `outside` where it may not.
const SITE: &str = r#"
[daemon]
instance = "machine"
state_key_file = "credential:state-key"
listen = "{listen}"
[issuers.internal]
kind = "internal"
common_name = "Machine CA"
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.example.org"]
[[certificates.edge.targets]]
kind = "file"
dir = "/srv/site/edge"
files = { "tls.crt" = "fullchain", "tls.key" = "private-key" }
[certificates.outside]
issuers = ["internal"]
dns_names = ["outside.example.org"]
[[certificates.outside.targets]]
kind = "file"
dir = "/srv/outside"
files = { "tls.crt" = "fullchain", "tls.key" = "private-key" }
[notify.ops]
kind = "webhook"
url_file = "/etc/keyturn/hook-url"
events = ["failure"]
allow_private = true
"#;

/// A machine on which all of it is installed, and nothing started yet.
fn installed(inbox: &Inbox, port: &Port) -> Machine {
    let site = SITE.replace("{listen}", &port.address().to_string());
    let url = inbox.url("hook");
    let mut files = INSTALLED.to_vec();
    files.extend([
        ("/etc/systemd/system/keyturn.service.d/site.conf", DROP_IN),
        ("/etc/keyturn/keyturn.toml", site.as_str()),
        ("/etc/keyturn/hook-url", url.as_str()),
    ]);
    let machine = Machine::boot(&files);
    machine.ok("(umask 077; head -c 32 /dev/urandom | base64 -w0 >/etc/keyturn/state-key)");
    machine.ok("systemd-sysusers && systemd-tmpfiles --create keyturn.conf");
    machine.ok("install -d -o keyturn /srv/site && install -d -o keyturn /srv/outside");
    machine.ok("systemctl daemon-reload");
    machine
}

/// A daemon that has delivered what it may.
fn started(machine: &Machine) {
    machine.ok("systemctl enable --now keyturn.socket && systemctl start keyturn.service");
    assert_eq!(machine.show("keyturn.service", "ActiveState"), "active");
    let there = || machine.sh("test -e /srv/site/edge/tls.crt").ok();
    assert!(wait_for(PATIENCE, there), "{}", machine.sh("journalctl --no-pager -u keyturn").stdout);
}

/// What is in the journal of the unit under these matches, as systemd's own reader prints it.
fn journal(machine: &Machine, matches: &str) -> Vec<Value> {
    machine.ok("journalctl --sync");
    let lines = machine.ok(&format!("journalctl --no-pager -u keyturn.service -o json {matches} || true"));
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_real_systemd_starts_watches_reloads_and_ends_it() {
    skip_without!(Machine);
    let (inbox, port) = (Inbox::start(), Port::free(None));
    let machine = installed(&inbox, &port);
    started(&machine);

    // READY with its words; the watchdog is armed, and fed.
    let status = machine.show("keyturn.service", "StatusText");
    assert!(status.contains("3 assets"), "{status}");
    assert_eq!(machine.show("keyturn.service", "WatchdogUSec"), "1min");
    assert!(machine.ok("systemctl status keyturn.service").contains("active (running)"));

    // A reload ends when the new configuration counts; one with a fault is said, and the old one goes on.
    machine.ok("sed -i 's/\\[certificates.outside\\]/[certificates.other]\\n&/; ' /etc/keyturn/keyturn.toml");
    machine.ok("systemctl reload keyturn.service");
    let status = machine.wait("keyturn.service", "StatusText", |text| text.contains("wrong"));
    assert!(status.contains("the one before it goes on"), "{status}");
    machine.ok(
        "sed -i '/\\[certificates.other\\]/d' /etc/keyturn/keyturn.toml && systemctl reload keyturn.service",
    );
    machine.wait("keyturn.service", "StatusText", |text| text.contains("3 assets"));

    // Killed, it is started again; the order goes through the socket that systemd holds all along.
    let before = machine.show("keyturn.service", "MainPID");
    machine.ok("systemctl kill -s KILL keyturn.service");
    let rotated = machine.sh("keyturn rotate edge");
    assert!(rotated.ok(), "{rotated:#?}");
    assert_eq!(machine.show("keyturn.service", "NRestarts"), "1");
    assert_ne!(machine.show("keyturn.service", "MainPID"), before);

    // Stopped, it has ended well; an order starts it.
    machine.ok("systemctl stop keyturn.service");
    assert_eq!(machine.show("keyturn.service", "ActiveState"), "inactive");
    assert_eq!(machine.show("keyturn.service", "Result"), "success");
    let ordered = machine.sh("keyturn rotate edge");
    assert!(ordered.ok(), "{ordered:#?}");
    assert_eq!(machine.show("keyturn.service", "ActiveState"), "active");
    assert_eq!(machine.ok("stat -c '%U:%G %a' /run/keyturn/control.sock"), "keyturn:keyturn 660");
}

#[test]
fn the_journal_has_fields_and_the_sandbox_holds() {
    skip_without!(Machine);
    let (inbox, port) = (Inbox::start(), Port::free(None));
    let machine = installed(&inbox, &port);
    started(&machine);

    // What was done for an asset is found by its name.
    let of_edge = || journal(&machine, "KEYTURN_ASSET=certificates/edge");
    assert!(
        wait_for(PATIENCE, || !of_edge().is_empty()),
        "{}",
        machine.sh("journalctl --no-pager -n 50").stdout
    );
    let entry = of_edge().pop().unwrap();
    assert_eq!(entry["SYSLOG_IDENTIFIER"], "keyturn", "{entry:#}");
    assert_eq!(entry["_SYSTEMD_UNIT"], "keyturn.service", "{entry:#}");
    assert_eq!(entry["PRIORITY"], "5", "{entry:#}");
    assert!(
        entry["KEYTURN_ACTION"].is_string()
            && entry["MESSAGE"].as_str().unwrap().contains("certificates/edge: ")
    );
    assert!(journal(&machine, "-g '^20[0-9][0-9]-'").is_empty(), "no line has a time of its own");

    // A step for two is found by the name of either.
    let twin = "[certificates.twin]\nissuers = [\"internal\"]\ndns_names = [\"twin.example.org\"]\n\
                [[certificates.twin.targets]]\nkind = \"file\"\ndir = \"/srv/site/edge\"\nfiles = { \"twin.crt\" = \"fullchain\" }\n";
    machine
        .ok(&format!("cat >>/etc/keyturn/keyturn.toml <<'END'\n{twin}END\nsystemctl reload keyturn.service"));
    machine.ok("keyturn run; keyturn rotate certificates/edge certificates/twin");
    let both = serde_json::json!(["certificates/edge", "certificates/twin"]);
    for name in ["edge", "twin"] {
        let found =
            || journal(&machine, &format!("KEYTURN_ASSET=certificates/{name} KEYTURN_ACTION=rollout"));
        let shared = || found().iter().any(|entry| entry["KEYTURN_ASSET"] == both);
        assert!(wait_for(PATIENCE, shared), "{name}: {:#?}", found());
    }

    // What the sandbox does not let it write is a problem with a code, and is not there.
    let failed = || journal(&machine, "KEYTURN_ASSET=certificates/outside KEYTURN_CODE=KT-FILE-FAILED");
    assert!(
        wait_for(PATIENCE, || !failed().is_empty()),
        "{}",
        machine.sh("journalctl --no-pager -n 50").stdout
    );
    let failed = failed().pop().unwrap();
    assert!(failed["MESSAGE"].as_str().unwrap().contains("Read-only file system"), "{failed:#}");
    assert_eq!(failed["PRIORITY"], "4", "{failed:#}");
    assert_eq!(machine.ok("ls -A /srv/outside"), "");

    // The kernel's own word on the process.
    let pid = machine.show("keyturn.service", "MainPID");
    let status = machine.ok(&format!("cat /proc/{pid}/status"));
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"] {
        assert!(status.contains(line), "{line} is not in {status}");
    }
    let inside = |line: &str| machine.sh(&format!("nsenter -t {pid} -m -- bash -c '{line}'"));
    for refused in ["touch /usr/x", "touch /etc/keyturn/x", "touch /srv/x", "ls /home/*", "test -e /dev/sda"]
    {
        assert!(!inside(refused).ok(), "{refused} works in the sandbox");
    }
    assert!(inside("touch /srv/site/x /var/lib/keyturn/x /run/keyturn/x").ok());
    assert_eq!(machine.ok("stat -c '%U %a' /var/lib/keyturn /run/keyturn"), "keyturn 700\nkeyturn 750");
    assert_eq!(machine.ok(&format!("stat -c %U /proc/{pid}")), "keyturn");
}

#[test]
fn what_fails_for_good_is_told() {
    skip_without!(Machine);
    let (inbox, port) = (Inbox::start(), Port::free(None));
    let machine = installed(&inbox, &port);
    started(&machine);
    machine.ok("systemctl stop keyturn.socket keyturn.service");
    // Whoever has lost the key starts in vain.
    machine.ok("(umask 077; head -c 32 /dev/urandom | base64 -w0 >/etc/keyturn/state-key)");
    let before = inbox.received().len();
    let errors = "journalctl --no-pager -u keyturn.service -p err -o cat";
    assert!(!machine.sh("systemctl start keyturn.service").ok());
    machine.wait("keyturn.service", "ActiveState", |state| state == "failed");
    assert_eq!(machine.show("keyturn.service", "NRestarts"), "0", "what no restart mends is told at once");
    let told =
        || inbox.received().into_iter().skip(before).find(|message| message.text().contains("has failed"));
    assert!(wait_for(PATIENCE, || told().is_some()), "{}", machine.sh("journalctl --no-pager -n 50").stdout);
    assert!(machine.ok(errors).contains("keyturn: "), "why it does not start is an error in the journal");
    let text = told().unwrap().text();
    assert!(text.contains("keyturn.service has failed (exit-code, exited, 2)"), "{text}");
    machine.wait("keyturn-failed@keyturn.service.service", "Result", |result| result == "success");
    let log = machine.ok("journalctl --no-pager -o json -t keyturn KEYTURN_UNIT=keyturn.service PRIORITY=3");
    assert!(log.contains("nothing is renewed until it runs again"), "{log}");
}
