//! Directories on this machine, written as Kubernetes writes volumes.
//!
//! A revision is a hidden folder, and one link, renamed into place, turns all of an asset's files over together: a
//! reader never sees the certificate of one revision with the key of another.
//!
//! ```text
//! dir/.cert.edge.3fa29c…/tls.crt     the bytes
//! dir/.cert.edge  -> .cert.edge.3fa29c…
//! dir/tls.crt     -> .cert.edge/tls.crt
//! ```

mod install;
mod signal;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;

use super::{Before, Goods, Target, Watch};
use crate::model::{
    AssetId, Code, Install, Labels, NewObject, OldObject, Parcel, Place, Problem, Reload, Rollout, Secret,
    World,
};
use crate::patience;
use crate::process::{self, Environment};

/// What an asset has in a directory.
type Spot = (AssetId, PathBuf);

/// Directories on this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Directories;

#[async_trait]
impl Target for Directories {
    async fn observe(&self, watch: &Watch, world: &mut World) {
        let shown = |(asset, dir): &Spot| install::shown(asset, dir);
        for (spot, answer) in patience::each(spots(&watch.dirs), dir_of, shown).await {
            match answer {
                Some(Some(identity)) => {
                    world.dirs.entry(spot.0).or_default().insert(spot.1, identity);
                }
                Some(None) => {}
                None => {
                    let problem = Problem::new(Code::FileFailed, patience::silence(&spot.1));
                    world.silent.insert(spot.1, problem);
                }
            }
        }
    }

    async fn publish(&self, object: &NewObject, _: &Labels, _: &Secret) -> Result<String, Problem> {
        // The planner makes objects for services only.
        Err(Problem::new(Code::FileFailed, format!("{} cannot be kept in a directory", object.name)))
    }

    async fn preflight(&self, _: &Rollout, _: &Goods) -> Result<(), Problem> {
        Ok(())
    }

    async fn apply(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem> {
        let (rollout, goods) = (rollout.clone(), goods.clone());
        blocking(move || {
            for parcel in &rollout.parcels {
                if let Some(install) = &parcel.install {
                    install::put(parcel, install, &goods.files)?;
                }
            }
            Ok(())
        })
        .await
    }

    async fn settle(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem> {
        let private = private_lines(rollout, goods);
        for (command, timeout) in tests(rollout) {
            process::run(command, timeout, Environment::Ours, &private).await.map_err(|why| {
                Problem::new(Code::FileTestFailed, format!("{}: {why}", rollout.place.name()))
            })?;
        }
        self.reload(rollout, &private).await
    }

    async fn put_back(&self, place: &Place, before: &Before, rollout: &Rollout) -> Result<(), Problem> {
        let (place, before) = (place.clone(), before.clone());
        blocking(move || {
            let Place::Dir(dir) = &place else { return Ok(()) };
            before
                .identities
                .iter()
                .try_for_each(|(asset, identity)| install::put_back(asset, dir, identity.as_deref()))
        })
        .await?;
        // The reader may have taken the new files up already. What cannot be reloaded now could not be before.
        if let Err(problem) = self.reload(rollout, &[]).await {
            // Without its words: here nobody knows the old files' private lines.
            tracing::warn!("{}: the reload failed after the old files had been put back", problem.code);
        }
        Ok(())
    }

    async fn finish(&self, rollout: &Rollout) -> Result<(), Problem> {
        let parcels = rollout.parcels.clone();
        blocking(move || {
            let installs =
                parcels.iter().filter_map(|parcel| Some((&parcel.asset, parcel.install.as_ref()?)));
            installs
                .into_iter()
                .try_for_each(|(asset, install)| install::clear(asset, &install.dir, &install.identity))
        })
        .await
    }

    async fn tidy(&self, places: BTreeSet<(AssetId, PathBuf)>) -> Result<(), Problem> {
        let clear = |(asset, dir): &Spot| match install::shown(asset, dir) {
            Some(identity) => install::clear(asset, dir, &identity),
            None => Ok(()),
        };
        // What does not answer is said where it is looked at.
        let cleared = patience::each(spots(&places), dir_of, clear).await;
        cleared.into_iter().filter_map(|(_, outcome)| outcome).collect()
    }

    async fn delete(&self, _: &OldObject) -> Result<(), Problem> {
        Ok(())
    }
}

fn spots(of: &BTreeSet<Spot>) -> Vec<Spot> {
    of.iter().cloned().collect()
}

fn dir_of((_, dir): &Spot) -> &Path {
    dir
}

impl Directories {
    async fn reload(&self, rollout: &Rollout, private: &[&str]) -> Result<(), Problem> {
        for (reload, timeout) in reloads(rollout) {
            let done = match reload {
                Reload::Command(command) => process::run(command, timeout, Environment::Ours, private).await,
                Reload::Signal { signal, pid_file } => {
                    let signal = signal.clone();
                    let sent = move |pid_file: &Path| signal::send(&signal, pid_file);
                    let sent = patience::one(pid_file.clone(), sent).await;
                    sent.unwrap_or_else(|| Err(patience::silence(pid_file)))
                }
            };
            done.map_err(|why| Problem::new(Code::ReloadFailed, format!("{}: {why}", rollout.place.name())))?;
        }
        Ok(())
    }
}

fn installs(rollout: &Rollout) -> impl Iterator<Item = &Install> {
    rollout.parcels.iter().filter_map(|parcel: &Parcel| parcel.install.as_ref())
}

/// The lines of private files that a command could print: they go into the history with its words.
fn private_lines<'g>(rollout: &Rollout, goods: &'g Goods) -> Vec<&'g str> {
    let private = rollout.parcels.iter().flat_map(|parcel| {
        let files = parcel.content.files.iter().filter(|(_, content)| !content.part.is_public());
        files.filter_map(|(path, _)| goods.files.get(&(parcel.asset.clone(), path.clone())))
    });
    let lines = private.flat_map(|secret| secret.expose_str().lines());
    lines.filter(|line| line.len() >= SHORTEST_SECRET && !line.starts_with("-----")).collect()
}

/// The last line of a key can be so short that it stands in any text.
const SHORTEST_SECRET: usize = 8;

/// Each test once, however many assets share it.
fn tests(rollout: &Rollout) -> Vec<(&Vec<String>, Duration)> {
    let mut tests: Vec<(&Vec<String>, Duration)> = Vec::new();
    for install in installs(rollout) {
        let Some(test) = &install.test else { continue };
        if !tests.iter().any(|(known, _)| *known == test) {
            tests.push((test, install.timeout));
        }
    }
    tests
}

/// Each reload once.
fn reloads(rollout: &Rollout) -> Vec<(&Reload, Duration)> {
    let mut reloads: Vec<(&Reload, Duration)> = Vec::new();
    for install in installs(rollout) {
        let Some(reload) = &install.reload else { continue };
        if !reloads.iter().any(|(known, _)| *known == reload) {
            reloads.push((reload, install.timeout));
        }
    }
    reloads
}

/// File systems can be slow; nobody else waits for them.
async fn blocking(work: impl FnOnce() -> Result<(), Problem> + Send + 'static) -> Result<(), Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Problem::new(Code::FileFailed, error.to_string())),
    }
}

/// For `map_err`: what was tried on which path.
fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Problem {
    let path = path.display().to_string();
    move |error| Problem::new(Code::FileFailed, format!("could not {doing} {path}: {error}"))
}

/// `.cert.edge`: the link, and the beginning of its folders' names.
fn stem(asset: &AssetId) -> String {
    format!(".{}.{}", asset.kind.short(), asset.name)
}

#[cfg(test)]
mod tests_of_directories;
