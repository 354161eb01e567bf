//! Does an alert begin, last or end?

use jiff::{SignedDuration, Timestamp};

use super::conditions::{Condition, Conditions};
use super::outbox;
use crate::model::{Alert, Event, Item, LONGEST_TEXT, Listeners, Phase, Severity, Subject, Tidings};

/// A condition is told of no more often than this, whether it comes and goes or gets worse.
pub const WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// What lasts is told again after this.
pub const REPEAT: SignedDuration = SignedDuration::from_hours(24);

/// What is only good to know must have lasted this long: most of it ends by itself.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

pub(super) fn judge(tidings: &mut Tidings, listeners: &Listeners, conditions: &Conditions, now: Timestamp) {
    for (subject, condition) in conditions {
        let mut alert = tidings.alerts.remove(subject).unwrap_or_else(|| fresh(subject, condition, now));
        let item = go_on(&mut alert, condition, now);
        tidings.alerts.insert(subject.clone(), alert);
        if let Some(item) = item {
            outbox::post(tidings, listeners, item, subject);
        }
    }
    let gone: Vec<Subject> =
        tidings.alerts.keys().filter(|subject| !conditions.contains_key(*subject)).cloned().collect();
    for subject in gone {
        let Some(mut alert) = tidings.alerts.remove(&subject) else { continue };
        let item = end(&mut alert, now);
        if is_remembered(&alert, now) {
            tidings.alerts.insert(subject.clone(), alert);
        }
        if let Some(item) = item {
            outbox::post(tidings, listeners, item, &subject);
        }
    }
}

fn fresh(subject: &Subject, condition: &Condition, now: Timestamp) -> Alert {
    Alert {
        subject: subject.clone(),
        problem: condition.problem.clone(),
        opened_at: now,
        told_at: None,
        told: false,
        stage: 0,
        former: Vec::new(),
        closed_at: None,
    }
}

/// The condition is there: is that to be told?
fn go_on(alert: &mut Alert, condition: &Condition, now: Timestamp) -> Option<Item> {
    if alert.closed_at.take().is_some() {
        (alert.opened_at, alert.told) = (now, false);
    }
    // Its words may change at every look, and are no news; another code is.
    if alert.problem.code != condition.problem.code {
        alert.turn_into(condition.problem.clone(), now);
    }
    let phase = phase(alert, condition, now)?;
    alert.problem = condition.problem.clone();
    alert.told_at = Some(now);
    alert.told = true;
    alert.stage = condition.stage;
    Some(item(alert, phase, now))
}

fn phase(alert: &Alert, condition: &Condition, now: Timestamp) -> Option<Phase> {
    let rests = |pause| alert.told_at.is_some_and(|at| !has_passed(at, pause, now));
    if rests(WINDOW) {
        return None;
    }
    if !alert.told {
        let mild = Severity::of(condition.problem.code) == Severity::Info;
        let early = mild && !has_passed(alert.opened_at, PATIENCE, now);
        return (!early).then_some(Phase::Opened);
    }
    let worse = condition.stage > alert.stage;
    (worse || !rests(REPEAT)).then_some(Phase::Lasting)
}

/// The condition is gone: is that to be told?
fn end(alert: &mut Alert, now: Timestamp) -> Option<Item> {
    if !alert.is_open() {
        return None;
    }
    alert.closed_at = Some(now);
    alert.told.then(|| {
        alert.told = false;
        item(alert, Phase::Closed, now)
    })
}

/// What has ended is kept in mind until it may be told of again; what nobody was told of is not.
fn is_remembered(alert: &Alert, now: Timestamp) -> bool {
    let Some(closed_at) = alert.closed_at else { return true };
    let told = alert.told_at.is_some_and(|at| !has_passed(at, WINDOW, now));
    told || (alert.told_at.is_some() && !has_passed(closed_at, WINDOW, now))
}

/// A clock that was put back must not keep us silent: what lies far ahead has passed as well.
fn has_passed(at: Timestamp, pause: SignedDuration, now: Timestamp) -> bool {
    now.duration_since(at).abs() >= pause
}

fn item(alert: &Alert, phase: Phase, now: Timestamp) -> Item {
    let event = if phase == Phase::Closed { Event::Recovery } else { alert.subject.topic.event() };
    Item {
        event,
        severity: Severity::of(alert.problem.code),
        phase,
        asset: alert.subject.asset.clone(),
        revision: None,
        code: Some(alert.problem.code),
        text: shortened(&alert.problem.message),
        at: now,
        since: (phase != Phase::Opened).then_some(alert.opened_at),
    }
}

/// One line that fits into a record: foreign words may be of any length.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_TEXT).collect();
    if text.chars().nth(LONGEST_TEXT).is_some() {
        short.pop();
        short.push('…');
    }
    short
}
