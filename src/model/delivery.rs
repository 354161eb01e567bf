//! What a place has been given, and what has shown it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AssetKind, Effort, Few, Numbers, ObjectKind, Parcel, Part, Problem};

/// What a place has been given of an asset, and how that went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// What was delivered last with success; empty before the first.
    #[serde(default)]
    pub content: Content,
    /// The newest revision in it.
    #[serde(default)]
    pub revision: u32,
    /// Where it stands.
    pub state: DeliveryState,
    /// What has shown it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// Since when all tasks have run with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// Of what spans revisions (of a trust bundle: of its roots): since when each has been there, without a break. A set
    /// that only loses one keeps the others' times.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub known_since: BTreeMap<u32, Timestamp>,
    /// When it was last proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// The ID of the service it was delivered to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// How the tries go.
    #[serde(default)]
    pub effort: Effort,
    /// What else is wrong here: the service is missing, busy, or someone has changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Problem>,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            content: Content::default(),
            revision: 0,
            state: DeliveryState::Waiting,
            proof: None,
            delivered_at: None,
            known_since: BTreeMap::new(),
            verified_at: None,
            service_id: None,
            effort: Effort::default(),
            note: None,
        }
    }
}

/// A target's state, as `status` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// For its service, or for its turn.
    Waiting,
    /// A rollout was begun.
    Delivering,
    /// All tasks run with it; no handshake has shown it.
    Delivered,
    /// Shown to be what is served.
    Proven,
    /// The last try failed; the old is in place.
    Failed,
    /// A person has asked to leave it alone.
    Held,
}

impl Delivery {
    /// Before `parcel` changes the place, which shows `shown` ([`Parcel::shown_before`]): what is missing there is not
    /// known. A directory that has it by our books, and is written nonetheless, shows something else.
    pub fn forget_unshown(&mut self, parcel: &Parcel, shown: Option<Numbers>) {
        let repaired = parcel.install.is_some() && self.content == parcel.content;
        if let Some(shown) = if repaired { Some(Numbers::new()) } else { shown } {
            self.known_since.retain(|number, _| shown.contains(number));
        }
    }

    /// What was delivered is `content`, since `now` or before: each revision that was known all along keeps its time.
    pub fn know(&mut self, content: &Content, now: Timestamp) {
        let spanning: Vec<u32> = content.spanning().flat_map(|file| file.revisions.iter().copied()).collect();
        self.known_since.retain(|number, _| spanning.contains(number));
        for number in spanning {
            self.known_since.entry(number).or_insert(now);
        }
    }
}

impl DeliveryState {
    /// What a proof makes of a delivery. For keys and parameters convergence is all there is to see; a
    /// certificate is proven only when a handshake has shown it.
    pub fn after(proof: Proof, kind: AssetKind) -> Self {
        match (proof, kind) {
            (Proof::Converged, AssetKind::Certificate) => Self::Delivered,
            _ => Self::Proven,
        }
    }

    /// Whether what was to be delivered is there.
    pub fn is_there(self) -> bool {
        matches!(self, Self::Delivered | Self::Proven)
    }

    /// As `status` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivering => "delivering",
            Self::Delivered => "delivered",
            Self::Proven => "proven",
            Self::Failed => "failed",
            Self::Held => "held",
        }
    }
}

/// What has shown that a place has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// TLS handshakes, all with the new leaf.
    Handshake,
    /// The JWKS at the verifier's URL has the new keys.
    Jwks,
    /// All tasks run with the new objects, and the old tasks are gone.
    Converged,
}

impl Proof {
    /// As `status` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Jwks => "jwks",
            Self::Converged => "converged",
        }
    }
}

/// Which bytes are in which file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// By the file's name or path.
    pub files: Few<String, FileContent>,
}

/// The bytes of one file, by what they are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileContent {
    /// Which rendering.
    pub part: Part,
    /// Of which revisions; for the part `ca`, of which roots.
    pub revisions: Numbers,
    /// Of a PKCS#12 file: the keyed digest of its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// As a Docker secret or config; `None` in a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ObjectKind>,
    /// Permission bits; `None` leaves what the service has today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Owner; a name only in directories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Group; a name only in directories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl Content {
    /// Whether every file that holds one revision holds revision `number`, and there is such a file.
    pub fn uses(&self, number: u32) -> bool {
        let mut single = self.files.values().filter(|file| !file.part.spans_revisions()).peekable();
        single.peek().is_some() && single.all(|file| file.revisions[..] == [number])
    }

    /// The files by which others know keys: an asset has either its own public keys in them, or the roots of its CA.
    pub fn spanning(&self) -> impl Iterator<Item = &FileContent> {
        self.files.values().filter(|file| file.part.spans_revisions() && file.part != Part::Crl)
    }

    /// Whether any file is made of revision `number`.
    pub fn mentions(&self, number: u32) -> bool {
        self.files.values().any(|file| !file.part.is_the_issuers() && file.revisions.contains(&number))
    }
}
