//! One order, from placing it to the certificate (RFC 8555 §7.4), resumed where a crash or a slow CA has left it.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{Account, Identifier, NewOrder, Order, OrderStatus};

use super::addresses::check_text;
use super::challenge::Solver;
use super::http::{Client, other};
use super::refusal::{is_ours_alone, may_be_done, refusal};
use super::{Acme, chain, patiently, renewal};
use crate::failpoint;
use crate::issuer::{Desk, IssueError, IssueErrorKind, Request, csr};
use crate::model::Made;

/// The first pause before a look at an order: some CAs are done at once. Each next one is three times as long, up to
/// [`LONGEST_PAUSE`], so that a CA that needs seconds sees a handful of looks.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// An order that a CA is still at work on after this is left, and taken up again in a later pass.
const PATIENCE: Duration = Duration::from_secs(90);

/// One order at work.
pub(super) struct Job<'a> {
    pub(super) acme: &'a Acme,
    pub(super) request: &'a Request,
    pub(super) desk: &'a dyn Desk,
    pub(super) client: Client,
    pub(super) account: Account,
}

impl Job<'_> {
    /// All of it.
    pub(super) async fn run(&self) -> Result<Made, IssueError> {
        let (mut order, is_new) = match self.resumed().await? {
            Some(order) => (order, false),
            None => (self.placed().await?, true),
        };
        let done = self.finish(&mut order, is_new).await;
        if order.state().status == OrderStatus::Invalid {
            self.give_up().await?;
        }
        done
    }

    async fn finish(&self, order: &mut Order, is_new: bool) -> Result<Made, IssueError> {
        if order.state().status == OrderStatus::Pending {
            self.authorize(order, is_new).await?;
        } else if is_new {
            self.stored(order.url()).await?;
        }
        if order.state().status == OrderStatus::Ready {
            self.finalize(order).await?;
        }
        self.settled(order, OrderStatus::Processing).await?;
        self.collect(order).await
    }

    async fn placed(&self) -> Result<Order, IssueError> {
        let identifiers = identifiers(self.request);
        let directory = self.client.line().directory().await;
        let directory = directory.map_err(|error| self.acme.failed("for its directory", &error))?;
        let replaces = self.request.replaces.as_deref().filter(|_| directory.renewal_info.is_some());
        let replaces = replaces.and_then(|certificate| renewal::identifier(certificate).ok());
        let mut plain = NewOrder::new(&identifiers);
        let mut new = NewOrder::new(&identifiers);
        if let Some(profile) = &self.acme.config.profile {
            directory.check_profile(profile).map_err(|why| self.acme.refused(why))?;
            (plain, new) = (plain.profile(profile), new.profile(profile));
        }
        if let Some(replaces) = replaces {
            new = new.replaces(replaces);
        }
        self.desk.ordering().await?;
        let mut placed = patiently!(self.account.new_order(&new));
        // This one counts like any other then.
        if self.request.replaces.is_some() && placed.as_ref().is_err_and(may_not_replace) {
            placed = patiently!(self.account.new_order(&plain));
        }
        // Taken, but what it replaces is not repeated, as it should be (acme2certifier): that is no reason to have none.
        if placed.as_ref().is_err_and(is_ours_alone)
            && let Some(url) = self.client.last().location
        {
            placed = patiently!(self.account.order(url.clone()));
        }
        failpoint::hit("acme-order-placed");
        match placed {
            Ok(order) => {
                // Kept, it would be asked for in vain until it expires.
                check_text(order.url()).map_err(|why| self.acme.failed("a new order", &other(why)))?;
                Ok(order)
            }
            Err(error) => {
                // What was refused outright is no order; an answer that was lost may be one.
                if !may_be_done(&error) {
                    self.desk.not_ordered().await?;
                }
                Err(self.failed("a new order", &error).await?)
            }
        }
    }

    /// The order is sent in; never twice, since it is only done where the CA says that it waits for it.
    async fn finalize(&self, order: &mut Order) -> Result<(), IssueError> {
        let csr = csr::csr(self.request, &self.acme.entropy).map_err(|why| self.acme.local(why))?;
        let sent = patiently!(order.finalize_csr(&csr));
        failpoint::hit("acme-finalized");
        match sent {
            Ok(()) => Ok(()),
            Err(error) => Err(self.failed("to finalize the order", &error).await?),
        }
    }

    /// Waits until the order is no longer in `state`.
    pub(super) async fn settled(&self, order: &mut Order, state: OrderStatus) -> Result<(), IssueError> {
        let clock = self.client.line().clock();
        let since = clock.monotonic();
        let mut pause = FIRST_PAUSE;
        // The reply to what has set the CA to work may say it already.
        let mut asked = self.asked_for();
        while order.state().status == state {
            if clock.monotonic().saturating_sub(since) > PATIENCE {
                let message = format!("the order {} is still {}", order.url(), word(state));
                return Err(IssueError {
                    retry_after: None,
                    ..IssueError::new(IssueErrorKind::Pending, message)
                });
            }
            clock.sleep(asked.unwrap_or(pause).min(PATIENCE)).await;
            pause = (pause * 3).min(LONGEST_PAUSE);
            match patiently!(look(order)) {
                Ok(()) => asked = self.asked_for(),
                Err(error) => return Err(self.failed("to show the order", &error).await?),
            }
        }
        Ok(())
    }

    /// The pause that the CA's last reply asks for; one of nothing is none, or we would ask without end.
    fn asked_for(&self) -> Option<Duration> {
        let asked = self.client.last().retry_after.map(jiff::SignedDuration::unsigned_abs);
        asked.filter(|asked| !asked.is_zero())
    }

    async fn collect(&self, order: &mut Order) -> Result<Made, IssueError> {
        if order.state().status != OrderStatus::Valid {
            return Err(self.unproven(order).await);
        }
        let text = match patiently!(order.certificate()) {
            Ok(text) => text.unwrap_or_default(),
            Err(error) => return Err(self.failed("to hand out the certificate", &error).await?),
        };
        failpoint::hit("acme-certificate-fetched");
        let text = self.preferred(text).await;
        let bad = |why| {
            IssueError::new(IssueErrorKind::BadCertificate, format!("{}: {why}", self.acme.config.server))
        };
        chain::read(&text, self.request, &self.acme.entropy).map_err(bad)
    }

    /// The chain that the configuration prefers, where the CA offers it; else its own choice.
    async fn preferred(&self, first: String) -> String {
        let Some(wanted) = &self.acme.config.preferred_chain else { return first };
        if chain::top(&first).as_ref() == Some(wanted) {
            return first;
        }
        for url in self.client.last().alternates {
            // The library reads no certificates from there; what it cannot read is kept beside.
            let _ = patiently!(self.account.order(url.clone()));
            let text = String::from_utf8(self.client.last().body).unwrap_or_default();
            if chain::top(&text).as_ref() == Some(wanted) {
                return text;
            }
        }
        tracing::warn!(
            "{}: the CA offers no chain up to `{wanted}`; its own choice is taken",
            self.request.asset
        );
        first
    }

    /// What is to be said of an error of the library; an account that the CA has lost is forgotten.
    pub(super) async fn failed(
        &self,
        doing: &str,
        error: &instant_acme::Error,
    ) -> Result<IssueError, IssueError> {
        self.acme.forget_lost(error, self.desk).await?;
        Ok(self.acme.failed(doing, error))
    }
}

pub(super) fn identifiers(request: &Request) -> Vec<Identifier> {
    let dns = request.dns_names.iter().cloned().map(Identifier::Dns);
    dns.chain(request.ip_addresses.iter().copied().map(Identifier::Ip)).collect()
}

async fn look(order: &mut Order) -> Result<(), instant_acme::Error> {
    order.refresh().await.map(|_| ())
}

fn word(state: OrderStatus) -> &'static str {
    match state {
        OrderStatus::Pending => "being looked into by the CA",
        _ => "being worked on by the CA",
    }
}

/// What the order names as its predecessor does not please the CA (RFC 9773 §5): someone has ordered a successor already,
/// another account had ordered it (ours was lost since), or it is not known (any more). Each CA has its own word for that.
fn may_not_replace(error: &instant_acme::Error) -> bool {
    let kinds = ["alreadyReplaced", "malformed", "unauthorized"];
    refusal(error).is_some_and(|refusal| {
        kinds.iter().any(|kind| refusal.is(kind)) || [404, 409].contains(&refusal.status)
    })
}

/// A solver, shared.
pub(super) type SharedSolver = Arc<dyn Solver>;
