//! Runs hooks for what has happened. Each run is on record before it begins, and until it has succeeded: it is made at
//! least once, also over a crash.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Books, Carried, Fatal};
use crate::audit::Event;
use crate::failpoint;
use crate::model::{Code, Errand, Hook, Problem, Tidings};
use crate::notify::{Caller, Exit};
use crate::planner::tidings;

/// Pauses in seconds between tries.
const PAUSES: [i64; 4] = [60, 300, 900, 3600];

/// What has not worked for so long is given up: the world has moved on.
const LONGEST_TRIED: SignedDuration = SignedDuration::from_hours(24);

/// Runs hooks.
pub struct Errands {
    books: Arc<Books>,
    hooks: Vec<Hook>,
    caller: Arc<dyn Caller>,
    /// On whose behalf, for the audit.
    actor: String,
}

impl Errands {
    /// For these hooks; `actor` stands in the audit.
    pub fn new(
        books: Arc<Books>,
        hooks: Vec<Hook>,
        caller: Arc<dyn Caller>,
        actor: impl Into<String>,
    ) -> Self {
        Self { books, hooks, caller, actor: actor.into() }
    }

    /// The programs that are run: one after the other for each command, the commands side by side.
    pub fn commands(&self) -> BTreeSet<Vec<String>> {
        self.hooks.iter().map(|hook| hook.command.clone()).collect()
    }

    /// Runs `command` once, for the oldest event that is due.
    ///
    /// # Errors
    ///
    /// When the state cannot be written.
    pub async fn run_next(&self, command: &[String]) -> Result<Carried, Fatal> {
        let now = self.books.now();
        let find = |known: &Tidings| {
            let waiting = || known.errands.iter().filter(|(_, errand)| errand.command == command);
            let due = waiting().find(|(_, errand)| errand.effort.may_try(now));
            let next = waiting().filter_map(|(_, errand)| errand.effort.next_try_at).min();
            (due.map(|(number, errand)| (*number, Arc::clone(errand))), next)
        };
        // With thousands of them, a copy of all is not made for each.
        match self.books.look_at_tidings(find).await {
            (Some((number, errand)), _) => self.run(number, &errand).await.map(|()| Carried::Done),
            (None, next) => Ok(next.map_or(Carried::Nothing, Carried::Until)),
        }
    }

    async fn run(&self, number: u64, errand: &Errand) -> Result<(), Fatal> {
        let Some(hook) = self.hooks.iter().find(|hook| hook.is_of(errand)) else {
            return self.forget(number, None).await;
        };
        failpoint::hit("hook-running");
        let outcome = self.caller.call(hook, errand).await;
        failpoint::hit("hook-ran");
        let what = format!("{} of {} revision {}", errand.moment.name(), errand.asset, errand.revision);
        match outcome {
            Ok(words) => {
                tracing::info!(hook = hook.command.join(" "), output = words, "ran for {what}");
                let event = self.event("hook-ran", errand, Exit::Code(0));
                self.forget(number, Some(event)).await
            }
            Err(failed) => {
                let event = self.event("hook-failed", errand, failed.exit);
                self.failed(number, format!("for {what}: {failed}"), event).await
            }
        }
    }

    fn event(&self, action: &str, errand: &Errand, exit: Exit) -> Event {
        of_errand(errand, action, &exit.to_string(), &self.actor, self.books.now())
    }

    async fn forget(&self, number: u64, event: Option<Event>) -> Result<(), Fatal> {
        self.books
            .edit(|edit| {
                edit.tidings().errands.remove(&number);
                event.into_iter().for_each(|event| edit.audit(event));
            })
            .await
    }

    async fn failed(&self, number: u64, message: String, event: Event) -> Result<(), Fatal> {
        let problem = Problem::new(Code::HookFailed, message);
        tracing::warn!("{problem}");
        self.books
            .edit(|edit| {
                let now = edit.now;
                edit.audit(event);
                let Some(errand) = edit.tidings().errands.get_mut(&number) else { return };
                if now.duration_since(errand.at) <= LONGEST_TRIED {
                    Arc::make_mut(errand).effort.failed(problem.clone(), None, &PAUSES, now);
                    return;
                }
                tracing::warn!("it is given up");
                if let Some(errand) = tidings::give_up(edit.tidings(), number, now) {
                    edit.audit(of_errand(&errand, "hook-given-up", "failed for a day", &self.actor, now));
                }
            })
            .await
    }
}

/// For the history: which command, on what, and its end. Not what it has said, which may be anything.
pub(super) fn of_errand(errand: &Errand, action: &str, exit: &str, actor: &str, at: Timestamp) -> Event {
    let name = errand.command.first().map_or("", String::as_str);
    let detail =
        [("hook", name.to_owned()), ("event", errand.moment.name().to_owned()), ("exit", exit.to_owned())];
    Event {
        at,
        actor: actor.to_owned(),
        action: action.to_owned(),
        asset: Some(errand.asset.clone()),
        revision: Some(errand.revision),
        detail: detail.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}
