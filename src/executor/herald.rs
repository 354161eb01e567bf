//! Puts on record what people and programs are to be told: alerts, notes for the outbox, errands for hooks.
//!
//! It is called whenever the records have been looked at, and writes only where something begins, lasts too long, ends, or
//! has happened. Delivering is others' work ([`super::Postman`], [`super::Errands`]): nothing here waits for anyone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::errands::of_errand;
use super::{Books, Fatal};
use crate::desired::Desired;
use crate::model::{AssetId, Code, Inventory, Problem, Tidings};
use crate::planner::tidings::{self, Conditions};

/// More alerts than this are not open at once: whoever has so many needs no more of them.
const MOST_ALERTS: usize = 5_000;

/// A state that was repaired needs nobody: after this it is old news.
const OLD_REPAIR: SignedDuration = SignedDuration::from_hours(24);

/// So many assets are marked in one step of the store.
const MARKED_AT_ONCE: usize = 500;

/// Puts on record what is to be told; it outlives a configuration.
pub struct Herald {
    books: Arc<Books>,
    /// On whose behalf, for the audit.
    actor: String,
    of_site: Mutex<BTreeMap<Code, (Problem, Timestamp)>>,
    news: watch::Sender<()>,
}

impl Herald {
    /// One that writes into `books`; `actor` stands in the audit.
    pub fn new(books: Arc<Books>, actor: impl Into<String>) -> Self {
        Self { books, actor: actor.into(), of_site: Mutex::default(), news: watch::Sender::new(()) }
    }

    /// Something is wrong with the whole site, until it is said that it is over ([`Self::over`]).
    pub fn wrong(&self, problem: Problem) {
        let since = self.books.now();
        self.site().insert(problem.code, (problem, since));
    }

    /// What was wrong with the whole site is not any more.
    pub fn over(&self, code: Code) {
        self.site().remove(&code);
    }

    fn site(&self) -> MutexGuard<'_, BTreeMap<Code, (Problem, Timestamp)>> {
        self.of_site.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts on record what is wrong with the whole site, for all who read the records: `status`, the page, the metrics,
    /// and the alerts.
    ///
    /// # Errors
    ///
    /// When the state cannot be written.
    pub async fn post_up(&self) -> Result<(), Fatal> {
        let now = self.books.now();
        let site: BTreeMap<Code, Problem> = {
            let mut site = self.site();
            site.retain(|code, (_, since)| {
                *code != Code::StateRepaired || now.duration_since(*since) < OLD_REPAIR
            });
            site.iter().map(|(code, (problem, _))| (*code, problem.clone())).collect()
        };
        if self.books.look(|inventory| inventory.tidings.site == site).await {
            return Ok(());
        }
        self.books.edit(|edit| edit.tidings().site = site).await
    }

    /// Changes whenever something was put on record.
    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Puts on record what `inventory` and the `problems` in it are reasons to tell.
    ///
    /// # Errors
    ///
    /// When the state cannot be written.
    pub async fn tell(
        &self,
        desired: &Desired,
        inventory: &Inventory,
        problems: &[(AssetId, Problem)],
    ) -> Result<(), Fatal> {
        if desired.listeners.is_empty() {
            return self.be_silent(inventory).await;
        }
        let mut conditions = tidings::conditions(inventory, problems, self.books.now());
        if conditions.values().any(|condition| condition.problem.code == Code::ClockBack) {
            // By such a clock nothing is looked at: what was wrong goes on.
            conditions.extend(tidings::standing(&inventory.tidings));
        }
        while conditions.len() > MOST_ALERTS {
            conditions.pop_last();
        }
        let moved =
            self.hear(desired, inventory).await? | self.judge(desired, inventory, &conditions).await?;
        if moved {
            self.news.send_replace(());
        }
        Ok(())
    }

    /// What has happened to revisions. When nobody has wanted to know before, it is old news, and only marked.
    async fn hear(&self, desired: &Desired, inventory: &Inventory) -> Result<bool, Fatal> {
        let news = |id: &&AssetId| inventory.record(id).is_some_and(tidings::has_news);
        let concerned: Vec<&AssetId> = inventory.assets.keys().filter(news).collect();
        for ids in concerned.chunks(MARKED_AT_ONCE) {
            self.books
                .edit(|edit| {
                    for id in ids {
                        let record = edit.asset(id);
                        let happened = tidings::untold(record);
                        tidings::mark(record);
                        let told = edit.tidings();
                        for one in happened
                            .iter()
                            .filter(|_| !tidings::is_old_news(told))
                            .cloned()
                            .collect::<Vec<_>>()
                        {
                            tidings::happened(told, &desired.listeners, &one);
                        }
                    }
                    let now = edit.now;
                    for errand in tidings::make_room(edit.tidings(), now) {
                        edit.audit(of_errand(&errand, "hook-given-up", "too many wait", &self.actor, now));
                    }
                })
                .await?;
        }
        if !inventory.tidings.listening {
            self.books.edit(|edit| edit.tidings().listening = true).await?;
        }
        Ok(!concerned.is_empty())
    }

    async fn judge(
        &self,
        desired: &Desired,
        inventory: &Inventory,
        conditions: &Conditions,
    ) -> Result<bool, Fatal> {
        let now = self.books.now();
        let judge = |tidings: &mut Tidings| {
            tidings::settle(tidings, &desired.listeners, &inventory.approvals, now);
            tidings::judge(tidings, &desired.listeners, conditions, now);
        };
        let mut draft = inventory.tidings.clone();
        judge(&mut draft);
        if draft == inventory.tidings {
            return Ok(false);
        }
        self.books.edit(|edit| judge(edit.tidings())).await?;
        Ok(true)
    }

    /// Nobody wants to be told: what was to be told is forgotten, and what happens meanwhile is old news later.
    async fn be_silent(&self, inventory: &Inventory) -> Result<(), Fatal> {
        let silent = |now: &Tidings| Tidings {
            next: now.next,
            site: now.site.clone(),
            last_request: inventory.approvals.last,
            ..Tidings::default()
        };
        if inventory.tidings == silent(&inventory.tidings) {
            return Ok(());
        }
        self.books
            .edit(|edit| {
                let tidings = edit.tidings();
                *tidings = silent(tidings);
            })
            .await
    }
}
