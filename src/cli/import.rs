//! `import`: what was there before goes on here: a CA, a JWT key that signs, a certificate.

mod certificate;
mod jwt_key;

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::compose::House;
use super::fail::Failure;
use super::state;
use crate::audit::Event;
use crate::clock::Entropy;
use crate::config::Config;
use crate::issuer::Under;
use crate::issuer::internal::{Imported, import};
use crate::model::{AssetId, AssetKind, Made, Make, Revision, Secret};
use crate::pki;

/// What was typed, with what the files hold; the key is decrypted already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    asset: String,
    /// Empty where none is named.
    certificate: String,
    key: Option<Secret>,
    chain: String,
    /// Of a JWT key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
}

/// The files that are named.
pub(super) struct Files<'a> {
    pub(super) certificate: Option<&'a Path>,
    pub(super) key: Option<&'a Path>,
    pub(super) chain: Option<&'a Path>,
    pub(super) password: Option<&'a Path>,
}

/// The revision that an import makes.
const FIRST: u32 = 1;

impl Wish {
    /// Reads the files, as whoever has typed it.
    pub(super) fn read(asset: &str, files: &Files<'_>, kid: Option<String>) -> Result<Self, Failure> {
        let certificate = files.certificate.map(text).transpose()?.unwrap_or_default();
        // What stands above it may be in the same file.
        let mut chain = certificate.clone();
        if let Some(file) = files.chain {
            chain.push_str(&text(file)?);
        }
        let password = match files.password {
            None => None,
            Some(file) => Some(Secret::new(text(file)?.trim_end_matches(['\r', '\n']))),
        };
        let key = match files.key {
            None => None,
            Some(file) => Some(private_key(file, password.as_ref())?),
        };
        Ok(Self { asset: asset.to_owned(), certificate, key, chain, kid })
    }

    pub(super) fn checked(&self, config: &Config) -> Result<AssetId, Failure> {
        let id = state::asset(config, &self.asset)?;
        match id.kind {
            AssetKind::JwtKey => return self.signs(config, &id).map(|_| id),
            AssetKind::DhParams => {
                return Err(Failure::usage(format!(
                    "{id}: nobody misses old DH parameters: `run` makes new ones"
                )));
            }
            AssetKind::Ca => {}
            AssetKind::Certificate => {
                certificate::taken_in(config, &id)?;
            }
        }
        if self.certificate.is_empty() {
            return Err(Failure::usage(format!("{id}: its certificate is needed (--cert FILE)")));
        }
        match self.kid {
            Some(_) => Err(Failure::usage(format!("{id}: only JWT keys have a key ID (--kid)"))),
            None => Ok(id),
        }
    }

    /// Takes it in, durably.
    pub(super) async fn take(&self, config: &Config, house: &House, by: &str) -> Result<AssetId, Failure> {
        let id = self.checked(config)?;
        match id.kind {
            AssetKind::Certificate => self.take_certificate(config, house, &id, by).await?,
            AssetKind::JwtKey => self.take_jwt_key(config, house, &id, by).await?,
            _ => self.take_ca(house, &id, by).await?,
        }
        crate::failpoint::hit("imported");
        Ok(id)
    }

    /// Takes it over as the CA's first revision, durably.
    async fn take_ca(&self, house: &House, id: &AssetId, by: &str) -> Result<(), Failure> {
        let key = self.key.as_ref().ok_or_else(|| {
            Failure::usage(format!("{id}: its private key is needed (--key FILE): a CA is here to sign"))
        })?;
        let executor = &house.executor;
        let (books, now) = (&executor.books, executor.clock.now());
        let inventory = books.inventory().await;
        if inventory.assets.get(id).is_some_and(|record| !record.revisions.is_empty()) {
            return Err(Failure::usage(format!(
                "{id} has a root of its own already: import under another name, and point the certificates at it"
            )));
        }
        let imported = import(&self.certificate, key, &self.chain, &Entropy::system(), now);
        let spec = house.desired.assets.get(id);
        let made_for = spec.map(|spec| spec.made_for.clone()).unwrap_or_default();
        let made = match imported.map_err(Failure::usage)? {
            Imported::Intermediate(made) => made,
            Imported::Root(root) => {
                let make = Make {
                    asset: id.clone(),
                    revision: FIRST,
                    made_for: made_for.clone(),
                    keep_key_of: None,
                    crossed: None,
                    signer: None,
                };
                let made = executor.maker.authority(&make, FIRST, Under::Root(&root), now).await;
                made.map_err(|problem| Failure::usage(problem.message))?
            }
        };
        self.keep(house, id, &made_for, made, by).await
    }

    async fn keep(
        &self,
        house: &House,
        id: &AssetId,
        made_for: &str,
        made: Made,
        by: &str,
    ) -> Result<(), Failure> {
        let edit = |edit: &mut crate::executor::Edit<'_>| {
            let at = edit.now;
            let record = edit.asset(id);
            let mut revision = Revision::pending(FIRST, &format!("imported by {by}"), made_for, at);
            revision.root = Some(FIRST);
            record.begin(revision);
            record.prepared(FIRST, &made.facts, None, at);
            let print =
                made.material.anchors.first().and_then(|root| pki::facts(root).ok()?.fingerprint_sha256);
            let detail = [
                ("root_fingerprint_sha256", print.unwrap_or_default()),
                (
                    "root_key",
                    if made.facts.root_is_elsewhere { "elsewhere" } else { "in the state" }.to_owned(),
                ),
            ];
            edit.audit(Event {
                at,
                actor: by.to_owned(),
                action: "imported".to_owned(),
                asset: Some(id.clone()),
                revision: Some(FIRST),
                detail: detail.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            });
            edit.material(id, FIRST, Some(made.material));
        };
        Ok(house.executor.books.edit(edit).await?)
    }
}

fn text(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", file.display())))
}

fn private_key(file: &Path, password: Option<&Secret>) -> Result<Secret, Failure> {
    pki::private_key(&Secret::new(text(file)?), password).map_err(|error| {
        let hint = if error == pki::PkiError::Encrypted { " (--password-file)" } else { "" };
        Failure::usage(format!("{}: {error}{hint}", file.display()))
    })
}
