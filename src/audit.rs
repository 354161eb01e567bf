//! The history: who did what to which asset, each entry chained to the one before by its hash.
//!
//! `audit.log` holds one JSON line an entry. A line's `hash` is SHA-256 over the same line without
//! its `hash` field, and `prev` is the hash of the line before, so that a line cannot be changed,
//! dropped or put elsewhere without every later one telling.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::model::{AssetId, hex};

/// What comes before the first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Something that is worth telling later. It never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it happened.
    pub at: Timestamp,
    /// Who did it: `daemon`, `uid:1000`.
    pub actor: String,
    /// What was done: `activated`, `refused rotate`.
    pub action: String,
    /// What it was done to.
    pub asset: Option<AssetId>,
    /// The revision it concerns.
    pub revision: Option<u32>,
    /// Further facts, by name.
    pub detail: BTreeMap<String, String>,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counted from 1, without a gap.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// What it was done to.
    pub asset: Option<AssetId>,
    /// The revision it concerns.
    pub revision: Option<u32>,
    /// Further facts, by name.
    pub detail: BTreeMap<String, String>,
    /// The hash of the entry before, lower-case hex; [`GENESIS`] for the first.
    pub prev: String,
    /// SHA-256 over this line without this field, lower-case hex. Serialised last.
    pub hash: String,
}

/// Where the chain stands: what the next entry is chained to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The last entry's number; 0 before the first.
    pub seq: u64,
    /// The last entry's hash.
    pub hash: String,
}

impl Default for Position {
    fn default() -> Self {
        Self { seq: 0, hash: GENESIS.to_owned() }
    }
}

impl Entry {
    /// The entry for `event` that follows `position`.
    pub fn after(position: &Position, event: Event) -> Self {
        let mut entry = Self {
            seq: position.seq.saturating_add(1),
            at: event.at,
            actor: event.actor,
            action: event.action,
            asset: event.asset,
            revision: event.revision,
            detail: event.detail,
            prev: position.hash.clone(),
            hash: String::new(),
        };
        entry.hash = entry.digest();
        entry
    }

    /// The line that stands in `audit.log`, without its newline.
    pub fn line(&self) -> String {
        // Strings, numbers and maps with string keys always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Where the chain stands after this entry.
    pub fn position(&self) -> Position {
        Position { seq: self.seq, hash: self.hash.clone() }
    }

    /// What its hash must be.
    fn digest(&self) -> String {
        let line = Self { hash: String::new(), ..self.clone() }.line();
        // The hash is the last field: the canonical line is this one with the field cut off.
        let canonical = line.strip_suffix(r#","hash":""}"#).unwrap_or(&line);
        hex(digest(&SHA256, format!("{canonical}}}").as_bytes()).as_ref())
    }
}

/// A history that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// How many entries there are.
    pub entries: u64,
    /// The last one.
    pub last: Position,
}

/// Where a history does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Broken {
    /// Counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

/// Checks a history line by line, without holding it.
#[derive(Debug, Default)]
pub struct Verifier {
    lines: u64,
    position: Position,
}

impl Verifier {
    /// Takes the next line (without its newline) and gives its entry.
    ///
    /// # Errors
    ///
    /// When it is not the line that must stand there.
    pub fn push(&mut self, line: &str) -> Result<Entry, Broken> {
        let number = self.lines.saturating_add(1);
        let broken = |why: String| Broken { line: number, why };
        let entry: Entry =
            serde_json::from_str(line).map_err(|error| broken(format!("it is not an entry: {error}")))?;
        check(&entry, line, &self.position).map_err(broken)?;
        self.lines = number;
        self.position = entry.position();
        Ok(entry)
    }

    /// What has been checked so far.
    pub fn summary(&self) -> Summary {
        Summary { entries: self.lines, last: self.position.clone() }
    }
}

/// Whether `entry`, which stands there as `line`, follows `before`.
fn check(entry: &Entry, line: &str, before: &Position) -> Result<(), String> {
    let expected = before.seq.saturating_add(1);
    if entry.seq != expected {
        return Err(format!("entry {} stands where entry {expected} must be", entry.seq));
    }
    if entry.prev != before.hash {
        return Err(format!("entry {} does not follow the entry before it", entry.seq));
    }
    // Rendering it again also finds what the fields do not show: spaces, unknown fields.
    if entry.hash != entry.digest() || entry.line() != line {
        return Err(format!("entry {} has been changed", entry.seq));
    }
    Ok(())
}

/// Checks a whole history, from its first line.
///
/// # Errors
///
/// The first line that does not hold.
pub fn verify<L: AsRef<str>>(lines: impl IntoIterator<Item = L>) -> Result<Summary, Broken> {
    let mut verifier = Verifier::default();
    for line in lines {
        verifier.push(line.as_ref())?;
    }
    Ok(verifier.summary())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AssetKind;

    fn event(action: &str) -> Event {
        Event {
            at: Timestamp::from_second(1_800_000_000).unwrap(),
            actor: "daemon".to_owned(),
            action: action.to_owned(),
            asset: Some(AssetId::new(AssetKind::Certificate, "edge")),
            revision: Some(7),
            detail: BTreeMap::from([("why".to_owned(), "renewal \"due\"".to_owned())]),
        }
    }

    fn lines(count: usize) -> Vec<String> {
        let mut position = Position::default();
        (0..count)
            .map(|number| {
                let entry = Entry::after(&position, event(&format!("step {number}")));
                position = entry.position();
                entry.line()
            })
            .collect()
    }

    #[test]
    fn a_line_is_json_whose_hash_anyone_can_check() {
        let line = &lines(1)[0];
        let (body, hash) = line.rsplit_once(r#","hash":""#).unwrap();
        let canonical = format!("{body}}}");
        assert_eq!(hash.trim_end_matches("\"}"), hex(digest(&SHA256, canonical.as_bytes()).as_ref()));
        assert!(serde_json::from_str::<serde_json::Value>(line).unwrap()["prev"] == GENESIS);
    }

    #[test]
    fn whole_histories_verify() {
        let lines = lines(5);
        let summary = verify(&lines).unwrap();
        assert_eq!((summary.entries, summary.last.seq), (5, 5));
        assert_eq!(verify(Vec::<String>::new()).unwrap().entries, 0);
    }

    #[test]
    fn every_changed_byte_is_found() {
        let good = lines(3);
        for at in 0..good[1].len() {
            let mut bad = good.clone();
            let mut bytes = bad[1].clone().into_bytes();
            bytes[at] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else {
                continue;
            };
            bad[1] = text;
            assert_eq!(verify(&bad).unwrap_err().line, 2, "byte {at}");
        }
    }

    #[test]
    fn dropped_and_swapped_lines_are_found() {
        let mut dropped = lines(4);
        dropped.remove(2);
        assert_eq!(verify(&dropped).unwrap_err().line, 3);
        let mut swapped = lines(4);
        swapped.swap(1, 2);
        assert_eq!(verify(&swapped).unwrap_err().line, 2);
        let mut headless = lines(4);
        headless.remove(0);
        assert_eq!(verify(&headless).unwrap_err().line, 1);
    }
}
