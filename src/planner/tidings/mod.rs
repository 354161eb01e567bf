//! Who is to be told what: alerts that begin, last and end, events that happened, and the outbox that holds them.
//!
//! All of it is pure: the same records and the same moment give the same notes. A condition has one open alert, at most one
//! message in [`WINDOW`] that it is there, and one that it is over (I18 of the design's invariants).
//!
//! 1. [`conditions`]: what is wrong, by what it is about.
//! 2. [`alerts`]: does it begin, last or end?
//! 3. [`moments`]: what has happened to revisions that nobody was told of?
//! 4. [`outbox`] and [`errands`]: who gets it, and what gives way when too much waits?

mod alerts;
mod conditions;
mod errands;
mod moments;
mod outbox;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::Timestamp;

pub use alerts::{PATIENCE, REPEAT, WINDOW};
pub use conditions::{Condition, Conditions, conditions};
pub use errands::{give_up, make_room};
pub use moments::{Happened, has_news, untold};

use crate::model::{
    Alert, Approval, ApprovalState, Approvals, AssetId, AssetRecord, Code, Event, Item, Listener, Listeners,
    Phase, Post, Problem, Severity, Subject, Tidings, Topic,
};

/// So many tries of a channel fail before the others are told of it.
const BLIPS: u32 = 3;

/// Alerts that begin, last or end at `now`, with the notes about them.
pub fn judge(tidings: &mut Tidings, listeners: &Listeners, conditions: &Conditions, now: Timestamp) {
    forget_gone(tidings, listeners);
    errands::forget_old(tidings, listeners, now);
    alerts::judge(tidings, listeners, conditions, now);
    outbox::make_room(tidings);
}

/// Something has happened to a revision: who wants to know gets a note, hooks their errands. [`make_room`] is called after
/// all that has happened.
pub fn happened(tidings: &mut Tidings, listeners: &Listeners, happened: &Happened) {
    moments::happened(tidings, listeners, happened);
    outbox::make_room(tidings);
}

/// What has happened before anyone wanted to know is no news.
pub fn is_old_news(tidings: &Tidings) -> bool {
    !tidings.listening
}

/// What is wrong with the telling itself: channels that take nothing, hooks that were given up.
pub fn trouble(tidings: &Tidings) -> Vec<(Subject, Problem)> {
    let failing = |post: &&Post| post.failures >= BLIPS;
    let posts = tidings.posts.iter().filter(|(_, post)| failing(post)).map(|(name, post)| {
        let subject = Subject { asset: None, topic: Topic::Notify, name: name.clone() };
        let waiting = tidings.waiting(name).count();
        let since = post.failing_since.map_or_else(String::new, |since| format!(" since {since}"));
        let why = post.problem.as_ref().map_or("", |problem| problem.message.as_str());
        let message = format!("notify.{name} takes no messages{since} ({waiting} wait): {why}");
        (subject, Problem::new(Code::NotifyFailed, message))
    });
    posts.chain(errands::trouble(tidings)).collect()
}

/// What a request is told under.
fn of_request(number: u64) -> Subject {
    Subject { asset: None, topic: Topic::Approval, name: number.to_string() }
}

/// What was decided on is told as over, with what has become of it: also when that was so soon that nobody has seen it wait.
pub fn settle(tidings: &mut Tidings, listeners: &Listeners, approvals: &Approvals, now: Timestamp) {
    let is_news = |request: &&Approval| {
        let fresh = now.duration_since(request.since) < WINDOW;
        fresh && request.number > tidings.last_request && request.state != ApprovalState::Waiting
    };
    let news: Vec<&Approval> = approvals.requests.values().map(AsRef::as_ref).filter(is_news).collect();
    for request in news {
        for item in of_swift(request, now) {
            outbox::post(tidings, listeners, item, &of_request(request.number));
        }
    }
    tidings.last_request = approvals.last;
    for request in approvals.requests.values().filter(|request| request.state != ApprovalState::Waiting) {
        let alert = tidings.alerts.get_mut(&of_request(request.number)).filter(|alert| alert.is_open());
        if let Some(alert) = alert {
            alert.problem.message = request.outcome();
        }
    }
}

/// What would have been told of it, had anyone looked in between.
fn of_swift(request: &Approval, now: Timestamp) -> [Item; 2] {
    let item = |event, phase, text: &str| Item {
        event,
        severity: Severity::of(Code::ApprovalWaits),
        phase,
        asset: None,
        revision: None,
        code: Some(Code::ApprovalWaits),
        text: alerts::shortened(text),
        at: now,
        since: (phase == Phase::Closed).then_some(request.at),
    };
    let (asked, outcome) = (request.problem().message, request.outcome());
    [item(Event::Approval, Phase::Opened, &asked), item(Event::Recovery, Phase::Closed, &outcome)]
}

/// What has failed among the hooks of an asset.
pub fn of_hooks(tidings: &Tidings) -> impl Iterator<Item = (AssetId, Problem)> + '_ {
    let failed = tidings
        .errands
        .values()
        .filter_map(|errand| Some((errand.asset.clone(), errand.effort.problem.clone()?)));
    // One hook that fails for ten revisions of an asset is one thing to look at.
    let mut seen = BTreeSet::new();
    failed.filter(move |(asset, problem)| seen.insert((asset.clone(), problem.message.clone())))
}

/// Marks what has happened to `record` so far as told.
pub fn mark(record: &mut AssetRecord) {
    moments::mark(record);
}

/// The alerts that a channel is shown which is not told of changes: those that were told, and those that have just ended.
/// What has become more or less urgent has ended as what it was: it is told apart by that.
pub fn shown(tidings: &Tidings, listener: &Listener, now: Timestamp) -> Vec<Alert> {
    let wants = |alert: &Alert| {
        let severe = Severity::of(alert.problem.code) >= listener.least;
        severe && listener.events.contains(&alert.subject.topic.event())
    };
    let is_news = |form: &Alert| form.closed_at.is_some_and(|at| now.duration_since(at) < WINDOW);
    let known = tidings.alerts.values().filter(|alert| alert.told || !alert.is_open());
    let forms =
        known.flat_map(|alert| std::iter::once(alert.clone()).chain(alert.ended_forms().filter(is_news)));
    forms.filter(wants).collect()
}

/// The open alerts, as conditions that have not changed.
pub fn standing(tidings: &Tidings) -> impl Iterator<Item = (Subject, Condition)> + '_ {
    let same = |alert: &Alert| Condition { problem: alert.problem.clone(), stage: alert.stage };
    tidings.open().map(move |alert| (alert.subject.clone(), same(alert)))
}

/// Channels and hooks that the configuration no longer has are owed nothing.
fn forget_gone(tidings: &mut Tidings, listeners: &Listeners) {
    let gone = |name: &String| !listeners.channels.contains_key(name);
    let concerned: Vec<u64> = tidings
        .notes
        .iter()
        .filter(|(_, note)| note.to.iter().any(gone))
        .map(|(number, _)| *number)
        .collect();
    for number in concerned {
        outbox::delivered(tidings, number, |name| gone(name));
    }
    tidings.posts.retain(|name, _| !gone(name));
    tidings.errands.retain(|_, errand| listeners.hooks.iter().any(|hook| hook.is_of(errand)));
}

/// The channel has got the items up to `last`.
pub fn delivered(tidings: &mut Tidings, channel: &str, last: u64) {
    let got: Vec<u64> =
        tidings.waiting(channel).map(|(number, _)| number).take_while(|number| *number <= last).collect();
    for number in got {
        outbox::delivered(tidings, number, |name| name == channel);
    }
}
