//! A new account (RFC 8555 §7.3). As in [`super::rollover`] its key is kept before the CA hears of it: to the same key a CA
//! gives the same account (§7.3.1), so that a crash or a lost reply leaves none behind that nobody uses.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Acme;
use super::account::{Accounts, Making};
use super::addresses::check_text;
use super::directory::Directory;
use super::http::{Client, other};
use super::jws::{self, Signer};
use super::refusal::{may_be_done, refusal};
use crate::failpoint;
use crate::issuer::{Desk, IssueError, IssueErrorKind, key};
use crate::model::KeyAlgorithm;

impl Acme {
    /// Makes an account in the place of what there is, or goes on with one that was being made; it is kept when this returns.
    pub(super) async fn register(
        &self,
        client: &Client,
        accounts: &mut Accounts,
        desk: &dyn Desk,
    ) -> Result<(), IssueError> {
        let directory = client.line().directory().await;
        let directory = directory.map_err(|error| self.failed("for its directory", &error))?;
        let begun = self.begun(client, &directory, accounts).await?;
        let url = match begun {
            Some(url) => url,
            None => self.ask_for_account(client, &directory, accounts, desk).await?,
        };
        accounts.made(&self.config.server, &url).map_err(|why| self.local(why))?;
        self.keep_accounts(desk, accounts, "acme-account-created", Some(&url)).await
    }

    /// The account that a try whose end is not known has made, if it has made one.
    async fn begun(
        &self,
        client: &Client,
        directory: &Directory,
        accounts: &mut Accounts,
    ) -> Result<Option<String>, IssueError> {
        let Some(making) = accounts.making(&self.config.server) else { return Ok(None) };
        let signer = Signer::read(&making.key, &self.entropy).map_err(|why| self.local(why))?;
        // RFC 8555 §7.3.1: this makes nothing.
        let payload = json!({ "onlyReturnExisting": true });
        match new_account(client, directory, &signer, &payload).await {
            Ok(url) => Ok(Some(url)),
            Err(error) if refusal(&error).is_some_and(super::refusal::Refusal::account_is_lost) => Ok(None),
            // Made, and withdrawn since: no account will ever come of this key.
            Err(error) if refusal(&error).is_some_and(|refusal| refusal.is("unauthorized")) => {
                accounts.give_up(&self.config.server);
                Ok(None)
            }
            Err(error) => Err(self.failed("to show a new account", &error)),
        }
    }

    /// Intent, effect; the outcome is the caller's.
    async fn ask_for_account(
        &self,
        client: &Client,
        directory: &Directory,
        accounts: &mut Accounts,
        desk: &dyn Desk,
    ) -> Result<String, IssueError> {
        self.check_eab(directory)?;
        let signer = self.intend(accounts, desk).await?;
        failpoint::hit("acme-account-key-kept");
        let mut payload = json!({ "termsOfServiceAgreed": true, "contact": self.contact() });
        if let Some(eab) = &self.config.eab {
            let mac = mac_key(&eab.hmac_file).map_err(|why| self.local(why))?;
            let url = &directory.new_account;
            let bound = jws::binding(&eab.kid, &mac, url, &signer.jwk());
            payload["externalAccountBinding"] = bound.map_err(|why| self.local(why))?;
        }
        let asked = new_account(client, directory, &signer, &payload).await;
        failpoint::hit("acme-account-made");
        match asked {
            Ok(url) => Ok(url),
            Err(error) => {
                if !may_be_done(&error) {
                    accounts.give_up(&self.config.server);
                    self.keep_accounts(desk, accounts, "acme-account-not-created", None).await?;
                }
                Err(self.failed("a new account", &error))
            }
        }
    }

    /// The key of the account to be, durable before anyone hears of it.
    async fn intend(&self, accounts: &mut Accounts, desk: &dyn Desk) -> Result<Signer, IssueError> {
        let begun = accounts.making(&self.config.server).map(|making| making.key.clone());
        let key = match begun {
            Some(key) => key,
            None => key::generate(KeyAlgorithm::EcdsaP256, &self.entropy).map_err(|why| self.local(why))?,
        };
        let signer = Signer::read(&key, &self.entropy).map_err(|why| self.local(why))?;
        accounts.begin(&self.config.server, Making { key, email: self.config.email.clone() });
        self.keep_accounts(desk, accounts, "acme-account-creating", None).await?;
        Ok(signer)
    }

    /// Asking without a binding where the CA wants one would only get a worse explanation.
    fn check_eab(&self, directory: &Directory) -> Result<(), IssueError> {
        if directory.meta.external_account_required && self.config.eab.is_none() {
            let message = format!(
                "{} takes only accounts that it knows: write eab = {{ kid = …, hmac_file = … }} in issuers.{}",
                self.config.server, self.config.name
            );
            return Err(IssueError::new(IssueErrorKind::Refused, message));
        }
        // What cannot be read is found out before anything is kept.
        self.config
            .eab
            .as_ref()
            .map_or(Ok(()), |eab| mac_key(&eab.hmac_file).map(|_| ()).map_err(|why| self.local(why)))
    }
}

/// Asks for an account; where it is.
async fn new_account(
    client: &Client,
    directory: &Directory,
    signer: &Signer,
    payload: &Value,
) -> Result<String, instant_acme::Error> {
    let who = ("jwk", signer.jwk());
    let (parts, _) = jws::post(client.line(), signer, who, &directory.new_account, Some(payload)).await?;
    let url = parts.headers.get(http::header::LOCATION).and_then(|url| url.to_str().ok());
    let url = url.ok_or(instant_acme::Error::Str("it has not said where the account is"))?;
    // It is what we are known by from now on: a CA knows nobody by another address than its own.
    check_text(url).map_err(other)?;
    Ok(url.to_owned())
}

/// The MAC key as CAs hand it out: base64url, or plain base64, with or without padding.
fn mac_key(file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let at = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("eab.hmac_file {at}: {error}"))?;
    let text = Zeroizing::new(text);
    let text = text.trim();
    let engines = [&URL_SAFE_NO_PAD, &URL_SAFE, &STANDARD];
    let key = engines.into_iter().find_map(|engine| engine.decode(text).ok()).map(Zeroizing::new);
    key.filter(|key| !key.is_empty())
        .ok_or_else(|| format!("eab.hmac_file {at}: this is not base64url, as CAs hand the key out"))
}
