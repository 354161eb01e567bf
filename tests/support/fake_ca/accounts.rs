//! Accounts (RFC 8555 §7.3).

use serde_json::{Value, json};

use super::desk::{Answered, Desk};
use super::faults::Link;
use super::jws::{Jws, Signer};
use super::key::Key;
use super::problem::Problem;
use super::reply::Reply;
use super::store::{Account, Standing};

impl Desk<'_> {
    /// Creates an account, or finds the one of the key.
    pub fn new_account(&mut self, key: Key, payload: &Value) -> Answered {
        if let Some(id) = self.state.account_of(&key) {
            return match self.account_at(id).standing {
                Standing::Valid => Ok(self.show_account(200, id)),
                _ => Err(Problem::unauthorized(403, "an account with this key exists but is deactivated")),
            };
        }
        if payload["onlyReturnExisting"] == true {
            return Err(Problem::no_account());
        }
        if payload["termsOfServiceAgreed"] != true {
            return Err(Problem::user_action_required());
        }
        let contact = contacts(payload)?.unwrap_or_default();
        let binding = self.binding(&key, payload)?;
        let standing = Standing::Valid;
        self.state.accounts.push(Account { key, contact, standing, binding });
        Ok(self.show_account(201, self.state.accounts.len() - 1))
    }

    /// The external account that the request proves to have (RFC 8555 §7.3.4).
    fn binding(&self, key: &Key, payload: &Value) -> Result<Option<String>, Problem> {
        let Some(binding) = payload.get("externalAccountBinding") else {
            let needed = self.state.faults.needs_binding;
            return if needed { Err(Problem::external_account_required()) } else { Ok(None) };
        };
        let jws = Jws::of(binding)?;
        let kid = jws.text("kid").unwrap_or_default();
        let secret = self.state.bindings.get(kid);
        let secret = secret.ok_or_else(|| Problem::unauthorized(403, "no external account of that kid"))?;
        jws.check_mac(secret, &format!("{}/new-account", self.base))?;
        if Key::of(&jws.payload()?.unwrap_or_default())? != *key {
            return Err(Problem::malformed("the external account binding is for another key"));
        }
        Ok(Some(kid.to_owned()))
    }

    /// Reads, updates the contacts, or deactivates.
    pub fn account(&mut self, id: usize, caller: usize, payload: &Value) -> Answered {
        if id != caller {
            return Err(Problem::unauthorized(403, "that is another's account"));
        }
        if let Some(contact) = contacts(payload)? {
            self.account_at(id).contact = contact;
        }
        if payload["status"] == "deactivated" {
            self.account_at(id).standing = Standing::Deactivated;
        }
        Ok(self.show_account(200, id))
    }

    /// Changes the account's key (RFC 8555 §7.3.5).
    pub fn key_change(&mut self, caller: usize, payload: &Value) -> Answered {
        let inner = Jws::of(payload)?;
        let Signer::Jwk(new) = inner.signer()? else {
            return Err(Problem::malformed("the inner JWS names the new key by a jwk"));
        };
        inner.check(&new, &format!("{}/key-change", self.base))?;
        let said = inner.payload()?.unwrap_or_default();
        if said["account"] != self.account_url(caller) {
            return Err(Problem::malformed("the inner JWS names another account"));
        }
        if Key::of(&said["oldKey"])? != self.account_at(caller).key {
            return Err(Problem::malformed("the old key is another"));
        }
        if let Some(other) = self.state.account_of(&new) {
            let taken = Problem::new(409, "malformed", "the new key belongs to an account already");
            return Ok(taken.reply().header("location", self.account_url(other)));
        }
        self.account_at(caller).key = new;
        Ok(self.show_account(200, caller))
    }

    fn account_url(&self, id: usize) -> String {
        self.link(Link::Account, &format!("/account/{id}"))
    }

    fn show_account(&self, status: u16, id: usize) -> Reply {
        let account = &self.state.accounts[id];
        let standing = if account.standing == Standing::Valid { "valid" } else { "deactivated" };
        let json = json!({
            "status": standing,
            "contact": account.contact,
            "termsOfServiceAgreed": true,
            "orders": format!("{}/orders", self.account_url(id)),
        });
        Reply::json(status, &json).header("location", self.account_url(id))
    }
}

/// The contacts of a request, if it has any; only mail addresses are taken.
fn contacts(payload: &Value) -> Result<Option<Vec<String>>, Problem> {
    let Some(contacts) = payload["contact"].as_array() else {
        return Ok(None);
    };
    let contacts: Vec<String> =
        contacts.iter().filter_map(|contact| contact.as_str()).map(str::to_owned).collect();
    match contacts.iter().find(|contact| !contact.starts_with("mailto:")) {
        None => Ok(Some(contacts)),
        Some(other) => Err(Problem::new(400, "unsupportedContact", &format!("{other} is no mailto:"))),
    }
}
