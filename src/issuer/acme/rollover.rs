//! A new key for the account (RFC 8555 §7.3.5). The new key is kept before the CA hears of it: after a crash both are at
//! hand, and the CA says which one it has.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::json;
use zeroize::Zeroizing;

use super::Acme;
use super::account::{Accounts, Kept, key_pkcs8};
use super::http::Client;
use super::jws::{self, Signer};
use super::refusal::{may_be_done, refusal};
use crate::failpoint;
use crate::issuer::{Desk, IssueError, key};
use crate::model::KeyAlgorithm;

impl Acme {
    /// Gives the account a new key; the old one is forgotten. Without an account one is made.
    ///
    /// # Errors
    ///
    /// When the CA refuses or cannot be reached; the account then goes on with the key that the CA has.
    pub async fn roll_over(&self, desk: &dyn Desk) -> Result<String, IssueError> {
        let client = self.client().await?;
        let account = self.account(&client, desk).await?.id().to_owned();
        let _one = self.registering.lock().await;
        let mut accounts = self.accounts(desk).await?;
        let next = key::generate(KeyAlgorithm::EcdsaP256, &self.entropy).map_err(|why| self.local(why))?;
        if let Some(kept) = accounts.of(&self.config.server) {
            kept.next_key = Some(next);
        }
        self.keep_accounts(desk, &accounts, "acme-key-changing", None).await?;
        failpoint::hit("acme-next-key-kept");
        self.change_key(&client, &mut accounts, desk).await?;
        Ok(account)
    }

    /// Makes another account in the place of the one that there was: what a person does who has deactivated it.
    ///
    /// # Errors
    ///
    /// When the CA refuses or cannot be reached; the old account is then kept.
    pub async fn register_anew(&self, desk: &dyn Desk) -> Result<String, IssueError> {
        let client = self.client().await?;
        let _one = self.registering.lock().await;
        let mut accounts = self.accounts(desk).await?;
        self.register(&client, &mut accounts, desk).await?;
        let made = accounts.of(&self.config.server).and_then(|kept| kept.credentials["id"].as_str());
        Ok(made.unwrap_or_default().to_owned())
    }

    /// After a crash in the middle: the CA is told again, and whichever key it has is the one.
    pub(super) async fn settle_key(
        &self,
        client: &Client,
        accounts: &mut Accounts,
        desk: &dyn Desk,
    ) -> Result<(), IssueError> {
        if self.knows_next(client, accounts).await? {
            return self.take_next(accounts, desk).await;
        }
        self.change_key(client, accounts, desk).await
    }

    async fn change_key(
        &self,
        client: &Client,
        accounts: &mut Accounts,
        desk: &dyn Desk,
    ) -> Result<(), IssueError> {
        let line = client.line();
        let directory = line.directory().await.map_err(|error| self.failed("for its directory", &error))?;
        let url = directory.key_change.ok_or_else(|| self.refused("it changes no account keys"))?;
        let Some(Kept { credentials, next_key: Some(next), .. }) = accounts.of(&self.config.server) else {
            return Ok(());
        };
        let account = credentials["id"].clone();
        let next = Signer::read(next, &self.entropy).map_err(|why| self.local(why))?;
        let old = self.old_signer(credentials)?;
        let inner = json!({ "account": account, "oldKey": old.jwk() });
        let inner =
            next.sign(("jwk", next.jwk()), &url, None, Some(&inner)).map_err(|why| self.local(why))?;
        let told = jws::post(line, &old, ("kid", account), &url, Some(&inner)).await;
        failpoint::hit("acme-key-changed");
        match told {
            Ok(_) => self.take_next(accounts, desk).await,
            Err(error) => {
                // Refused outright: the old one stays. Anything else leaves it open which one the CA has.
                if !may_be_done(&error) {
                    self.drop_next(accounts, desk).await?;
                }
                Err(self.failed("a new account key", &error))
            }
        }
    }

    /// Whether the CA knows the account by its next key already.
    async fn knows_next(&self, client: &Client, accounts: &mut Accounts) -> Result<bool, IssueError> {
        let Some(Kept { credentials, next_key: Some(next), .. }) = accounts.of(&self.config.server) else {
            return Ok(false);
        };
        let signer = Signer::read(next, &self.entropy).map_err(|why| self.local(why))?;
        let url = credentials["id"].as_str().unwrap_or_default().to_owned();
        let asked = jws::post(client.line(), &signer, ("kid", json!(url)), &url, None).await;
        match asked {
            Ok(_) => Ok(true),
            Err(error) if refusal(&error).is_some_and(|refusal| refusal.status < 500) => Ok(false),
            Err(error) => Err(self.failed("to show the account", &error)),
        }
    }

    async fn take_next(&self, accounts: &mut Accounts, desk: &dyn Desk) -> Result<(), IssueError> {
        if let Some(kept) = accounts.of(&self.config.server)
            && let Some(next) = kept.next_key.take()
        {
            kept.credentials["key_pkcs8"] = json!(key_pkcs8(&next).map_err(|why| self.local(why))?);
        }
        self.keep_accounts(desk, accounts, "acme-key-changed", None).await
    }

    async fn drop_next(&self, accounts: &mut Accounts, desk: &dyn Desk) -> Result<(), IssueError> {
        if let Some(kept) = accounts.of(&self.config.server) {
            kept.next_key = None;
        }
        self.keep_accounts(desk, accounts, "acme-key-kept", None).await
    }

    fn old_signer(&self, credentials: &serde_json::Value) -> Result<Signer, IssueError> {
        let text = credentials["key_pkcs8"].as_str().unwrap_or_default();
        let der = BASE64
            .decode(text)
            .map(Zeroizing::new)
            .map_err(|_| self.local("its account's key is damaged"))?;
        Signer::of_pkcs8(&der, &self.entropy).map_err(|why| self.local(why))
    }
}
