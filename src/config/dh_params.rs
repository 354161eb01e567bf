//! `[dh_params.*]`.

use jiff::SignedDuration;

use super::target::Target;
use crate::model::{AssetId, AssetKind};

/// Where Diffie-Hellman parameters come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DhSource {
    /// A fresh safe prime is searched.
    Generate,
    /// The group of that size from RFC 7919, appendix A.
    Rfc7919,
}

impl DhSource {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Generate, Self::Rfc7919];

    /// As the configuration spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Rfc7919 => "rfc7919",
        }
    }
}

/// `[dh_params.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhParams {
    pub(super) name: String,
    pub(super) bits: usize,
    pub(super) source: DhSource,
    pub(super) rotate_every: Option<SignedDuration>,
    pub(super) targets: Vec<Target>,
}

impl DhParams {
    /// `dh_params/NAME`.
    pub fn id(&self) -> AssetId {
        AssetId::new(AssetKind::DhParams, &self.name)
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The size of the prime: 2048, 3072 or 4096; 6144 and 8192 too from RFC 7919.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// Where the prime comes from.
    pub fn source(&self) -> DhSource {
        self.source
    }

    /// How long a prime is used; `None`: a group of RFC 7919 is the same for ever.
    pub fn rotate_every(&self) -> Option<SignedDuration> {
        self.rotate_every
    }

    /// Where they go; may be empty.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// What a revision is made for: size and source. Another value asks for a new revision.
    pub fn made_for(&self) -> String {
        format!("bits={} source={}", self.bits, self.source.name())
    }
}
