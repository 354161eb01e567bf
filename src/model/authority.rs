//! What a CA of our own must not forget: what it has signed beside its assets, what it has revoked, and its lists.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AssetId, AssetKind, Revision, RevocationReason};

/// The revocation lists of a CA, one for each of its certificates that can sign, as they were made last. All lists of an
/// edition have its number (RFC 5280 §5.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlNote {
    /// Counted from 1; never used twice.
    pub edition: u32,
    /// `thisUpdate`.
    pub this_update: Timestamp,
    /// `nextUpdate`: nobody believes it after that.
    pub next_update: Timestamp,
    /// The CA's revisions whose lists are in it.
    pub revisions: Vec<u32>,
    /// How many certificates are listed.
    #[serde(default)]
    pub listed: usize,
    /// When the lists of those above were taken in that are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper: Option<Timestamp>,
    /// `nextUpdate` of the editions before it that a place may still have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub before: BTreeMap<u32, Timestamp>,
}

/// The revocation lists of those above a CA whose root is elsewhere, one of each, as a person has brought them last. Its
/// times are those of the one that ends first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpperLists {
    /// When they were taken in.
    pub taken_at: Timestamp,
    /// `thisUpdate`.
    pub this_update: Timestamp,
    /// `nextUpdate`.
    pub next_update: Timestamp,
    /// The common name of who has signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

/// Where a CA's revocation lists are fetched: it stands in what is signed (RFC 5280 §4.2.1.13).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrlUrls {
    /// The list of the intermediate, for leaves.
    pub own: String,
    /// The list of its root, for intermediates.
    pub root: String,
}

/// So far before its making a certificate or a list begins at most, for clients whose clocks are behind.
pub const MOST_BACKDATED: SignedDuration = SignedDuration::from_hours(1);

/// A certificate that a CA of ours must remember by itself: it was signed for a request from outside, or is revoked. It
/// is forgotten when it has ended; one that is revoked some time after that ([`Issued::listed_until`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// The CA.
    pub ca: AssetId,
    /// Lower-case hex.
    pub serial: String,
    /// The CA's revision that has signed it.
    pub signed_by: u32,
    /// Its last second.
    pub not_after: Timestamp,
    /// For people: its names, or its asset.
    pub subject: String,
    /// Of one that was signed for a request: when, and on whose behalf.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<(Timestamp, String)>,
    /// When and why it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<(Timestamp, RevocationReason)>,
    /// Whether it is on a list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub listed: bool,
}

impl Issued {
    /// What is to be remembered of an asset's certificate that is to be revoked; nothing where no CA of ours has signed it.
    pub fn of(asset: &AssetId, revision: &Revision) -> Option<Self> {
        Some(Self {
            ca: AssetId::new(AssetKind::Ca, revision.issuer.clone()?),
            serial: revision.serial.clone()?,
            signed_by: revision.signed_by?,
            not_after: revision.validity?.not_after,
            subject: asset.to_string(),
            asked: None,
            revoked: None,
            listed: false,
        })
    }

    /// Until when every list has it once it is revoked, where the CA makes one `every` so often: it must have been on one
    /// that was made, on time, after its end (RFC 5280 §3.3).
    pub fn listed_until(&self, every: SignedDuration) -> Timestamp {
        self.not_after.checked_add(every.max(MOST_BACKDATED)).unwrap_or(Timestamp::MAX)
    }

    /// Whether the CA need not know it any more when an edition is out that was made at `now`.
    pub fn is_past(&self, every: SignedDuration, now: Timestamp) -> bool {
        match self.revoked {
            Some(_) => self.listed_until(every) < now,
            None => self.not_after < now,
        }
    }
}
