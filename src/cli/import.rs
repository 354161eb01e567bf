//! `import`: a CA that was there before goes on here, or what a person has had issued is taken in: a certificate, the
//! intermediate of a CA whose root is elsewhere, that root's revocation list.

mod authority;
mod certificate;
mod lists;

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::compose::House;
use super::fail::Failure;
use super::state;
use crate::config::Config;
use crate::model::{AssetId, AssetKind, Secret};
use crate::pki;

/// What was typed, with what the files hold; the key is decrypted already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    asset: String,
    certificate: Option<String>,
    key: Option<Secret>,
    chain: String,
    /// Revocation lists, PEM.
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
    pub(super) fn read(asset: &str, files: &Files<'_>) -> Result<Self, Failure> {
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
        Ok(Self { asset: asset.to_owned(), certificate, key, chain, crl })
    }

    pub(super) fn checked(&self, config: &Config) -> Result<AssetId, Failure> {
        let id = state::asset(config, &self.asset)?;
        match id.kind {
            AssetKind::Ca => Ok(id),
            AssetKind::Certificate if self.crl.is_some() => {
                Err(Failure::usage(format!("{id}: --crl goes with ca/NAME")))
            }
            AssetKind::Certificate => certificate::checked(config, id),
            _ => Err(Failure::usage(format!("{id}: only CAs and certificates can be imported yet"))),
        }
    }

    /// Takes it in, durably.
    pub(super) async fn take(&self, config: &Config, house: &House, by: &str) -> Result<AssetId, Failure> {
        let id = self.checked(config)?;
        match id.kind {
            AssetKind::Certificate => self.take_certificate(config, house, &id, by).await?,
            _ => {
                if let Some(certificate) = &self.certificate {
                    self.take_authority(config, house, &id, certificate, by).await?;
                }
                if let Some(lists) = &self.crl {
                    lists::take(config, house, &id, lists, by).await?;
                }
            }
        }
        crate::failpoint::hit("imported");
        Ok(id)
    }
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
