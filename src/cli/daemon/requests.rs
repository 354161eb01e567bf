//! Requests for what `[approvals]` guards: asked for by one, approved by another, and then done by the daemon, once.
//!
//! ```text
//! ask ──(approval-asked)──> approve ──(approved)──> carry out ──(approval-done, with what it does: one durable step)
//! ```
//!
//! A daemon that ends between two of these goes on when it starts ([`resume`]).

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
        let (wish, assets) = approvals::pinned(config, house, wish).await?;
        let (uid, actor) = (caller.uid, format!("uid:{}", caller.uid));
        let mut asked = None;
        let edit = |edit: &mut crate::executor::Edit<'_>| {
            let now = edit.now;
            let end = now.checked_add(config.guards().expire()).unwrap_or(jiff::Timestamp::MAX);
            let Ok(bound) = approvals::bound(edit, config, (&wish, &assets), guard) else { return };
            let fetches = matches!(wish, Wish::Export { .. });
            let ready = edit
                .approvals()
                .same(uid, &bound)
                .filter(|one| fetches && one.state == ApprovalState::Approved && one.expires_at > now);
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
                self.carry_out((config, house), &wish, &by, manner, lines).await
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
            (true, Wish::Export { .. }) => Ok(approvals::to_be_fetched(&request, manner)),
            (true, wish) => {
                self.carry_out((config, house), &wish, &in_the_name_of(&request, config), manner, lines).await
            }
        }
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
        let wish = match deed(request) {
            Ok(Wish::Export { .. }) => continue,
            Ok(wish) => wish,
            // Of another version: it expires.
            Err(failure) => {
                tracing::warn!("request {} cannot be carried out: {:#}", request.number, failure.error);
                continue;
            }
        };
        let manner = Manner { format: crate::cli::args::Format::Table };
        let by = in_the_name_of(request, config);
        match wish.note(config, house, &by, manner).await {
            Ok(Next::Done(_) | Next::Pass(_)) => {
                tracing::info!("request {} was approved before, and is carried out now", request.number);
            }
            Err(failure) => tracing::warn!("request {}: {:#}", request.number, failure.error),
        }
    }
    Ok(())
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
