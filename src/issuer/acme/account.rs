//! The account at a CA (RFC 8555 §7.3): made once, kept sealed with its key, and told apart when it is lost.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use instant_acme::{Account, AccountCredentials, Error, ExternalAccountKey, NewAccount};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Acme;
use super::addresses::check_text;
use super::http::{Client, other};
use super::refusal::{issue_error, refusal};
use crate::failpoint;
use crate::issuer::{Desk, Event, IssueError, IssueErrorKind, Slot};
use crate::model::Secret;

/// All accounts of one issuer, by the directory's URL: one that was pointed at another CA for a while still has its own.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Accounts {
    by_server: BTreeMap<String, Kept>,
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
        if accounts.by_server.get(&server).is_some_and(|kept| kept.next_key.is_some()) {
            self.settle_key(client, &mut accounts, desk).await?;
        }
        match accounts.by_server.get_mut(&server) {
            None => self.register(client, accounts, desk).await,
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

    async fn open(&self, client: &Client, kept: &Kept) -> Result<Account, IssueError> {
        let credentials = credentials(kept).map_err(|why| self.local(why))?;
        let account =
            Account::builder_with_http(Box::new(client.clone())).from_credentials(credentials).await;
        account.map_err(|error| self.failed("to open the account", &error))
    }

    pub(super) async fn register(
        &self,
        client: &Client,
        mut accounts: Accounts,
        desk: &dyn Desk,
    ) -> Result<Account, IssueError> {
        self.check_eab(client).await?;
        let binding = self.config.eab.as_ref().map(|eab| binding(&eab.kid, &eab.hmac_file)).transpose();
        let binding = binding.map_err(|why| self.local(why))?;
        let contact = self.contact();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let new =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let made = super::patiently!({
            let builder = Account::builder_with_http(Box::new(client.clone()));
            builder.create(&new, self.config.server.clone(), binding.as_ref())
        });
        let (account, credentials) = made.map_err(|error| self.failed("a new account", &error))?;
        failpoint::hit("acme-account-made");
        // It is what we are known by from now on: a CA knows nobody by another address than its own.
        check_text(account.id()).map_err(|why| self.failed("a new account", &other(why)))?;
        let credentials = serde_json::to_value(&credentials).map_err(|error| self.local(error))?;
        let kept = Kept { credentials, email: self.config.email.clone(), next_key: None };
        accounts.by_server.insert(self.config.server.clone(), kept);
        self.keep_accounts(desk, &accounts, "acme-account-created", Some(account.id())).await?;
        Ok(account)
    }

    /// Asking without a binding where the CA wants one would only get a worse explanation.
    async fn check_eab(&self, client: &Client) -> Result<(), IssueError> {
        let directory = client.line().directory().await;
        let directory = directory.map_err(|error| self.failed("for its directory", &error))?;
        if directory.meta.external_account_required && self.config.eab.is_none() {
            let message = format!(
                "{} takes only accounts that it knows: write eab = {{ kid = …, hmac_file = … }} in issuers.{}",
                self.config.server, self.config.name
            );
            return Err(IssueError::new(IssueErrorKind::Refused, message));
        }
        Ok(())
    }

    async fn tell_contact(&self, account: &Account) -> Result<(), IssueError> {
        let contact = self.contact();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let told = super::patiently!(account.update_contacts(&contact));
        told.map_err(|error| self.failed("a new contact", &error))
    }

    /// Whom the CA may write to (RFC 8555 §7.3).
    fn contact(&self) -> Vec<String> {
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
}

pub(super) fn credentials(kept: &Kept) -> Result<AccountCredentials, String> {
    AccountCredentials::deserialize(&kept.credentials)
        .map_err(|_| "the account's key in the state cannot be read".to_owned())
}

/// The MAC key as CAs hand it out: base64url, or plain base64, with or without padding.
fn binding(kid: &str, file: &Path) -> Result<ExternalAccountKey, String> {
    let at = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("eab.hmac_file {at}: {error}"))?;
    let text = Zeroizing::new(text);
    let text = text.trim();
    let engines = [&URL_SAFE_NO_PAD, &URL_SAFE, &STANDARD];
    let key = engines.into_iter().find_map(|engine| engine.decode(text).ok()).map(Zeroizing::new);
    match key {
        Some(key) if !key.is_empty() => Ok(ExternalAccountKey::new(kid.to_owned(), &key)),
        _ => Err(format!("eab.hmac_file {at}: this is not base64url, as CAs hand the key out")),
    }
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
