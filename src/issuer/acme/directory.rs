//! The directory of a CA (RFC 8555 §7.1.1): what it offers, and where.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::refusal::Unreached;

/// What a CA offers, as far as we use it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    pub(super) new_nonce: String,
    pub(super) new_account: String,
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
        Ok(directory)
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
