//! The DNS providers that dns-01 knows by name, and the keys that each takes.
//!
//! A table ([`table`]), so that a key is checked, listed in a message, documented and read in one way for all of them;
//! what is done with the keys is `issuer/acme`'s.

mod table;

use table::PROVIDERS;

/// A provider and its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnsProviderSpec {
    /// As `provider = "…"` names it: the code that lego knows it by.
    pub name: &'static str,
    /// What may stand in its table of the configuration.
    pub keys: &'static [Key],
    /// Whether it keeps one value for a name, and tells nobody which: a name and its wildcard have two.
    pub keeps_one: bool,
}

/// One key of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name; of a secret without the `_file` that it is written with.
    pub name: &'static str,
    /// What may be written.
    pub form: Form,
    /// Whether it must be there.
    pub need: Need,
    /// What is meant by it, with an example for a setting: it stands in the message that misses it.
    pub what: &'static str,
}

/// What may be written for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Any text of one line.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// An address that begins with `https://` or `http://`.
    Url,
    /// Never the value, but the file that holds it: `NAME_file`, a path or `credential:NAME`.
    Secret,
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It must.
    Required,
    /// It may be left out.
    Optional,
    /// It must, where this other key, as it is written, is not there.
    Unless(&'static str),
}

impl Key {
    const fn new(name: &'static str, form: Form, what: &'static str) -> Self {
        Self { name, form, need: Need::Required, what }
    }

    /// The same key, where it may be left out.
    const fn optional(self) -> Self {
        Self { need: Need::Optional, ..self }
    }

    /// The same key, where it may be left out when `other` is there.
    const fn unless(self, other: &'static str) -> Self {
        Self { need: Need::Unless(other), ..self }
    }

    /// As it is written in the configuration.
    pub fn written(&self) -> String {
        match self.form {
            Form::Secret => format!("{}_file", self.name),
            _ => self.name.to_owned(),
        }
    }
}

const fn text(name: &'static str, what: &'static str) -> Key {
    Key::new(name, Form::Text, what)
}

const fn word(name: &'static str, words: &'static [&'static str], what: &'static str) -> Key {
    Key::new(name, Form::OneOf(words), what)
}

const fn number(name: &'static str, what: &'static str) -> Key {
    Key::new(name, Form::Number, what)
}

const fn flag(name: &'static str, what: &'static str) -> Key {
    Key::new(name, Form::Flag, what).optional()
}

const fn url(name: &'static str, what: &'static str) -> Key {
    Key::new(name, Form::Url, what)
}

const fn secret(name: &'static str, what: &'static str) -> Key {
    Key::new(name, Form::Secret, what)
}

/// The provider of that name.
pub fn dns_provider(name: &str) -> Option<&'static DnsProviderSpec> {
    PROVIDERS.iter().find(|provider| provider.name == name)
}

/// All of them, in the order of the alphabet.
pub fn dns_providers() -> &'static [DnsProviderSpec] {
    PROVIDERS
}

/// All names, in the order of the alphabet.
pub fn dns_provider_names() -> Vec<&'static str> {
    PROVIDERS.iter().map(|provider| provider.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_once_and_in_order() {
        let names = dns_provider_names();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        for provider in PROVIDERS {
            let written: std::collections::BTreeSet<String> =
                provider.keys.iter().map(Key::written).collect();
            assert_eq!(written.len(), provider.keys.len(), "{}: a key twice", provider.name);
            for key in provider.keys {
                let Need::Unless(other) = key.need else { continue };
                assert!(written.contains(other), "{}: {other} is no key of it", provider.name);
            }
        }
    }
}
