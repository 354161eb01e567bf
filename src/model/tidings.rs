//! All that is kept about telling people and programs what happens, and who wants to be told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Alert, Code, Errand, Event, GivenUp, Hook, Moment, Note, Post, Problem, Severity, Subject};

/// All that is kept about telling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tidings {
    /// Whether anyone has wanted to be told before: what happened earlier is old news then.
    pub listening: bool,
    /// What is wrong with the whole site, as the process that holds the state has found it: for all who read the records.
    pub site: BTreeMap<Code, Problem>,
    /// The number of the last request for approval that was looked at.
    pub last_request: u64,
    /// The number of the next note or errand.
    pub next: u64,
    /// By what they are about.
    pub alerts: BTreeMap<Subject, Alert>,
    /// What waits for channels: the outbox.
    pub notes: BTreeMap<u64, Arc<Note>>,
    /// By the channel's name.
    pub posts: BTreeMap<String, Post>,
    /// What waits for hooks.
    pub errands: BTreeMap<u64, Arc<Errand>>,
    /// Runs of hooks that are never made, by command and event.
    pub given_up: BTreeMap<(Vec<String>, Moment), GivenUp>,
}

/// No more notes wait at once, over all channels: the oldest mere information gives way, and it is said.
pub const MOST_NOTES: usize = 1000;

/// No more errands wait at once for one command: the oldest give way, which is in the history and a problem.
pub const MOST_ERRANDS: usize = 10_000;

/// No more characters of a hook's command name what is said of it.
pub const LONGEST_HOOK_NAME: usize = 200;

impl Tidings {
    /// The number for what comes next.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// What waits for `channel`, oldest first.
    pub fn waiting<'t>(&'t self, channel: &'t str) -> impl Iterator<Item = (u64, &'t Note)> + 't {
        let notes = self.notes.iter().map(|(number, note)| (*number, note.as_ref()));
        notes.filter(move |(_, note)| note.to.contains(channel))
    }

    /// The alerts that go on.
    pub fn open(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values().filter(|alert| alert.is_open())
    }
}

/// Who wants to be told, in the terms of those who tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listeners {
    /// Channels, by name.
    pub channels: BTreeMap<String, Listener>,
    /// Hooks, in the order of the configuration.
    pub hooks: Vec<Hook>,
}

/// A channel, as far as it matters what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// What of.
    pub events: BTreeSet<Event>,
    /// Only what is at least so urgent; ends of such things with them.
    pub least: Severity,
    /// Whether it is shown all open alerts again and again instead of being told of changes.
    pub shown: bool,
}

impl Listeners {
    /// Whether anyone wants to be told anything.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.hooks.is_empty()
    }
}
