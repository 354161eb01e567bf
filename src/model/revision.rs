//! One turn of an asset, and the states it goes through.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Renewal, Revocation, Validity};

/// The numbers of revisions: nearly always there are few, and each look asks for them.
pub type Numbers = SmallVec<[u32; 4]>;

/// Where a revision is in its life. All kinds go through the same states; what differs is a table of
/// thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RevisionState {
    /// Its number is taken and its key may be there; it is not whole yet.
    Pending,
    /// Whole, checked and stored; nobody has it yet.
    Prepared,
    /// Those who must know it beforehand have been shown to have it (a JWT key in every JWKS, a root in every bundle).
    Published,
    /// In use: every target has its proof.
    Active,
    /// Replaced, and still needed by what it has signed or by who has not let go of it.
    Retiring,
    /// Of no use to anyone; its private key is destroyed.
    Retired,
    /// Its material is bad; it is never delivered.
    Failed,
    /// Withdrawn by its issuer.
    Revoked,
}

impl RevisionState {
    /// As it stands in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Prepared => "prepared",
            Self::Published => "published",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Failed => "failed",
            Self::Revoked => "revoked",
        }
    }

    /// Whether it waits to become active.
    pub fn is_coming(self) -> bool {
        matches!(self, Self::Pending | Self::Prepared | Self::Published)
    }

    /// Whether nothing more will be done with it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Retired | Self::Failed | Self::Revoked)
    }
}

impl fmt::Display for RevisionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One turn of an asset: public facts only, its material is kept apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// Counted from 1 for each asset.
    pub number: u32,
    /// Where it is in its life.
    pub state: RevisionState,
    /// Why it was made, for people.
    pub reason: String,
    /// What of the configuration it was made for; another value asks for a new revision.
    pub made_for: String,
    /// When its number was taken.
    pub created_at: Timestamp,
    /// When it was whole: issued, or generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<Timestamp>,
    /// When the last of those who must know it beforehand had been shown to have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,
    /// When every target had its proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_at: Option<Timestamp>,
    /// When the last user of it was gone: for a JWT key, the last moment it can have signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_at: Option<Timestamp>,
    /// When it was retired, failed or revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Of a certificate: its validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity: Option<Validity>,
    /// Of a certificate: who issued it (the issuer's name in the configuration).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Of a certificate: its serial number, lower-case hex without separators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Of a certificate: SHA-256 over its DER, lower-case hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint_sha256: Option<String>,
    /// Of a certificate of our own CA: the CA's revision that has signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<u32>,
    /// Of a CA: the revision that its root was made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<u32>,
    /// Of a CA: when its root ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_ends: Option<Timestamp>,
    /// Of a CA: whether the root's key is not in the state, so that no other intermediate can be made under it here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub root_is_elsewhere: bool,
    /// Of a CA: the first edition of its revocation lists that has this revision's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crl_since: Option<u32>,
    /// Of a JWT key: its key ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// Whether the operator has called its private key compromised.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compromised: bool,
    /// Of a certificate: what its CA says about its renewal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal: Option<Renewal>,
    /// Of a certificate: that it is to be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_revoke: Option<Revocation>,
    /// Of a certificate: when its issuer has revoked it at our word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// Which moments of its life were told, by [`super::Moment::bit`]; only where someone wants to be told.
    #[serde(default, skip_serializing_if = "untold")]
    pub told: u8,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn untold(told: &u8) -> bool {
    *told == 0
}

impl Revision {
    /// What it is to be revoked for, while that is not done and of use: what has ended need not be revoked.
    pub fn awaits_revocation(&self, now: Timestamp) -> Option<&Revocation> {
        let lasts = self.validity.is_some_and(|validity| now <= validity.not_after);
        let can = lasts && self.revoked_at.is_none() && self.issuer.is_some() && !self.state.is_over();
        self.to_revoke.as_ref().filter(|_| can)
    }

    /// A revision whose number is taken at `now`, for `reason`.
    pub fn pending(number: u32, reason: &str, made_for: &str, now: Timestamp) -> Self {
        Self {
            number,
            state: RevisionState::Pending,
            reason: reason.to_owned(),
            made_for: made_for.to_owned(),
            created_at: now,
            issued_at: None,
            published_at: None,
            active_at: None,
            replaced_at: None,
            ended_at: None,
            validity: None,
            issuer: None,
            serial: None,
            fingerprint_sha256: None,
            signed_by: None,
            root: None,
            root_ends: None,
            root_is_elsewhere: false,
            crl_since: None,
            kid: None,
            compromised: false,
            renewal: None,
            to_revoke: None,
            revoked_at: None,
            told: 0,
        }
    }
}
