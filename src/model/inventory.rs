//! What we know: the records we keep, and the world as it was last seen.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Approvals, AssetId, AssetRecord, Issued, IssuerRecord, Numbers, ObjectKind, Part, Place, Problem,
    Reference, SpareId, Tidings, World,
};

/// All facts that a plan is made from.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// What we keep of each asset, shared by all who have looked since it was changed last.
    pub assets: BTreeMap<AssetId, Arc<AssetRecord>>,
    /// Our Docker objects, by kind and name.
    pub objects: BTreeMap<(ObjectKind, String), ObjectRecord>,
    /// Rollouts that were begun and not ended: there are some only after a crash.
    pub rollouts: BTreeMap<Place, RolloutRecord>,
    /// What ACME CAs have said, by the issuer's name in the configuration.
    pub issuers: BTreeMap<String, IssuerRecord>,
    /// What our own CAs must remember of single certificates, by CA and serial number.
    pub issued: BTreeMap<(AssetId, String), Issued>,
    /// What is kept ready, and since when; not what it is.
    pub stock: BTreeMap<SpareId, Timestamp>,
    /// What people and programs are told.
    pub tidings: Tidings,
    /// What waits for another person's word, and what has become of it.
    pub approvals: Approvals,
    /// The latest time that any record was written at.
    pub last_seen: Option<Timestamp>,
    /// What was observed for this pass.
    pub world: World,
}

impl Inventory {
    /// What we keep of an asset, where there is anything.
    pub fn record(&self, id: &AssetId) -> Option<&AssetRecord> {
        self.assets.get(id).map(Arc::as_ref)
    }

    /// The same to be changed; made where there was none.
    pub fn record_mut(&mut self, id: &AssetId) -> &mut AssetRecord {
        let made = || Arc::new(AssetRecord::new(id.clone()));
        Arc::make_mut(self.assets.entry(id.clone()).or_insert_with(made))
    }
}

/// One of our Docker objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRecord {
    /// Secret or config.
    pub kind: ObjectKind,
    /// `cert.edge.fullchain.7`
    pub name: String,
    /// Whose part.
    pub asset: AssetId,
    /// Which rendering.
    pub part: Part,
    /// Of which revisions.
    pub revisions: Numbers,
    /// Of a PKCS#12 file: the keyed digest of its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Docker's ID; `None` while it is only intended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When it was intended.
    pub created_at: Timestamp,
    /// When a rollout last took it out of a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_at: Option<Timestamp>,
}

/// A rollout that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutRecord {
    /// Where.
    pub place: Place,
    /// When it was begun.
    pub started_at: Timestamp,
    /// Docker's ID of the service: one that was made anew since is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_id: Option<String>,
    /// The assets in it.
    pub assets: Vec<AssetId>,
    /// What the service named on our paths before: a path without a reference had none.
    pub before: BTreeMap<String, Option<Reference>>,
    /// Of a directory: the identity of what each asset's link showed before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identities: BTreeMap<AssetId, Option<String>>,
    /// What a failure is remembered against, by asset, as it was before anything was changed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub against: BTreeMap<AssetId, String>,
    /// Set when it is being undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoing: Option<Problem>,
    /// Whether undoing it has failed, too: until then it is under way, which nobody need be woken for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_put_back: bool,
}
