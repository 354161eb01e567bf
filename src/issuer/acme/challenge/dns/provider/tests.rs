//! The two tables, that of the configuration and that of the providers, belong together and know all of the crate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use super::keys::Keys;
use super::open::{PROVIDERS, open};
use super::{Provider, one_value};
use crate::config::{DnsKeyForm as Form, DnsKeyNeed as Need, DnsProviderKey, DnsProviderSpec, dns_providers};

/// What no log and no message may have.
const SECRET: &str = "c2VjcmV0+value/of=";

/// A folder with secrets, and the keys of providers that stand there.
struct Site {
    folder: tempfile::TempDir,
    settings: BTreeMap<String, String>,
    secrets: BTreeMap<String, PathBuf>,
}

impl Site {
    /// With the keys of `spec` that `wanted` wants.
    fn new(spec: &DnsProviderSpec, wanted: impl Fn(&DnsProviderKey) -> bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut settings, mut secrets) = (BTreeMap::new(), BTreeMap::new());
        for key in spec.keys.iter().filter(|key| wanted(key)) {
            if key.form == Form::Secret {
                let file = folder.path().join(key.name);
                std::fs::write(&file, secret(spec.name, key.name)).unwrap();
                secrets.insert(key.name.to_owned(), file);
            } else {
                settings.insert(key.name.to_owned(), setting(key));
            }
        }
        Self { folder, settings, secrets }
    }

    fn keys(&self) -> Keys {
        Keys::read(&self.settings, &self.secrets).unwrap()
    }
}

fn setting(key: &DnsProviderKey) -> String {
    match (key.form, key.name) {
        (Form::OneOf(words), _) => words[0].to_owned(),
        (Form::Number, _) => "8".to_owned(),
        (Form::Flag, _) => "true".to_owned(),
        (Form::Url, _) => "https://dns.example.org".to_owned(),
        (Form::Text, "server") => "192.0.2.53:53".to_owned(),
        (Form::Text | Form::Secret, _) => "eu-1".to_owned(),
    }
}

fn secret(provider: &str, key: &str) -> String {
    match (provider, key) {
        ("oraclecloud", "private_key") => {
            let made = Command::new("openssl").args(["genpkey", "-algorithm", "RSA"]).output().unwrap();
            String::from_utf8(made.stdout).unwrap()
        }
        ("rfc2136", _) => "c2VjcmV0IHZhbHVl\n".to_owned(),
        ("hurricane", _) => format!("example.org: {SECRET}\n"),
        // What a header is made of.
        ("gcore" | "ionos", _) => "abc.def".to_owned(),
        _ => format!("{SECRET}\n"),
    }
}

/// Those that `dns-update` has.
fn of_the_crate() -> impl Iterator<Item = &'static DnsProviderSpec> {
    dns_providers().iter().filter(|spec| spec.name != "acme-dns")
}

#[test]
fn every_provider_of_the_configuration_opens() {
    let known: Vec<&str> = PROVIDERS.iter().map(|(name, _)| *name).collect();
    let named: Vec<&str> = of_the_crate().map(|spec| spec.name).collect();
    assert_eq!(known, named, "in the same order, for who reads both");
    for spec in of_the_crate() {
        let least = Site::new(spec, |key| key.need != Need::Optional);
        open(spec.name, &least.keys()).unwrap_or_else(|why| panic!("{why}"));
    }
}

/// No key is accepted and then ignored, and none is used that could not be written.
#[test]
fn exactly_the_keys_of_the_configuration_are_used() {
    for spec in of_the_crate() {
        let keys = Site::new(spec, |_| true).keys();
        open(spec.name, &keys).unwrap_or_else(|why| panic!("{why}"));
        let asked = keys.asked.lock().unwrap().clone();
        let wanted: BTreeMap<String, bool> =
            spec.keys.iter().map(|key| (key.name.to_owned(), key.need == Need::Required)).collect();
        assert_eq!(asked, wanted, "{}", spec.name);
    }
}

/// The crate's own source has the list; a version that brings another provider fails here until it is in the tables.
#[test]
fn every_provider_of_the_crate_is_in_the_table() {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        // What only other systems need was never fetched here.
        .args(["--filter-platform", &format!("{}-unknown-linux-gnu", std::env::consts::ARCH)])
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "dns-update").unwrap();
    let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
    let update = std::fs::read_to_string(manifest.with_file_name("src").join("update.rs")).unwrap();
    let theirs: BTreeSet<&str> = words_after(&update, "pub fn new_", "(<");
    let ours: BTreeSet<&str> = words_after(include_str!("open.rs"), "DnsUpdater::new_", "(");
    // Two for tests, and two that need no key at all.
    let without = BTreeSet::from(["pebble", "in_memory"]);
    let missing: Vec<_> = theirs.difference(&ours).filter(|name| !without.contains(*name)).collect();
    assert!(theirs.len() > 70, "{theirs:?}");
    assert_eq!(missing, [] as [&&str; 0], "new in dns-update: add them to both tables");
}

fn words_after<'t>(text: &'t str, before: &str, end: &str) -> BTreeSet<&'t str> {
    text.split(before).skip(1).filter_map(|rest| rest.split(|c| end.contains(c)).next()).collect()
}

#[test]
fn secrets_are_in_no_message() {
    for spec in of_the_crate() {
        let site = Site::new(spec, |_| true);
        let keys = site.keys();
        let written = format!("GET https://x/?token={} refused", "c2VjcmV0%2Bvalue%2Fof%3D");
        let shown = format!("{} {SECRET}: {written}", keys.hidden(&"bad"));
        let uses_it = site.secrets.keys().any(|key| secret(spec.name, key).trim() == SECRET);
        if uses_it {
            assert_eq!(
                keys.hidden(&shown),
                "bad [hidden]: GET https://x/?token=[hidden] refused",
                "{}",
                spec.name
            );
        }
        let provider = Provider { name: spec.name, settings: &site.settings, secrets: &site.secrets };
        assert!(!format!("{provider:?}").contains(SECRET), "{provider:?}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_and_what_is_in_it_is_not() {
    let spec = of_the_crate().find(|spec| spec.name == "rfc2136").unwrap();
    let site = Site::new(spec, |key| key.need != Need::Optional);
    let provider = Provider { name: spec.name, settings: &site.settings, secrets: &site.secrets };
    let said = || provider.keys().and_then(|keys| open("rfc2136", &keys)).err().unwrap_or_default();
    let file = site.folder.path().join("key");
    std::fs::write(&file, "!!! no base64").unwrap();
    assert_eq!(said(), "rfc2136: Client error: key_file holds no base64");
    std::fs::write(&file, "\n").unwrap();
    assert_eq!(said(), format!("rfc2136: key_file {} is empty", file.display()));
    std::fs::remove_file(&file).unwrap();
    assert!(said().starts_with(&format!("rfc2136: key_file {}: No such file", file.display())), "{}", said());
    assert!(
        one_value("duckdns", "_acme-challenge.x.duckdns.org").starts_with("duckdns keeps one value for ")
    );
}
