//! Requests whose time has passed.

use super::{Executor, Fatal};
use crate::audit::Event;
use crate::model::Approval;

impl Executor {
    /// Marks what has expired, with its entry in the history. Where nothing has, nothing is written.
    ///
    /// # Errors
    ///
    /// When the state cannot be written.
    pub async fn expire_approvals(&self) -> Result<(), Fatal> {
        let now = self.clock.now();
        let due = self.books.look(|inventory| inventory.approvals.next_expiry()).await;
        if due.is_none_or(|at| at > now) {
            return Ok(());
        }
        let actor = &self.actor;
        self.books
            .edit(|edit| {
                let now = edit.now;
                for number in edit.approvals().expire(now) {
                    let event = edit
                        .approvals()
                        .get(number)
                        .map(|request| of_request(request, "approval-expired", actor));
                    event.into_iter().for_each(|event| edit.audit(event));
                }
            })
            .await
    }
}

/// An entry of the history about a request, as it is now.
pub fn of_request(request: &Approval, action: &str, actor: &str) -> Event {
    let mut assets = request.bound.assets.keys();
    let (asset, others) = (assets.next(), assets.next());
    let mut detail = vec![
        ("request", request.number.to_string()),
        ("asked-by", format!("uid:{}", request.by)),
        ("what", request.bound.what.clone()),
        ("guard", request.bound.guard.name().to_owned()),
    ];
    detail.extend(request.decided_by.map(|uid| ("decided-by", format!("uid:{uid}"))));
    Event {
        at: request.since,
        actor: actor.to_owned(),
        action: action.to_owned(),
        asset: asset.filter(|_| others.is_none()).cloned(),
        revision: None,
        detail: detail.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}
