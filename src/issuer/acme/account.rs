//! The account at a CA (RFC 8555 §7.3): made once, kept sealed with its key, and told apart when it is lost.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use instant_acme::{Account, AccountCredentials, Error};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Acme;
use super::http::Client;
use super::refusal::{issue_error, refusal};
use crate::issuer::{Desk, Event, IssueError, IssueErrorKind, Slot};
use crate::model::Secret;
use crate::pki::pem;

/// All accounts of one issuer, by the directory's URL: one that was pointed at another CA for a while still has its own.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Accounts {
    by_server: BTreeMap<String, Kept>,
    /// Those that are being made: from before the CA is asked until it has answered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    making: BTreeMap<String, Making>,
}

/// One account to be.
#[derive(Serialize, Deserialize)]
pub(super) struct Making {
    /// PKCS#8 PEM.
    pub(super) key: Secret,
    /// Whom the CA may write to, as it is told with it.
    pub(super) email: Option<String>,
}

/// One account.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) credentials: serde_json::Value,
    /// Whom the CA may write to, as it was told.
    pub(super) email: Option<String>,
    /// A key that is about to take the place of the one in `credentials`, PKCS#8 PEM: after a crash nobody knows which of
    /// the two the CA has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next_key: Option<Secret>,
}

impl Acme {
    /// The account, made where there is none, with the contact of the configuration.
    pub(super) async fn account(&self, client: &Client, desk: &dyn Desk) -> Result<Account, IssueError> {
        // Two orders at once must not make two accounts.
        let _one = self.registering.lock().await;
        let mut accounts = self.accounts(desk).await?;
        let server = self.config.server.clone();
        // What a crash has interrupted is finished, also where an older account is there.
        if accounts.making(&server).is_some() || accounts.of(&server).is_none() {
            self.register(client, &mut accounts, desk).await?;
        }
        if accounts.by_server.get(&server).is_some_and(|kept| kept.next_key.is_some()) {
            self.settle_key(client, &mut accounts, desk).await?;
        }
        match accounts.by_server.get_mut(&server) {
            None => Err(self.local("its account was not kept")),
            Some(kept) if kept.email != self.config.email => {
                let account = self.open(client, kept).await?;
                self.tell_contact(&account).await?;
                kept.email.clone_from(&self.config.email);
                self.keep_accounts(desk, &accounts, "acme-contact-updated", Some(account.id())).await?;
                Ok(account)
            }
            Some(kept) => self.open(client, kept).await,
        }
    }

    /// What is kept; a state that this version cannot read is no reason to make another account.
    pub(super) async fn accounts(&self, desk: &dyn Desk) -> Result<Accounts, IssueError> {
        let Some(kept) = desk.recall(Slot::Account).await? else { return Ok(Accounts::default()) };
        serde_json::from_slice(kept.expose()).map_err(|_| {
            let message = format!("the account of issuers.{} in the state cannot be read", self.config.name);
            IssueError::new(IssueErrorKind::Local, message)
        })
    }

    pub(super) async fn open(&self, client: &Client, kept: &Kept) -> Result<Account, IssueError> {
        let credentials = credentials(kept).map_err(|why| self.local(why))?;
        let account =
            Account::builder_with_http(Box::new(client.clone())).from_credentials(credentials).await;
        account.map_err(|error| self.failed("to open the account", &error))
    }

    async fn tell_contact(&self, account: &Account) -> Result<(), IssueError> {
        let contact = self.contact();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let told = super::patiently!(account.update_contacts(&contact));
        told.map_err(|error| self.failed("a new contact", &error))
    }

    /// Whom the CA may write to (RFC 8555 §7.3).
    pub(super) fn contact(&self) -> Vec<String> {
        self.config.email.iter().map(|email| format!("mailto:{email}")).collect()
    }

    /// Keeps them; `action` goes into the history, of this account where that is known.
    pub(super) async fn keep_accounts(
        &self,
        desk: &dyn Desk,
        accounts: &Accounts,
        action: &str,
        account: Option<&str>,
    ) -> Result<(), IssueError> {
        let bytes = serde_json::to_vec(accounts).map_err(|error| self.local(error))?;
        let account = account.map(|account| ("account", account.to_owned()));
        let details = account.into_iter().chain([("server", self.config.server.clone())]).collect();
        desk.keep(Slot::Account, Some(Secret::new(bytes)), Some(Event { action, details })).await?;
        Ok(())
    }

    /// The CA says that it does not know the account: it has lost it, and the next try makes another. One that was
    /// deactivated is a person's doing; no other takes its place by itself.
    pub(super) async fn forget_lost(&self, error: &Error, desk: &dyn Desk) -> Result<(), IssueError> {
        if !refusal(error).is_some_and(super::refusal::Refusal::account_is_lost) {
            return Ok(());
        }
        let mut accounts = self.accounts(desk).await?;
        accounts.by_server.remove(&self.config.server);
        self.keep_accounts(desk, &accounts, "acme-account-lost", None).await
    }
}

impl Accounts {
    pub(super) fn of(&mut self, server: &str) -> Option<&mut Kept> {
        self.by_server.get_mut(server)
    }

    /// The one at `server` that is being made.
    pub(super) fn making(&self, server: &str) -> Option<&Making> {
        self.making.get(server)
    }

    pub(super) fn begin(&mut self, server: &str, making: Making) {
        self.making.insert(server.to_owned(), making);
    }

    /// None was made.
    pub(super) fn give_up(&mut self, server: &str) {
        self.making.remove(server);
    }

    /// It is made, and has this URL.
    pub(super) fn made(&mut self, server: &str, url: &str) -> Result<(), String> {
        let making = self.making.get(server).ok_or("no account was asked for")?;
        let credentials = json!({ "id": url, "key_pkcs8": key_pkcs8(&making.key)?, "directory": server });
        let kept = Kept { credentials, email: making.email.clone(), next_key: None };
        self.by_server.insert(server.to_owned(), kept);
        self.give_up(server);
        Ok(())
    }
}

/// A key as the library reads it, from PKCS#8 PEM.
pub(super) fn key_pkcs8(key: &Secret) -> Result<String, String> {
    let der = pem::decode(pem::PRIVATE_KEY, key.expose_str()).map_err(|error| error.to_string())?;
    Ok(BASE64.encode(&*der))
}

pub(super) fn credentials(kept: &Kept) -> Result<AccountCredentials, String> {
    AccountCredentials::deserialize(&kept.credentials)
        .map_err(|_| "the account's key in the state cannot be read".to_owned())
}

impl Acme {
    pub(super) fn failed(&self, doing: &str, error: &Error) -> IssueError {
        let mut told = issue_error(&self.config.server, doing, error);
        if refusal(error)
            .is_some_and(|refusal| refusal.is("unauthorized") && matches!(refusal.status, 401 | 403))
        {
            told.message.push_str(&format!(
                "; if someone has deactivated the account, `keyturn acme register {}` makes another",
                self.config.name
            ));
        }
        told
    }

    pub(super) fn local(&self, why: impl std::fmt::Display) -> IssueError {
        IssueError::new(IssueErrorKind::Local, format!("issuers.{}: {why}", self.config.name))
    }
}
