//! The first stage: TOML into a tree whose every key and value knows its place.
//!
//! serde would stop at the first fault. Here each table is asked for the keys it may have, each value
//! for the type it must have; what does not fit is noted with its place, reading goes on, and what was
//! not asked for is an unknown key. So one run tells a person everything.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::Environment;
use super::findings::{Findings, Spot};
use super::validate::{Claim, OwnerCheck};
use super::words::{advice, joined, quoted};

/// The tree of `text`; or, all noted in `findings`, why it is not TOML.
pub(super) fn parse<'t>(text: &'t str, findings: &Findings) -> Option<Spanned<DeTable<'t>>> {
    let (tree, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        // The message alone: the rest would repeat the line, and who knows what is on it.
        findings.fault(Spot { key: String::new(), at }, format!("not TOML: {}", error.message()));
    }
    errors.is_empty().then_some(tree)
}

/// What all of the second stage has at hand.
pub(super) struct Context<'a> {
    /// Relative paths start here.
    pub(super) base: &'a Path,
    /// Where credentials are.
    pub(super) environment: &'a Environment,
    /// What is wrong so far.
    pub(super) findings: Findings,
    /// The files that targets write, to be compared when all are read.
    pub(super) claims: RefCell<Vec<Claim>>,
    /// Owners and groups to be looked up on the machine, later and on demand.
    pub(super) owners: RefCell<Vec<(Spot, OwnerCheck)>>,
}

/// A value with its place.
#[derive(Clone)]
pub(super) struct Item<'a> {
    pub(super) cx: &'a Context<'a>,
    pub(super) key: String,
    at: usize,
    pub(super) value: &'a DeValue<'a>,
}

impl<'a> Item<'a> {
    pub(super) fn spot(&self) -> Spot {
        Spot { key: self.key.clone(), at: self.at }
    }

    /// Notes a fault, and is `None`, so that it can end a reading.
    pub(super) fn fault<T>(&self, message: impl Into<String>) -> Option<T> {
        self.cx.findings.fault(self.spot(), message.into());
        None
    }

    pub(super) fn warning(&self, message: impl Into<String>) {
        self.cx.findings.warning(self.spot(), message.into());
    }

    /// Notes that the value should have been `wanted`.
    pub(super) fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        let is = match self.value {
            DeValue::String(_) => "text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(format!("must be {wanted}, and is {is}"))
    }

    /// Reads a table, and notes those of its keys that `read` did not ask for.
    pub(super) fn table<T>(&self, read: impl FnOnce(&mut Table<'a>) -> Option<T>) -> Option<T> {
        let DeValue::Table(entries) = self.value else {
            return self.wrong_type("a table");
        };
        Table::new(self.cx, self.spot(), Some(entries)).read(read)
    }

    /// The elements of a list.
    pub(super) fn items(&self) -> Option<Vec<Item<'a>>> {
        let elements = match self.value {
            DeValue::Array(elements) => elements,
            DeValue::Table(_) => return self.wrong_type(&format!("a list (of tables: [[{}]])", self.key)),
            _ => return self.wrong_type("a list"),
        };
        let element = |(index, element): (usize, &'a Spanned<DeValue<'a>>)| Item {
            cx: self.cx,
            key: format!("{}[{index}]", self.key),
            at: element.span().start,
            value: element.get_ref(),
        };
        Some(elements.iter().enumerate().map(element).collect())
    }

    /// A list, each of its elements read by `read`; all of them are, also after a fault.
    pub(super) fn list<T>(&self, read: impl Fn(&Item<'a>) -> Option<T>) -> Option<Vec<T>> {
        let all: Vec<Option<T>> = self.items()?.iter().map(read).collect();
        all.into_iter().collect()
    }

    /// Like `list`, without anything twice.
    pub(super) fn distinct<T: Ord + Clone>(&self, read: impl Fn(&Item<'a>) -> Option<T>) -> Option<Vec<T>> {
        let seen = RefCell::new(std::collections::BTreeSet::new());
        self.list(|item| {
            let value = read(item)?;
            if seen.borrow_mut().insert(value.clone()) {
                Some(value)
            } else {
                item.fault("is in this list twice")
            }
        })
    }

    /// The entries of a table whose keys are the site's own names.
    pub(super) fn entries(&self) -> Option<Vec<(&'a str, Item<'a>)>> {
        let DeValue::Table(entries) = self.value else {
            return self.wrong_type("a table");
        };
        Some(entries.iter().map(|(name, value)| (name.get_ref().as_ref(), self.entry(name, value))).collect())
    }

    fn entry(
        &self,
        name: &'a Spanned<Cow<'a, str>>,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Item<'a> {
        let key = joined(&self.key, name.get_ref());
        Item { cx: self.cx, key, at: name.span().start, value: value.get_ref() }
    }
}

/// A table that is asked for the keys it may have.
pub(super) struct Table<'a> {
    pub(super) cx: &'a Context<'a>,
    spot: Spot,
    entries: Option<&'a DeTable<'a>>,
    known: Vec<Cow<'static, str>>,
    rest_is_moot: bool,
}

impl<'a> Table<'a> {
    pub(super) fn new(cx: &'a Context<'a>, spot: Spot, entries: Option<&'a DeTable<'a>>) -> Self {
        Self { cx, spot, entries, known: Vec::new(), rest_is_moot: false }
    }

    /// Runs `read`, then notes the keys that it did not ask for.
    pub(super) fn read<T>(mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let result = read(&mut self);
        if self.refuse_rest() { result } else { None }
    }

    fn refuse_rest(&self) -> bool {
        let mut good = true;
        let known: Vec<&str> = self.known.iter().map(AsRef::as_ref).collect();
        for (name, _) in self.entries.into_iter().flatten() {
            if self.rest_is_moot || known.contains(&name.get_ref().as_ref()) {
                continue;
            }
            good = false;
            let spot = Spot { key: joined(&self.spot.key, name.get_ref()), at: name.span().start };
            let findings = &self.cx.findings;
            let advice = if findings.is_full() { String::new() } else { advice(name.get_ref(), &known) };
            findings.fault(spot, format!("unknown key; {advice}"));
        }
        good
    }

    /// After a fault that makes the table's other keys pointless to judge.
    pub(super) fn ignore_rest(&mut self) {
        self.rest_is_moot = true;
    }

    /// The value of `key`, where it is given.
    pub(super) fn item(&mut self, key: impl Into<Cow<'static, str>>) -> Option<Item<'a>> {
        let key = key.into();
        let found = self.entries.and_then(|entries| entries.get_key_value(key.as_ref()));
        let path = joined(&self.spot.key, &key);
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let (name, value) = found?;
        Some(Item { cx: self.cx, key: path, at: name.span().start, value: value.get_ref() })
    }

    /// The value of a key that must be there; `example` says how it is written.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&Item<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.item(key) {
            Some(item) => read(&item),
            None => self.fault(key, format!("is missing; write {key} = {example}")),
        }
    }

    /// The value of a key, or `default` without it.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Item<'a>) -> Option<T>,
    ) -> Option<T> {
        self.item(key).map_or(Some(default), |item| read(&item))
    }

    /// The value of a key that may be left out; the outer `None` is a fault.
    #[allow(clippy::option_option)]
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Item<'a>) -> Option<T>,
    ) -> Option<Option<T>> {
        self.item(key).map_or(Some(None), |item| read(&item).map(Some))
    }

    /// A table below this one, all of whose keys have defaults.
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Table<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.item(key) {
            Some(item) => item.table(read),
            None => {
                let spot = Spot { key: joined(&self.spot.key, key), at: self.spot.at };
                Table::new(self.cx, spot, None).read(read)
            }
        }
    }

    /// Refuses keys that a later version will know: never accepted and ignored.
    pub(super) fn not_yet(&mut self, keys: &[&'static str], what: &str) {
        for key in keys {
            if let Some(item) = self.item(*key) {
                item.fault::<()>(not_yet(what));
            }
        }
    }

    /// Refuses keys that belong elsewhere.
    pub(super) fn misplaced(&mut self, keys: &[&'static str], message: &str) {
        for key in keys {
            if let Some(item) = self.item(*key) {
                item.fault::<()>(message);
            }
        }
    }

    /// Where `key` is, or where the table is that should have it.
    pub(super) fn spot_of(&self, key: &str) -> Spot {
        let found = self.entries.and_then(|entries| entries.get_key_value(key));
        let at = found.map_or(self.spot.at, |(name, _)| name.span().start);
        Spot { key: joined(&self.spot.key, key), at }
    }

    /// Notes a fault of `key`.
    pub(super) fn fault<T>(&self, key: &str, message: impl Into<String>) -> Option<T> {
        self.cx.findings.fault(self.spot_of(key), message.into());
        None
    }

    /// Notes an oddity of `key`.
    pub(super) fn warning(&self, key: &str, message: impl Into<String>) {
        self.cx.findings.warning(self.spot_of(key), message.into());
    }

    /// Whether `key` is written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.is_some_and(|entries| entries.contains_key(key))
    }
}

/// The words for what is designed and not built.
pub(super) fn not_yet(what: &str) -> String {
    format!("not yet: {what} with a later version; take this out")
}

/// The message for a value that is none of `names`.
pub(super) fn not_one_of(text: &str, names: &[&str]) -> String {
    format!("{} is not known; {}", quoted(text), advice(text, names))
}
