//! `[schedule]`.

use jiff::tz::TimeZone;
use toml::de::DeValue;

use crate::config::raw::{Item, Table};
use crate::config::schedule::{Cron, Schedule};
use crate::config::words::{closest, quoted};

pub(super) fn schedule(t: &mut Table<'_>) -> Option<Schedule> {
    let check = match t.item("check") {
        Some(item) => cron(&item),
        None => Cron::parse("0 */5 * * * *").ok(),
    };
    let maintenance = t.or("maintenance", Vec::new(), windows);
    let timezone = t.or("timezone", TimeZone::UTC, timezone);
    Some(Schedule { check: check?, maintenance: maintenance?, timezone: timezone? })
}

fn cron(item: &Item<'_>) -> Option<Cron> {
    Cron::parse(item.line()?).or_else(|message| item.fault(message).ok_or(())).ok()
}

/// One window, or a list of them.
fn windows(item: &Item<'_>) -> Option<Vec<Cron>> {
    if let DeValue::String(_) = item.value {
        return cron(item).map(|window| vec![window]);
    }
    let windows = item.list(cron)?;
    if windows.is_empty() {
        return item.fault("names no window, so no service could ever be updated; leave it out for any time");
    }
    Some(windows)
}

fn timezone(item: &Item<'_>) -> Option<TimeZone> {
    let name = item.line()?;
    if let Ok(zone) = TimeZone::get(name) {
        return Some(zone);
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let advice = match closest(name, known.iter().map(String::as_str)) {
        None if known.is_empty() => "this machine has no time zone database; install tzdata".to_owned(),
        Some(meant) => format!("did you mean {}?", quoted(meant)),
        None => "write one of the IANA database's names, such as Europe/Berlin or UTC".to_owned(),
    };
    item.fault(format!("{} is not a time zone; {advice}", quoted(name)))
}
