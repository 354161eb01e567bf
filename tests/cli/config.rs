//! `config check`, and configurations that are none.

use std::fs;

use super::{assert_says, bare, quick};
use crate::support::{Keyturn, files_site};

#[test]
fn a_good_configuration_names_its_assets() {
    let keyturn = files_site("");
    let checked = quick(&keyturn, &["config", "check"]);
    assert!(checked.ok() && checked.stdout.contains("certificates/edge"), "{checked:#?}");
    let json = quick(&keyturn, &["config", "check", "-o", "json"]).json();
    assert_eq!((&json["ok"], json["assets"].as_array().unwrap().len()), (&true.into(), 4), "{json:#}");
    assert!(!keyturn.dir().join("state").exists(), "a check makes nothing");
    keyturn.write("keyturn.toml", "");
    let empty = quick(&keyturn, &["config", "check"]);
    assert!(empty.ok() && empty.stdout.contains("asks for nothing"), "{empty:#?}");
}

#[test]
fn all_faults_are_told_at_once_with_their_places() {
    let keyturn = files_site("");
    let good = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
    let bad = good
        .replace("duration = \"90d\"", "durtion = \"90d\"")
        .replace("algorithm = \"ES256\"", "algorithm = \"ES257\"")
        .replace("mode = \"0640\"", "mode = \"0666\"")
        .replace("\"ca\"", "\"cb\"")
        .replace("source = \"rfc7919\"", "source = \"rfc7919\"\nbits = 1024");
    keyturn.write("keyturn.toml", &bad);
    for verb in [["config", "check"].as_slice(), &["run"], &["status"], &["rotate", "--all"]] {
        let ran = quick(&keyturn, verb);
        let faults = ["did you mean `duration`?", "ES257", "`cb`", "dh_params.edge.bits"];
        assert_says(&ran, 2, &faults);
        assert!(ran.stderr.lines().count() >= faults.len(), "{ran:#?}");
        assert!(
            ran.stderr.lines().all(|line| line.contains("keyturn.toml:")),
            "each with its place: {ran:#?}"
        );
    }
    assert!(!keyturn.dir().join("state").exists());
}

#[test]
fn owners_that_cannot_be_set_are_refused_by_the_check() {
    let keyturn = files_site("owner = \"nobody-here-by-that-name\"");
    assert_says(&quick(&keyturn, &["config", "check"]), 2, &["nobody-here-by-that-name"]);
}

#[test]
fn what_is_no_configuration_is_refused_with_its_name() {
    let keyturn = Keyturn::alone();
    let check = |words: &[&str]| {
        for args in [["config", "check"].as_slice(), &["run"], &["status"]] {
            assert_says(&quick(&keyturn, args), 2, &[&["keyturn.toml"], words].concat());
        }
    };
    check(&["cannot be read"]);
    let write = |bytes: &[u8]| fs::write(keyturn.dir().join("keyturn.toml"), bytes).unwrap();
    write(&b"# ten megabytes\n".repeat(10 * 65_536));
    check(&["larger than 2 MiB"]);
    write(&[0xff, 0xfe, 0x00, 0x41]);
    check(&["UTF-8"]);
    write("[[[[".repeat(100_000).as_bytes());
    check(&[]);
    write(&[b"a = ".as_slice(), "[".repeat(200_000).as_bytes()].concat());
    check(&[]);
    fs::remove_file(keyturn.dir().join("keyturn.toml")).unwrap();
    fs::create_dir(keyturn.dir().join("keyturn.toml")).unwrap();
    check(&["cannot be read"]);
    assert_says(&bare(&["--config", "/nowhere/keyturn.toml", "run"]), 2, &["/nowhere/keyturn.toml"]);
}
