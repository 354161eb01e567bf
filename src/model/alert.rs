//! What is wrong, as people are told of it: a condition with a beginning and an end.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AssetId, Code, Problem};

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
            | Code::RevokeByHand
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
    /// A request that waits for a person's word.
    Approval,
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
            | Code::ReloadFailed
            | Code::PasswordFile => Self::Delivery,
            Code::Drift => Self::Drift,
            Code::RevokeFailed | Code::RevokeByHand | Code::CertificateRevoked | Code::CrlLate => {
                Self::Revocation
            }
            Code::AuthorityEnding | Code::Overdue | Code::Expiring | Code::Expired => Self::Expiry,
            Code::HookFailed => Self::Hook,
            Code::NotifyFailed => Self::Notify,
            Code::ApprovalWaits => Self::Approval,
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
            Self::Approval => Event::Approval,
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
            Self::Approval => "approval",
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
    /// Of a channel that takes no messages, or of a request: which. Empty for all else.
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
    /// What it was before, where that was of another urgency, until when: one for each. Who is shown alerts by their urgency
    /// is shown the end of the former ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<(Problem, Timestamp)>,
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

    /// Its problem is another from `now` on.
    pub fn turn_into(&mut self, problem: Problem, now: Timestamp) {
        let (old, new) = (Severity::of(self.problem.code), Severity::of(problem.code));
        let before = std::mem::replace(&mut self.problem, problem);
        if old != new {
            self.former.retain(|(former, _)| ![old, new].contains(&Severity::of(former.code)));
            self.former.push((before, now));
        }
    }

    /// The alerts that it was, each ended.
    pub fn ended_forms(&self) -> impl Iterator<Item = Self> + '_ {
        let form = |(problem, until): &(Problem, Timestamp)| Self {
            problem: problem.clone(),
            closed_at: Some(*until),
            former: Vec::new(),
            ..self.clone()
        };
        self.former.iter().map(form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
