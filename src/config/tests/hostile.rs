//! Input that nobody would write: no panic, no hang, no flood.

use std::path::Path;

use proptest::prelude::*;

use super::{CA, certificate, faults, parse};
use crate::config::{Config, Cron, MAX_SIZE};

#[test]
fn too_large() {
    let text = "#".repeat(10 * 1024 * 1024);
    assert_eq!(
        faults(&text),
        "keyturn.toml: is larger than 2 MiB, which no configuration is; is it the right file?"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keyturn.toml");
    std::fs::write(&file, &text).unwrap();
    assert!(Config::load(&file).unwrap_err().to_string().ends_with("is it the right file?"));
    assert!(Config::load(Path::new("/dev/zero")).unwrap_err().to_string().ends_with("is it the right file?"));
}

#[test]
fn not_utf8_and_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keyturn.toml");
    std::fs::write(&file, b"# abc\xff\n").unwrap();
    assert!(
        Config::load(&file)
            .unwrap_err()
            .to_string()
            .ends_with("keyturn.toml: is not UTF-8 at byte 5; save it as UTF-8")
    );
    let missing = folder.path().join("other.toml");
    assert!(
        Config::load(&missing).unwrap_err().to_string().contains("other.toml: cannot be read: No such file")
    );
    assert!(Config::load(folder.path()).unwrap_err().to_string().contains("cannot be read: Is a directory"));
}

#[test]
fn a_million_faults_are_a_hundred_lines() {
    let mut text = String::new();
    for number in 0..60_000 {
        text.push_str(&format!("k{number} = 1\n"));
    }
    let shown = faults(&text);
    assert_eq!(shown.lines().count(), 101);
    assert!(shown.ends_with("… and 59900 more"));
}

#[test]
fn large_and_dull_files_are_read_in_no_time() {
    let deep_keys = format!("{} = 1", vec!["a"; MAX_SIZE / 2 - 10].join("."));
    let deep_lists = format!("a = {}", "[".repeat(MAX_SIZE - 10));
    let deep_tables = format!("a = {}", "{a=".repeat(MAX_SIZE / 3 - 10));
    let long_line = format!("daemon = [{}]", "1,".repeat(MAX_SIZE / 2 - 20));
    let long_key = format!("{} = 1", "k".repeat(MAX_SIZE - 10));
    let long_value = certificate(&format!("dns_names = [\"{}\"]", "a.".repeat(MAX_SIZE / 2 - 200)));
    let many_issuers: String =
        (0..9000).map(|n| format!("[issuers.i{n}]\nkind=\"internal\"\ncommon_name=\"C\"\n")).collect();
    let many_names = certificate(&format!(
        "dns_names = [{}]",
        (0..80_000).map(|n| format!("\"a{n}\"")).collect::<Vec<_>>().join(",")
    ));
    let many_targets: String = (0..5000)
        .map(|n| format!("[[certificates.edge.targets]]\nkind=\"swarm\"\nservices=[\"s{n}\"]\nfiles={{\"a/b/c/d/e/f/g\"=\"ca\"}}\n"))
        .collect();
    let unknown_issuers: String =
        (0..9000).map(|n| format!("[certificates.c{n}]\ndns_names=[\"a\"]\nissuers=[\"j{n}\"]\n")).collect();
    let long_foreign_value = certificate(&format!("dns_names = [\"{}\"]", "ü".repeat(MAX_SIZE / 2 - 200)));
    let texts = [
        long_foreign_value,
        deep_keys,
        deep_lists,
        deep_tables,
        long_line,
        long_key,
        long_value,
        format!("{many_issuers}{unknown_issuers}"),
        many_names,
        certificate(&format!("dns_names = [\"a\"]\n{many_targets}")),
    ];
    for text in texts {
        assert!(text.len() <= MAX_SIZE, "{}", text.len());
        if let Err(errors) = parse(&text) {
            assert!(errors.to_string().len() < 100_000);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_value_anywhere(value in "\\PC{0,40}", key in "(issuers|common_name|dns_names|ip_addresses|usages|private_key|duration|renew_before|targets)") {
        let _ = parse(&certificate(&format!("{key} = {value:?}")));
        let _ = parse(&certificate(&format!("{key} = [{value:?}]")));
        let _ = parse(&certificate(&format!("dns_names = [\"a\"]\n[[certificates.edge.targets]]\nkind = \"file\"\ndir = {value:?}\nfiles = {{ {value:?} = \"ca\" }}\nreload = [{value:?}]\nverify = {{ connect = [{value:?}] }}\n")));
    }

    #[test]
    fn any_acme_value(value in "\\PC{0,40}", key in "(server|email|ca_file|profile|preferred_chain|eab|challenge|concurrency|limits)", setting in "(kind|listen|webroot|hook|provider|resolvers|propagation|kid|hmac_file|orders|token_file)") {
        let issuer = "[issuers.ca]\nkind = \"acme\"\n";
        let _ = parse(&format!("{issuer}{key} = {value:?}\n[certificates.a]\ndns_names = [{value:?}]\n"));
        let _ = parse(&format!("{issuer}{key} = {{ {setting} = {value:?} }}\n"));
        let _ = parse(&format!("{issuer}challenge = {{ kind = \"dns-01\", provider = \"rfc2136\", {setting} = {value:?} }}\n"));
    }

    #[test]
    fn any_schedule(text in "[0-9A-Za-z*,/? -]{0,40}") {
        let _ = Cron::parse(&text);
    }

    #[test]
    fn any_setting(section in "(daemon|schedule|docker|delivery|issuers|jwt_keys|dh_params|certificates)", key in "[a-z_]{1,12}", value in "(1|true|\"[a-z0-9:/.*]{0,12}\"|\\[\\]|\\[1\\]|\\{\\}|\\{a=1\\}|1979-05-27)") {
        let _ = parse(&format!("{CA}[{section}]\n{key} = {value}\n"));
        let _ = parse(&format!("[{section}.{key}]\n{key} = {value}\nbits = {value}\n"));
    }
}
