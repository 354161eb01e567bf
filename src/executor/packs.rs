//! PKCS#12 files: made once for a revision and a password, and kept with the revision's material, since each making gives
//! other bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Executor, Fatal};
use crate::desired::{AssetSpec, Desired};
use crate::failpoint;
use crate::model::{AssetId, Code, Material, Packed, Problem, Secret};
use crate::patience;

/// So many files are kept of a revision: targets may have passwords of their own, and a password may change.
const MOST_KEPT: usize = 8;

/// The files that PKCS#12 files of an asset have their passwords from.
fn sources(spec: &AssetSpec) -> impl Iterator<Item = &PathBuf> {
    spec.targets.iter().flat_map(|target| target.files.values()).filter_map(|file| file.password.as_ref())
}

/// What there is of passwords, by the files that hold them: their digests, or why they cannot be used.
pub async fn passwords(
    desired: &Desired,
    read: impl Fn(&Path) -> Result<Secret, Problem> + Send + Sync + 'static,
    digest: impl Fn(&Secret) -> String,
) -> BTreeMap<PathBuf, Result<String, Problem>> {
    let files: BTreeSet<&PathBuf> = desired.assets.values().flat_map(sources).collect();
    let passwords = read_all(files.into_iter().cloned().collect(), read).await;
    let digested = |password: Result<Secret, Problem>| password.map(|password| digest(&password));
    passwords.into_iter().map(|(file, password)| (file, digested(password))).collect()
}

/// What is in the files; one that does not answer keeps nobody waiting for long.
async fn read_all(
    files: Vec<PathBuf>,
    read: impl Fn(&Path) -> Result<Secret, Problem> + Send + Sync + 'static,
) -> Vec<(PathBuf, Result<Secret, Problem>)> {
    let silent = |file: &Path| Problem::new(Code::PasswordFile, patience::silence(file));
    let answers = patience::each(files, PathBuf::as_path, move |file: &PathBuf| read(file)).await;
    let answered = |(file, answer): (PathBuf, Option<Result<Secret, Problem>>)| {
        let password = answer.unwrap_or_else(|| Err(silent(&file)));
        (file, password)
    };
    answers.into_iter().map(answered).collect()
}

impl Executor {
    /// The PKCS#12 file of a revision that the password with this digest opens: as it was made first.
    pub(super) async fn packed(
        &self,
        desired: &Desired,
        asset: &AssetId,
        revision: u32,
        password: &str,
    ) -> Result<Result<Secret, Problem>, Fatal> {
        // Two places that ask side by side get the same bytes.
        let _one_by_one = self.books.packing.lock().await;
        let Some(mut material) = self.books.material(asset, revision).await? else {
            let message = format!("the material of {asset} revision {revision} is not in the state");
            return Ok(Err(Problem::new(Code::MaterialBad, message)));
        };
        if let Some(kept) = material.pkcs12.iter().rev().find(|kept| kept.password == password) {
            let bytes = STANDARD.decode(kept.bytes.expose()).map(Secret::new);
            let unreadable = || format!("the PKCS#12 file of {asset} revision {revision} cannot be read");
            return Ok(bytes.map_err(|_| Problem::new(Code::MaterialBad, unreadable())));
        }
        let password_now = self.password(desired, asset, password).await;
        let made = password_now.and_then(|password| self.maker.pkcs12(asset, &material, &password));
        let bytes = match made {
            Ok(bytes) => bytes,
            Err(problem) => return Ok(Err(problem)),
        };
        keep(&mut material, password, &bytes);
        let event = self.audit_event("pkcs12-made", asset, Some(revision), &[]);
        self.books
            .edit(|edit| {
                edit.material(asset, revision, Some(material));
                edit.audit(event);
            })
            .await?;
        failpoint::hit("pkcs12-stored");
        Ok(Ok(bytes))
    }

    /// The password with this digest, as long as a file of the asset's holds it.
    async fn password(&self, desired: &Desired, asset: &AssetId, digest: &str) -> Result<Secret, Problem> {
        let changed =
            || Problem::new(Code::PasswordFile, format!("the password of {asset} has just changed"));
        let files = desired.assets.get(asset).into_iter().flat_map(sources).cloned().collect();
        let maker = Arc::clone(&self.maker);
        let passwords = read_all(files, move |file| maker.password(file)).await;
        let mut passwords = passwords.into_iter().filter_map(|(_, password)| password.ok());
        passwords.find(|password| self.books.digest(password) == digest).ok_or_else(changed)
    }
}

fn keep(material: &mut Material, password: &str, bytes: &Secret) {
    let bytes = Secret::new(STANDARD.encode(bytes.expose()));
    material.pkcs12.push(Packed { password: password.to_owned(), bytes });
    material.pkcs12.drain(..material.pkcs12.len().saturating_sub(MOST_KEPT));
}
