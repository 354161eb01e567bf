//! `import`: what was there before goes on here, or what a person has had issued is taken in: a CA, a JWT key that signs, a
//! certificate, the intermediate of a CA whose root is elsewhere, that root's revocation list.

mod authority;
mod certificate;
mod jwt_key;
mod lists;

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::compose::House;
use super::fail::Failure;
use super::state;
use super::wish::By;
use crate::audit::Event;
use crate::config::Config;
use crate::executor::Edit;
use crate::model::{AssetId, AssetKind, Material, Secret};
use crate::pki;

/// What was typed, with what the files hold; the key is decrypted already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    asset: String,
    certificate: Option<String>,
    key: Option<Secret>,
    chain: String,
    /// Of a JWT key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    /// Revocation lists, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crl: Option<String>,
}

/// The files that are named.
pub(super) struct Files<'a> {
    pub(super) certificate: Option<&'a Path>,
    pub(super) key: Option<&'a Path>,
    pub(super) chain: Option<&'a Path>,
    pub(super) password: Option<&'a Path>,
    pub(super) crl: Option<&'a Path>,
}

impl Wish {
    /// Reads the files, as whoever has typed it.
    pub(super) fn read(asset: &str, files: &Files<'_>, kid: Option<String>) -> Result<Self, Failure> {
        let certificate = files.certificate.map(text).transpose()?;
        // What stands above it may be in the same file.
        let mut chain = certificate.clone().unwrap_or_default();
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
        let crl = files.crl.map(lists).transpose()?;
        Ok(Self { asset: asset.to_owned(), certificate, key, chain, kid, crl })
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
        if self.crl.is_some() && id.kind != AssetKind::Ca {
            return Err(Failure::usage(format!("{id}: --crl goes with ca/NAME")));
        }
        if self.certificate.is_none() && self.crl.is_none() {
            return Err(Failure::usage(format!("{id}: its certificate is needed (--cert FILE)")));
        }
        match self.kid {
            Some(_) => Err(Failure::usage(format!("{id}: only JWT keys have a key ID (--kid)"))),
            None => Ok(id),
        }
    }

    /// Takes it in, durably.
    pub(super) async fn take(&self, config: &Config, house: &House, by: &By) -> Result<AssetId, Failure> {
        let id = self.checked(config)?;
        let actor = by.actor.as_str();
        match id.kind {
            AssetKind::Certificate => self.take_certificate(config, house, &id, actor).await?,
            AssetKind::JwtKey => self.take_jwt_key(config, house, &id, actor).await?,
            _ => {
                if let Some(certificate) = &self.certificate {
                    self.take_authority(config, house, &id, certificate, by).await?;
                }
                if let Some(lists) = &self.crl {
                    lists::take(config, house, &id, lists, actor).await?;
                }
            }
        }
        crate::failpoint::hit("imported");
        Ok(id)
    }
}

/// What was taken in goes into the history and into the state.
fn keep(
    edit: &mut Edit<'_>,
    id: &AssetId,
    number: u32,
    by: &str,
    detail: impl IntoIterator<Item = (&'static str, String)>,
    material: Material,
) {
    edit.audit(Event {
        at: edit.now,
        actor: by.to_owned(),
        action: "imported".to_owned(),
        asset: Some(id.clone()),
        revision: Some(number),
        detail: detail.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    });
    edit.material(id, number, Some(material));
}

fn text(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", file.display())))
}

/// Revocation lists, PEM; programs write DER as well.
fn lists(file: &Path) -> Result<String, Failure> {
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", file.display())))?;
    match String::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN") => Ok(text),
        Ok(text) => Ok(pki::pem::encode(pki::pem::CRL, text.as_bytes()).to_string()),
        Err(error) => Ok(pki::pem::encode(pki::pem::CRL, error.as_bytes()).to_string()),
    }
}

fn private_key(file: &Path, password: Option<&Secret>) -> Result<Secret, Failure> {
    pki::private_key(&Secret::new(text(file)?), password).map_err(|error| {
        let hint = if error == pki::PkiError::Encrypted { " (--password-file)" } else { "" };
        Failure::usage(format!("{}: {error}{hint}", file.display()))
    })
}
