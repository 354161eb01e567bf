//! Records written through a DNS provider's interface, by the `dns-update` crate: a value is added beside those that are
//! there, and taken away alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dns_update::{DnsRecord, DnsRecordType, DnsUpdater, TsigAlgorithm};
use zeroize::Zeroizing;

use super::value::Entry;

/// Seconds; the record lives for minutes.
const TTL: u32 = 60;
const PATIENCE: Duration = Duration::from_secs(30);

/// A provider as the configuration has it.
pub(super) struct Provider<'a> {
    pub(super) name: &'a str,
    pub(super) settings: &'a BTreeMap<String, String>,
    pub(super) secrets: &'a BTreeMap<String, PathBuf>,
}

impl Provider<'_> {
    pub(super) async fn present(&self, entry: &Entry, zone: &str) -> Result<(), String> {
        let (updater, name) = (self.open()?, entry.fqdn.as_str());
        let added = updater.add_to_rrset(name, DnsRecordType::TXT, TTL, records(entry), zone).await;
        added.map_err(|error| format!("{} has not written {name}: {error}", self.name))
    }

    pub(super) async fn clean_up(&self, entry: &Entry, zone: &str) -> Result<(), String> {
        let (updater, name) = (self.open()?, entry.fqdn.as_str());
        let removed = updater.remove_from_rrset(name, DnsRecordType::TXT, records(entry), zone).await;
        removed.map_err(|error| format!("{} has not removed {name}: {error}", self.name))
    }

    /// The configuration knows no other names (config/dns_providers.rs).
    fn open(&self) -> Result<DnsUpdater, String> {
        open(self.name, self.settings, self.secrets)
    }
}

fn records(entry: &Entry) -> Vec<DnsRecord> {
    entry.values.iter().cloned().map(DnsRecord::TXT).collect()
}

fn open(
    name: &str,
    settings: &BTreeMap<String, String>,
    secrets: &BTreeMap<String, PathBuf>,
) -> Result<DnsUpdater, String> {
    let setting = |key: &str| settings.get(key).map(String::as_str).unwrap_or_default();
    let secret = |key: &str| read(name, key, secrets);
    let opened = match name {
        "cloudflare" => DnsUpdater::new_cloudflare(secret("token")?.as_str(), Some(PATIENCE)),
        "desec" => DnsUpdater::new_desec(secret("token")?.as_str(), Some(PATIENCE)),
        "digitalocean" => DnsUpdater::new_digitalocean(secret("token")?.as_str(), Some(PATIENCE)),
        "rfc2136" => {
            let key = STANDARD.decode(secret("key")?.as_str());
            let key = key.map_err(|_| "rfc2136: key_file holds no base64".to_owned())?;
            let algorithm = match setting("algorithm") {
                "hmac-sha384" => TsigAlgorithm::HmacSha384,
                "hmac-sha512" => TsigAlgorithm::HmacSha512,
                _ => TsigAlgorithm::HmacSha256,
            };
            // By TCP: a signed update does not always fit into a datagram.
            DnsUpdater::new_rfc2136_tsig(
                format!("tcp://{}", setting("server")),
                setting("key_name"),
                key,
                algorithm,
            )
        }
        other => return Err(format!("there is no DNS provider `{other}`")),
    };
    opened.map_err(|error| format!("{name}: {error}"))
}

/// Its first line; the value is never repeated.
fn read(name: &str, key: &str, secrets: &BTreeMap<String, PathBuf>) -> Result<Zeroizing<String>, String> {
    let file = secrets.get(key).ok_or_else(|| format!("{name}: {key}_file is missing"))?;
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| format!("{name}: {key}_file {}: {error}", file.display()))?;
    let text = Zeroizing::new(text);
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().trim().to_owned()))
}
