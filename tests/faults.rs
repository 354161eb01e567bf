//! Faults of the configuration and of the clock, with the real binary (FAULTS.md: G1 to G8, T1 to T3). docs/faults.md has the
//! table, with the tests that look at the same from closer by.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use support::{Daemon, Keyturn, Port, Tree, daemon_lines, files_site, files_site_with, status};

const DAY: i64 = 86_400;

fn text(keyturn: &Keyturn) -> String {
    fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap()
}

/// What must not be touched.
fn tree(keyturn: &Keyturn) -> Tree {
    Tree::of(&["out", "state/journal", "state/audit.log"].map(|name| keyturn.dir().join(name)))
}

/// Bad configurations, with what they must say; all within a second, and with exit code 2.
fn bad(keyturn: &Keyturn, toml: &[u8], words: &[&str]) {
    fs::write(keyturn.dir().join("keyturn.toml"), toml).unwrap();
    let since = Instant::now();
    let ran = keyturn.run(&["config", "check"]);
    let took = since.elapsed();
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
    assert!(ran.stderr.len() < 20_000, "{} bytes are said", ran.stderr.len());
    println!("{}: {took:?}", words[0]);
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn g1_and_g8_what_cannot_be_read_on_reload_changes_nothing() {
    let port = Port::free(None);
    let keyturn = files_site_with(&daemon_lines(&port), "");
    let daemon = Daemon::start(&keyturn, &port);
    keyturn.ok(&["run"]);
    let (good, before) = (text(&keyturn), status(&keyturn)["certificates/edge"]["revision"].clone());
    let broken = [
        b"[daemon\n".to_vec(),
        [good.as_bytes(), b"\xff\xfe"].concat(),
        [good.as_bytes(), "#".repeat(10 << 20).as_bytes()].concat(),
        good.replace("90d", "ninety days").into_bytes(),
    ];
    for (earlier, broken) in broken.into_iter().enumerate() {
        fs::write(keyturn.dir().join("keyturn.toml"), broken).unwrap();
        daemon.signal(nix::sys::signal::Signal::SIGHUP);
        let told = || daemon.log().matches("the new configuration is not used").count() == earlier + 1;
        assert!(support::wait_for(Duration::from_secs(10), told), "{}", daemon.log());
        assert_eq!(daemon.get("/jwks/auth").status, 200, "the old one goes on");
    }
    fs::write(keyturn.dir().join("keyturn.toml"), good).unwrap();
    assert_eq!(status(&keyturn)["certificates/edge"]["revision"], before);
    daemon.stop();
}

#[test]
fn g3_what_is_removed_from_the_configuration_stays_where_it_is() {
    let keyturn = files_site("");
    keyturn.ok(&["run"]);
    let (good, served) = (text(&keyturn), keyturn.fingerprint("certificates/edge"));
    let files = || Tree::of(&[keyturn.dir().join("out")]);
    let before = files();
    let start = good.find("[certificates.edge]").unwrap();
    let end = good.find("[jwt_keys.auth]").unwrap();
    keyturn.write("keyturn.toml", &format!("{}{}", &good[..start], &good[end..]));
    for _ in 0..3 {
        keyturn.ok(&["run"]);
    }
    assert_eq!(files().changed(&before), Vec::<std::path::PathBuf>::new(), "nothing of it is deleted");
    assert!(keyturn.ok(&["status"]).contains("KT-NOT-CONFIGURED"));
    // Put back, it goes on with what it had: no new key, no order.
    keyturn.write("keyturn.toml", &good);
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
    assert_eq!(keyturn.fingerprint("certificates/edge"), served);
    assert_eq!(keyturn.audited("issued"), 1);
}

#[test]
fn g4_to_g8_are_refused_with_key_and_line_before_anything_is_done() {
    let keyturn = files_site("");
    let good = text(&keyturn);
    let twice = format!("{good}\n[certificates.edge]\ndns_names = [\"a\"]\n");
    bad(&keyturn, twice.as_bytes(), &["duplicate key", "keyturn.toml:"]);
    let upper = good.replace("[certificates.edge", "[certificates.Edge");
    bad(&keyturn, upper.as_bytes(), &["is not a name", "Edge"]);
    let open = good.replace("mode = \"0640\"", "mode = \"0644\"");
    bad(&keyturn, open.as_bytes(), &["opens a private key to everyone", "mode"]);
    let unknown = good.replace("duration =", "durration =");
    bad(&keyturn, unknown.as_bytes(), &["did you mean `duration`?", "keyturn.toml:"]);
    let long = good.replace("duration = \"90d\"", "duration = \"90d\"\nrenew_before = \"90d\"");
    bad(&keyturn, long.as_bytes(), &["must be shorter than the lifetime 90d", "renew_before"]);
    bad(&keyturn, "#".repeat(10 << 20).as_bytes(), &["is larger than 2 MiB"]);
    bad(&keyturn, &[good.as_bytes(), b"\xff"].concat(), &["is not UTF-8 at byte"]);
    assert!(!keyturn.dir().join("state").exists() && !keyturn.dir().join("out").exists());
}

#[test]
fn t1_ninety_days_on_one_certificate_a_name() {
    let mut keyturn = files_site("");
    keyturn.ok(&["run"]);
    let revision = |keyturn: &Keyturn| status(keyturn)["certificates/edge"]["revision"].as_i64().unwrap();
    assert_eq!(revision(&keyturn), 1);
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&(90 * DAY).to_string()));
    for _ in 0..3 {
        keyturn.run(&["run"]);
    }
    assert_eq!(revision(&keyturn), 2, "one more, however often it looks");
    // Set right, the clock stands before the state: nothing is undone, and nothing done.
    keyturn.set("KEYTURN_CLOCK_OFFSET", None);
    let before = tree(&keyturn);
    let ran = keyturn.run(&["run"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.contains("KT-CLOCK-BACK") || ran.stdout.contains("KT-CLOCK-BACK"), "{ran:#?}");
    assert_eq!(revision(&keyturn), 2);
    let changed: Vec<_> = tree(&keyturn)
        .changed(&before)
        .into_iter()
        .filter(|path| path.starts_with(keyturn.dir().join("out")))
        .collect();
    assert!(changed.is_empty(), "{changed:?}");
}

#[test]
fn t2_a_year_back_and_t3_a_clock_that_was_never_set() {
    let mut keyturn = files_site("");
    let since_1970 = -jiff::Timestamp::now().as_second();
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&since_1970.to_string()));
    let ran = keyturn.run(&["run"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains("it has not been set yet"), "{ran:#?}");
    assert!(!keyturn.dir().join("out").exists(), "nothing is made");
    keyturn.set("KEYTURN_CLOCK_OFFSET", None);
    keyturn.ok(&["run"]);
    let served = keyturn.fingerprint("certificates/edge");
    for back in [-365 * DAY, since_1970] {
        keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&back.to_string()));
        assert_eq!(keyturn.run(&["run"]).code, Some(1));
        assert!(keyturn.ok(&["status"]).contains("KT-CLOCK-BACK"), "and whoever asks is told");
    }
    keyturn.set("KEYTURN_CLOCK_OFFSET", None);
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
    assert_eq!(keyturn.fingerprint("certificates/edge"), served);
    assert_eq!(keyturn.audited("issued"), 1, "no certificate came of it");
}

/// Lets a running program's wall clock be set by a file, and leaves the monotonic one alone: as a person would set the time, or as
/// a machine wakes that was suspended.
fn faketime() -> Option<std::path::PathBuf> {
    let found = fs::read_dir("/usr/lib").ok()?.flatten();
    found.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|library| library.exists())
}

#[test]
fn t3_and_t4_a_daemon_notices_within_half_a_minute_that_the_clock_was_set() {
    let Some(library) = faketime() else {
        return support::skipped("faults::t3_and_t4", "libfaketime is not installed (faketime)");
    };
    let port = Port::free(None);
    let keyturn = files_site_with(&daemon_lines(&port), "");
    let set = |text: &str| keyturn.write("clock", text);
    let file = set(&format!("-{}", jiff::Timestamp::now().as_second() - 600));
    let mut site = keyturn;
    for (name, value) in [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ] {
        site.set(name, Some(value));
    }
    let daemon = Daemon::start(&site, &port);
    support::pause(Duration::from_secs(3));
    assert!(!site.dir().join("out").exists(), "in 1970 nothing is made: {}", daemon.log());
    site.write("clock", "+0");
    let since = Instant::now();
    let made = || site.dir().join("out/edge/tls.crt").exists();
    assert!(support::wait_for(Duration::from_secs(40), made), "{}", daemon.log());
    println!("went on {:?} after the clock was set", since.elapsed());
    // At rest: a clock that is set in the middle of a look is seen by that look, and needs no word.
    daemon.wait_says("activate dh_params/edge");
    support::pause(Duration::from_secs(3));
    site.write("clock", "+40d");
    let since = Instant::now();
    // By how much is told in whole seconds, beside what a look on a busy machine takes.
    let forty_days = 40 * 86_400_i64;
    let noticed = || {
        let log = daemon.log();
        let told = log.split("has moved by ").skip(1).filter_map(|rest| rest.split(' ').next()?.parse().ok());
        told.into_iter().any(|by: i64| (by - forty_days).abs() <= 10)
    };
    assert!(support::wait_for(Duration::from_secs(40), noticed), "{}", daemon.log());
    println!("forty days of sleep were noticed after {:?}", since.elapsed());
    daemon.stop();
}
