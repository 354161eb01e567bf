//! Runs hooks for what has happened. Each run is on record before it begins, and until it has succeeded: it is made at
//! least once, also over a crash.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};

use super::{Books, Fatal};
use crate::failpoint;
use crate::model::{Code, Errand, Hook, Problem};
use crate::notify::Caller;

/// Pauses in seconds between tries.
const PAUSES: [i64; 4] = [60, 300, 900, 3600];

/// What has not worked for so long is given up: the world has moved on.
const LONGEST_TRIED: SignedDuration = SignedDuration::from_hours(24);

/// Runs hooks.
pub struct Errands {
    books: Arc<Books>,
    hooks: Vec<Hook>,
    caller: Arc<dyn Caller>,
}

impl Errands {
    /// For these hooks.
    pub fn new(books: Arc<Books>, hooks: Vec<Hook>, caller: Arc<dyn Caller>) -> Self {
        Self { books, hooks, caller }
    }

    /// Runs what is due: one after the other for each command, the commands side by side. Says when the next is due.
    ///
    /// # Errors
    ///
    /// When the state cannot be written.
    pub async fn run_due(&self) -> Result<Option<Timestamp>, Fatal> {
        let now = self.books.now();
        let known = self.books.tidings().await;
        let mut by_command: BTreeMap<&Vec<String>, Vec<(u64, &Errand)>> = BTreeMap::new();
        for (number, errand) in known.errands.iter().filter(|(_, errand)| errand.effort.may_try(now)) {
            by_command.entry(&errand.command).or_default().push((*number, errand));
        }
        let one = async |errands: Vec<(u64, &Errand)>| {
            for (number, errand) in errands {
                self.run(number, errand).await?;
            }
            Ok::<(), Fatal>(())
        };
        let mut running: FuturesUnordered<_> = by_command.into_values().map(one).collect();
        while let Some(outcome) = running.next().await {
            outcome?;
        }
        let left = self.books.tidings().await.errands;
        Ok(left.values().map(|errand| errand.effort.next_try_at.unwrap_or(now)).min())
    }

    async fn run(&self, number: u64, errand: &Errand) -> Result<(), Fatal> {
        let hook = |hook: &&Hook| hook.command == errand.command && hook.moment == errand.moment;
        let Some(hook) = self.hooks.iter().find(hook) else { return self.forget(number).await };
        failpoint::hit("hook-running");
        let outcome = self.caller.call(hook, errand).await;
        failpoint::hit("hook-ran");
        let what = format!("{} of {} revision {}", errand.moment.name(), errand.asset, errand.revision);
        match outcome {
            Ok(words) => {
                tracing::info!(hook = hook.command.join(" "), output = words, "ran for {what}");
                self.forget(number).await
            }
            Err(error) => self.failed(number, format!("for {what}: {error}")).await,
        }
    }

    async fn forget(&self, number: u64) -> Result<(), Fatal> {
        self.books.edit(|edit| drop(edit.tidings().errands.remove(&number))).await
    }

    async fn failed(&self, number: u64, message: String) -> Result<(), Fatal> {
        let problem = Problem::new(Code::HookFailed, message);
        tracing::warn!("{problem}");
        self.books
            .edit(|edit| {
                let now = edit.now;
                let errands = &mut edit.tidings().errands;
                let Some(errand) = errands.get_mut(&number) else { return };
                if now.duration_since(errand.at) > LONGEST_TRIED {
                    tracing::warn!("it is given up");
                    errands.remove(&number);
                    return;
                }
                Arc::make_mut(errand).effort.failed(problem.clone(), None, &PAUSES, now);
            })
            .await
    }
}
