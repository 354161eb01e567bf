//! A provider's keys with their values, secrets among them. It has no `Debug`, so that no log can have them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// What a secret becomes in a message.
const HIDDEN: &str = "[hidden]";

/// Shorter ones are found in any text.
const SHORTEST_HIDDEN: usize = 4;

/// Settings as they are, and secrets as their files have them now.
#[derive(Default)]
pub(super) struct Keys {
    settings: BTreeMap<String, String>,
    secrets: BTreeMap<String, Zeroizing<String>>,
    /// What was asked for: a test compares it with the table of the configuration.
    #[cfg(test)]
    pub(super) asked: std::sync::Mutex<BTreeMap<String, bool>>,
}

impl Keys {
    /// # Errors
    ///
    /// When a file cannot be read, or has nothing in it. The value is never repeated.
    pub(super) fn read(
        settings: &BTreeMap<String, String>,
        secrets: &BTreeMap<String, PathBuf>,
    ) -> Result<Self, String> {
        let mut keys = Self { settings: settings.clone(), ..Self::default() };
        for (name, file) in secrets {
            keys.secrets.insert(name.clone(), contents(name, file)?);
        }
        Ok(keys)
    }

    /// The value of a key that the configuration has made sure of; of a file its first line.
    pub(super) fn of(&self, name: &str) -> &str {
        self.note(name, true);
        self.whole_of(name).lines().next().unwrap_or_default().trim_end()
    }

    /// All of a secret's file: a key in PEM or JSON has several lines.
    pub(super) fn whole(&self, name: &str) -> &str {
        self.note(name, true);
        self.whole_of(name)
    }

    /// The value of a key that may be left out.
    pub(super) fn maybe(&self, name: &str) -> Option<&str> {
        self.note(name, false);
        let there = self.settings.contains_key(name) || self.secrets.contains_key(name);
        there.then(|| self.whole_of(name).lines().next().unwrap_or_default().trim_end())
    }

    /// Whether it is `true`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.maybe(name) == Some("true")
    }

    /// A message with the secrets taken out: a provider's may have the URL that was asked, with its token.
    pub(super) fn hidden(&self, message: &impl Display) -> String {
        let mut text = message.to_string();
        let lines = self.secrets.values().flat_map(|secret| secret.lines()).map(str::trim);
        for line in lines.filter(|line| line.len() >= SHORTEST_HIDDEN) {
            text = text.replace(line, HIDDEN).replace(&in_url(line), HIDDEN);
        }
        text
    }

    fn whole_of(&self, name: &str) -> &str {
        let secret = self.secrets.get(name).map(|text| text.as_str());
        secret.or_else(|| self.settings.get(name).map(String::as_str)).unwrap_or_default()
    }

    #[cfg(test)]
    #[allow(clippy::unwrap_used)]
    fn note(&self, name: &str, required: bool) {
        self.asked.lock().unwrap().insert(name.to_owned(), required);
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self)]
    fn note(&self, _: &str, _: bool) {}
}

fn contents(name: &str, file: &Path) -> Result<Zeroizing<String>, String> {
    let text = std::fs::read_to_string(file).map(Zeroizing::new);
    let text = text.map_err(|error| format!("{name}_file {}: {error}", file.display()))?;
    if text.trim().is_empty() {
        return Err(format!("{name}_file {} is empty", file.display()));
    }
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// As a form or a query has it (WHATWG URL, application/x-www-form-urlencoded).
fn in_url(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}
