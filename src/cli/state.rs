//! Finds configuration, key and state: for readers without a lock, for the one writer with it.

use std::path::PathBuf;

use super::args::Cli;
use super::fail::Failure;
use crate::clock::{Clock, Entropy};
use crate::config::{Config, Environment};
use crate::executor::inventory_of;
use crate::model::{AssetId, AssetKind, Code, Inventory, Problem};
use crate::store::{KeySource, NoticeKind, OpenOptions, Snapshot, StateKey, Store, StoreError};

/// Where a configuration is looked for.
const DEFAULTS: [&str; 2] = ["/etc/keyturn/keyturn.toml", "keyturn.toml"];

/// Reads and checks the configuration.
pub(super) fn config(cli: &Cli) -> Result<Config, Failure> {
    Ok(Config::load(&file(cli)?)?)
}

/// The same, for who asks the daemon: credentials are the daemon's, and need not be there for the caller.
pub(super) fn client_config(cli: &Cli) -> Result<Config, Failure> {
    let environment = Environment::of_process().or_of_the_daemon();
    Ok(Config::load_in(&file(cli)?, &environment)?)
}

/// Where it is.
pub(super) fn file(cli: &Cli) -> Result<PathBuf, Failure> {
    cli.config.clone().or_else(default_file).ok_or_else(|| {
        Failure::usage(format!(
            "there is no configuration in {}: name one with --config FILE",
            DEFAULTS.join(" or in ")
        ))
    })
}

/// Says what is odd about the configuration: where something is about to be done by it, not at every look.
pub(super) fn warn(config: &Config) {
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
}

fn default_file() -> Option<PathBuf> {
    DEFAULTS.iter().map(PathBuf::from).find(|file| file.exists())
}

/// Opens the state for writing, and says what was mended.
pub(super) fn open(
    config: &Config,
    entropy: &Entropy,
    clock: &dyn Clock,
) -> Result<(Store, Vec<Problem>), Failure> {
    let dir = config.daemon().state_dir();
    let key = match config.daemon().chosen_state_key_file() {
        Some(file) => StateKey::load(file, source(file))?,
        None => {
            let (key, fresh) = StateKey::load_or_create(dir, entropy)?;
            if fresh {
                tracing::warn!(
                    "made the state key {}: keep it elsewhere (daemon.state_key_file), and a copy apart from the state",
                    config.daemon().state_key_file().display()
                );
            }
            key
        }
    };
    let (store, notices) = Store::open(OpenOptions { dir: dir.to_owned(), key }, entropy, clock.now())?;
    let problems: Vec<Problem> =
        notices.iter().map(|notice| Problem::new(code(notice.kind), notice.to_string())).collect();
    for problem in &problems {
        tracing::warn!("{problem}");
    }
    Ok((store, problems))
}

fn code(kind: NoticeKind) -> Code {
    match kind {
        NoticeKind::TornTail
        | NoticeKind::IndexRebuilt
        | NoticeKind::IndexUnusable
        | NoticeKind::AuditCompleted => Code::StateRepaired,
        NoticeKind::JournalBehind => Code::StateBehind,
        NoticeKind::AuditAltered | NoticeKind::AuditShortened | NoticeKind::AuditAhead => Code::AuditBroken,
    }
}

/// Whether the file is a credential of this process's.
pub(super) fn source(file: &std::path::Path) -> KeySource {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    match credentials {
        Some(folder) if file.starts_with(&folder) => KeySource::Credential,
        _ => KeySource::File,
    }
}

/// The state as it stands, without a lock; `None` where there is none yet.
pub(super) fn snapshot(config: &Config) -> Result<Option<Snapshot>, Failure> {
    let file = config.daemon().state_key_file();
    let dir = config.daemon().state_dir();
    if is_missing(dir) {
        return Ok(None);
    }
    let begun = !(dir.is_dir() && is_missing(&file) && is_missing(&dir.join("journal")));
    let key = match StateKey::load(&file, source(&file)) {
        Err(StoreError::Key { .. }) if !begun => return Ok(None),
        key => key?,
    };
    match Snapshot::read(dir, &key) {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What may not be looked at is not missing.
fn is_missing(path: &std::path::Path) -> bool {
    let gone = |error: std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    std::fs::symlink_metadata(path).is_err_and(gone)
}

/// What the state holds, without a lock and without a look at the world.
pub(super) fn inventory(config: &Config) -> Result<Inventory, Failure> {
    match snapshot(config)? {
        Some(snapshot) => Ok(inventory_of(&snapshot.records())?),
        None => Ok(Inventory::default()),
    }
}

/// The asset that `text` means: its full name, or a bare one that only one asset has.
pub(super) fn asset(config: &Config, text: &str) -> Result<AssetId, Failure> {
    let assets: Vec<AssetId> = all_assets(config);
    if let Ok(id) = text.parse::<AssetId>() {
        return assets.into_iter().find(|asset| *asset == id).ok_or_else(|| unknown(config, text));
    }
    let named: Vec<&AssetId> = assets.iter().filter(|asset| asset.name == text).collect();
    match named.as_slice() {
        [] => Err(unknown(config, text)),
        [one] => Ok((*one).clone()),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Failure::usage(format!("`{text}` is ambiguous: write {}", names.join(" or "))))
        }
    }
}

/// Every asset of the configuration, CAs among them.
pub(super) fn all_assets(config: &Config) -> Vec<AssetId> {
    let authorities = config.internal_cas().keys().map(|name| AssetId::new(AssetKind::Ca, name));
    let mut assets: Vec<AssetId> = config.assets().chain(authorities).collect();
    assets.sort();
    assets.dedup();
    assets
}

fn unknown(config: &Config, text: &str) -> Failure {
    let assets = all_assets(config);
    let near = assets
        .iter()
        .map(|asset| {
            let full = strsim::damerau_levenshtein(text, &asset.to_string());
            (full.min(strsim::damerau_levenshtein(text, &asset.name)), asset)
        })
        .filter(|(distance, _)| *distance <= 3)
        .min();
    let hint = match near {
        Some((_, asset)) => format!("did you mean {asset}?"),
        None => {
            let names: Vec<String> = assets.iter().map(ToString::to_string).collect();
            format!("the configuration has {}", names.join(", "))
        }
    };
    Failure::usage(format!("there is no asset `{text}`: {hint}"))
}
