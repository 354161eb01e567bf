//! Requests that wait for another person's word: what each is bound to, and how it goes on.
//!
//! ```text
//! asked ──> waiting ──> approved ──> done
//!              │            │
//!              ├─ denied    ├─ expired      (its time has passed)
//!              └─ expired, outdated         (the configuration or a revision is another since)
//! ```
//!
//! All of it is values: who asks, who approves and what the time is are arguments.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AssetId, AssetRecord, Code, Problem};

/// What can be guarded, by the words of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarded {
    /// A new root.
    CaRotate,
    /// A key that is said to be in wrong hands: a new one at once, the old one revoked.
    Compromised,
    /// The state of another day.
    Restore,
    /// A private key leaves the state.
    ExportPrivateKey,
}

impl Guarded {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::CaRotate, Self::Compromised, Self::Restore, Self::ExportPrivateKey];

    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CaRotate => "ca-rotate",
            Self::Compromised => "compromised",
            Self::Restore => "restore",
            Self::ExportPrivateKey => "export-private-key",
        }
    }
}

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    /// For somebody's word.
    Waiting,
    /// Somebody else wants it too; it is not done yet.
    Approved,
    /// It was done, once.
    Done,
    /// Somebody does not want it, or the asker no longer does.
    Denied,
    /// Its time has passed.
    Expired,
    /// What it was asked for is not what there is now.
    Outdated,
}

impl ApprovalState {
    /// As `approvals` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Done => "done",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Outdated => "outdated",
        }
    }

    /// Whether nothing more comes of it.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Waiting | Self::Approved)
    }
}

/// Which revisions an asset has: a request that was made for others is none for these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The one in use; 0 before the first.
    pub active: u32,
    /// The newest.
    pub newest: u32,
}

impl Standing {
    /// Of what we keep of an asset.
    pub fn of(record: Option<&AssetRecord>) -> Self {
        let Some(record) = record else { return Self::default() };
        Self { active: record.active().map_or(0, |revision| revision.number), newest: record.newest_number() }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "revision {} in use, {} the newest", self.active, self.newest)
    }
}

/// What a request is for, and all that it is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Why it needs somebody's word.
    pub guard: Guarded,
    /// As the audit names the verb: `rotate --compromised`.
    pub verb: String,
    /// As a person would type it: `rotate --compromised certificates/edge`.
    pub what: String,
    /// The verb with its arguments, as whoever carries it out understands it.
    pub wish: String,
    /// The assets, with the revisions that they had.
    pub assets: BTreeMap<AssetId, Standing>,
    /// The digest of the configuration that it was asked under.
    pub config: String,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its number, never given twice.
    pub number: u64,
    /// What for.
    pub bound: Bound,
    /// The uid of who has asked.
    pub by: u32,
    /// When.
    pub at: Timestamp,
    /// It is nothing any more from then on.
    pub expires_at: Timestamp,
    /// Where it is.
    pub state: ApprovalState,
    /// The uid of who has approved or denied it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<u32>,
    /// When it has come into this state.
    pub since: Timestamp,
}

impl Approval {
    /// What waits, as a problem that people are told of.
    pub fn problem(&self) -> Problem {
        let message = format!(
            "request {} of uid:{} waits until {}: {}",
            self.number, self.by, self.expires_at, self.bound.what
        );
        Problem::new(Code::ApprovalWaits, message)
    }

    /// What has become of it, in a sentence.
    pub fn outcome(&self) -> String {
        let by = self.decided_by.map_or_else(String::new, |uid| format!(" by uid:{uid}"));
        let what = match self.state {
            ApprovalState::Done => format!("approved{by}, and done"),
            ApprovalState::Approved => format!("approved{by}"),
            ApprovalState::Denied => format!("denied{by}"),
            state => state.name().to_owned(),
        };
        format!("request {} of uid:{} ({}): {what}", self.number, self.by, self.bound.what)
    }
}

/// Why something about a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody has asked, or it was long ago.
    #[error("there is no request {0} (`keyturn approvals` lists them)")]
    Unknown(u64),
    /// The caller may not.
    #[error("uid {0} may not: [roles] approve names who may, and nobody else, whoever owns the state")]
    NoRole(u32),
    /// Root can be anybody.
    #[error("uid 0 never approves: whoever is root could be anybody; approve as yourself, without sudo")]
    Root,
    /// X5.
    #[error("request {0} is your own (uid {1}), and nobody approves their own: ask somebody else")]
    Own(u64, u32),
    /// X6, among others.
    #[error("request {number} is over: {outcome}; ask again if it is still wanted")]
    Over {
        /// Which.
        number: u64,
        /// What has become of it.
        outcome: String,
    },
    /// Approved is not asked.
    #[error("request {0} is approved already")]
    AlreadyApproved(u64),
    /// Nobody has approved it.
    #[error("request {0} is not approved")]
    NotApproved(u64),
    /// Too late.
    #[error("request {0} has expired at {1}; ask again")]
    Expired(u64, Timestamp),
    /// The world is another.
    #[error("request {number} is outdated: {why}; ask again")]
    Outdated {
        /// Which.
        number: u64,
        /// What is another.
        why: String,
    },
    /// Nobody reads so many.
    #[error("{0} requests wait already; decide on them first (`keyturn approvals`)")]
    TooMany(usize),
}

impl Refusal {
    /// In a word, for the audit.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown",
            Self::NoRole(_) => "no-role",
            Self::Root => "root",
            Self::Own(..) => "own",
            Self::Over { .. } | Self::AlreadyApproved(_) => "used",
            Self::NotApproved(_) => "not-approved",
            Self::Expired(..) => "expired",
            Self::Outdated { .. } => "outdated",
            Self::TooMany(_) => "too-many",
        }
    }
}

/// Whoever says yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voter {
    /// As the kernel has it.
    pub uid: u32,
    /// Whether `[roles] approve` has them.
    pub may_approve: bool,
}

/// What a request is held against when it is decided on, and again when it is done.
#[derive(Debug, Clone, Copy)]
pub struct Against<'a> {
    /// The digest of the configuration that counts.
    pub config: &'a str,
    /// The revisions that its assets have.
    pub assets: &'a BTreeMap<AssetId, Standing>,
    /// When.
    pub now: Timestamp,
}

/// More requests do not wait at once.
pub const MOST_WAITING: usize = 100;

/// More requests of one user do not wait at once.
pub const MOST_WAITING_OF_ONE: usize = 20;

/// So many that are over are remembered.
pub const MOST_OVER: usize = 50;

/// All requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approvals {
    /// The number of the last one.
    pub last: u64,
    /// By number.
    pub requests: BTreeMap<u64, Arc<Approval>>,
}

impl Approvals {
    /// The request of that number.
    pub fn get(&self, number: u64) -> Option<&Approval> {
        self.requests.get(&number).map(AsRef::as_ref)
    }

    /// Those that wait for somebody's word, oldest first.
    pub fn waiting(&self) -> impl Iterator<Item = &Approval> {
        self.in_state(ApprovalState::Waiting)
    }

    /// Those that are approved and not done, oldest first.
    pub fn approved(&self) -> impl Iterator<Item = &Approval> {
        self.in_state(ApprovalState::Approved)
    }

    fn in_state(&self, state: ApprovalState) -> impl Iterator<Item = &Approval> {
        self.requests.values().map(AsRef::as_ref).filter(move |request| request.state == state)
    }

    /// When the next one expires.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let open = self.requests.values().filter(|request| !request.state.is_over());
        open.map(|request| request.expires_at).min()
    }

    /// What `uid` has asked for in these very words, under the same conditions, and is not over.
    pub fn same(&self, uid: u32, bound: &Bound) -> Option<&Approval> {
        let open = self.requests.values().map(AsRef::as_ref).filter(|request| !request.state.is_over());
        open.filter(|request| request.by == uid).find(|request| request.bound == *bound)
    }

    /// A new request; the same again, while it waits, is the same.
    ///
    /// # Errors
    ///
    /// When too many wait.
    pub fn ask(
        &mut self,
        bound: Bound,
        by: u32,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(u64, bool), Refusal> {
        if let Some(known) = self.same(by, &bound) {
            return Ok((known.number, false));
        }
        let (all, own) = (self.waiting().count(), self.waiting().filter(|one| one.by == by).count());
        if all >= MOST_WAITING || own >= MOST_WAITING_OF_ONE {
            return Err(Refusal::TooMany(if all >= MOST_WAITING { all } else { own }));
        }
        self.last += 1;
        let number = self.last;
        let state = ApprovalState::Waiting;
        let request =
            Approval { number, bound, by, at: now, expires_at, state, decided_by: None, since: now };
        self.requests.insert(number, Arc::new(request));
        self.forget_old();
        Ok((number, true))
    }

    /// Somebody else wants it, too. What cannot be approved any more is marked so.
    ///
    /// # Errors
    ///
    /// Every reason why it is not approved.
    pub fn approve(&mut self, number: u64, voter: Voter, against: Against<'_>) -> Result<(), Refusal> {
        let request = self.get(number).ok_or(Refusal::Unknown(number))?;
        if voter.uid == 0 {
            return Err(Refusal::Root);
        }
        if !voter.may_approve {
            return Err(Refusal::NoRole(voter.uid));
        }
        if request.by == voter.uid {
            return Err(Refusal::Own(number, voter.uid));
        }
        match request.state {
            ApprovalState::Waiting => {}
            ApprovalState::Approved => return Err(Refusal::AlreadyApproved(number)),
            _ => return Err(Refusal::Over { number, outcome: request.outcome() }),
        }
        self.hold_against(number, against)?;
        self.set(number, ApprovalState::Approved, Some(voter.uid), against.now);
        Ok(())
    }

    /// Somebody does not want it; the asker may take it back.
    ///
    /// # Errors
    ///
    /// When the caller may not, or it is over.
    pub fn deny(&mut self, number: u64, voter: Voter, now: Timestamp) -> Result<(), Refusal> {
        let request = self.get(number).ok_or(Refusal::Unknown(number))?;
        if !voter.may_approve && voter.uid != 0 && voter.uid != request.by {
            return Err(Refusal::NoRole(voter.uid));
        }
        if request.state.is_over() {
            return Err(Refusal::Over { number, outcome: request.outcome() });
        }
        self.set(number, ApprovalState::Denied, Some(voter.uid), now);
        Ok(())
    }

    /// It is being done, now and never again.
    ///
    /// # Errors
    ///
    /// When it is not approved, or not what there is now any more; the latter is marked.
    pub fn redeem(&mut self, number: u64, against: Against<'_>) -> Result<(), Refusal> {
        let request = self.get(number).ok_or(Refusal::Unknown(number))?;
        match request.state {
            ApprovalState::Approved => {}
            ApprovalState::Waiting => return Err(Refusal::NotApproved(number)),
            _ => return Err(Refusal::Over { number, outcome: request.outcome() }),
        }
        let approver = request.decided_by;
        self.hold_against(number, against)?;
        self.set(number, ApprovalState::Done, approver, against.now);
        Ok(())
    }

    /// Marks those whose time has passed, and says which.
    pub fn expire(&mut self, now: Timestamp) -> Vec<u64> {
        let open = self.requests.values().filter(|request| !request.state.is_over());
        let late: Vec<u64> =
            open.filter(|request| request.expires_at <= now).map(|request| request.number).collect();
        for number in &late {
            let by = self.get(*number).and_then(|request| request.decided_by);
            self.set(*number, ApprovalState::Expired, by, now);
        }
        late
    }

    fn hold_against(&mut self, number: u64, against: Against<'_>) -> Result<(), Refusal> {
        let request = self.get(number).ok_or(Refusal::Unknown(number))?;
        let (approver, end) = (request.decided_by, request.expires_at);
        if end <= against.now {
            self.set(number, ApprovalState::Expired, approver, against.now);
            return Err(Refusal::Expired(number, end));
        }
        if let Some(why) = outdated(&request.bound, against) {
            self.set(number, ApprovalState::Outdated, approver, against.now);
            return Err(Refusal::Outdated { number, why });
        }
        Ok(())
    }

    fn set(&mut self, number: u64, state: ApprovalState, by: Option<u32>, now: Timestamp) {
        if let Some(request) = self.requests.get_mut(&number) {
            let request = Arc::make_mut(request);
            (request.state, request.decided_by, request.since) = (state, by, now);
        }
        self.forget_old();
    }

    fn forget_old(&mut self) {
        let over: Vec<u64> =
            self.requests.values().filter(|one| one.state.is_over()).map(|one| one.number).collect();
        for number in over.iter().take(over.len().saturating_sub(MOST_OVER)) {
            self.requests.remove(number);
        }
    }
}

/// What is another than when it was asked.
fn outdated(bound: &Bound, against: Against<'_>) -> Option<String> {
    if bound.config != against.config {
        return Some("the configuration has changed since it was asked".to_owned());
    }
    bound.assets.iter().find_map(|(id, then)| {
        let now = against.assets.get(id).copied().unwrap_or_default();
        (now != *then).then(|| format!("{id} had {then}, and has {now}"))
    })
}

#[cfg(test)]
#[path = "approval_tests.rs"]
mod tests;
