//! How an order shows control over its names (RFC 8555 §7.5).

use futures_util::future::join;
use instant_acme::{Order, OrderStatus};

use super::authorization::{Found, failure, proof, ready};
use super::challenge::{Proof, Solver};
use super::order::Job;
use super::patiently;
use super::refusal::{harmless, is_too_long};
use crate::failpoint;
use crate::issuer::{IssueError, IssueErrorKind};

/// Why it is not known what is to be shown.
struct Stuck {
    error: IssueError,
    /// Another order may do; this one never will.
    for_good: bool,
}

impl Job<'_> {
    /// Shows control over every name that the CA wants to see it of.
    pub(super) async fn authorize(&self, order: &mut Order, is_new: bool) -> Result<(), IssueError> {
        let proofs = self.proofs_of(order, is_new).await?;
        let solver = self.acme.solver(&self.request.asset)?;
        let on_record = solver.outlasts_us() && !proofs.is_empty();
        if on_record {
            self.note_shown(order, &proofs).await?;
        }
        let shown = solver.present(&proofs).await;
        failpoint::hit("acme-challenge-set");
        let done = match shown {
            Ok(()) => self.validated(order, solver.as_ref()).await,
            Err(error) => Err(self.acme.local(error)),
        };
        if self.take_away(&proofs).await && on_record {
            self.note_shown(order, &[]).await?;
        }
        done
    }

    /// What is to be shown. The disk takes as long as the CA to say it, and that is no effect: both at once, and nothing
    /// is done about it before a new order is on record.
    async fn proofs_of(&self, order: &mut Order, is_new: bool) -> Result<Vec<Proof>, IssueError> {
        let url = order.url().to_owned();
        let keeping = async {
            match is_new {
                true => self.stored(&url).await,
                false => Ok(()),
            }
        };
        let asking = async {
            match self.acme.solver(&self.request.asset) {
                Ok(solver) => self.proofs(order, solver.as_ref()).await,
                Err(error) => Err(Stuck { error, for_good: false }),
            }
        };
        let (kept, proofs) = join(keeping, asking).await;
        kept?;
        match proofs {
            Ok(proofs) => Ok(proofs),
            Err(stuck) => {
                if stuck.for_good {
                    self.give_up().await?;
                }
                Err(stuck.error)
            }
        }
    }

    async fn validated(&self, order: &mut Order, solver: &dyn Solver) -> Result<(), IssueError> {
        self.trigger(order, solver).await?;
        failpoint::hit("acme-challenge-triggered");
        self.settled(order, OrderStatus::Pending).await?;
        if order.state().status == OrderStatus::Invalid {
            return Err(self.unproven(order).await);
        }
        Ok(())
    }

    /// What is to be shown, for each name that is not proven yet.
    async fn proofs(&self, order: &mut Order, solver: &dyn Solver) -> Result<Vec<Proof>, Stuck> {
        let mut proofs = Vec::new();
        let count = order.state().authorizations.len();
        for at in 0..count {
            // One after the other: the library's iterator holds on to the order, and a bad nonce must not end it.
            let found = patiently!(proof(order, at, solver.challenge()));
            match found {
                Ok(Found::Open(proof)) => match proof.checked() {
                    Ok(proof) => proofs.push(proof),
                    // The token stays what it is for as long as the order lives.
                    Err(why) => return Err(Stuck { error: self.acme.refused(why), for_good: true }),
                },
                Ok(Found::Proven) => {}
                Ok(Found::NoSuch(name, offers)) => {
                    let message = format!(
                        "for {name} it offers {offers}, and the configuration has {}",
                        solver.challenge()
                    );
                    return Err(Stuck { error: self.acme.refused(message), for_good: false });
                }
                Err(error) => {
                    let for_good = is_too_long(&error);
                    let told = self.failed("an authorization", &error).await;
                    return Err(Stuck { error: told.unwrap_or_else(|not_kept| not_kept), for_good });
                }
            }
        }
        Ok(proofs)
    }

    /// Tells the CA to look.
    async fn trigger(&self, order: &mut Order, solver: &dyn Solver) -> Result<(), IssueError> {
        let count = order.state().authorizations.len();
        for at in 0..count {
            match patiently!(ready(order, at, solver.challenge())) {
                // It has looked already, in vain: the order says so, and of which name.
                Ok(()) | Err(instant_acme::Error::Api(_)) => {}
                Err(error) => return Err(self.failed("to look at a challenge", &error).await?),
            }
        }
        Ok(())
    }

    /// Why the CA does not believe us, in its own words, and of which names.
    pub(super) async fn unproven(&self, order: &mut Order) -> IssueError {
        let mut words = Vec::new();
        let mut failed_names = Vec::new();
        let count = order.state().authorizations.len();
        for at in 0..count {
            if let Ok(Some((name, why))) = patiently!(failure(order, at)) {
                words.push(format!("{name}: {why}"));
                failed_names.push(name);
            }
        }
        if let Some(problem) = &order.state().error
            && words.is_empty()
        {
            words.push(harmless(&problem.to_string()));
        }
        let kind = if failed_names.is_empty() { IssueErrorKind::Refused } else { IssueErrorKind::Unproven };
        let message = format!("{} has ended the order: {}", self.acme.config.server, words.join("; "));
        IssueError { failed_names, ..IssueError::new(kind, message) }
    }
}
