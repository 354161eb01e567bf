//! Holds the arrows of the house: which module may import which (src/lib.rs draws them).
//!
//! It reads the paths out of the sources, without comments, literals and test code, and compares
//! them with the table below. A module that is not in the table may import what it likes, except the
//! concrete adapters.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What talks to the world, one trait each; the trait is in `mod.rs`, what implements it below.
const ADAPTERS: [&str; 6] = ["issuer", "keys", "notify", "store", "target", "verify"];

/// Who may name concrete adapters: the composition root, and the crate's own map of modules.
const ROOTS: [&str; 3] = ["cli", "lib", "main"];

/// What decides or describes, and therefore must not reach the world, a clock or randomness.
const PURE: [&str; 4] = ["model", "desired", "doctor", "planner"];

/// What pure modules must not even name.
const IMPURE: [&[&str]; 9] = [
    &["tokio"],
    &["sled"],
    &["bollard"],
    &["std", "time", "SystemTime"],
    &["std", "time", "Instant"],
    &["std", "fs"],
    &["std", "net", "TcpStream"],
    &["std", "thread"],
    &["ring", "rand"],
];

/// Where `unsafe` may stand: vector instructions, and two calls of the system that no safe crate has.
const MAY_BE_UNSAFE: [&str; 3] = ["cli/doctor/kernel.rs", "keys/safe_prime/arithmetic/simd.rs", "memory.rs"];

/// What adapters may import: never each other, nor what decides and drives.
const BELOW: &[&str] = &[
    "model",
    "config",
    "desired",
    "clock",
    "audit",
    "pki",
    "failpoint",
    "patience",
    "process",
    "outside",
    "guests",
    "memory",
];

/// Which modules of the crate a module may import, beside itself.
const MAY_IMPORT: [(&str, &[&str]); 21] = [
    ("model", &[]),
    ("clock", &[]),
    ("failpoint", &[]),
    ("guests", &["clock"]),
    ("memory", &[]),
    ("patience", &[]),
    ("process", &[]),
    ("outside", &["clock"]),
    ("pki", &["model"]),
    ("audit", &["model", "clock"]),
    ("config", &["model"]),
    ("desired", &["model", "config"]),
    ("planner", &["model", "desired"]),
    ("doctor", &["model"]),
    (
        "executor",
        &[
            "model",
            "desired",
            "planner",
            "clock",
            "audit",
            "pki",
            "failpoint",
            "patience", // and of these the traits:
            "issuer",
            "keys",
            "notify",
            "store",
            "target",
            "verify",
        ],
    ),
    ("issuer", BELOW),
    ("keys", BELOW),
    ("notify", BELOW),
    ("store", BELOW),
    ("target", BELOW),
    ("verify", BELOW),
];

#[test]
fn the_arrows_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root);
    let modules = files.iter().map(|(file, _)| module_of(file)).collect();
    assert!(files.len() > 10, "the sources are not where they were");
    let broken: Vec<String> =
        files.iter().flat_map(|(file, source)| violations(file, source, &modules)).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn unsafe_is_where_it_is_named() {
    let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let found: Vec<&str> =
        files.iter().filter(|(_, source)| is_unsafe(source)).map(|(file, _)| file.as_str()).collect();
    assert_eq!(found, MAY_BE_UNSAFE);
}

/// Whether it has unsafe code, or allows it for what a macro brings.
fn is_unsafe(source: &str) -> bool {
    code(source).split(|c| !is_word(c)).any(|word| matches!(word, "unsafe" | "unsafe_code"))
}

/// What a file breaks: `src/planner/mod.rs:3: planner must not …`.
fn violations(file: &str, source: &str, modules: &BTreeSet<Vec<String>>) -> Vec<String> {
    let own = module_of(file);
    let top = own.first().map_or("", String::as_str);
    let broken = paths(&code(source)).into_iter().filter_map(|(line, path)| {
        let rule = match inside(&path, &own) {
            Some(path) => breaks_arrow(top, &path, modules),
            None => breaks_purity(top, &path),
        }?;
        Some(format!("src/{file}:{line}: {rule} (`{}`)", path.join("::")))
    });
    broken.collect()
}

/// The rule that importing `path` of this crate breaks.
fn breaks_arrow(top: &str, path: &[String], modules: &BTreeSet<Vec<String>>) -> Option<String> {
    let target = path.first()?.as_str();
    // Something of lib.rs itself, or a path that only looks like one of ours.
    if target == top || !modules.contains(&path[..1]) {
        return None;
    }
    let concrete = ADAPTERS.contains(&target) && path.len() > 1 && modules.contains(&path[..2]);
    if concrete && !ROOTS.contains(&top) {
        return Some(format!(
            "only cli names concrete adapters; {top} must do with the trait in {target}/mod.rs"
        ));
    }
    let (_, may) = MAY_IMPORT.iter().find(|(module, _)| *module == top)?;
    if may.contains(&target) {
        return None;
    }
    let list =
        if may.is_empty() { "nothing of the crate".to_owned() } else { format!("only {}", may.join(", ")) };
    Some(format!("{top} may import {list}"))
}

/// The rule that naming `path` of another crate breaks.
fn breaks_purity(top: &str, path: &[String]) -> Option<String> {
    let impure = IMPURE
        .iter()
        .any(|impure| path.len() >= impure.len() && path.iter().zip(*impure).all(|(a, b)| a == b));
    (impure && PURE.contains(&top)).then(|| format!("{top} is pure: no I/O, clock or randomness"))
}

/// `path` from the crate's root, where it leads into this crate.
fn inside(path: &[String], own: &[String]) -> Option<Vec<String>> {
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "super" => {
            let up = path.iter().take_while(|step| *step == "super").count();
            // Inside an inline module `super` leads less far; then this looks too high, and finds nothing.
            let base = own.get(..own.len().checked_sub(up)?)?;
            Some([base, &path[up..]].concat())
        }
        _ => None,
    }
}

/// `planner/mod.rs` is the module `planner`, `issuer/internal.rs` is `issuer::internal`.
fn module_of(file: &str) -> Vec<String> {
    let steps = file.trim_end_matches(".rs").split('/').filter(|step| *step != "mod");
    steps.map(str::to_owned).collect()
}

/// All sources that are not test code, by their path below `src`.
fn sources(root: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if name.split('/').any(|step| step == "tests" || step == "tests.rs") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") {
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// `source` with comments, literals and test code blanked out, line by line as before.
fn code(source: &str) -> String {
    let mut text: Vec<char> = source.chars().collect();
    blank_literals(&mut text);
    blank_tests(&mut text);
    text.into_iter().collect()
}

fn blank(text: &mut [char]) {
    text.iter_mut().filter(|c| **c != '\n').for_each(|c| *c = ' ');
}

fn blank_literals(text: &mut [char]) {
    let mut at = 0;
    while at < text.len() {
        let end = literal_end(text, at).min(text.len());
        if end > at {
            blank(&mut text[at..end]);
        }
        at = end.max(at + 1);
    }
}

/// Where the comment or literal that begins at `at` ends; `at` where none does.
fn literal_end(text: &[char], at: usize) -> usize {
    let rest = &text[at..];
    let find = |from: usize, what: &str| {
        let what: Vec<char> = what.chars().collect();
        let found =
            rest.get(from..).and_then(|rest| rest.windows(what.len()).position(|window| window == what));
        found.map_or(text.len(), |found| at + from + found + what.len())
    };
    match rest {
        ['/', '/', ..] => find(2, "\n") - 1,
        ['/', '*', ..] => find(2, "*/"),
        ['"', ..] => at + quoted_length(rest),
        ['r', '#' | '"', ..] if !follows_word(text, at) => {
            let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
            // `r#type` is a raw identifier.
            if rest.get(1 + hashes) == Some(&'"') {
                find(2 + hashes, &format!("\"{}", "#".repeat(hashes)))
            } else {
                at
            }
        }
        ['\'', '\\', ..] => at + 2 + rest[3..].iter().position(|c| *c == '\'').unwrap_or_default() + 2,
        ['\'', _, '\'', ..] => at + 3,
        _ => at,
    }
}

fn follows_word(text: &[char], at: usize) -> bool {
    // `br"…"` is a literal too; no other word ends right before one.
    at > 0 && is_word(text[at - 1]) && text[at - 1] != 'b'
}

fn quoted_length(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn blank_tests(text: &mut [char]) {
    let mark: Vec<char> = "#[cfg(test)]".chars().collect();
    let mut at = 0;
    while let Some(found) = text[at..].windows(mark.len()).position(|window| window == mark) {
        let start = at + found;
        let end = item_end(text, start + mark.len());
        blank(&mut text[start..end]);
        at = end;
    }
}

/// Where the item that begins at `at` ends: at its semicolon, or its closing brace.
fn item_end(text: &[char], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, c) in text.iter().enumerate().skip(at) {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return index + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return index + 1,
            _ => {}
        }
    }
    text.len()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// All paths with more than one step, with their lines; `a::{b, c}` are two.
fn paths(code: &str) -> Vec<(usize, Vec<String>)> {
    let mut reader = Reader { text: code.chars().collect(), at: 0, line: 1, found: Vec::new() };
    while reader.at < reader.text.len() {
        if is_word(reader.text[reader.at]) { reader.tree(&[]) } else { reader.step() }
    }
    reader.found
}

struct Reader {
    text: Vec<char>,
    at: usize,
    line: usize,
    found: Vec<(usize, Vec<String>)>,
}

impl Reader {
    fn step(&mut self) {
        self.line += usize::from(self.text.get(self.at) == Some(&'\n'));
        self.at += 1;
    }

    fn skip_blanks(&mut self) {
        while self.text.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.step();
        }
    }

    fn word(&mut self) -> String {
        let rest = self.text[self.at..].iter();
        let word: String = rest.take_while(|c| is_word(**c)).collect();
        self.at += word.chars().count();
        word
    }

    /// Reads a path and, behind `::{`, all that branch from it.
    fn tree(&mut self, prefix: &[String]) {
        let line = self.line;
        let mut path = prefix.to_vec();
        loop {
            path.push(self.word());
            let end = self.at;
            if !self.text[end..].starts_with(&[':', ':']) {
                break;
            }
            self.at += 2;
            match self.text.get(self.at) {
                Some('{') => return self.branches(&path),
                Some(c) if is_word(*c) => {}
                _ => break,
            }
        }
        if path.len() > 1 {
            self.found.push((line, path));
        }
    }

    fn branches(&mut self, prefix: &[String]) {
        self.step();
        loop {
            self.skip_blanks();
            match self.text.get(self.at) {
                None => return,
                Some('}') => return self.step(),
                Some(c) if is_word(*c) => self.branch(prefix),
                Some(_) => self.step(),
            }
        }
    }

    fn branch(&mut self, prefix: &[String]) {
        self.tree(prefix);
        self.skip_blanks();
        if self.text[self.at..].starts_with(&['a', 's', ' ']) {
            self.at += 3;
            self.word();
        }
    }
}

fn planted(file: &str, source: &str) -> Vec<String> {
    let modules =
        ["model", "config", "desired", "planner", "executor", "issuer", "issuer/internal", "store", "cli"];
    violations(file, source, &modules.into_iter().map(module_of).collect())
}

#[test]
fn a_planted_import_is_found() {
    let found = planted(
        "planner/due.rs",
        "use crate::{\n    model::Part,\n    store::{StateStore as S, Wrong},\n};\n",
    );
    assert_eq!(
        found,
        [
            "src/planner/due.rs:3: planner may import only model, desired (`crate::store::StateStore`)",
            "src/planner/due.rs:3: planner may import only model, desired (`crate::store::Wrong`)",
        ]
    );
    assert_eq!(planted("model/asset.rs", "fn f() { crate::config::Config::load(); }").len(), 1);
    assert_eq!(planted("config/mod.rs", "use super::issuer::Usage;").len(), 1);
    assert_eq!(planted("issuer/internal.rs", "use crate::store::StateStore;").len(), 1);
    assert_eq!(planted("store/mod.rs", "use super::super::issuer;"), [] as [String; 0]);
    assert_eq!(planted("store/journal.rs", "use super::super::issuer::Issuer;").len(), 1);
}

#[test]
fn a_concrete_adapter_is_for_the_cli_only() {
    let source = "use crate::issuer::internal::Internal;";
    assert_eq!(
        planted("executor/step.rs", source),
        [
            "src/executor/step.rs:1: only cli names concrete adapters; executor must do with the trait in issuer/mod.rs \
          (`crate::issuer::internal::Internal`)"
        ]
    );
    assert_eq!(planted("scheduler.rs", source).len(), 1);
    assert_eq!(planted("executor/step.rs", "use crate::issuer::{Issuer, Request};"), [] as [String; 0]);
    assert_eq!(planted("cli/run.rs", source), [] as [String; 0]);
}

#[test]
fn planted_unsafe_code_is_found() {
    for source in ["fn f() { unsafe { g() } }", "#![allow(unsafe_code)]", "unsafe extern \"C\" {}"] {
        assert!(is_unsafe(source), "{source}");
    }
    assert!(!is_unsafe("// unsafe\nfn is_unsafe() -> &'static str { \"unsafe\" }"));
}

#[test]
fn a_clock_in_a_decision_is_found() {
    for source in [
        "use std::{fmt, time::{Duration, SystemTime}};",
        "fn f() { let t = std::time::Instant::now(); }",
        "use tokio::sync::Mutex;",
        "use ring::rand;",
    ] {
        assert_eq!(planted("planner/mod.rs", source).len(), 1, "{source}");
        assert_eq!(planted("executor/mod.rs", source), [] as [String; 0], "{source}");
    }
    assert_eq!(planted("planner/mod.rs", "use std::time::Duration;"), [] as [String; 0]);
}

#[test]
fn comments_literals_and_tests_are_not_code() {
    let source = r##"
// use crate::store::StateStore;
/* crate::store::A */ /// [`crate::store`]
const A: &str = "crate::store::B \" crate::store::C";
const B: &str = r#"crate::store::"D"#;
const C: (char, char) = ('"', '\'');
fn f<'a>(_: &'a str) {}
#[cfg(test)]
use crate::store::E;
#[cfg(test)]
mod tests { fn g() { crate::store::F } }
use crate::store::Real;
"##;
    assert_eq!(planted("planner/mod.rs", source).len(), 1);
    assert!(planted("planner/mod.rs", source)[0].contains(":12: "));
}
