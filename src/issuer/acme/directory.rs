//! The directory of a CA (RFC 8555 §7.1.1): what it offers, and where.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::addresses::check_text;
use super::refusal::Unreached;

/// What a CA offers, as far as we use it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    pub(super) new_nonce: String,
    pub(super) new_account: String,
    new_order: String,
    pub(super) revoke_cert: Option<String>,
    pub(super) key_change: Option<String>,
    /// RFC 9773 §4.1.
    pub(super) renewal_info: Option<String>,
    #[serde(default)]
    pub(super) meta: Meta,
    /// As it came, for the library.
    #[serde(skip)]
    json: Vec<u8>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Meta {
    /// By name, with a description.
    pub(super) profiles: BTreeMap<String, serde_json::Value>,
    pub(super) external_account_required: bool,
}

impl Directory {
    pub(super) fn read(json: &[u8]) -> Result<Self, Unreached> {
        let read: Result<Self, _> = serde_json::from_slice(json);
        // Its own words would quote the reply.
        let mut directory =
            read.map_err(|_| Unreached("what it sends is no ACME directory; is the URL right?".to_owned()))?;
        directory.json = json.to_vec();
        directory.check()?;
        Ok(directory)
    }

    /// One that leads where we do not go is not kept for an hour.
    fn check(&self) -> Result<(), Unreached> {
        [&self.new_nonce, &self.new_account, &self.new_order].into_iter().try_for_each(|url| check_text(url))
    }

    pub(super) fn json(&self) -> &[u8] {
        &self.json
    }

    /// Says which profiles there are, where `profile` is none of them.
    pub(super) fn check_profile(&self, profile: &str) -> Result<(), String> {
        if self.meta.profiles.contains_key(profile) {
            return Ok(());
        }
        let known: Vec<&str> = self.meta.profiles.keys().map(String::as_str).collect();
        let known =
            if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        Err(format!("it has no profile `{profile}`: {known}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(new_order: &str) -> Result<Directory, Unreached> {
        let json = format!(
            r#"{{"newNonce": "https://ca.example/n", "newAccount": "https://ca.example/a", "newOrder": "{new_order}"}}"#
        );
        Directory::read(json.as_bytes())
    }

    #[test]
    fn one_that_leads_elsewhere_is_refused_as_a_whole() {
        assert!(read("https://ca.example/o").is_ok());
        let why = read("http://ca.example/o").err().unwrap().to_string();
        assert_eq!(why, "refuses to speak to http://ca.example/o: it is not https");
        assert!(read("https://169.254.169.254/o").is_err());
    }
}
