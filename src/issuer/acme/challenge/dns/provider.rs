//! Records written through a DNS provider's interface, by the `dns-update` crate: a value is added beside those that are
//! there, and taken away alone.

mod keys;
mod open;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use dns_update::{DnsRecord, DnsRecordType};

use self::keys::Keys;
use super::value::Entry;
use crate::config::dns_provider;

/// Seconds; the record lives for minutes.
const TTL: u32 = 60;

/// One lock a zone: most interfaces have but whole record sets, some but the whole zone, so that it is read, changed and
/// written, and who comes in between is lost.
static ZONES: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>> = Mutex::new(BTreeMap::new());

/// A provider as the configuration has it.
#[derive(Debug)]
pub(super) struct Provider<'a> {
    pub(super) name: &'a str,
    pub(super) settings: &'a BTreeMap<String, String>,
    pub(super) secrets: &'a BTreeMap<String, PathBuf>,
}

impl Provider<'_> {
    pub(super) async fn present(&self, entry: &Entry, zone: &str) -> Result<(), String> {
        let (keys, name) = (self.keys()?, entry.fqdn.as_str());
        let updater = open::open(self.name, &keys)?;
        let zones_lock = lock_of(zone);
        let _alone = zones_lock.lock().await;
        let written = match self.keeps_one() {
            true if entry.values.len() > 1 => return Err(one_value(self.name, name)),
            true => updater.set_rrset(name, DnsRecordType::TXT, TTL, records(entry), zone).await,
            false => updater.add_to_rrset(name, DnsRecordType::TXT, TTL, records(entry), zone).await,
        };
        written.map_err(|error| format!("{} has not written {name}: {}", self.name, keys.hidden(&error)))
    }

    pub(super) async fn clean_up(&self, entry: &Entry, zone: &str) -> Result<(), String> {
        let (keys, name) = (self.keys()?, entry.fqdn.as_str());
        let updater = open::open(self.name, &keys)?;
        let zones_lock = lock_of(zone);
        let _alone = zones_lock.lock().await;
        let removed = match self.keeps_one() {
            true => updater.set_rrset(name, DnsRecordType::TXT, TTL, Vec::new(), zone).await,
            false => updater.remove_from_rrset(name, DnsRecordType::TXT, records(entry), zone).await,
        };
        removed.map_err(|error| format!("{} has not removed {name}: {}", self.name, keys.hidden(&error)))
    }

    /// Read when they are used, each time.
    fn keys(&self) -> Result<Keys, String> {
        Keys::read(self.settings, self.secrets).map_err(|why| format!("{}: {why}", self.name))
    }

    fn keeps_one(&self) -> bool {
        dns_provider(self.name).is_some_and(|spec| spec.keeps_one)
    }
}

fn lock_of(zone: &str) -> Arc<tokio::sync::Mutex<()>> {
    let mut zones = ZONES.lock().unwrap_or_else(PoisonError::into_inner);
    zones.retain(|_, lock| Arc::strong_count(lock) > 1);
    Arc::clone(zones.entry(zone.to_owned()).or_default())
}

fn one_value(provider: &str, name: &str) -> String {
    format!(
        "{provider} keeps one value for {name}, and a name and its wildcard need two in one certificate: write two \
         certificates, or lead the name to another provider by a CNAME"
    )
}

fn records(entry: &Entry) -> Vec<DnsRecord> {
    entry.values.iter().cloned().map(DnsRecord::TXT).collect()
}
