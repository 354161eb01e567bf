//! `keyturn.toml`, in two stages: a tree in which everything knows its place (`raw`), then a
//! [`Config`] with private fields that cannot be wrong (`validate`).
//!
//! All faults are reported at once, each with its key's path, line and column. What a later version
//! will know is refused by name; nothing is accepted and ignored.

mod acme;
mod certificate;
mod daemon;
mod dh_params;
mod dns_providers;
mod duration;
mod environment;
mod findings;
mod host;
mod issuer;
mod jwt_key;
mod keys;
mod notify;
mod raw;
mod roles;
mod scalar;
mod schedule;
mod signing;
mod target;
#[cfg(test)]
mod tests;
mod validate;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use acme::{AcmeIssuer, Challenge, Dns01, DnsPublisher, Eab, HttpAnswer};
pub use certificate::{Certificate, KeyRotation};
pub use daemon::{Daemon, Delivery, Docker, Drift};
pub use dh_params::{DhParams, DhSource};
pub use dns_providers::{
    DnsProviderSpec, Form as DnsKeyForm, Key as DnsProviderKey, Need as DnsKeyNeed, dns_provider,
    dns_provider_names, dns_providers,
};
pub use duration::{RenewBefore, duration_text, parse as parse_duration};
pub use environment::Environment;
pub use findings::{ConfigErrors, Finding};
pub use host::{Process, password};
pub use issuer::{Crl, InternalCa};
pub use jwt_key::JwtKey;
pub use keys::Keys;
pub use notify::{Channel, ChannelKind, Email, Hook, MailTls};
pub use roles::{Guards, Principal, Roles};
pub use schedule::{Cron, Schedule};
pub use signing::SigningRole;
pub use target::{
    Account, Command, DirFile, Endpoint, FileTarget, Reload, Services, SwarmFile, SwarmTarget, Target, Verify,
};

use crate::model::{AssetId, AssetKind};
use findings::{Findings, Source, Spot};
pub(crate) use raw::not_one_of;
use raw::{Context, Table};
use validate::OwnerCheck;

/// No configuration is larger than this, in bytes: ten thousand assets in few words.
pub const MAX_SIZE: usize = 2 * 1024 * 1024;

/// A configuration that has passed all checks.
#[derive(Debug, Clone)]
pub struct Config {
    daemon: Daemon,
    schedule: Schedule,
    docker: Docker,
    delivery: Delivery,
    keys: Keys,
    roles: Roles,
    guards: Guards,
    internal_cas: BTreeMap<String, InternalCa>,
    acme_issuers: BTreeMap<String, AcmeIssuer>,
    manual_issuers: BTreeSet<String>,
    certificates: BTreeMap<String, Certificate>,
    jwt_keys: BTreeMap<String, JwtKey>,
    dh_params: BTreeMap<String, DhParams>,
    channels: BTreeMap<String, Channel>,
    hooks: Vec<Hook>,
    digest: String,
    warnings: Vec<Finding>,
    owners: Vec<(Finding, OwnerCheck)>,
}

impl Config {
    /// Reads and checks a file, in the surroundings of this process.
    ///
    /// # Errors
    ///
    /// All that is wrong with it; or that it cannot be read, is larger than [`MAX_SIZE`] or not UTF-8.
    pub fn load(file: &Path) -> Result<Self, ConfigErrors> {
        Self::load_in(file, &Environment::of_process())
    }

    /// [`Self::load`] in other surroundings.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn load_in(file: &Path, environment: &Environment) -> Result<Self, ConfigErrors> {
        let bytes =
            read(file).map_err(|error| ConfigErrors::of_file(file, format!("cannot be read: {error}")))?;
        refuse_size(file, bytes.len())?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse_in(text, file, environment),
            Err(error) => {
                let message = format!("is not UTF-8 at byte {}; save it as UTF-8", error.valid_up_to());
                Err(ConfigErrors::of_file(file, message))
            }
        }
    }

    /// Checks `text` as if it were in `file`, in the surroundings of this process.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigErrors> {
        Self::parse_in(text, file, &Environment::of_process())
    }

    /// [`Self::parse`] in other surroundings.
    ///
    /// # Errors
    ///
    /// As [`Self::parse`].
    pub fn parse_in(text: &str, file: &Path, environment: &Environment) -> Result<Self, ConfigErrors> {
        refuse_size(file, text.len())?;
        let source = Source::new(file, text);
        let findings = Findings::default();
        let Some(tree) = raw::parse(text, &findings) else {
            return Err(failed(findings, &source, file));
        };
        // The working directory may change; paths must not change with it.
        let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        let base = absolute.parent().unwrap_or(&absolute);
        let cx =
            Context { base, environment, findings, claims: Default::default(), owners: Default::default() };
        let spot = Spot { key: String::new(), at: 0 };
        let config = Table::new(&cx, spot, Some(tree.get_ref())).read(validate::root);
        let (findings, owners) = (cx.findings, cx.owners.into_inner());
        let Some(mut config) = config else {
            return Err(failed(findings, &source, file));
        };
        config.warnings = findings.finish(&source)?;
        config.digest = digest(text);
        let located = |(spot, check)| (source.finding(spot, String::new()), check);
        config.owners = owners.into_iter().map(located).collect();
        Ok(config)
    }

    /// `[daemon]`.
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// `[schedule]`.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// `[docker]`.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// `[delivery]`.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// `[keys]`.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The names of `[issuers.*]` with `kind = "manual"`: a person carries requests there, and certificates back.
    pub fn manual_issuers(&self) -> &BTreeSet<String> {
        &self.manual_issuers
    }

    /// `[roles]`.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// `[approvals]`.
    pub fn guards(&self) -> &Guards {
        &self.guards
    }

    /// SHA-256 of the file's text, lower-case hex: another one is another configuration, whatever differs.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// `[issuers.*]` with `kind = "internal"`, by name; as assets they are `ca/NAME`.
    pub fn internal_cas(&self) -> &BTreeMap<String, InternalCa> {
        &self.internal_cas
    }

    /// `[issuers.*]` with `kind = "acme"`, by name.
    pub fn acme_issuers(&self) -> &BTreeMap<String, AcmeIssuer> {
        &self.acme_issuers
    }

    /// `[certificates.*]`, by name.
    pub fn certificates(&self) -> &BTreeMap<String, Certificate> {
        &self.certificates
    }

    /// `[jwt_keys.*]`, by name.
    pub fn jwt_keys(&self) -> &BTreeMap<String, JwtKey> {
        &self.jwt_keys
    }

    /// `[dh_params.*]`, by name.
    pub fn dh_params(&self) -> &BTreeMap<String, DhParams> {
        &self.dh_params
    }

    /// `[notify.*]`, by name.
    pub fn channels(&self) -> &BTreeMap<String, Channel> {
        &self.channels
    }

    /// `[[hooks]]`.
    pub fn hooks(&self) -> &[Hook] {
        &self.hooks
    }

    /// All assets: CAs, certificates, DH parameters and JWT keys, each kind by name.
    pub fn assets(&self) -> impl Iterator<Item = AssetId> + '_ {
        let named = |kind, name: &String| AssetId::new(kind, name);
        let cas = self.internal_cas.keys().map(move |name| named(AssetKind::Ca, name));
        let certificates = self.certificates.keys().map(move |name| named(AssetKind::Certificate, name));
        let dh_params = self.dh_params.keys().map(move |name| named(AssetKind::DhParams, name));
        let jwt_keys = self.jwt_keys.keys().map(move |name| named(AssetKind::JwtKey, name));
        cas.chain(certificates).chain(dh_params).chain(jwt_keys)
    }

    /// The targets of an asset; none of one that is unknown, and none of a CA: its bundle travels as
    /// the part `ca` of the certificates it has signed.
    pub fn targets(&self, asset: &AssetId) -> &[Target] {
        let targets = match asset.kind {
            AssetKind::Ca => None,
            AssetKind::Certificate => self.certificates.get(&asset.name).map(Certificate::targets),
            AssetKind::DhParams => self.dh_params.get(&asset.name).map(DhParams::targets),
            AssetKind::JwtKey => self.jwt_keys.get(&asset.name).map(JwtKey::targets),
        };
        targets.unwrap_or_default()
    }

    /// What is odd and stops nothing, in the order of the file; at most a hundred.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }
}

fn digest(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The faults of a configuration that could not be read to its end.
fn failed(findings: Findings, source: &Source<'_>, file: &Path) -> ConfigErrors {
    match findings.finish(source) {
        Err(errors) => errors,
        // Whatever ends the reading has noted why; should that ever fail, it must not pass for good.
        Ok(_) => ConfigErrors::of_file(file, "cannot be understood".to_owned()),
    }
}

/// The file's bytes, and one more than allowed where there are more: /dev/zero ends here too.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(MAX_SIZE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refuse_size(file: &Path, size: usize) -> Result<(), ConfigErrors> {
    if size <= MAX_SIZE {
        return Ok(());
    }
    Err(ConfigErrors::of_file(
        file,
        "is larger than 2 MiB, which no configuration is; is it the right file?".to_owned(),
    ))
}
