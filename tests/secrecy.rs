//! No byte of a private key, and none of the state key, is anywhere but where it was asked for.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use keyturn::model::Material;
use keyturn::store::{KeySource, Snapshot, StateKey};
use support::{Keyturn, Ran, Tree, command, files_site, pause};

/// So many bytes or characters of a secret in a row are a leak.
const WINDOW: usize = 16;

/// Every 16 bytes in a row of every secret, as they are, in base64, base64url and hex.
#[derive(Default)]
struct Secrets(HashMap<[u8; WINDOW], String>);

impl Secrets {
    /// What a site's state holds now: all keys, also standbys, retired ones that are still kept, and the CA's.
    fn of(keyturn: &Keyturn) -> Self {
        let mut secrets = Self::default();
        secrets.add_state(&keyturn.dir().join("state"));
        secrets
    }

    fn add_state(&mut self, state: &Path) {
        let key = StateKey::load(&state.join("state.key"), KeySource::File).unwrap();
        let snapshot = Snapshot::read(state, &key).unwrap();
        let bytes = STANDARD.decode(key.to_base64().expose()).unwrap();
        self.add("the state key", &bytes);
        self.add("the key of the digests", snapshot.record("meta/digest-key").unwrap());
        for id in snapshot.materials() {
            let material = snapshot.material(id).unwrap().unwrap();
            let material: Material = serde_json::from_slice(material.expose()).unwrap();
            for key in material.private_key.iter().chain(&material.anchor_key) {
                self.add(&format!("the key of {id}"), &private_bytes(key.expose_str()));
            }
        }
    }

    fn add(&mut self, name: &str, bytes: &[u8]) {
        let mut spellings = vec![bytes.to_vec()];
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        spellings.extend([hex.to_uppercase().into_bytes(), hex.into_bytes()]);
        for start in 0..3 {
            // Within something larger the bytes can stand at any place of a group of three.
            let whole = &bytes[start..start + (bytes.len() - start) / 3 * 3];
            spellings.extend([STANDARD.encode(whole), URL_SAFE.encode(whole)].map(String::into_bytes));
        }
        for spelling in &spellings {
            for window in spelling.windows(WINDOW) {
                self.0.insert(window.try_into().unwrap(), name.to_owned());
            }
        }
    }

    /// Which secret stands in `text`.
    fn found_in(&self, text: &[u8]) -> Option<&str> {
        let found =
            text.windows(WINDOW).find_map(|window| self.0.get(<&[u8; WINDOW]>::try_from(window).unwrap()));
        found.map(String::as_str)
    }

    fn assert_not_in(&self, what: &str, text: &[u8]) {
        if let Some(secret) = self.found_in(text) {
            panic!("{what} holds {secret}");
        }
    }
}

/// The bytes of a PKCS#8 key that nobody may know: an elliptic curve's scalar, or all of an RSA key behind its public
/// exponent.
fn private_bytes(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).unwrap();
    let at = |needle: &[u8]| {
        der.windows(needle.len()).position(|window| window == needle).map(|at| at + needle.len())
    };
    match at(&[0x02, 0x03, 0x01, 0x00, 0x01]) {
        Some(start) => der[start..].to_vec(),
        // ECPrivateKey (RFC 5915 §3): version 1, then an octet string.
        None => {
            let length = at(&[0x02, 0x01, 0x01, 0x04]).unwrap();
            let start = length + 1;
            der[start..start + usize::from(der[length])].to_vec()
        }
    }
}

/// Where secrets are to be: private outputs, and the state key.
fn is_private(path: &Path) -> bool {
    path.file_name().is_some_and(|name| ["tls.key", "jwt.key", "state.key"].iter().any(|own| name == *own))
}

/// Every file of the site: logs, outputs of all runs (`run-N.stdout` and `.stderr`), state, audit, public files.
fn assert_clean(keyturn: &Keyturn, secrets: &Secrets) {
    let tree = Tree::of(&[keyturn.dir().to_owned()]);
    for (path, found) in tree.0.iter().filter(|(path, _)| !is_private(path)) {
        secrets.assert_not_in(&path.display().to_string(), &found.bytes);
        secrets.assert_not_in("a file's name", path.as_os_str().as_encoded_bytes());
    }
}

/// The arguments and environments of all processes that a site has started, sampled while `work` runs.
fn watched<T>(mark: &str, secrets: impl FnOnce() -> Secrets, work: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    let sample = || {
        let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
        while !stop.load(Ordering::Relaxed) {
            for process in fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()) {
                let read = |name: &str| fs::read(process.join(name)).unwrap_or_default();
                let environment = read("environ");
                if String::from_utf8_lossy(&environment).contains(mark) {
                    seen.extend([environment, read("cmdline")]);
                }
            }
            pause(Duration::from_millis(2));
        }
        seen
    };
    let (done, seen) = std::thread::scope(|scope| {
        let sampler = scope.spawn(sample);
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::Relaxed);
        (done, sampler.join().unwrap())
    });
    let done = done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    assert!(seen.len() >= 2, "no process was seen");
    let secrets = secrets();
    seen.iter().for_each(|bytes| secrets.assert_not_in("an argument or environment", bytes));
    done
}

const RSA: &str = r#"
[jwt_keys.rsa]
algorithm = "RS256"
bits = 2048
[[jwt_keys.rsa.targets]]
kind = "file"
dir = "out/rsa"
files = { "jwt.key" = "private-key", "jwks.json" = "jwks", "pub.pem" = "public-keys" }
"#;

/// A site with an RSA key too, whose processes carry a mark.
fn site(target: &str, mark: &str) -> Keyturn {
    let keyturn = files_site(target).env("KEYTURN_TEST_MARK", mark);
    let config = keyturn.dir().join("keyturn.toml");
    let text = fs::read_to_string(config).unwrap();
    keyturn.write("keyturn.toml", &(text + RSA));
    keyturn
}

/// All that prints facts.
const READERS: [&[&str]; 14] = [
    &["status"],
    &["status", "-o", "json"],
    &["plan"],
    &["plan", "--until", "400d", "-o", "json"],
    &["audit"],
    &["audit", "-o", "json"],
    &["audit", "--verify"],
    &["jwks", "rsa"],
    &["ca", "show", "internal", "-o", "json"],
    &["export", "certificates/edge", "--part", "fullchain"],
    &["export", "certificates/edge", "--part", "public-key"],
    &["export", "certificates/edge", "--part", "ca"],
    &["export", "jwt_keys/rsa", "--part", "public-keys"],
    &["export", "dh_params/edge", "--part", "dhparam"],
];

#[test]
fn what_looks_for_secrets_finds_them() {
    let keyturn = site("", "self-test");
    keyturn.ok(&["run"]);
    let secrets = Secrets::of(&keyturn);
    for file in ["out/edge/tls.key", "out/signer/jwt.key", "out/rsa/jwt.key", "state/state.key"] {
        let text = fs::read(keyturn.dir().join(file)).unwrap();
        assert!(secrets.found_in(&text).is_some(), "{file}");
        let one_line = |line: &[u8]| secrets.found_in(&[b"log: ", line].concat()).is_some();
        assert!(text.split(|byte| *byte == b'\n').any(one_line), "{file}");
    }
    let der = private_bytes(&fs::read_to_string(keyturn.dir().join("out/edge/tls.key")).unwrap());
    assert!(secrets.found_in(&[b"core".as_slice(), &der].concat()).is_some());
    let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(secrets.found_in(hex.as_bytes()).is_some());
    assert_eq!(secrets.found_in(&fs::read(keyturn.dir().join("out/rsa/jwks.json")).unwrap()), None);
}

#[test]
fn nothing_secret_is_logged_at_trace() {
    for variable in ["RUST_LOG", "KEYTURN_LOG"] {
        let mark = format!("mark-{variable}-{}", std::process::id());
        // Commands of targets get nothing either; this one writes down what it was given.
        let test = r#"test = ["sh", "-c", "cat /proc/$PPID/cmdline /proc/$PPID/environ /proc/$$/cmdline /proc/$$/environ >>{dir}/given"]"#;
        let keyturn = site(test, &mark).env(variable, "trace");
        let mut secrets = Secrets::default();
        let run = watched(&mark, || Secrets::of(&keyturn), || keyturn.run(&["run"]));
        assert!(run.ok() && run.stderr.contains("INFO"), "{run:#?}");
        secrets.add_state(&keyturn.dir().join("state"));
        let everything = ["certificates/edge", "jwt_keys/auth", "jwt_keys/rsa"];
        let args = [["rotate", "-vvv"].as_slice(), &everything].concat();
        let rotate = watched(&mark, || Secrets::of(&keyturn), || keyturn.run(&args));
        assert!(rotate.ok(), "{rotate:#?}");
        secrets.add_state(&keyturn.dir().join("state"));
        for args in READERS {
            keyturn.ok(args);
        }
        assert!(!fs::read(keyturn.dir().join("given")).unwrap().is_empty());
        assert_clean(&keyturn, &secrets);
    }
}

/// The way to the engine too: it is there that secrets go out as request bodies.
#[test]
#[cfg(feature = "failpoints")]
fn nothing_secret_is_logged_at_trace_on_the_way_to_a_swarm() {
    let engine = support::engine_or_skip!();
    let _web = support::Nginx::new("web_nginx", 8443).with_dhparam().create(&engine);
    let more = support::DH.to_owned();
    let mark = format!("mark-swarm-{}", std::process::id());
    let site = support::Site { more, ..support::Site::default() };
    let mut keyturn =
        site.beside(&engine).env("KEYTURN_LOG", "trace").env("RUST_LOG", "trace").env("MARK", &mark);
    let run = watched(&mark, || Secrets::of(&keyturn), || keyturn.run(&["run", "-vvv"]));
    assert!(run.ok() && run.stderr.contains("DEBUG"), "{run:#?}");
    let mut secrets = Secrets::of(&keyturn);
    keyturn.ok(&["rotate", "certificates/edge"]);
    secrets.add_state(&keyturn.dir().join("state"));
    keyturn.set("KEYTURN_FAILPOINT", Some("mismatched-key:1:plant"));
    assert_eq!(keyturn.run(&["rotate", "certificates/edge"]).code, Some(1));
    secrets.add_state(&keyturn.dir().join("state"));
    assert_clean(&keyturn, &secrets);
}

/// What a private export says beside the key.
#[test]
fn a_private_export_is_on_stdout_alone_and_on_the_record() {
    let keyturn = site("", "export").env("KEYTURN_LOG", "trace");
    keyturn.ok(&["run"]);
    let secrets = Secrets::of(&keyturn);
    let output = keyturn.command(&["export", "certificates/edge", "--part", "private-key"]).output().unwrap();
    let ran = Ran::new(output.status, &output.stdout, &output.stderr);
    assert!(ran.ok() && secrets.found_in(ran.stdout.as_bytes()).is_some(), "{}", ran.stderr);
    secrets.assert_not_in("stderr", ran.stderr.as_bytes());
    assert!(keyturn.ok(&["audit"]).contains("exported"));
    assert_clean(&keyturn, &secrets);
}

#[test]
fn nothing_secret_is_in_what_fails() {
    // The worst that a command can do: it prints the key that it has just been given.
    let told = "cat {dir}/out/edge/tls.key; cat {dir}/out/edge/tls.key >&2; exit 7";
    let failing = [
        format!(r#"test = ["sh", "-c", "{told}"]"#),
        format!(r#"reload = ["sh", "-c", "{told}"]"#),
        r#"test = ["sh", "-c", "cat {dir}/out/edge/tls.key | tr '\n' ' ' >&2; exit 7"]"#.to_owned(),
    ];
    for target in failing {
        let keyturn = site(&target, "failing").env("KEYTURN_LOG", "trace");
        let run = keyturn.run(&["run"]);
        assert_eq!(run.code, Some(1), "{run:#?}");
        assert!(run.stderr.contains("ended with exit status: 7"), "{run:#?}");
        let secrets = Secrets::of(&keyturn);
        for args in [["status"].as_slice(), &["status", "-o", "json"], &["audit", "-o", "json"]] {
            keyturn.ok(args);
        }
        // A configuration that became bad meanwhile, and a state that cannot be opened.
        let good = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
        keyturn.write("keyturn.toml", &good.replace("duration", "durtion"));
        assert_eq!(keyturn.run(&["run"]).code, Some(2));
        keyturn.write("keyturn.toml", &good);
        let log = keyturn.dir().join("state/journal/log");
        let mut bytes = fs::read(&log).unwrap();
        bytes[700] ^= 1;
        fs::write(&log, bytes).unwrap();
        assert_eq!(keyturn.run(&["run"]).code, Some(1));
        assert_clean(&keyturn, &secrets);
    }
}

#[test]
fn no_umask_opens_private_files() {
    for umask in ["000", "777"] {
        let keyturn = site("", "umask");
        let script = format!("umask {umask}; exec \"$0\" \"$@\"");
        let config = keyturn.dir().join("keyturn.toml");
        for args in [["run"].as_slice(), &["rotate", "certificates/edge"], &["status"]] {
            let mut shell = command("sh", ["-c", &script, env!("CARGO_BIN_EXE_keyturn"), "--config"]);
            let output = shell.arg(&config).args(args).output().unwrap();
            let ran = Ran::new(output.status, &output.stdout, &output.stderr);
            assert!(ran.ok(), "umask {umask}: {ran:#?}");
        }
        let state = keyturn.dir().join("state");
        for (path, found) in Tree::of(std::slice::from_ref(&state)).0 {
            let wanted = if path.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(found.mode, wanted, "umask {umask}: {}", path.display());
        }
        let mode = |path: &str| {
            let real: PathBuf = fs::canonicalize(keyturn.dir().join("out").join(path)).unwrap();
            Tree::of(std::slice::from_ref(&real)).0[&real].mode
        };
        let modes =
            ["edge/tls.key", "edge/tls.crt", "signer/jwt.key", "rsa/jwt.key", "verifiers/jwks.json", "edge"];
        assert_eq!(modes.map(mode), [0o640, 0o640, 0o640, 0o640, 0o644, 0o755], "umask {umask}");
    }
}
