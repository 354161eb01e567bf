//! Tables and JSON.

use comfy_table::{ContentArrangement, Table, presets};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// One line (or block) of facts, on stdout. A reader that has gone away is no error of ours.
pub(super) fn line(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Bytes as they are, on stdout.
pub(super) fn bytes(bytes: &[u8]) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(bytes);
}

/// A line on stderr.
pub(super) fn warning(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// JSON on stdout, indented for those who look.
pub(super) fn json(value: &Value) {
    line(&format!("{value:#}"));
}

/// A table that fits the terminal.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.to_vec());
    if table.width().is_none() {
        // Not a terminal: nothing is broken, so that lines can be searched.
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    table
}

/// "2026-12-01 (in 9 days)"
pub(super) fn moment(at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(at) = at else { return "-".to_owned() };
    let left = at.duration_since(now);
    let date = at.strftime("%Y-%m-%d %H:%M");
    if left.is_negative() {
        format!("{date} ({} ago)", rough(-left))
    } else {
        format!("{date} (in {})", rough(left))
    }
}

fn rough(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
