//! Chance that is no chance: the same instance, asset and revision always get the same number.

use ring::digest;

use crate::model::AssetId;

/// Where the planner's randomness comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Two installations spread differently, one always the same way.
    pub fn of(instance: &str) -> Self {
        Self(hash(&[instance.as_bytes()]))
    }

    /// A number from 0 up to, but without, 1.
    pub fn fraction(self, asset: &AssetId, revision: u32) -> f64 {
        let (kind, name) = (asset.kind.section(), &asset.name);
        let bytes = hash(&[&self.0, kind.as_bytes(), b"/", name.as_bytes(), &revision.to_be_bytes()]);
        let top = bytes.iter().take(4).fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
        f64::from(top) / (f64::from(u32::MAX) + 1.0)
    }
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}
