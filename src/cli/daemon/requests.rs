//! Requests for what `[approvals]` guards: asked for by one, approved by another, and then done by the daemon, once.
//!
//! ```text
//! ask ──(approval-asked)──> approve ──(approved)──> carry out ──(approval-done, with what it does: one durable step)
//! ```
//!
//! A daemon that ends between two of these goes on when it starts ([`resume`]); one whose state refuses to take the deed
//! down tries again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::desk::{Caller, Desk};
use crate::cli::approvals;
use crate::cli::compose::House;
use crate::cli::control::Reply;
use crate::cli::fail::Failure;
use crate::cli::wish::{Answer, By, Manner, Next, Ticket, Wish};
use crate::config::Config;
use crate::failpoint;
use crate::model::{Approval, ApprovalState, Guarded, Refusal, Voter};

/// Between tries of what was approved and could not be put on record.
const PAUSES: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(30), Duration::from_secs(60)];
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What comes of asking.
enum Asked {
    Waits(Approval, bool),
    /// It was approved, and is for the asker to fetch.
    Ready(u64),
}

impl Desk {
    /// Puts a request on record; what was approved before is handed over now.
    pub(super) async fn ask(
        &self,
        (config, house): (&Config, &House),
        caller: &Caller,
        (wish, guard): (&Wish, Guarded),
        manner: Manner,
        lines: &mpsc::Sender<Reply>,
    ) -> Result<Answer, Failure> {
        let (pinned, assets) = approvals::pinned(config, house, wish).await?;
        let (uid, actor) = (caller.uid, format!("uid:{}", caller.uid));
        let mut asked = None;
        let edit = |edit: &mut crate::executor::Edit<'_>| {
            let now = edit.now;
            let end = now.checked_add(config.guards().expire()).unwrap_or(jiff::Timestamp::MAX);
            let Ok(bound) = approvals::bound(edit, config, (&pinned, &assets), guard) else { return };
            let ready = edit.approvals().same(uid, &bound).filter(|one| {
                pinned.is_fetched() && one.state == ApprovalState::Approved && one.expires_at > now
            });
            if let Some(ready) = ready {
                asked = Some(Ok(Asked::Ready(ready.number)));
                return;
            }
            let new = edit.approvals().ask(bound, uid, now, end);
            if let Ok((number, true)) = new {
                approvals::note(edit, number, "approval-asked", &actor);
            }
            asked = Some(new.map(|(number, is_new)| match edit.approvals().get(number) {
                Some(request) => Asked::Waits(request.clone(), is_new),
                None => Asked::Ready(number),
            }));
        };
        house.executor.books.edit(edit).await?;
        failpoint::hit("approval-asked");
        // Whoever is to be told, is told now.
        self.handle.changed();
        match asked.unwrap_or(Err(Refusal::Unknown(0))) {
            Ok(Asked::Waits(request, is_new)) => {
                tracing::info!(request = request.number, "{}", request.problem().message);
                Ok(approvals::waits(&request, is_new, manner))
            }
            Ok(Asked::Ready(number)) => {
                let ticket = Ticket { number, config: config.digest().to_owned() };
                let by = By { ticket: Some(ticket), ..By::themselves(actor) };
                // Of an import, what is pinned names the root; the files are at hand again.
                let deed = if matches!(pinned, Wish::NewRoot { .. }) { wish } else { &pinned };
                self.carry_out((config, house), deed, &by, manner, lines).await
            }
            Err(refusal) => self.refuse_request(house, None, refusal, uid).await,
        }
    }

    /// Somebody's word on a request. A yes is followed by the deed, for who has asked.
    pub(super) async fn decide(
        &self,
        (config, house): (&Config, &House),
        caller: &Caller,
        (number, yes): (u64, bool),
        manner: Manner,
        lines: &mpsc::Sender<Reply>,
    ) -> Result<Answer, Failure> {
        let (uid, books) = (caller.uid, &house.executor.books);
        let voter = Voter { uid, may_approve: config.roles().may_approve(uid, &caller.groups) };
        let mut decided = Ok(());
        let edit = |edit: &mut crate::executor::Edit<'_>| {
            decided = approvals::decide(edit, (number, yes), voter, config.digest());
        };
        books.edit(edit).await?;
        self.handle.changed();
        if let Err(refusal) = decided {
            return self.refuse_request(house, Some(number), refusal, uid).await;
        }
        failpoint::hit("approval-decided");
        let inventory = books.inventory().await;
        let request = inventory.approvals.get(number).cloned().ok_or(Refusal::Unknown(number))?;
        tracing::info!(request = number, "{}", request.outcome());
        match (yes, deed(&request)?) {
            (false, _) => Ok(approvals::told(&request, manner)),
            (true, wish) if wish.is_fetched() => Ok(approvals::to_be_fetched(&request, manner)),
            (true, wish) => {
                let by = in_the_name_of(&request, config);
                let done = match failpoint::fails("approval-deed") {
                    true => Err(Failure::failed(anyhow::anyhow!("a test has asked for a failure"))),
                    false => self.carry_out((config, house), &wish, &by, manner, lines).await,
                };
                if done.is_err() {
                    self.keep_at(number);
                }
                done
            }
        }
    }

    /// What was approved and could not be put on record is tried again until it is, or the request is over.
    fn keep_at(&self, number: u64) {
        let (current, handle, clock) =
            (Arc::clone(&self.current), self.handle.clone(), Arc::clone(&self.clock));
        tokio::spawn(async move {
            for pause in PAUSES.into_iter().chain(std::iter::repeat(LONGEST_PAUSE)) {
                clock.sleep(pause).await;
                let (config, house) = current.get();
                let inventory = house.executor.books.inventory().await;
                let request = inventory.approvals.approved().find(|request| request.number == number);
                match request {
                    Some(request) if !take_up(&config, &house, request).await => {}
                    Some(_) => return handle.changed(),
                    None => return,
                }
            }
        });
    }

    /// On record before it is told, once in a while.
    async fn refuse_request(
        &self,
        house: &House,
        number: Option<u64>,
        refusal: Refusal,
        uid: u32,
    ) -> Result<Answer, Failure> {
        tracing::warn!(uid, "refused: {refusal}");
        if self.is_news(uid, refusal.name()) {
            let books = &house.executor.books;
            books.edit(|edit| edit.audit(approvals::refused(edit.now, number, &refusal, uid))).await?;
        }
        Err(refusal.into())
    }
}

/// What was approved and not begun before the last end is put on record now; the first look does it.
pub(super) async fn resume(config: &Config, house: &House) -> Result<(), Failure> {
    let inventory = house.executor.books.inventory().await;
    for request in inventory.approvals.approved() {
        take_up(config, house, request).await;
    }
    Ok(())
}

/// Whether it is on record now; what a request is bound to is held against what there is.
async fn take_up(config: &Config, house: &House, request: &Approval) -> bool {
    let wish = match deed(request) {
        Ok(wish) if wish.is_fetched() => return false,
        Ok(wish) => wish,
        // Of another version: it expires.
        Err(failure) => {
            tracing::warn!("request {} cannot be carried out: {:#}", request.number, failure.error);
            return false;
        }
    };
    let manner = Manner { format: crate::cli::args::Format::Table };
    match wish.note(config, house, &in_the_name_of(request, config), manner).await {
        Ok(Next::Done(_) | Next::Pass(_)) => {
            tracing::info!("request {} was approved before, and is carried out now", request.number);
            true
        }
        Err(failure) => {
            tracing::warn!("request {} is not carried out yet: {:#}", request.number, failure.error);
            false
        }
    }
}

fn deed(request: &Approval) -> Result<Wish, Failure> {
    serde_json::from_str(&request.bound.wish).map_err(|_| {
        Failure::failed(anyhow::anyhow!(
            "request {} was asked for with another version of Keyturn; ask again",
            request.number
        ))
    })
}

fn in_the_name_of(request: &Approval, config: &Config) -> By {
    let ticket = Ticket { number: request.number, config: config.digest().to_owned() };
    By { ticket: Some(ticket), ..By::themselves(format!("uid:{}", request.by)) }
}
