//! What is asked for of an asset, and what that says of keys in wrong hands.

use std::collections::{BTreeMap, BTreeSet};

use super::{AssetKind, AssetRecord, Effort, Request, RevisionState, Revocation, RevocationReason};

/// The private keys that each revision has, by the fingerprints of their public halves.
pub type KeyPrints = BTreeMap<u32, BTreeSet<String>>;

impl AssetRecord {
    /// The operator wants it turned over: what has failed before is tried at once. A key that is in wrong hands is never
    /// used again, and what certifies it is revoked; with `key_stays` it is that of retiring revisions as well.
    pub fn ask(&mut self, request: Request, key_stays: bool) {
        self.effort = Effort::default();
        self.by_issuer.clear();
        for delivery in self.deliveries.values_mut() {
            delivery.effort = Effort::default();
        }
        for revocation in self.revisions.values_mut().filter_map(|revision| revision.to_revoke.as_mut()) {
            revocation.effort = Effort::default();
        }
        if request.compromised && self.id.kind != AssetKind::DhParams {
            self.compromise(&request, key_stays);
        }
        self.request = Some(request);
    }

    fn compromise(&mut self, request: &Request, key_stays: bool) {
        for revision in self.revisions.values_mut().filter(|revision| revision.number <= request.after) {
            let lives = revision.state.is_coming() || revision.state == RevisionState::Active;
            if !(lives || key_stays && revision.state == RevisionState::Retiring) {
                continue;
            }
            revision.compromised = true;
            if revision.issuer.is_some() {
                revision.to_revoke = Some(Revocation {
                    at: request.at,
                    by: request.by.clone(),
                    reason: RevocationReason::KeyCompromise,
                    after_successor: true,
                    effort: Effort::default(),
                });
            }
        }
    }

    /// The revisions that have a key of revision `number`, itself among them.
    pub fn sharing(&self, number: u32, keys: &KeyPrints) -> BTreeSet<u32> {
        let none = BTreeSet::new();
        let own = keys.get(&number).unwrap_or(&none);
        let shares = |other: &u32| keys.get(other).is_some_and(|others| !own.is_disjoint(others));
        self.revisions.keys().copied().filter(|other| *other == number || shares(other)).collect()
    }

    /// Remembers the keys of all that is compromised.
    pub fn remember_compromised(&mut self, keys: &KeyPrints) {
        let out = self.revisions.values().filter(|revision| revision.compromised);
        let known = out.filter_map(|revision| keys.get(&revision.number)).flatten().cloned();
        self.compromised_keys.extend(known.collect::<Vec<_>>());
    }
}
