//! acme-dns (<https://github.com/joohoi/acme-dns>): a name server that holds nothing but proofs. `_acme-challenge.NAME` is
//! a CNAME to a name of its own there, once and for all, and what is needed to write that one can write nothing else.

mod accounts;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::sync::Mutex;

use self::accounts::{Account, Accounts};
use super::super::super::http::{plain_client, unreached};
use super::value::Entry;

/// As the configuration names it.
pub(super) const NAME: &str = "acme-dns";

/// The server keeps the last two values of a name, and forgets the others.
const VALUES: usize = 2;

/// The account file is read, added to and written by one at a time.
static REGISTERING: Mutex<()> = Mutex::const_new(());

/// A server and who we are there.
pub(super) struct AcmeDns<'a> {
    server: &'a str,
    accounts: Accounts,
}

impl<'a> AcmeDns<'a> {
    pub(super) fn new(
        settings: &'a BTreeMap<String, String>,
        secrets: &BTreeMap<String, PathBuf>,
    ) -> Result<Self, String> {
        let server = settings.get("server").ok_or("acme-dns: server is missing")?;
        let file = secrets.get("account").ok_or("acme-dns: account_file is missing")?;
        Ok(Self { server, accounts: Accounts::at(file) })
    }

    /// Writes an entry whose name is where the CNAMEs of `_acme-challenge.NAME` end. An account that is not there is made,
    /// and what is to be done about it is the error: the CNAME is another's work.
    pub(super) async fn present(&self, entry: &Entry) -> Result<(), String> {
        let domain = entry.domains.first().map(String::as_str).unwrap_or_default();
        let account = self.account(domain).await?;
        led_there(entry, domain, &account)?;
        if entry.values.len() > VALUES {
            return Err(format!(
                "acme-dns keeps {VALUES} values of a name; {domain} needs {}",
                entry.values.len()
            ));
        }
        for value in &entry.values {
            self.update(&account, value)
                .await
                .map_err(|why| format!("acme-dns at {}: {why}", self.server))?;
        }
        Ok(())
    }

    async fn account(&self, domain: &str) -> Result<Account, String> {
        let _one = REGISTERING.lock().await;
        if let Some(account) = self.accounts.of(domain)? {
            return Ok(account);
        }
        let place = self.accounts.writable()?;
        let reply = self.post("register", json!({}), None).await;
        let reply = reply.map_err(|why| format!("acme-dns at {}: {why}", self.server))?;
        let account = Account::read(&reply).ok_or("acme-dns has sent no account")?;
        self.accounts.add(domain, &account, self.server, place)?;
        Ok(account)
    }

    async fn update(&self, account: &Account, value: &str) -> Result<(), String> {
        let body = json!({ "subdomain": account.subdomain, "txt": value });
        let reply = self.post("update", body, Some(account)).await?;
        match reply["txt"].as_str() {
            Some(written) if written == value => Ok(()),
            _ => Err("its answer to the update is not the value".to_owned()),
        }
    }

    async fn post(&self, verb: &str, body: Value, account: Option<&Account>) -> Result<Value, String> {
        let url = format!("{}/{verb}", self.server);
        let client = plain_client(&[]).map_err(|error| error.to_string())?;
        let mut request = client.post(url).header("Content-Type", "application/json").body(body.to_string());
        if let Some(account) = account {
            request = request
                .header("X-Api-User", &account.username)
                .header("X-Api-Key", account.password.as_str());
        }
        let reply = request.send().await.map_err(|error| unreached(&error).to_string())?;
        let status = reply.status();
        let text = reply.bytes().await.map_err(|error| unreached(&error).to_string())?;
        let value: Value = serde_json::from_slice(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        let why: String = value["error"].as_str().unwrap_or("no reason").escape_debug().take(100).collect();
        Err(format!("{verb} was answered with {status} ({why})"))
    }
}

/// The CNAME is what acme-dns stands on; without it the CA looks elsewhere.
fn led_there(entry: &Entry, domain: &str, account: &Account) -> Result<(), String> {
    if entry.fqdn == account.fulldomain {
        return Ok(());
    }
    let name = format!("_acme-challenge.{domain}");
    let is = match entry.fqdn == name {
        true => "it is none".to_owned(),
        false => format!("it leads to {}", entry.fqdn),
    };
    Err(format!("{name} must be a CNAME to {}; {is}", account.fulldomain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fqdn: &str) -> Entry {
        let domains = ["example.org".to_owned()].into();
        Entry { fqdn: fqdn.to_owned(), domains, values: ["x".to_owned()].into() }
    }

    #[test]
    fn the_cname_that_is_needed_is_named() {
        let account = Account::read(&json!({
            "username": "u", "password": "p", "subdomain": "d420", "fulldomain": "D420.auth.example.org."
        }))
        .unwrap();
        assert_eq!(led_there(&entry("d420.auth.example.org"), "example.org", &account), Ok(()));
        assert_eq!(
            led_there(&entry("_acme-challenge.example.org"), "example.org", &account).unwrap_err(),
            "_acme-challenge.example.org must be a CNAME to d420.auth.example.org; it is none"
        );
        assert_eq!(
            led_there(&entry("x.elsewhere.example"), "example.org", &account).unwrap_err(),
            "_acme-challenge.example.org must be a CNAME to d420.auth.example.org; it leads to x.elsewhere.example"
        );
    }
}
