//! `[schedule]`: when a pass runs, and when services may be restarted.

use chrono::{DateTime, Utc};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A cron expression with seconds, as it reads on the wall clocks of one time zone.
///
/// Days of the week are names; years are optional. In the hour that a time zone skips nothing
/// matches, in the hour that it has twice things match twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    schedule: cron::Schedule,
}

impl std::str::FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl Cron {
    /// As it was written.
    pub fn text(&self) -> &str {
        self.schedule.source()
    }

    /// Whether the second `at` matches.
    pub fn matches(&self, at: Timestamp, zone: &TimeZone) -> bool {
        civil(at.as_second(), offset(at.as_second(), zone)).is_some_and(|civil| self.schedule.includes(civil))
    }

    /// The first second after `after` that matches; `None` if none does before the year 2100.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // Between two transitions of the zone its wall clocks run evenly, and cron can count in UTC.
        let mut from = after.as_second();
        for _ in 0..MOST_TRANSITIONS {
            let offset = offset(from + 1, zone);
            let candidate = self.schedule.after(&civil(from, offset)?).next()?.timestamp() - offset;
            let first = Timestamp::from_second(from + 1).ok()?;
            match zone.following(first).next().map(|transition| transition.timestamp().as_second()) {
                Some(transition) if transition <= candidate => from = transition - 1,
                _ => return Timestamp::from_second(candidate).ok(),
            }
        }
        None
    }

    /// Reads six fields, or seven with years, and names the one that is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        match fields.len() {
            6 | 7 => {}
            5 => return Err(format!("has five fields; seconds go first: \"0 {}\"", fields.join(" "))),
            count => {
                let order = FIELDS[..6].join(", ");
                return Err(format!(
                    "must have six fields ({order}), and may have years as a seventh (it has {count})"
                ));
            }
        }
        for (index, (field, name)) in fields.iter().zip(FIELDS).enumerate() {
            check(field, index).map_err(|reason| format!("field {} ({name}): {reason}", index + 1))?;
        }
        let schedule: cron::Schedule =
            fields.join(" ").parse().map_err(|_| "is no cron expression".to_owned())?;
        if schedule.after(&DateTime::<Utc>::UNIX_EPOCH).next().is_none() {
            return Err("never comes: there is no such day".to_owned());
        }
        Ok(Self { schedule })
    }
}

/// A zone has two transitions a year or fewer, and cron ends in 2100.
const MOST_TRANSITIONS: usize = 400;

/// The fields of an expression, in their order.
const FIELDS: [&str; 7] = ["second", "minute", "hour", "day of month", "month", "day of week", "year"];

const DAY_OF_WEEK: usize = 5;

/// Whether `field` will do as the `index`th one.
fn check(field: &str, index: usize) -> Result<(), String> {
    let shown = super::words::quoted(field);
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | '?' | ',' | '-' | '/');
    if field.len() > 200 || !field.chars().all(known) {
        return Err(format!("{shown} is not understood"));
    }
    if index == DAY_OF_WEEK && numbers_days(field) {
        return Err(format!(
            "{shown} counts days, from Sunday = 0 in some crons and from 1 in others; write names: Mon-Fri"
        ));
    }
    let mut alone = ["*"; 7];
    if let Some(place) = alone.get_mut(index) {
        *place = field;
    }
    let parsed: Result<cron::Schedule, _> = alone.join(" ").parse();
    parsed.map(|_| ()).map_err(|_| format!("{shown} is not understood, or out of range"))
}

/// Whether a day of the week is given by number; a step after `/` is none.
fn numbers_days(field: &str) -> bool {
    field.split(',').any(|entry| {
        let days = entry.split('/').next().unwrap_or_default();
        days.bytes().any(|byte| byte.is_ascii_digit())
    })
}

/// Seconds east of UTC at `second`.
fn offset(second: i64, zone: &TimeZone) -> i64 {
    Timestamp::from_second(second).map_or(0, |at| i64::from(zone.to_offset(at).seconds()))
}

/// What wall clocks show, dressed up as UTC for cron.
fn civil(second: i64, offset: i64) -> Option<DateTime<Utc>> {
    DateTime::<Utc>::from_timestamp(second.checked_add(offset)?, 0)
}

/// `[schedule]`.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub(super) check: Cron,
    pub(super) maintenance: Vec<Cron>,
    pub(super) timezone: TimeZone,
}

impl Schedule {
    /// A pass runs at least this often.
    pub fn check(&self) -> &Cron {
        &self.check
    }

    /// While one of them matches, service updates may start; empty: at any time.
    pub fn maintenance(&self) -> &[Cron] {
        &self.maintenance
    }

    /// The time zone that both are read in.
    pub fn timezone(&self) -> &TimeZone {
        &self.timezone
    }

    /// The next pass after `after`.
    pub fn next_check(&self, after: Timestamp) -> Option<Timestamp> {
        self.check.next(after, &self.timezone)
    }

    /// Whether service updates may start at `at`.
    pub fn in_maintenance(&self, at: Timestamp) -> bool {
        self.maintenance.is_empty()
            || self.maintenance.iter().any(|window| window.matches(at, &self.timezone))
    }

    /// The first moment from `at` on (`at` itself too) at which service updates may start; `None`: never again.
    pub fn next_maintenance(&self, at: Timestamp) -> Option<Timestamp> {
        if self.in_maintenance(at) {
            return Some(at);
        }
        self.maintenance.iter().filter_map(|window| window.next(at, &self.timezone)).min()
    }
}
