//! `rotate_every` and the window that it must lie in.

use jiff::SignedDuration;

use super::SHORTEST_LIFETIME;
use crate::config::duration::duration_text;
use crate::config::raw::{Item, Table};

/// Keys and parameters are turned over every 30 to 90 days, unless someone insists.
const WINDOW: (SignedDuration, SignedDuration) =
    (SignedDuration::from_hours(24 * 30), SignedDuration::from_hours(24 * 90));

/// Reads `rotate_every` and `allow_any_window`.
pub(super) fn rotate_every(t: &mut Table<'_>, default: SignedDuration) -> Option<SignedDuration> {
    let any = t.or("allow_any_window", false, Item::boolean);
    let every = t.or("rotate_every", default, |item| item.duration(SHORTEST_LIFETIME))?;
    let (least, most) = WINDOW;
    if any? || (least..=most).contains(&every) {
        return Some(every);
    }
    t.fault(
        "rotate_every",
        format!(
            "must be from {} to {} (it is {}); if you mean it, add allow_any_window = true",
            duration_text(least),
            duration_text(most),
            duration_text(every)
        ),
    )
}
