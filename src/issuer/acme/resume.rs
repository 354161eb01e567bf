//! What is kept of an order, so that whoever comes after a crash goes on with it, and clears up behind it.

use http::StatusCode;
use instant_acme::Order;
use jiff::Timestamp;
use ring::digest;
use serde::{Deserialize, Serialize};

use super::challenge::Proof;
use super::order::{Job, identifiers};
use super::patiently;
use super::refusal::{Refusal, refusal};
use crate::failpoint;
use crate::issuer::{Event, IssueError, Slot};
use crate::model::Secret;
use crate::pki;

/// What must be known of an order to go on with it.
#[derive(Serialize, Deserialize)]
struct Kept {
    url: String,
    server: String,
    /// What was ordered: another wish needs another order.
    wish: String,
    placed_at: Timestamp,
    /// What is put up for the CA to see, or is about to be: an order that is proven by then asks for none of it again, and
    /// nobody else would take a record or a file away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shown: Vec<Proof>,
}

impl Job<'_> {
    /// The order that was placed before, if it is for the same and can still come to something.
    pub(super) async fn resumed(&self) -> Result<Option<Order>, IssueError> {
        let Some(kept) = self.desk.recall(Slot::Order).await? else { return Ok(None) };
        let kept: Option<Kept> = serde_json::from_slice(kept.expose()).ok();
        if let Some(kept) = kept.as_ref().filter(|kept| !kept.shown.is_empty()) {
            self.take_away(&kept.shown).await;
        }
        let same = kept.filter(|kept| kept.wish == self.wish() && kept.server == self.acme.config.server);
        if let Some(kept) = same {
            match patiently!(self.account.order(kept.url.clone())) {
                Ok(mut order) => {
                    if order.state().status != instant_acme::OrderStatus::Invalid {
                        return Ok(Some(order));
                    }
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(self.failed("to show an order", &error).await?),
            }
        }
        self.give_up().await?;
        Ok(None)
    }

    /// Nothing will come of the order any more: the next try places another.
    pub(super) async fn give_up(&self) -> Result<(), IssueError> {
        Ok(self.desk.keep(Slot::Order, None, None).await?)
    }

    /// Keeps an order that was placed, so that whoever comes after a crash goes on with it.
    pub(super) async fn stored(&self, url: &str) -> Result<(), IssueError> {
        let event = Event { action: "acme-ordered", details: vec![("order", url.to_owned())] };
        self.keep(url, &[], Some(event)).await?;
        failpoint::hit("acme-order-stored");
        Ok(())
    }

    /// Keeps what of the order is put up for the CA to see: before it is, and when it is gone.
    pub(super) async fn note_shown(&self, order: &Order, proofs: &[Proof]) -> Result<(), IssueError> {
        self.keep(order.url(), proofs, None).await
    }

    /// Takes away what was put up for the CA to see; whether nothing of it stays.
    pub(super) async fn take_away(&self, proofs: &[Proof]) -> bool {
        let Ok(solver) = self.acme.solver(&self.request.asset) else { return false };
        let cleaned = solver.clean_up(proofs).await;
        if let Err(error) = &cleaned {
            tracing::warn!("{}: what was put up for the CA stays: {error}", self.request.asset);
        }
        cleaned.is_ok()
    }

    async fn keep(&self, url: &str, shown: &[Proof], event: Option<Event<'_>>) -> Result<(), IssueError> {
        let kept = Kept {
            url: url.to_owned(),
            server: self.acme.config.server.clone(),
            wish: self.wish(),
            placed_at: self.request.now,
            shown: shown.to_vec(),
        };
        let bytes = serde_json::to_vec(&kept).map_err(|error| self.acme.local(error))?;
        self.desk.keep(Slot::Order, Some(Secret::new(bytes)), event).await?;
        Ok(())
    }

    /// Names, key and profile.
    fn wish(&self) -> String {
        let names =
            identifiers(self.request).iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(",");
        let key = digest::digest(&digest::SHA256, self.request.private_key.expose());
        format!("{names} {:?} key {}", self.acme.config.profile, pki::hex(&key.as_ref()[..16]))
    }
}

/// An order that the CA does not know (any more).
fn is_gone(error: &instant_acme::Error) -> bool {
    let gone = [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN, StatusCode::UNAUTHORIZED]
        .map(|status| status.as_u16());
    // A proxy says 403, too: only a CA says why.
    let by_the_ca = |refusal: &Refusal| refusal.status == 404 || !refusal.kind.is_empty();
    refusal(error).is_some_and(|refusal| {
        gone.contains(&refusal.status) && by_the_ca(refusal) && !refusal.account_is_lost()
    })
}
