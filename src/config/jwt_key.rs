//! `[jwt_keys.*]`.

use jiff::SignedDuration;

use super::target::Target;
use crate::model::{AssetId, AssetKind, JwsAlgorithm, KeyAlgorithm};

/// `[jwt_keys.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtKey {
    pub(super) name: String,
    pub(super) algorithm: JwsAlgorithm,
    pub(super) key_algorithm: KeyAlgorithm,
    pub(super) rotate_every: SignedDuration,
    pub(super) publish_before: SignedDuration,
    pub(super) jwks_max_age: SignedDuration,
    pub(super) max_token_ttl: SignedDuration,
    pub(super) skew: SignedDuration,
    pub(super) targets: Vec<Target>,
}

impl JwtKey {
    /// `jwt_keys/NAME`.
    pub fn id(&self) -> AssetId {
        AssetId::new(AssetKind::JwtKey, &self.name)
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `alg` it signs with.
    pub fn algorithm(&self) -> JwsAlgorithm {
        self.algorithm
    }

    /// The kind of key that is made for it, with its size.
    pub fn key_algorithm(&self) -> KeyAlgorithm {
        self.key_algorithm
    }

    /// How long a key signs.
    pub fn rotate_every(&self) -> SignedDuration {
        self.rotate_every
    }

    /// How long a key is in every verifier's JWKS before it signs; at least [`Self::jwks_max_age`].
    pub fn publish_before(&self) -> SignedDuration {
        self.publish_before
    }

    /// How long a verifier may go on with a JWKS it has fetched.
    pub fn jwks_max_age(&self) -> SignedDuration {
        self.jwks_max_age
    }

    /// How long a token lives at most.
    pub fn max_token_ttl(&self) -> SignedDuration {
        self.max_token_ttl
    }

    /// How far verifiers' clocks may be behind.
    pub fn skew(&self) -> SignedDuration {
        self.skew
    }

    /// How long after its last possible signature a key stays in the JWKS: token, cache and skew.
    pub fn linger(&self) -> SignedDuration {
        self.max_token_ttl + self.jwks_max_age + self.skew
    }

    /// Where its parts go; may be empty.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// What a revision is made for: algorithm and size. Another value asks for a new revision.
    pub fn made_for(&self) -> String {
        format!("alg={} key={}", self.algorithm.name(), self.key_algorithm.name())
    }
}
