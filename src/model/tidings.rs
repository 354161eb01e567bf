//! What people and programs are told: events, alerts with a beginning and an end, and what waits to be delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AssetId, Code, Problem, RevisionState};

/// What a channel can be told of, by the words of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Something ends soon, has ended, or should have been renewed by now.
    Expiry,
    /// Something does not work.
    Failure,
    /// What a channel was told of is over.
    Recovery,
    /// A revision is in use.
    Rotation,
    /// Someone has changed what was delivered.
    Drift,
    /// Something waits for a person's word.
    Approval,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Expiry, Self::Failure, Self::Recovery, Self::Rotation, Self::Drift, Self::Approval];

    /// As the configuration and the messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expiry => "expiry",
            Self::Failure => "failure",
            Self::Recovery => "recovery",
            Self::Rotation => "rotation",
            Self::Drift => "drift",
            Self::Approval => "approval",
        }
    }
}

/// How much someone has to hurry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is good to know.
    Info,
    /// Nothing is lost yet; without a person something may be.
    Warning,
    /// Something is lost, or about to be.
    Critical,
}

impl Severity {
    /// All of them, the mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// As the configuration and the messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// Of a problem.
    pub fn of(code: Code) -> Self {
        match code {
            Code::Expired
            | Code::CertificateRevoked
            | Code::PutBackFailed
            | Code::StateBehind
            | Code::AuditBroken
            | Code::ClockBack
            | Code::EngineNoQuorum => Self::Critical,
            // Each of these ends by itself, or waits for something that a person is about to do.
            Code::IssuerLimited
            | Code::OrderPending
            | Code::ServiceMissing
            | Code::ServiceBusy
            | Code::ProofWeak
            | Code::NotConfigured
            | Code::StateRepaired => Self::Info,
            _ => Self::Warning,
        }
    }
}

/// What of an asset, or of the site, is in trouble. An alert is open for a topic of an asset, whatever the codes of its
/// problems are meanwhile: a fault that shows another face on its next try is no other fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// A new revision cannot be made.
    Issuance,
    /// The CA makes it wait.
    Issuer,
    /// It cannot be brought to where it is to be.
    Delivery,
    /// It waits for a service.
    Service,
    /// Nothing shows that it is served.
    Proof,
    /// Its life.
    Expiry,
    /// What someone has changed.
    Drift,
    /// Having it withdrawn.
    Revocation,
    /// A hook that does not do its work.
    Hook,
    /// The engine.
    Engine,
    /// The state, its history, the clock, the configuration.
    State,
    /// A channel that takes no messages.
    Notify,
}

impl Topic {
    /// Of a problem.
    pub fn of(code: Code) -> Self {
        match code {
            Code::EngineUnreachable | Code::EngineNotManager | Code::EngineNoQuorum | Code::EngineFailed => {
                Self::Engine
            }
            Code::ServiceMissing | Code::ServiceBusy => Self::Service,
            Code::ProofWeak => Self::Proof,
            Code::IssuerLimited | Code::OrderPending => Self::Issuer,
            Code::PathConflict
            | Code::NameTaken
            | Code::ObjectTooLarge
            | Code::PreflightFailed
            | Code::RolloutFailed
            | Code::RolloutTimeout
            | Code::ProofFailed
            | Code::PutBackFailed
            | Code::FileFailed
            | Code::FileTestFailed
            | Code::ReloadFailed => Self::Delivery,
            Code::Drift => Self::Drift,
            Code::RevokeFailed | Code::CertificateRevoked => Self::Revocation,
            Code::AuthorityEnding | Code::Overdue | Code::Expiring | Code::Expired => Self::Expiry,
            Code::HookFailed => Self::Hook,
            Code::NotifyFailed => Self::Notify,
            Code::NotConfigured
            | Code::StateRepaired
            | Code::StateBehind
            | Code::AuditBroken
            | Code::ConfigRejected
            | Code::ClockBack => Self::State,
            _ => Self::Issuance,
        }
    }

    /// What a channel must want to be told of.
    pub fn event(self) -> Event {
        match self {
            Self::Expiry => Event::Expiry,
            Self::Drift => Event::Drift,
            _ => Event::Failure,
        }
    }

    /// As it stands in records and labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Issuance => "issuance",
            Self::Issuer => "issuer",
            Self::Delivery => "delivery",
            Self::Service => "service",
            Self::Proof => "proof",
            Self::Expiry => "expiry",
            Self::Drift => "drift",
            Self::Revocation => "revocation",
            Self::Hook => "hook",
            Self::Engine => "engine",
            Self::State => "state",
            Self::Notify => "notify",
        }
    }
}

/// What an alert is about: the same again is the same alert.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// Whose; of the whole site without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
    /// What of it.
    pub topic: Topic,
    /// Of a channel that takes no messages: which. Empty for all else.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.topic.name())?;
        match &self.asset {
            Some(asset) => write!(f, "/{asset}"),
            None => write!(f, "/{}", self.name),
        }
    }
}

/// A condition that people are told of, once when it begins and once when it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What it is about.
    pub subject: Subject,
    /// The worst of its problems.
    pub problem: Problem,
    /// Since when.
    pub opened_at: Timestamp,
    /// When it was told last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
    /// Whether this opening was told: then its end is, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub told: bool,
    /// How far it has got: what it was told at, so that it is told again when it has got further.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub stage: u8,
    /// When it has ended; kept for a while, so that what comes and goes is not told each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

impl Alert {
    /// Whether it goes on.
    pub fn is_open(&self) -> bool {
        self.closed_at.is_none()
    }
}

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

/// What happened to a revision, as `[[hooks]]` name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// It is whole, and nobody has it yet.
    Prepared,
    /// It is in use everywhere.
    Activated,
    /// Its material is bad.
    Failed,
    /// Its issuer has withdrawn it.
    Revoked,
    /// It is of no use to anyone; its private key is destroyed.
    Retired,
}

impl Moment {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 5] = [Self::Prepared, Self::Activated, Self::Failed, Self::Revoked, Self::Retired];

    /// As the configuration and hooks name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Activated => "activated",
            Self::Failed => "failed",
            Self::Revoked => "revoked",
            Self::Retired => "retired",
        }
    }

    /// Its place in a record.
    pub fn bit(self) -> u8 {
        match self {
            Self::Prepared => 1,
            Self::Activated => 2,
            Self::Failed => 4,
            Self::Revoked => 8,
            Self::Retired => 16,
        }
    }

    /// When it came for a revision; `None` if it has not.
    pub fn of(self, revision: &super::Revision) -> Option<Timestamp> {
        let ended = |state| revision.ended_at.filter(|_| revision.state == state);
        match self {
            Self::Prepared => revision.issued_at,
            Self::Activated => revision.active_at,
            Self::Failed => ended(RevisionState::Failed),
            Self::Revoked => revision.revoked_at.or_else(|| ended(RevisionState::Revoked)),
            Self::Retired => ended(RevisionState::Retired),
        }
    }
}

/// A run of a hook that is to be made, or made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// The hook's command, as the configuration has it: that is its name.
    pub command: Vec<String>,
    /// What happened.
    pub moment: Moment,
    /// To which asset.
    pub asset: AssetId,
    /// To which revision.
    pub revision: u32,
    /// When.
    pub at: Timestamp,
    /// How running it goes.
    #[serde(default)]
    pub effort: super::Effort,
}

/// All that is kept about telling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tidings {
    /// Whether anyone has wanted to be told before: what happened earlier is old news then.
    pub listening: bool,
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
}

/// No more notes wait at once, over all channels: the oldest mere information gives way, and it is said.
pub const MOST_NOTES: usize = 1000;

/// No more errands wait at once: the oldest gives way, and it is said in the log.
pub const MOST_ERRANDS: usize = 1000;

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

/// A program that is run when something happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// On what.
    pub moment: Moment,
    /// To which assets: globs over `certificates/NAME`; none means all.
    pub assets: Vec<String>,
    /// What is run.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: std::time::Duration,
}

impl Listeners {
    /// Whether anyone wants to be told anything.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.hooks.is_empty()
    }
}

impl Hook {
    /// Whether it is for this asset.
    pub fn is_for(&self, asset: &AssetId) -> bool {
        let name = asset.to_string();
        self.assets.is_empty() || self.assets.iter().any(|glob| matches(glob, &name))
    }
}

/// Whether `glob` matches all of `text`: `*` is any run of characters, also none; `?` is one.
pub fn matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < text.len() {
        match glob.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(c) if *c == '?' || *c == text[from] => (at, from) = (at + 1, from + 1),
            _ => match star {
                // The last star takes one character more.
                Some((star_at, star_from)) => {
                    star = Some((star_at, star_from + 1));
                    (at, from) = (star_at + 1, star_from + 1);
                }
                None => return false,
            },
        }
    }
    glob[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (glob, text) in [
            ("certificates/*", "certificates/edge"),
            ("*", "jwt_keys/auth"),
            ("*/edge", "dh_params/edge"),
            ("cert*/e?ge", "certificates/edge"),
            ("**a*", "banana"),
        ] {
            assert!(matches(glob, text), "{glob} {text}");
        }
        for (glob, text) in [
            ("certificates/*", "ca/edge"),
            ("", "a"),
            ("*b", "abc"),
            ("?", ""),
            ("edge", "certificates/edge"),
        ] {
            assert!(!matches(glob, text), "{glob} {text}");
        }
    }

    #[test]
    fn every_code_has_its_topic_and_urgency() {
        for code in Code::ALL {
            let event = Topic::of(*code).event();
            assert!(Event::ALL.contains(&event) && Severity::ALL.contains(&Severity::of(*code)), "{code}");
        }
        assert_eq!(Topic::of(Code::Expiring).event(), Event::Expiry);
        assert_eq!(Topic::of(Code::Drift).event(), Event::Drift);
        assert_eq!(Topic::of(Code::RolloutFailed).event(), Event::Failure);
    }
}
