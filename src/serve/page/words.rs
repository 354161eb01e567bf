//! Times and numbers as people read them.

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

/// `2026-12-01 14:03` and how far away it is; the machine-readable form beside it.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        time datetime=(at.to_string()) { (at.strftime("%Y-%m-%d %H:%M")) }
        " " span.rough { (distance(at, now)) }
    }
}

/// "in 9 days", "3 hours ago"
pub(super) fn distance(at: Timestamp, now: Timestamp) -> String {
    let left = at.duration_since(now);
    match left.as_secs() {
        -59..=59 => "now".to_owned(),
        1.. => format!("in {}", rough(left)),
        _ => format!("{} ago", rough(-left)),
    }
}

fn rough(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let (count, unit) = match seconds {
        ..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        172_800..63_072_000 => (seconds / 86_400, "day"),
        _ => (seconds / 31_536_000, "year"),
    };
    counted(count, unit)
}

/// "1 day", "2 days"
pub(super) fn counted(count: i64, unit: &str) -> String {
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}
