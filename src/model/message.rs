//! The one message model: items, the notes that hold them until they are delivered, and how delivering goes.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AssetId, Code, Event, Problem, Severity};

/// Whether an item says that something begins, goes on, ends, or has just happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// A condition has begun.
    Opened,
    /// It goes on, or has got worse.
    Lasting,
    /// It is over.
    Closed,
    /// Something happened.
    Happened,
}

impl Phase {
    /// As programs read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Lasting => "lasting",
            Self::Closed => "closed",
            Self::Happened => "happened",
        }
    }
}

/// One thing to tell. Nothing secret is ever in it; but its text may hold words of a CA, an engine or a command, so that
/// every channel has to escape it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What kind of thing.
    pub event: Event,
    /// How urgent.
    pub severity: Severity,
    /// Beginning or end.
    pub phase: Phase,
    /// Whose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    /// Which revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// The problem's code, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What happened, in a sentence; at most [`LONGEST_TEXT`] characters.
    pub text: String,
    /// When.
    pub at: Timestamp,
    /// Of what is over, or goes on: since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// No item's text has more characters.
pub const LONGEST_TEXT: usize = 600;

/// An item that waits for channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What they are to be told.
    pub item: Item,
    /// The channels that have not got it yet.
    pub to: BTreeSet<String>,
}

/// How delivering to a channel goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// Failures in a row.
    #[serde(default)]
    pub failures: u32,
    /// Since when it takes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try_at: Option<Timestamp>,
    /// The last failure, without addresses and secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// What was begun to be sent: the same again has the same name, so that who has it already can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// Items that had to give way since the last message.
    #[serde(default)]
    pub dropped: u32,
    /// Items that had to give way since there is this channel.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_ever: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Post {
    /// So many items are never told.
    pub fn drop_items(&mut self, items: usize) {
        self.dropped = self.dropped.saturating_add(u32::try_from(items).unwrap_or(u32::MAX));
        self.dropped_ever = self.dropped_ever.saturating_add(items as u64);
    }

    /// The channel has taken a message.
    pub fn worked(&mut self, next_try_at: Option<Timestamp>) {
        *self = Self { next_try_at, dropped_ever: self.dropped_ever, ..Self::default() };
    }
}

/// The items of a message that was begun to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its name.
    pub id: String,
    /// The last of its items.
    pub last: u64,
    /// When it was begun.
    pub at: Timestamp,
    /// Whether the channel has refused it as it was: it is told in few words.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub brief: bool,
}

/// A message, as every channel gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `daemon.instance`.
    pub instance: String,
    /// Its name: the same message again has the same.
    pub id: String,
    /// When it was begun.
    pub at: Timestamp,
    /// What it says, oldest first.
    pub items: Vec<Item>,
    /// Items that had to give way before it.
    pub dropped: u32,
    /// Whether the channel has refused its items: it says only how many there are.
    pub brief: bool,
}
