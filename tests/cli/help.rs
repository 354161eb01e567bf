//! Help, completions, manual, problem codes, and verbs that are not there.

use std::fs;

use super::{assert_says, bare};
use crate::support::{command, fed};

/// The verbs that `keyturn ARGS --help` lists.
fn verbs(args: &[&str]) -> Vec<String> {
    let help = bare(&[args, &["--help"]].concat());
    assert!(help.ok() && help.stderr.is_empty(), "{help:#?}");
    let listed = help.stdout.split("Commands:\n").nth(1).map(|rest| rest.split("\n\n").next().unwrap());
    let lines =
        listed.unwrap_or_default().lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_verb_has_help() {
    let all = verbs(&[]);
    for verb in [
        "run", "plan", "status", "rotate", "revoke", "export", "jwks", "dhparam", "ca", "audit", "config",
        "explain",
    ] {
        assert!(all.iter().any(|listed| listed == verb), "{verb}: {all:?}");
    }
    for verb in all.iter().filter(|verb| *verb != "help") {
        let help = bare(&[verb, "--help"]);
        assert!(help.ok() && help.stdout.contains("Usage: keyturn"), "{help:#?}");
        for under in verbs(&[verb]).iter().filter(|verb| *verb != "help") {
            assert!(bare(&[verb, under, "--help"]).ok(), "{verb} {under}");
        }
    }
    assert!(bare(&["--help"]).stdout.contains("4 state"), "the exit codes are documented");
    assert!(bare(&["--version"]).stdout.starts_with("keyturn "));
}

#[test]
fn what_cannot_be_parsed_is_usage() {
    for args in
        [[].as_slice(), &["run", "--nope"], &["rotate"], &["export", "x"], &["dhparam", "--bits", "many"]]
    {
        assert_eq!(bare(args).code, Some(2), "{args:?}");
    }
    assert_says(&bare(&["statsu"]), 2, &["`statsu`", "did you mean `status`?"]);
    assert_says(&bare(&["ca", "shwo", "internal"]), 2, &["did you mean `show`?"]);
    assert_says(&bare(&["zzzzzz", "--all"]), 2, &["there is no verb `zzzzzz`", "--help"]);
    assert_says(&bare(&["dhparam", "--bits", "100"]), 2, &["--bits 100", "512"]);
}

#[test]
fn planned_verbs_say_that_they_are_not_built_yet() {
    let planned = [
        "daemon",
        "rollback",
        "hold",
        "resume",
        "adopt",
        "release",
        "stack-env",
        "acme",
        "approvals",
        "approve",
        "deny",
        "backup",
        "restore",
        "state",
        "cluster",
        "notify",
        "health",
    ];
    let built = verbs(&[]);
    for verb in planned.into_iter().filter(|verb| !built.iter().any(|built| built == verb)) {
        assert_says(&bare(&[verb, "certificates/edge"]), 2, &["is not built yet"]);
    }
}

#[test]
fn completions_parse_in_their_shells() {
    for (shell, check) in [("bash", ["-n"].as_slice()), ("zsh", &["-n"]), ("fish", &["--no-execute"])] {
        let script = bare(&["completions", shell]);
        assert!(
            script.ok() && script.stdout.contains("keyturn") && script.stdout.contains("rotate"),
            "{shell}"
        );
        if command(shell, ["-c", "exit 0"]).output().is_ok() {
            let ran = fed(command(shell, check), script.stdout.as_bytes());
            assert!(ran.ok() && ran.stderr.is_empty(), "{shell}: {ran:#?}");
        }
    }
    assert_eq!(bare(&["completions", "tcsh"]).code, Some(2));
}

#[test]
fn the_manual_renders() {
    let page = bare(&["man"]);
    assert!(page.ok() && page.stdout.contains(".TH keyturn 1"), "{page:#?}");
    let folder = tempfile::tempdir().unwrap();
    let out = bare(&["man", "--out", folder.path().to_str().unwrap()]);
    assert!(out.ok(), "{out:#?}");
    let pages: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(pages.len() > 10, "{pages:?}");
    if command("groff", ["--version"]).output().is_ok() {
        for page in pages {
            let ran = fed(command("groff", ["-man", "-Tutf8", "-ww"]), &fs::read(&page).unwrap());
            assert!(
                ran.ok() && ran.stderr.is_empty() && ran.stdout.contains("General Commands Manual"),
                "{page:?}: {ran:#?}"
            );
        }
    }
}

#[test]
fn every_problem_is_explained() {
    let all = bare(&["explain", "-o", "json"]).json();
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/problems.md")).unwrap();
    let problems = all["problems"].as_array().unwrap();
    assert!(problems.len() > 20);
    for problem in problems {
        let [code, meaning, action] =
            ["code", "meaning", "action"].map(|field| problem[field].as_str().unwrap());
        let told = bare(&["explain", code]);
        assert!(told.ok() && told.stdout.contains(meaning) && told.stdout.contains(action), "{told:#?}");
        assert!(bare(&["explain", &code.to_lowercase()]).ok());
        assert!(
            page.contains(&format!("## {code}\n")) && page.contains(meaning) && page.contains(action),
            "{code}"
        );
    }
    assert_eq!(bare(&["explain", "--markdown"]).stdout, page, "keyturn explain --markdown >docs/problems.md");
    assert_says(&bare(&["explain", "KT-DRFT"]), 2, &["did you mean KT-DRIFT?"]);
}

#[test]
fn parameters_are_searched_without_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dhparam.pem");
    let file = file.to_str().unwrap();
    for _ in 0..2 {
        let ran = bare(&["dhparam", "--bits", "512", "--out", file]);
        assert!(ran.ok() && ran.stdout.is_empty(), "{ran:#?}");
    }
    let checked = command("openssl", ["dhparam", "-in", file, "-check", "-noout", "-text"]).output().unwrap();
    assert!(
        checked.status.success() && String::from_utf8_lossy(&checked.stdout).contains("512 bit"),
        "{checked:?}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");
    let printed = bare(&["dhparam", "--bits", "512"]);
    assert!(printed.stdout.starts_with("-----BEGIN DH PARAMETERS-----"), "{printed:#?}");
    let nowhere = bare(&["dhparam", "--bits", "512", "--out", "/nowhere/dhparam.pem"]);
    assert_says(&nowhere, 1, &["/nowhere/dhparam.pem", "No such file"]);
}
