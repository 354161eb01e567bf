//! Carries what waits in the outbox to the channels, one message at a time for each.
//!
//! Before a message is sent it is on record which items it has, and its name; after it, how that went. A message whose
//! answer is lost is sent again under the same name: who can tell (Matrix, a webhook, Alertmanager) shows it once.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Books, Fatal};
use crate::audit::Event;
use crate::desired::Desired;
use crate::failpoint;
use crate::model::{Batch, Code, Listener, Message, Post, Problem, Tidings};
use crate::notify::{Channel, SendError};
use crate::planner::tidings;

/// Between two messages to one channel: what comes meanwhile is one message, and no vendor's limit is met.
const GAP: SignedDuration = SignedDuration::from_secs(2);

/// Pauses in seconds between tries.
const PAUSES: [i64; 6] = [10, 30, 120, 300, 900, 3600];

/// A time of record that lies further ahead than any pause is one of a clock that was put back.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(25);

/// Delivers to channels.
pub struct Postman {
    books: Arc<Books>,
    instance: String,
    /// On whose behalf, for the audit.
    actor: String,
    channels: BTreeMap<String, Arc<dyn Channel>>,
    listeners: BTreeMap<String, Listener>,
}

/// How one try went, of a message or of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// Nothing waits.
    Nothing,
    /// One is done with; perhaps more waits.
    Done,
    /// Something waits, and is not to be tried before.
    Until(Timestamp),
}

impl Postman {
    /// For these channels, by name; `actor` stands in the audit.
    pub fn new(
        books: Arc<Books>,
        desired: &Desired,
        channels: BTreeMap<String, Arc<dyn Channel>>,
        actor: impl Into<String>,
    ) -> Self {
        let (instance, listeners) = (desired.instance.clone(), desired.listeners.channels.clone());
        Self { books, instance, actor: actor.into(), channels, listeners }
    }

    /// Whether this one is shown all alerts, again and again.
    pub fn is_shown(&self, name: &str) -> bool {
        self.listeners.get(name).is_some_and(|listener| listener.shown)
    }

    /// Shows all alerts that `name` wants to know of, where it is one that is shown them.
    ///
    /// # Errors
    ///
    /// When the state cannot be written.
    pub async fn show(&self, name: &str) -> Result<Carried, Fatal> {
        let (Some(channel), Some(listener)) = (self.channels.get(name), self.listeners.get(name)) else {
            return Ok(Carried::Nothing);
        };
        let now = self.books.now();
        let known = self.books.tidings().await;
        let post = known.posts.get(name).cloned().unwrap_or_default();
        let rest = post.next_try_at.filter(|at| *at > now && at.duration_since(now) < LONGEST_PAUSE);
        if let Some(at) = rest {
            return Ok(Carried::Until(at));
        }
        let alerts = tidings::shown(&known, listener, now);
        // One that was away is shown even nothing: it is away until it has answered.
        if alerts.is_empty() && post == Post::default() {
            return Ok(Carried::Nothing);
        }
        match channel.show(&self.instance, &alerts, now).await {
            Ok(()) if post == Post::default() => Ok(Carried::Nothing),
            // It was away, and is there again: that is a change, the showing itself is none.
            Ok(()) => {
                let event = self.event("told", name, &[("alerts", alerts.len().to_string())]);
                self.books
                    .edit(|edit| {
                        edit.tidings().posts.remove(name);
                        edit.audit(event);
                    })
                    .await?;
                Ok(Carried::Nothing)
            }
            Err(error) => self.failed(name, None, 0, error).await,
        }
    }

    /// Says that Keyturn lives. Nothing is kept of it: a beat that is lost is lost.
    pub async fn beat(&self, name: &str) {
        let Some(channel) = self.channels.get(name) else { return };
        if let Err(error) = channel.beat(&self.instance, self.books.now()).await {
            tracing::warn!(channel = name, "{name} has not taken the heartbeat: {error}");
        }
    }

    /// Sends what waits for `name` as one message, if the time has come.
    ///
    /// # Errors
    ///
    /// When the state cannot be written.
    pub async fn carry(&self, name: &str) -> Result<Carried, Fatal> {
        let Some(channel) = self.channels.get(name) else { return Ok(Carried::Nothing) };
        let known = self.books.tidings().await;
        let Some((last, _)) = known.waiting(name).last() else { return Ok(Carried::Nothing) };
        let now = self.books.now();
        let post = known.posts.get(name).cloned().unwrap_or_default();
        let rest = post.next_try_at.filter(|at| *at > now && at.duration_since(now) < LONGEST_PAUSE);
        if let Some(at) = rest {
            return Ok(Carried::Until(at));
        }
        let batch = match post.batch {
            Some(batch) => batch,
            None => self.begin(name, last, now).await?,
        };
        let message = self.message(&known, name, &batch);
        if message.items.is_empty() {
            self.end(name, &batch, None).await?;
            return Ok(Carried::Done);
        }
        failpoint::hit("notify-sending");
        let sent = channel.send(&message).await;
        failpoint::hit("notify-sent");
        match sent {
            Ok(()) => {
                tracing::info!(channel = name, items = message.items.len(), "{name} was told");
                self.end(name, &batch, Some(&message)).await?;
                Ok(Carried::Done)
            }
            Err(error) => self.failed(name, Some(&batch), message.items.len(), error).await,
        }
    }

    /// What is to be sent is on record before it is.
    async fn begin(&self, name: &str, last: u64, now: Timestamp) -> Result<Batch, Fatal> {
        let id = format!("{}-{name}-{last}-{}", self.instance, now.as_second());
        let batch = Batch { id, last, at: now, brief: false };
        self.books.edit(|edit| post(edit.tidings(), name).batch = Some(batch.clone())).await?;
        Ok(batch)
    }

    fn message(&self, known: &Tidings, name: &str, batch: &Batch) -> Message {
        let items = known.waiting(name).take_while(|(number, _)| *number <= batch.last);
        Message {
            instance: self.instance.clone(),
            id: batch.id.clone(),
            at: batch.at,
            items: items.map(|(_, note)| note.item.clone()).collect(),
            dropped: known.posts.get(name).map_or(0, |post| post.dropped),
            brief: batch.brief,
        }
    }

    async fn end(&self, name: &str, batch: &Batch, sent: Option<&Message>) -> Result<(), Fatal> {
        self.books
            .edit(|edit| {
                let next = edit.now + GAP;
                if let Some(message) = sent {
                    let details = [
                        ("message", message.id.clone()),
                        ("items", message.items.len().to_string()),
                        ("given-way", message.dropped.to_string()),
                    ];
                    edit.audit(self.event("told", name, &details));
                }
                tidings::delivered(edit.tidings(), name, batch.last);
                post(edit.tidings(), name).worked(Some(next));
            })
            .await
    }

    async fn failed(
        &self,
        name: &str,
        batch: Option<&Batch>,
        items: usize,
        error: SendError,
    ) -> Result<Carried, Fatal> {
        tracing::warn!(channel = name, "could not tell {name}: {error}");
        let given_up = batch.filter(|batch| error.refused && batch.brief);
        let mut next = self.books.now();
        self.books
            .edit(|edit| {
                let now = edit.now;
                if let Some(batch) = given_up {
                    tidings::delivered(edit.tidings(), name, batch.last);
                }
                let before = edit.tidings().posts.get(name).map_or(0, |post| post.failures);
                let reason = ("reason", error.message.clone());
                // The first of a row, and the end: what is tried again for hours is one thing to know.
                if let Some(batch) = given_up {
                    let details = [("message", batch.id.clone()), ("items", items.to_string()), reason];
                    edit.audit(self.event("telling-given-up", name, &details));
                } else if before == 0 {
                    edit.audit(self.event("telling-failed", name, &[reason]));
                }
                let post = post(edit.tidings(), name);
                let pause = PAUSES.get(post.failures as usize).or(PAUSES.last()).copied().unwrap_or(60);
                let pause = SignedDuration::from_secs(pause).max(error.retry_after.unwrap_or_default());
                next = now + pause;
                post.failures = post.failures.saturating_add(1);
                post.failing_since.get_or_insert(now);
                post.next_try_at = Some(next);
                post.problem = Some(Problem::new(Code::NotifyFailed, error.message.clone()));
                let again = |batch: &Batch| Batch { brief: batch.brief || error.refused, ..batch.clone() };
                post.batch = batch.filter(|_| given_up.is_none()).map(again);
                if given_up.is_some() {
                    post.drop_items(items);
                }
            })
            .await?;
        Ok(Carried::Until(next))
    }
}

impl Postman {
    /// For the history: which channel, never its address.
    fn event(&self, action: &str, channel: &str, details: &[(&str, String)]) -> Event {
        let detail = details.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Event {
            at: self.books.now(),
            actor: self.actor.clone(),
            action: action.to_owned(),
            asset: None,
            revision: None,
            detail: detail.chain([("channel".to_owned(), channel.to_owned())]).collect(),
        }
    }
}

fn post<'t>(tidings: &'t mut Tidings, name: &str) -> &'t mut Post {
    tidings.posts.entry(name.to_owned()).or_default()
}
