//! The types that single values have.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use jiff::SignedDuration;
use toml::de::DeValue;

use super::duration::{self, duration_text};
use super::environment::resolved;
use super::raw::{Item, not_one_of};
use super::words::quoted;

impl<'a> Item<'a> {
    /// Text, also empty.
    pub(super) fn text(&self) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text.as_ref()),
            _ => self.wrong_type("text"),
        }
    }

    /// Text on one line with something in it.
    pub(super) fn line(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.trim().is_empty() {
            return self.fault("is empty");
        }
        if text.chars().any(char::is_control) {
            return self.fault(format!("{} has control characters in it", quoted(text)));
        }
        Some(text)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type("true or false"),
        }
    }

    /// A whole number within `range`.
    pub(super) fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let DeValue::Integer(integer) = self.value else {
            return self.wrong_type("a whole number");
        };
        match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if range.contains(&number) => Some(number),
            _ => self.fault(format!("must be from {} to {}", range.start(), range.end())),
        }
    }

    /// One of `all`, by its name.
    pub(super) fn choice<T: Copy>(&self, all: &[T], name: impl Fn(T) -> &'static str) -> Option<T> {
        let text = self.text()?;
        let found = all.iter().copied().find(|value| name(*value) == text);
        found.or_else(|| {
            let names: Vec<&str> = all.iter().map(|value| name(*value)).collect();
            self.fault(not_one_of(text, &names))
        })
    }

    /// A duration from `least` on.
    pub(super) fn duration(&self, least: SignedDuration) -> Option<SignedDuration> {
        match duration::parse(self.text()?) {
            Ok(found) if found < least => self.fault(format!("must be at least {}", duration_text(least))),
            Ok(found) => Some(found),
            Err(message) => self.fault(message),
        }
    }

    /// A path; a relative one starts at the folder of the configuration.
    pub(super) fn path(&self) -> Option<PathBuf> {
        let text = self.line()?;
        if text.starts_with("~/") {
            return self.fault("`~` is not a folder here; write the whole path");
        }
        Some(resolved(self.cx.base, text))
    }

    /// A file with a secret in it: a path, or `credential:NAME`.
    pub(super) fn secret_file(&self) -> Option<PathBuf> {
        let Some(name) = self.line()?.strip_prefix("credential:") else {
            return self.path();
        };
        match self.cx.environment.credential(name) {
            Ok(path) => Some(path),
            Err(message) => self.fault(message),
        }
    }

    /// Permission bits as octal text.
    pub(super) fn mode(&self) -> Option<u32> {
        const HINT: &str = "write the permission bits as octal text, such as \"0400\"";
        let DeValue::String(text) = self.value else {
            // A bare 400 would be decimal, and 0400 is no TOML at all.
            return self.fault(HINT);
        };
        let octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        match u32::from_str_radix(text, 8) {
            Ok(mode) if octal && mode <= 0o777 => Some(mode),
            Ok(mode) if octal && mode > 0o777 => {
                self.fault("setuid, setgid and sticky bits are not for key files")
            }
            _ => self.fault(format!("{} is not a mode; {HINT}", quoted(text))),
        }
    }
}
