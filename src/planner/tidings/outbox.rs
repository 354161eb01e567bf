//! Who gets a note, and what gives way when too many wait.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{
    Event, Item, Listener, Listeners, MOST_NOTES, Note, Phase, Severity, Subject, Tidings, Topic,
};

/// Puts `item` into the outbox for all who want it; into nobody's, nothing is kept.
pub(super) fn post(tidings: &mut Tidings, listeners: &Listeners, item: Item, subject: &Subject) {
    let wants = |(name, listener): &(&String, &Listener)| {
        // Who takes no messages need not be told so.
        let itself = subject.topic == Topic::Notify && subject.name == **name;
        !itself && !listener.shown && wants(listener, &item, subject)
    };
    let to: BTreeSet<String> =
        listeners.channels.iter().filter(wants).map(|(name, _)| name.clone()).collect();
    if to.is_empty() {
        return;
    }
    let number = tidings.number();
    tidings.notes.insert(number, Arc::new(Note { item, to }));
}

/// An end is told to who has been told of the beginning, and wants to know.
fn wants(listener: &Listener, item: &Item, subject: &Subject) -> bool {
    let of = if item.phase == Phase::Closed { subject.topic.event() } else { item.event };
    let and = item.phase != Phase::Closed || listener.events.contains(&Event::Recovery);
    and && listener.events.contains(&of) && item.severity >= listener.least
}

/// The oldest mere information gives way, then the oldest of all; what is being sent stays.
pub(super) fn make_room(tidings: &mut Tidings) {
    let excess = tidings.notes.len().saturating_sub(MOST_NOTES);
    if excess == 0 {
        return;
    }
    let sending = tidings.posts.values().filter_map(|post| post.batch.as_ref()).map(|batch| batch.last).max();
    let free = |number: &u64| sending.is_none_or(|last| *number > last);
    let of = |mere: bool| {
        let chosen = tidings.notes.iter().filter(move |(_, note)| is_mere(&note.item) == mere);
        chosen.map(|(number, _)| *number).filter(free)
    };
    // If all of it is being sent, the rule of the size is stronger.
    let victims: Vec<u64> =
        of(true).chain(of(false)).chain(tidings.notes.keys().copied()).take(excess).collect();
    for number in victims {
        let Some(note) = tidings.notes.remove(&number) else { continue };
        for name in &note.to {
            tidings.posts.entry(name.clone()).or_default().drop_items(1);
        }
    }
}

/// Good to know, and no more.
fn is_mere(item: &Item) -> bool {
    item.severity == Severity::Info || item.phase == Phase::Happened
}

/// Those that `is` names have got note `number`.
pub(super) fn delivered(tidings: &mut Tidings, number: u64, is: impl Fn(&String) -> bool) {
    let Some(note) = tidings.notes.get_mut(&number) else { return };
    let note = Arc::make_mut(note);
    note.to.retain(|name| !is(name));
    if note.to.is_empty() {
        tidings.notes.remove(&number);
    }
}
