//! PKCS#12 files, as OpenSSL and Java's keytool open them: from a directory, from a Swarm service, from `export`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Keyturn, Plain, Ran, command, engine_or_skip, skipped};

const PASSWORD: &str = "correct horse $battery";

/// `targets` are those of the one certificate.
fn config(head: &str, targets: &str) -> String {
    format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
{head}
[issuers.internal]
kind = "internal"
common_name = "Test CA"
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.test"]
private_key = {{ algorithm = "{{key}}" }}
{targets}
"#
    )
}

const DIR: &str = r#"
[[certificates.edge.targets]]
kind = "file"
dir = "out"
files = { "edge.p12" = "pkcs12", "tls.crt" = "fullchain", "tls.key" = "private-key" }
password_file = "password"
reload = ["sh", "-c", "echo reload >>{dir}/log"]
"#;

fn site(key: &str) -> Keyturn {
    let keyturn = Keyturn::alone();
    keyturn.write("password", &format!("{PASSWORD}\n"));
    keyturn.config(&config("", DIR).replace("{key}", key))
}

fn run(program: &str, args: &[&str]) -> Ran {
    let output = command(program, args).output().unwrap();
    Ran::new(output.status, &output.stdout, &output.stderr)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn openssl(file: &Path, password: &str, more: &[&str]) -> Ran {
    let password = format!("pass:{password}");
    run("openssl", &[&["pkcs12", "-in", text(file), "-passin", &password], more].concat())
}

/// The PEM blocks alone.
fn blocks(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut all = Vec::new();
    for line in text.lines() {
        if line.starts_with("-----BEGIN") {
            inside = true;
            all.push(String::new());
        }
        if inside {
            let last = all.last_mut().unwrap();
            last.push_str(line);
            last.push('\n');
        }
        inside &= !line.starts_with("-----END");
    }
    all
}

/// OpenSSL finds the key and the chain of the PEM files beside it, by the right password alone.
fn assert_openssl_opens(file: &Path, password: &str, fullchain: &str, key: &str) {
    let all = openssl(file, password, &["-nodes"]);
    assert!(all.ok(), "{all:#?}");
    assert_eq!(blocks(&all.stdout).len(), 3, "{all:#?}");
    let certificates = openssl(file, password, &["-nokeys"]);
    assert_eq!(blocks(&certificates.stdout).concat(), fullchain);
    let leaf = openssl(file, password, &["-nokeys", "-clcerts"]);
    assert_eq!(blocks(&leaf.stdout).concat(), blocks(fullchain)[0], "which one is the key's");
    let found = openssl(file, password, &["-nocerts", "-nodes"]);
    assert_eq!(public_half(&blocks(&found.stdout)[0]), public_half(key));
    let info = openssl(file, password, &["-info", "-noout"]);
    for line in
        ["MAC: sha256, Iteration 10000", "PBES2, PBKDF2, AES-256-CBC, Iteration 10000, PRF hmacWithSHA256"]
    {
        assert!(info.stderr.contains(line), "{info:#?}");
    }
    assert!(!info.stderr.contains("RC2") && !info.stderr.contains("DES"), "{info:#?}");
    let wrong = openssl(file, "wrong", &["-nodes"]);
    assert!(!wrong.ok() && wrong.stderr.contains("invalid password"), "{wrong:#?}");
}

fn public_half(key: &str) -> String {
    let ran = support::fed(command("openssl", ["pkey", "-pubout"]), key.as_bytes());
    assert!(ran.ok(), "{ran:#?}");
    ran.stdout
}

/// Java finds one entry with its chain, and can use the key.
fn assert_java_opens(file: &Path, password: &str, name: &str, leaf: &str) {
    let listed = |password: &str| {
        let fixed = ["-J-Xshare:auto", "-list", "-v", "-storetype", "PKCS12", "-keystore", text(file)];
        run("keytool", &[&fixed[..], &["-storepass", password]].concat())
    };
    let ran = listed(password);
    assert!(ran.ok(), "{ran:#?}");
    let fingerprint = leaf.to_uppercase();
    let fingerprint: Vec<&str> =
        (0..fingerprint.len() / 2).map(|at| &fingerprint[2 * at..2 * at + 2]).collect();
    for line in [
        "Your keystore contains 1 entry",
        &format!("Alias name: {name}"),
        "Entry type: PrivateKeyEntry",
        "Certificate chain length: 2",
        &fingerprint.join(":"),
    ] {
        assert!(ran.stdout.contains(line), "{line}: {ran:#?}");
    }
    let wrong = listed("wrong password");
    assert!(!wrong.ok() && wrong.stdout.contains("password was incorrect"), "{wrong:#?}");
    // keytool reads the key only when it writes it anew.
    let copy = file.with_extension("copy");
    let fixed = ["-importkeystore", "-noprompt", "-srckeystore", text(file), "-srcstoretype", "PKCS12"];
    let passwords = ["-srcstorepass", password, "-deststorepass", "another one", "-deststoretype", "PKCS12"];
    let copied = run("keytool", &[&fixed[..], &passwords, &["-destkeystore", text(&copy)]].concat());
    assert!(copied.ok(), "{copied:#?}");
    let original = openssl(file, password, &["-nocerts", "-nodes"]);
    let found = openssl(&copy, "another one", &["-nocerts", "-nodes"]);
    assert_eq!(public_half(&blocks(&found.stdout)[0]), public_half(&blocks(&original.stdout)[0]));
}

fn has_java() -> bool {
    command("keytool", ["-help"]).output().is_ok_and(|output| output.status.success())
}

#[test]
fn openssl_opens_what_lies_in_a_directory() {
    for key in ["ecdsa-p256", "rsa-2048", "ed25519"] {
        let keyturn = site(key);
        keyturn.ok(&["run"]);
        let out = keyturn.dir().join("out");
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        assert_openssl_opens(&out.join("edge.p12"), PASSWORD, &read("tls.crt"), &read("tls.key"));
    }
}

#[test]
fn keytool_opens_what_lies_in_a_directory() {
    if !has_java() {
        let reason = "`keytool` is not installed (scripts/install-test-deps)";
        return skipped("pkcs12::keytool_opens_what_lies_in_a_directory", reason);
    }
    for key in ["ecdsa-p256", "rsa-2048"] {
        let keyturn = site(key);
        keyturn.ok(&["run"]);
        let file = keyturn.dir().join("out/edge.p12");
        assert_java_opens(&file, PASSWORD, "edge", &keyturn.fingerprint("edge"));
    }
}

#[test]
fn it_is_made_once_and_anew_with_another_password() {
    let keyturn = site("ecdsa-p256");
    keyturn.ok(&["run"]);
    let file = keyturn.dir().join("out/edge.p12");
    let first = fs::read(&file).unwrap();
    // No change, no touch; and what is lost comes back as it was.
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
    fs::remove_dir_all(keyturn.dir().join("out")).unwrap();
    keyturn.ok(&["run"]);
    assert_eq!(fs::read(&file).unwrap(), first);
    assert_eq!(keyturn.audited("pkcs12-made"), 1);

    // A newline more or less is no other password.
    keyturn.write("password", PASSWORD);
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
    let leaf = fs::read(keyturn.dir().join("out/tls.crt")).unwrap();
    let reloads = || fs::read_to_string(keyturn.dir().join("log")).unwrap().lines().count();
    let before = reloads();
    keyturn.write("password", "another\n");
    let plan = keyturn.ok(&["plan"]);
    assert!(plan.contains("certificates/edge"), "{plan}");
    keyturn.ok(&["run"]);
    assert_eq!(reloads(), before + 1);
    assert_eq!(fs::read(keyturn.dir().join("out/tls.crt")).unwrap(), leaf, "the same certificate");
    assert!(openssl(&file, "another", &["-noout"]).ok() && !openssl(&file, PASSWORD, &["-noout"]).ok());
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));

    // What cannot be read changes nothing, is said, and is good again by itself.
    let second = fs::read(&file).unwrap();
    fs::remove_file(keyturn.dir().join("password")).unwrap();
    let ran = keyturn.run(&["run"]);
    assert!(ran.stdout.contains("KT-PASSWORD-FILE"), "{ran:#?}");
    assert_eq!(fs::read(&file).unwrap(), second);
    assert_eq!(keyturn.status("edge")["targets"][0]["state"], "delivered");
    keyturn.write("password", "another\n");
    let ran = keyturn.run(&["run"]);
    assert!(ran.ok() && ran.stdout.contains("nothing to do"), "{ran:#?}");

    // The next revision has a file of its own; that of a retired one goes with its key.
    keyturn.ok(&["rotate", "edge"]);
    assert_ne!(fs::read(&file).unwrap(), second);
    let kept = keyturn.material("certificates/edge", 2).unwrap();
    assert_eq!(kept["pkcs12"].as_array().unwrap().len(), 1, "{kept:#}");
}

#[test]
fn a_service_gets_it_as_a_secret() {
    let engine = engine_or_skip!();
    Plain::sleeping("shop_api").create(&engine);
    let targets = r#"
[[certificates.edge.targets]]
kind = "swarm"
services = ["shop_api"]
files = { "edge.p12" = "pkcs12" }
password_file = "password"
"#;
    let keyturn = Keyturn::beside(&engine);
    keyturn.write("password", &format!("{PASSWORD}\n"));
    let head = format!("[docker]\nsocket = \"{}\"", engine.socket().display());
    let keyturn = keyturn.config(&config(&head, targets).replace("{key}", "ecdsa-p256"));
    keyturn.ok(&["run"]);
    let fetched = || -> PathBuf {
        let tasks = engine.tasks("shop_api");
        let running = tasks.iter().find(|task| task["Status"]["State"] == "running").unwrap();
        let container = running["Status"]["ContainerStatus"]["ContainerID"].as_str().unwrap();
        let read = engine.command(["exec", container, "cat", "/run/secrets/edge.p12"]).output().unwrap();
        assert!(read.status.success(), "{read:?}");
        let file = keyturn.dir().join("fetched.p12");
        fs::write(&file, read.stdout).unwrap();
        file
    };
    let fullchain = keyturn.ok(&["export", "edge", "--part", "fullchain"]);
    let key = keyturn.ok(&["export", "edge", "--part", "private-key"]);
    assert_openssl_opens(&fetched(), PASSWORD, &fullchain, &key);
    if has_java() {
        assert_java_opens(&fetched(), PASSWORD, "edge", &keyturn.fingerprint("edge"));
    }
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
    assert_eq!(engine.secrets_of("shop_api"), [("edge.p12".to_owned(), "cert.edge.pkcs12.1".to_owned())]);

    keyturn.write("password", "another\n");
    keyturn.ok(&["run"]);
    assert_eq!(engine.secrets_of("shop_api")[0].1, "cert.edge.pkcs12.2");
    assert_openssl_opens(&fetched(), "another", &fullchain, &key);
    // The password before comes back: so do its bytes, and their secret, which is still there.
    keyturn.write("password", PASSWORD);
    keyturn.ok(&["run"]);
    assert_eq!(engine.secrets_of("shop_api")[0].1, "cert.edge.pkcs12.1");
}

#[test]
fn export_asks_for_a_password() {
    let keyturn = site("ecdsa-p256");
    keyturn.ok(&["run"]);
    let ran = keyturn.run(&["export", "edge", "--part", "pkcs12"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("--password-file"), "{ran:#?}");
    let ran = keyturn.run(&["export", "edge", "--part", "fullchain", "--password-file", "password"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("goes with pkcs12"), "{ran:#?}");
    keyturn.write("other", "for export\n");
    let output =
        keyturn.command(&["export", "edge", "--part", "pkcs12", "--password-file", "other"]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    let file = keyturn.dir().join("exported.p12");
    fs::write(&file, output.stdout).unwrap();
    let read = |name: &str| fs::read_to_string(keyturn.dir().join("out").join(name)).unwrap();
    assert_openssl_opens(&file, "for export", &read("tls.crt"), &read("tls.key"));
    assert_eq!(keyturn.audited("exported"), 1);
}

#[test]
fn the_password_is_in_no_log_and_in_no_history() {
    let keyturn = site("ecdsa-p256");
    let ran = keyturn.run(&["-vvv", "run"]);
    assert!(ran.ok() && ran.stderr.lines().count() > 10, "{ran:#?}");
    let history = fs::read_to_string(keyturn.dir().join("state/audit.log")).unwrap();
    for text in [&ran.stdout, &ran.stderr, &history] {
        assert!(!text.contains("battery"), "{text}");
    }
    let kept = keyturn.material("certificates/edge", 1).unwrap();
    let bytes = kept["pkcs12"][0]["bytes"].as_str().unwrap();
    assert!(!ran.stderr.contains(&bytes[..32]) && !kept.to_string().contains("battery"), "{kept:#}");
}

#[test]
fn what_is_no_password_is_refused_beforehand() {
    let check = |keyturn: &Keyturn, words: &str| {
        let ran = keyturn.run(&["config", "check"]);
        assert!(ran.code == Some(2) && ran.stderr.contains(words), "{ran:#?}");
        assert!(!ran.stderr.contains("hunter"), "{ran:#?}");
    };
    let keyturn = site("ecdsa-p256");
    assert!(keyturn.run(&["config", "check"]).ok());
    keyturn.write("password", "\n");
    check(&keyturn, "is empty");
    keyturn.write("password", "hunter\n2\n");
    check(&keyturn, "more than one line");
    keyturn.write("password", "hunter\u{e9}\n");
    check(&keyturn, "not printable ASCII");
    fs::remove_file(keyturn.dir().join("password")).unwrap();
    check(&keyturn, "cannot be read");
    let ran = keyturn.run(&["run"]);
    assert!(
        ran.stdout.contains("KT-PASSWORD-FILE") && !keyturn.dir().join("out/edge.p12").exists(),
        "{ran:#?}"
    );
    keyturn.write("password", PASSWORD);
    keyturn.ok(&["run"]);
    assert!(keyturn.dir().join("out/edge.p12").exists());
    let without = |line: &str, by: &str| {
        let text = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
        let other = Keyturn::alone();
        other.write("keyturn.toml", &text.replace(line, by));
        other
    };
    check(&without("password_file = \"password\"\n", ""), "password_file");
    check(&without("password_file = \"password\"\n", "password = \"hunter\"\n"), "never written here");
    check(&without("\"edge.p12\" = \"pkcs12\", ", ""), "belongs to a file with the part pkcs12");
}
