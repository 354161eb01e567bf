//! What is wanted and what is kept, side by side.

use std::cmp::Ordering;

use crate::desired::{AssetSpec, Desired};
use crate::model::{AssetRecord, Inventory};

/// One asset: what is wanted of it, what is kept of it, or both.
pub(super) type Pair<'a> = (Option<&'a AssetSpec>, Option<&'a AssetRecord>);

/// All assets, in the order of their names. Both sides are in that order: nothing is searched for.
pub(super) fn pairs<'a>(desired: &'a Desired, inventory: &'a Inventory) -> impl Iterator<Item = Pair<'a>> {
    let mut specs = desired.assets.iter().peekable();
    let mut records = inventory.assets.iter().peekable();
    std::iter::from_fn(move || {
        let order = match (specs.peek(), records.peek()) {
            (Some((wanted, _)), Some((kept, _))) => wanted.cmp(kept),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        let spec = if order.is_le() { specs.next() } else { None };
        let record = if order.is_ge() { records.next() } else { None };
        Some((spec.map(|(_, spec)| spec), record.map(|(_, record)| &**record)))
    })
}
