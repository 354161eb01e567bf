//! What the listeners answer from: what is shown under which key, for as long as somebody wants it shown.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Proof;
use crate::clock::Clock;

/// How long another order may keep a key that we want too: the time in which a CA usually has looked.
const PATIENCE: Duration = Duration::from_secs(120);

/// Answers by what the CA asks for: a token, a server name.
pub(super) struct Registry<A> {
    shown: Mutex<HashMap<String, Shown<A>>>,
    gone: Notify,
}

/// One answer to be shown.
pub(super) struct Entry<A> {
    /// What the CA will ask for.
    pub(super) key: String,
    /// What it will look for in the answer; tells the proof of one order from that of another.
    pub(super) key_authorization: String,
    /// What it gets.
    pub(super) answer: A,
}

struct Shown<A> {
    key_authorization: String,
    answer: A,
    times: usize,
}

impl<A> Shown<A> {
    fn is_of(&self, entry: &Entry<A>) -> bool {
        self.key_authorization == entry.key_authorization
    }
}

impl<A> Default for Registry<A> {
    fn default() -> Self {
        Self { shown: Mutex::default(), gone: Notify::new() }
    }
}

impl<A: Clone> Registry<A> {
    /// What is shown under `key`.
    pub(super) fn get(&self, key: &str) -> Option<A> {
        self.lock().get(key).map(|shown| shown.answer.clone())
    }

    /// Whether there is nothing to show.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Shows all of an order's answers; the same answer may be shown for several orders.
    ///
    /// A server name has room for one answer. While another order has it, this waits; an order that does not end is
    /// pushed aside, or one that was forgotten would be in the way until the process ends.
    pub(super) async fn show(&self, entries: &[Entry<A>], clock: &dyn Clock) {
        tokio::select! {
            biased;
            () = self.show_when_free(entries) => {}
            () = clock.sleep(PATIENCE) => {
                tracing::warn!("an order's proof makes room for that of another, which has waited long enough");
                put(&mut self.lock(), entries);
            }
        }
    }

    async fn show_when_free(&self, entries: &[Entry<A>]) {
        loop {
            // Made before we look, it misses nothing that goes after we have looked.
            let gone = self.gone.notified();
            if self.show_if_free(entries) {
                return;
            }
            gone.await;
        }
    }

    /// All or nothing: two orders that had each a part of what the other wants would wait for ever.
    fn show_if_free(&self, entries: &[Entry<A>]) -> bool {
        let mut shown = self.lock();
        let free = entries.iter().all(|entry| shown.get(&entry.key).is_none_or(|shown| shown.is_of(entry)));
        if free {
            put(&mut shown, entries);
        }
        free
    }

    /// One less wants the proof shown under `key`. Another order's is left alone.
    pub(super) fn hide(&self, key: &str, proof: &Proof) {
        let mut shown = self.lock();
        let ours = |shown: &&mut Shown<A>| shown.key_authorization == proof.key_authorization;
        let Some(one) = shown.get_mut(key).filter(ours) else { return };
        one.times -= 1;
        if one.times == 0 {
            shown.remove(key);
            self.gone.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Shown<A>>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn put<A: Clone>(shown: &mut HashMap<String, Shown<A>>, entries: &[Entry<A>]) {
    for entry in entries {
        if let Some(same) = shown.get_mut(&entry.key).filter(|shown| shown.is_of(entry)) {
            same.times += 1;
            continue;
        }
        let (key_authorization, answer) = (entry.key_authorization.clone(), entry.answer.clone());
        shown.insert(entry.key.clone(), Shown { key_authorization, answer, times: 1 });
    }
}
