//! Looks at the state, the disks and the configuration's files.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use super::super::{audit, state};
use crate::config::{Challenge, ChannelKind, Config, DnsPublisher, Target};
use crate::doctor::{self, Disk, Finding, KeyPlace, StateFacts, StateSeen};
use crate::executor::inventory_of;
use crate::model::{AssetId, Inventory, Material};
use crate::store::{KeySource, MaterialId, Snapshot, StoreError};

/// What the state holds; nothing where it cannot be read.
#[derive(Debug, Default)]
pub(super) struct Records {
    snapshot: Option<Snapshot>,
    pub(super) inventory: Inventory,
}

impl Records {
    /// Of the revision in use.
    pub(super) fn material(&self, id: &AssetId) -> Option<Material> {
        let number = self.inventory.assets.get(id)?.active()?.number;
        let bytes = self.snapshot.as_ref()?.material(&MaterialId::new(id.clone(), number)).ok()??;
        serde_json::from_slice(bytes.expose()).ok()
    }
}

/// Reads the state as `status` does, and looks at what is around it.
pub(super) fn state(config: &Config) -> (StateFacts, Records) {
    let dir = config.daemon().state_dir();
    let (seen, records) = match read(config) {
        Ok(Some((seen, records))) => (seen, records),
        Ok(None) => (StateSeen::NotYet, Records::default()),
        Err(seen) => (seen, Records::default()),
    };
    let facts = StateFacts { dir: dir.to_owned(), key: key(config), seen, disks: disks(config) };
    (facts, records)
}

fn read(config: &Config) -> Result<Option<(StateSeen, Records)>, StateSeen> {
    let broken = |error: &dyn std::fmt::Display| StateSeen::Broken(error.to_string());
    let snapshot = state::snapshot(config).map_err(|failure| {
        let message = format!("{:#}", failure.error);
        let cause = failure.error.downcast_ref::<StoreError>();
        // A key that is open to others is told by the same kind of error as one that cannot be read.
        let open = message.contains("open to others") || message.contains("symlink");
        match cause {
            Some(StoreError::Posture { .. }) => StateSeen::Posture(message),
            _ if open => StateSeen::Posture(message),
            _ => StateSeen::Broken(message),
        }
    })?;
    let Some(snapshot) = snapshot else { return Ok(None) };
    let inventory = inventory_of(&snapshot.records()).map_err(|error| broken(&error))?;
    let lines = snapshot.audit_lines().map_err(|error| broken(&error))?;
    let seen = StateSeen::Opens {
        steps: snapshot.sequence(),
        history: audit::verdict(&lines, snapshot.audit_position()),
        last_seen: inventory.last_seen,
    };
    Ok(Some((seen, Records { snapshot: Some(snapshot), inventory })))
}

fn key(config: &Config) -> KeyPlace {
    let file = config.daemon().state_key_file();
    match () {
        () if is_credential(&file) => KeyPlace::Credential(file),
        () if file.starts_with(config.daemon().state_dir()) => KeyPlace::Beside(file),
        () => KeyPlace::File(file),
    }
}

/// Whether systemd hands it over, and guards it: to us, or to the daemon.
fn is_credential(file: &Path) -> bool {
    matches!(state::source(file), KeySource::Credential) || file.starts_with("/run/credentials")
}

/// Of the state and of each folder that files go to; one that is not there yet is looked at where it will be.
fn disks(config: &Config) -> Vec<Disk> {
    let assets: Vec<AssetId> = config.assets().collect();
    let targets = assets.iter().flat_map(|asset| config.targets(asset));
    let dirs = targets.filter_map(|target| match target {
        Target::File(file) => Some(file.dir().to_owned()),
        Target::Swarm(_) => None,
    });
    let all: BTreeSet<PathBuf> = dirs.chain([config.daemon().state_dir().to_owned()]).collect();
    let mut seen = BTreeSet::new();
    let there =
        all.into_iter().filter_map(|dir| dir.ancestors().find(|dir| dir.is_dir()).map(Path::to_owned));
    // A disk is told of once.
    let fresh = there.filter(|dir| dir.metadata().is_ok_and(|meta| seen.insert(meta.dev())));
    fresh.filter_map(|dir| room(&dir)).collect()
}

fn room(dir: &Path) -> Option<Disk> {
    let stat = statvfs(dir).ok()?;
    Some(Disk {
        path: dir.to_owned(),
        free: stat.blocks_available() * stat.fragment_size(),
        total: stat.blocks() * stat.fragment_size(),
        // Some file systems (btrfs) count none at all.
        out_of_inodes: stat.files() > 0 && stat.files_available() == 0,
    })
}

/// The configuration, and the files with secrets that it names.
pub(super) fn configuration(config: &Config, file: &Path) -> Vec<Finding> {
    let shown = file.display().to_string();
    // Where the state's key lies is a check of its own.
    let odd = config.warnings().iter().filter(|warning| warning.key() != "daemon.state_key_file");
    let warnings: Vec<String> = odd.map(ToString::to_string).collect();
    let mut found = doctor::odd(&shown, &warnings);
    found.extend(posture(file, false));
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        found.extend(posture(folder, false));
    }
    found.extend(secrets(config).iter().filter_map(|file| posture(file, true)));
    found
}

fn posture(file: &Path, secret: bool) -> Option<Finding> {
    let meta = std::fs::metadata(file).ok()?;
    // In a folder with the sticky bit nobody removes what is another's (/tmp).
    let mode = if meta.is_dir() && meta.mode() & 0o1000 != 0 { meta.mode() & !0o022 } else { meta.mode() };
    Some(doctor::loose(&file.display().to_string(), mode, secret))
}

/// Every file that holds a token or a key; those from systemd's credentials it guards itself.
fn secrets(config: &Config) -> BTreeSet<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for issuer in config.acme_issuers().values() {
        files.extend(issuer.eab().map(|eab| eab.hmac_file().to_owned()));
        files.extend(issuer.challenge().into_iter().flat_map(of_challenge));
    }
    let certificates = config.certificates().values().filter_map(|certificate| certificate.challenge());
    files.extend(certificates.flat_map(of_challenge));
    files.extend(config.channels().values().flat_map(|channel| of_channel(channel.kind())));
    files.into_iter().filter(|file| !is_credential(file)).collect()
}

fn of_challenge(challenge: &Challenge) -> Vec<PathBuf> {
    match challenge {
        Challenge::Dns01(dns) => match dns.publisher() {
            DnsPublisher::Provider { secrets, .. } => secrets.values().cloned().collect(),
            DnsPublisher::Hook(_) => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn of_channel(kind: &ChannelKind) -> Vec<PathBuf> {
    match kind {
        ChannelKind::Slack { url_file }
        | ChannelKind::Mattermost { url_file }
        | ChannelKind::Discord { url_file }
        | ChannelKind::Teams { url_file } => vec![url_file.clone()],
        ChannelKind::Telegram { token_file, .. } | ChannelKind::Matrix { token_file, .. } => {
            vec![token_file.clone()]
        }
        ChannelKind::Alertmanager { token_file, .. } => token_file.iter().cloned().collect(),
        ChannelKind::Webhook { url_file, secret_file } => {
            [url_file.clone()].into_iter().chain(secret_file.clone()).collect()
        }
        ChannelKind::Email(email) => email.login.iter().map(|(_, file)| file.clone()).collect(),
    }
}
