//! What everything here is made of: plain values, without I/O, clock or randomness.

mod alert;
mod asset;
mod authority;
mod hook;
mod inventory;
mod issuing;
mod made;
mod material;
mod message;
mod part;
mod plan;
mod problem;
mod revision;
mod stock;
mod tidings;
mod validity;
mod world;

pub use alert::*;
pub use asset::{AssetId, AssetKind, BadName, JwsAlgorithm, KeyAlgorithm, Usage};
pub use authority::{CrlNote, CrlUrls, Issued, UpperLists};
pub use hook::*;
pub use inventory::*;
pub use issuing::*;
pub use made::{Facts, Made};
pub use material::{Material, Packed, Secret};
pub use message::*;
pub use part::{ObjectKind, Part};
pub use plan::*;
pub use problem::{Code, Problem};
pub use revision::{Revision, RevisionState};
pub use stock::{LONGEST_KEPT, Spare, SpareId, Ware, is_fresh};
pub use tidings::*;
pub use validity::Validity;
pub use world::*;
