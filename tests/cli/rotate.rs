//! `run`, `rotate` and `plan` on files.

use std::fs;

use super::{assert_says, quick};
use crate::support::{Keyturn, files_site, status};

/// A site whose test and reload write down that they ran, and what stood there then.
fn site() -> Keyturn {
    let keyturn = files_site(
        "test = [\"sh\", \"-c\", \"test ! -e {dir}/bad && echo test >>{dir}/log\"]\n\
         reload = [\"sh\", \"-c\", \"echo reload >>{dir}/log; cmp {dir}/out/edge/tls.crt {dir}/seen || cp {dir}/out/edge/tls.crt {dir}/seen\"]",
    );
    assert_eq!(quick(&keyturn, &["run"]).code, Some(0));
    keyturn
}

fn log(keyturn: &Keyturn) -> String {
    fs::read_to_string(keyturn.dir().join("log")).unwrap()
}

fn read(keyturn: &Keyturn, path: &str) -> Vec<u8> {
    fs::read(keyturn.dir().join(path)).unwrap()
}

#[test]
fn rotate_delivers_a_new_revision_with_test_and_reload() {
    let keyturn = site();
    assert_eq!(log(&keyturn), "test\nreload\n");
    let (chain, key, kid) = (
        read(&keyturn, "out/edge/tls.crt"),
        read(&keyturn, "out/edge/tls.key"),
        read(&keyturn, "out/signer/jwt.kid"),
    );
    let ran = quick(&keyturn, &["rotate", "certificates/edge"]);
    assert!(ran.ok(), "{ran:#?}");
    assert_eq!(log(&keyturn), "test\nreload\ntest\nreload\n");
    let now = &status(&keyturn)["certificates/edge"];
    assert_eq!((&now["revision"], &now["state"]), (&2.into(), &"active".into()), "{now:#}");
    assert_eq!(now["revisions"][0]["state"], "retiring", "{now:#}");
    assert!(now["revisions"][0]["retires_at"].is_string(), "{now:#}");
    assert_ne!(read(&keyturn, "out/edge/tls.crt"), chain);
    assert_ne!(read(&keyturn, "out/edge/tls.key"), key);
    assert_eq!(read(&keyturn, "seen"), read(&keyturn, "out/edge/tls.crt"), "the reload saw the new one");
    assert_eq!(read(&keyturn, "out/signer/jwt.kid"), kid, "nothing else was turned over");
    // A bare name will do where only one asset has it.
    assert_says(
        &quick(&keyturn, &["rotate", "edge"]),
        2,
        &["ambiguous", "certificates/edge or dh_params/edge"],
    );
    assert_says(&quick(&keyturn, &["rotate", "auht"]), 2, &["did you mean jwt_keys/auth?"]);
}

#[test]
#[allow(clippy::disallowed_methods)]
fn a_signing_key_is_not_turned_before_its_successor_is_known() {
    let keyturn = site();
    let kid = read(&keyturn, "out/signer/jwt.kid");
    let tomorrow = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24);
    for _ in 0..2 {
        let ran = quick(&keyturn, &["rotate", "auth"]);
        assert!(ran.ok() && ran.stdout.contains("nothing to do"), "{ran:#?}");
        let waits = ran.stdout.lines().find(|line| line.starts_with("waits: jwt_keys/auth")).unwrap();
        let until = waits.rsplit_once("(until ").unwrap().1.trim_end_matches(')');
        let off = until.parse::<jiff::Timestamp>().unwrap().duration_since(tomorrow).as_secs();
        assert!(off.abs() < 300, "{waits}");
        assert_eq!(read(&keyturn, "out/signer/jwt.kid"), kid);
    }
    let now = &status(&keyturn)["jwt_keys/auth"];
    assert_eq!(now["revisions"].as_array().unwrap().len(), 2, "asked twice, one successor: {now:#}");
    // And it is what comes next, in time.
    let plan = quick(&keyturn, &["plan", "--until", "2d", "-o", "json"]).json();
    let turn =
        plan["actions"].as_array().unwrap().iter().find(|action| action["action"] == "activate").unwrap();
    assert_eq!(turn["asset"], "jwt_keys/auth", "{plan:#}");
    assert_eq!(plan["deferred"][0]["asset"], "jwt_keys/auth", "{plan:#}");
}

#[test]
fn a_failing_test_fails_the_run_and_says_why() {
    let keyturn = site();
    let old = read(&keyturn, "out/edge/tls.crt");
    keyturn.write("bad", "");
    let ran = quick(&keyturn, &["rotate", "certificates/edge"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(
        ran.stderr.contains("KT-FILE-TEST-FAILED") && ran.stderr.contains("Read the command's words"),
        "{ran:#?}"
    );
    assert_eq!(read(&keyturn, "out/edge/tls.crt"), old);
    let problem = &status(&keyturn)["certificates/edge"]["problems"];
    assert!(problem.to_string().contains("KT-FILE-TEST-FAILED"), "{problem:#}");
    // Until its next try the run is not good, and nothing is tried more often than that.
    assert_eq!(quick(&keyturn, &["run"]).code, Some(1));
    let tries = quick(&keyturn, &["audit", "-o", "json"]).stdout.matches("\"delivery-failed\"").count();
    assert_eq!(tries, 1);
    fs::remove_file(keyturn.dir().join("bad")).unwrap();
    assert!(quick(&keyturn, &["rotate", "certificates/edge"]).ok());
    assert_ne!(read(&keyturn, "out/edge/tls.crt"), old);
}

#[test]
fn notes_are_for_people_and_logs_for_those_who_ask() {
    let keyturn = files_site("");
    let plain = quick(&keyturn, &["run"]);
    let lines: Vec<&str> = plain.stderr.lines().collect();
    assert!(lines.iter().all(|line| line.starts_with("note: ") || line.starts_with("  ")), "{lines:#?}");
    assert!(lines[0].starts_with("note: ") && plain.stderr.contains("state.key"), "{lines:#?}");
    let verbose = quick(&keyturn, &["-v", "rotate", "certificates/edge"]);
    assert!(verbose.stderr.contains("INFO keyturn::"), "{}", verbose.stderr);
    // Who only looks is not told again what is odd about the configuration.
    assert_eq!(quick(&keyturn, &["status"]).stderr, "");
    let json = quick(&keyturn, &["run", "-o", "json"]);
    assert!(json.ok() && json.json()["assets"].is_array(), "{json:#?}");
}

#[test]
fn plan_changes_nothing_and_says_what_it_cannot_read() {
    let keyturn = files_site("");
    let plan = quick(&keyturn, &["plan"]);
    assert!(plan.ok() && plan.stdout.contains("there is none yet"), "{plan:#?}");
    assert!(!keyturn.dir().join("state").exists() && !keyturn.dir().join("out").exists());
    assert!(quick(&keyturn, &["status"]).ok() && !keyturn.dir().join("state").exists());
    assert_says(&quick(&keyturn, &["plan", "--at", "soon"]), 2, &["--at soon", "2026-12-01T00:00:00Z"]);
    assert_says(&quick(&keyturn, &["plan", "--until", "3"]), 2, &["--until", "90d"]);
    keyturn.ok(&["run"]);
    assert!(quick(&keyturn, &["plan"]).stdout.starts_with("nothing to do"));
    let later = quick(&keyturn, &["plan", "--at", "2099-01-01T00:00:00Z", "-o", "json"]).json();
    assert_eq!(later["now"], "2099-01-01T00:00:00Z");
    assert!(!later["actions"].as_array().unwrap().is_empty());
}

/// Of ten thousand, what is on record would not go into one step of the state: they are asked for in several.
#[test]
fn all_of_many_are_rotated() {
    let mut keyturn = files_site("");
    let mut site = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    for number in 0..250 {
        site += &format!(
            "[certificates.many{number}]\nissuers = [\"internal\"]\ndns_names = [\"many{number}.example.org\"]\n"
        );
    }
    keyturn = keyturn.config(&site);
    assert_eq!(quick(&keyturn, &["run"]).code, Some(0));
    let ran = quick(&keyturn, &["rotate", "--all"]);
    assert!(ran.ok(), "{ran:#?}");
    let now = status(&keyturn);
    let many = now.iter().filter(|(id, _)| id.starts_with("certificates/many"));
    assert_eq!(many.filter(|(_, one)| one["revision"] == 2).count(), 250);
    assert_eq!(keyturn.audited("rotate-asked"), now.len() - 1, "of all but the CA");
}
