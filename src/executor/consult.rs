//! Asks a CA about what it has issued, and has it withdrawn.

use jiff::{SignedDuration, Timestamp};

use super::desk::ExecutorDesk;
use super::{Executor, Outcome, issue};
use crate::desired::Desired;
use crate::failpoint;
use crate::issuer::{Advice, IssueError, IssueErrorKind, Issuer};
use crate::model::{
    AssetId, Code, Inventory, Issued, Material, Problem, REVOKING_PAUSES, Renewal, Revision, RevocationReason,
};
use crate::planner::{self, Seed};

/// A CA that does not say when to ask again, or cannot be asked, is asked after this (RFC 9773 §4.3.3).
const ASK_AGAIN: SignedDuration = SignedDuration::from_hours(6);

/// What is needed to speak to a revision's issuer about it.
struct Subject<'a> {
    revision: Revision,
    material: Material,
    name: String,
    issuer: &'a dyn Issuer,
}

impl Executor {
    /// Asks when to renew, and whether the certificate still stands. A CA that cannot be asked is no failure: our own
    /// deadline holds.
    pub(super) async fn consult(&self, desired: &Desired, id: &AssetId, number: u32) -> Outcome {
        let subject = match self.subject(id, number).await? {
            Ok(subject) => subject,
            Err(problem) => return Ok(Err(problem)),
        };
        let now = self.clock.now();
        let seed = Seed::of(&desired.instance);
        let advice = match subject.issuer.advice(&subject.material, now).await {
            Ok(advice) => Ok(advice),
            Err(error) => {
                tracing::info!("{id}: {} could not be asked when to renew: {error}", subject.name);
                Err(error.retry_after)
            }
        };
        let before = subject.revision.renewal.unwrap_or_default();
        let renewal = renewal(before, advice, |window| planner::draw(seed, id, number, window), now);
        self.books
            .edit(|edit| {
                if let Some(revision) = edit.asset(id).revisions.get_mut(&number) {
                    revision.renewal = Some(renewal);
                }
            })
            .await?;
        Ok(Ok(()))
    }

    /// Has the certificate withdrawn. It is noted when the issuer has said so; until then it is tried again.
    pub(super) async fn revoke(&self, id: &AssetId, number: u32) -> Outcome {
        let subject = match self.subject(id, number).await? {
            Ok(subject) => subject,
            Err(problem) => {
                let error = IssueError::new(IssueErrorKind::Local, problem.message);
                return self.not_revoked(id, number, "", &error).await;
            }
        };
        let reason =
            subject.revision.to_revoke.as_ref().map_or(RevocationReason::Unspecified, |asked| asked.reason);
        let desk = ExecutorDesk::new(self, &subject.name, id);
        let intent = self.audit_event("revoking", id, Some(number), &[("reason", reason.name())]);
        self.books.edit(|edit| edit.audit(intent)).await?;
        let revoked = subject.issuer.revoke(&subject.material, reason, &desk).await;
        desk.fault()?;
        failpoint::hit("revoked");
        match revoked {
            Ok(()) => self.revoked(id, number, reason).await,
            Err(error) => self.not_revoked(id, number, &subject.name, &error).await,
        }
    }

    /// It is tried again: when that is, is kept over restarts.
    async fn not_revoked(&self, id: &AssetId, number: u32, issuer: &str, error: &IssueError) -> Outcome {
        let problem = Problem::new(Code::RevokeFailed, format!("{} ({})", error, issue::code(error.kind)));
        self.books
            .edit(|edit| {
                let now = edit.now;
                if let Some(pause) = error.retry_after {
                    edit.issuer(issuer).left_alone(now, pause, &problem);
                }
                if let Some(revision) = edit.asset(id).revisions.get_mut(&number)
                    && let Some(asked) = &mut revision.to_revoke
                {
                    asked.effort.failed(problem.clone(), None, &REVOKING_PAUSES, now);
                }
                edit.audit(self.audit_event(
                    "revoking-failed",
                    id,
                    Some(number),
                    &[("reason", &problem.message)],
                ));
            })
            .await?;
        Ok(Err(problem))
    }

    async fn revoked(&self, id: &AssetId, number: u32, reason: RevocationReason) -> Outcome {
        let event = self.audit_event("revoked", id, Some(number), &[("reason", reason.name())]);
        self.books
            .edit(|edit| {
                let now = edit.now;
                let record = edit.asset(id);
                let listed = record.revisions.get(&number).and_then(|revision| Issued::of(id, revision));
                record.revoked(number, now);
                let over = record.revisions.get(&number).is_none_or(|revision| revision.state.is_over());
                if over {
                    edit.material(id, number, None);
                }
                if let Some(issued) = listed {
                    edit.put_issued(Issued { revoked: Some((now, reason)), ..issued });
                }
                edit.audit(event);
            })
            .await?;
        Ok(Ok(()))
    }

    async fn subject(&self, id: &AssetId, number: u32) -> Result<Result<Subject<'_>, Problem>, super::Fatal> {
        let known = |inventory: &Inventory| inventory.assets.get(id)?.revisions.get(&number).cloned();
        let revision = self.books.look(known).await;
        let material = self.books.material(id, number).await?;
        let name = revision.as_ref().and_then(|revision| revision.issuer.clone()).unwrap_or_default();
        let found = (|| {
            let issuer = self.issuers.get(&name)?.as_ref();
            Some(Subject { revision: revision?, material: material?, name: name.clone(), issuer })
        })();
        Ok(found.ok_or_else(|| {
            let message =
                format!("revision {number} of {id}: its issuer `{name}` or its certificate is not there");
            Problem::new(Code::RevokeFailed, message)
        }))
    }
}

/// What is kept of the CA's advice, or of how long it wants not to be asked: a window that is new gets its moment drawn,
/// once; one that is not keeps it.
fn renewal(
    before: Renewal,
    advice: Result<Advice, Option<SignedDuration>>,
    draw: impl FnOnce((Timestamp, Timestamp)) -> Timestamp,
    now: Timestamp,
) -> Renewal {
    let advice = match advice {
        Ok(advice) => advice,
        Err(pause) => {
            let pause = pause.unwrap_or_default().max(ASK_AGAIN);
            return Renewal { ask_at: Some(now + pause), ..before };
        }
    };
    let same = advice.window == before.window;
    Renewal {
        window: advice.window,
        chosen: if same { before.chosen } else { advice.window.map(draw) },
        explanation_url: advice.explanation_url,
        ask_at: Some(now + advice.ask_again_after.unwrap_or(ASK_AGAIN)),
        revoked_since: advice.revoked.unwrap_or(false).then(|| before.revoked_since.unwrap_or(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_that_wants_not_to_be_asked_is_not() {
        let now = Timestamp::UNIX_EPOCH;
        let again = |pause: Option<i64>| {
            let told = Err(pause.map(SignedDuration::from_hours));
            renewal(Renewal::default(), told, |(start, _)| start, now).ask_at.unwrap().duration_since(now)
        };
        assert_eq!(again(Some(24)), SignedDuration::from_hours(24));
        assert_eq!((again(None), again(Some(1))), (ASK_AGAIN, ASK_AGAIN));
    }
}
