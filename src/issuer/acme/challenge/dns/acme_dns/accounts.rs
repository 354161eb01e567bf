//! The file of acme-dns accounts: JSON, by the certificate's name, as acme-dns-client, lego and certbot's hook keep it. One
//! account by itself, as the server has sent it (`curl -X POST …/register`), is everyone's.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// What the server has handed out. No `Debug`, so that no log can have it.
pub(super) struct Account {
    pub(super) username: String,
    pub(super) password: Zeroizing<String>,
    pub(super) subdomain: String,
    /// Where the CNAME leads; lower case, no dot at the end.
    pub(super) fulldomain: String,
}

impl Account {
    /// `None` where something is missing.
    pub(super) fn read(json: &Value) -> Option<Self> {
        let text = |key: &str| json[key].as_str().map(str::to_owned);
        Some(Self {
            username: text("username")?,
            password: Zeroizing::new(text("password")?),
            subdomain: text("subdomain")?,
            fulldomain: text("fulldomain")?.trim_end_matches('.').to_ascii_lowercase(),
        })
    }

    fn json(&self, server: &str) -> Value {
        json!({
            "username": self.username, "password": self.password.as_str(), "subdomain": self.subdomain,
            "fulldomain": self.fulldomain, "server_url": server, "allowfrom": [],
        })
    }
}

/// The file.
pub(super) struct Accounts(PathBuf);

impl Accounts {
    pub(super) fn at(file: &Path) -> Self {
        Self(file.to_owned())
    }

    /// The account of a name, if it has one.
    pub(super) fn of(&self, domain: &str) -> Result<Option<Account>, String> {
        let Some(all) = self.all()? else { return Ok(None) };
        if all.contains_key("subdomain") {
            let account = Account::read(&Value::Object(all));
            return account.map(Some).ok_or_else(|| self.fault("is no account: something is missing in it"));
        }
        match all.get(domain) {
            None => Ok(None),
            Some(account) => {
                let account = Account::read(account);
                account.map(Some).ok_or_else(|| self.fault(&format!("has no whole account of {domain}")))
            }
        }
    }

    fn all(&self) -> Result<Option<Map<String, Value>>, String> {
        let text = match std::fs::read_to_string(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => Zeroizing::new(text.map_err(|error| self.fault(&error.to_string()))?),
        };
        let all = serde_json::from_str(&text).map_err(|_| self.fault("is not the JSON of accounts"))?;
        Ok(Some(all))
    }

    /// Opens what will be the file, before an account is asked for that could not be kept.
    pub(super) fn writable(&self) -> Result<File, String> {
        let fresh = self.fresh();
        let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh);
        opened.map_err(|error| {
            self.fault(&format!(
                "has no account, and none can be kept there: {}: {error}; write one by hand",
                fresh.display()
            ))
        })
    }

    /// Adds the account of a name, and keeps the others.
    pub(super) fn add(
        &self,
        domain: &str,
        account: &Account,
        server: &str,
        mut to: File,
    ) -> Result<(), String> {
        let mut all = self.all()?.unwrap_or_default();
        all.insert(domain.to_owned(), account.json(server));
        let text = Zeroizing::new(format!("{:#}\n", Value::Object(all)));
        let written = to.write_all(text.as_bytes()).and_then(|()| to.sync_all());
        let kept = written.and_then(|()| std::fs::rename(self.fresh(), &self.0));
        kept.map_err(|error| self.fault(&error.to_string()))
    }

    fn fresh(&self) -> PathBuf {
        let mut name = self.0.clone().into_os_string();
        name.push(".new");
        name.into()
    }

    fn fault(&self, what: &str) -> String {
        format!("acme-dns: account_file {} {what}", self.0.display())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn account(name: &str) -> Value {
        json!({ "username": "u", "password": "p", "subdomain": name, "fulldomain": format!("{name}.auth.test") })
    }

    #[test]
    fn accounts_are_added_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = Accounts::at(&folder.path().join("accounts.json"));
        assert!(accounts.of("a.test").unwrap().is_none());
        for name in ["a", "b"] {
            let made = Account::read(&account(name)).unwrap();
            let place = accounts.writable().unwrap();
            accounts.add(&format!("{name}.test"), &made, "https://auth.test", place).unwrap();
        }
        assert_eq!(accounts.of("a.test").unwrap().unwrap().fulldomain, "a.auth.test");
        assert_eq!(accounts.of("b.test").unwrap().unwrap().subdomain, "b");
        assert!(accounts.of("c.test").unwrap().is_none());
        assert_eq!(std::fs::metadata(&accounts.0).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// As lego, certbot's hook and `curl` leave them.
    #[test]
    fn files_of_others_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let accounts = Accounts::at(&folder.path().join("accounts.json"));
        let mut certbot = account("a");
        certbot["allowfrom"] = json!(["192.0.2.0/24"]);
        std::fs::write(&accounts.0, json!({ "example.org": certbot }).to_string()).unwrap();
        assert_eq!(accounts.of("example.org").unwrap().unwrap().subdomain, "a");
        std::fs::write(&accounts.0, account("all").to_string()).unwrap();
        assert_eq!(accounts.of("example.org").unwrap().unwrap().subdomain, "all");
        for (text, said) in [
            ("[]", "is not the JSON of accounts"),
            (r#"{"example.org": {"subdomain": "x"}}"#, "has no whole account of example.org"),
            (r#"{"subdomain": "x"}"#, "is no account: something is missing in it"),
        ] {
            std::fs::write(&accounts.0, text).unwrap();
            let why = accounts.of("example.org").err().unwrap();
            assert!(why.ends_with(said), "{why}");
        }
    }
}
