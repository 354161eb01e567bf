//! `[keys]`.

use crate::config::keys::Keys;
use crate::config::raw::Table;

pub(super) fn keys(t: &mut Table<'_>) -> Option<Keys> {
    let stock = t.or("stock", 1, |item| item.integer(0..=16));
    Some(Keys { stock: usize::try_from(stock?).ok()? })
}
