//! Makes revisions: keys, parameters and CAs; certificates are [`super::issue`]'s.

use std::time::Duration;

use super::stock::Drawn;
use super::{Executor, Fatal, Outcome};
use crate::audit::Event;
use crate::desired::{AssetSpec, Desired, KindSpec};
use crate::failpoint;
use crate::issuer::Under;
use crate::model::{AssetId, Facts, MAKING_PAUSES, Made, Make, Material, Problem, Revision};
use crate::planner;

impl Executor {
    /// Makes one revision, or goes on with one that a crash has interrupted.
    pub(super) async fn make(&self, desired: &Desired, make: &Make, reason: &str) -> Outcome {
        let Some(spec) = desired.assets.get(&make.asset) else { return Ok(Ok(())) };
        let made = match &spec.kind {
            KindSpec::Certificate(certificate) => {
                return self.issue(certificate, make, reason).await;
            }
            KindSpec::Ca(_) => {
                let kept = self.kept(make).await?;
                let old = match make.crossed {
                    Some(number) => self.books.material(&make.asset, number).await?,
                    None => None,
                };
                let under = kept.as_ref().map_or(Under::New(old.as_ref()), Under::Root);
                let root =
                    self.books.inventory().await.assets.get(&make.asset).map(|record| record.root_of(make));
                self.maker.authority(make, root.unwrap_or(make.revision), under, self.clock.now()).await
            }
            kind => {
                let since = self.clock.monotonic();
                // What is ready is used; that it is used up is part of the same step.
                let drawn = match planner::ware_of(kind) {
                    Some(ware) => self.books.draw(ware).await,
                    None => None,
                };
                return match self.made_of(kind, drawn.as_ref()).await {
                    Ok(made) => {
                        self.generated(spec, make, reason, made, drawn.as_ref()).await?;
                        self.trace_key(make, drawn.is_some(), since);
                        Ok(Ok(()))
                    }
                    Err(problem) => self.not_made(make, problem).await,
                };
            }
        };
        match made {
            Ok(made) => self.generated(spec, make, reason, made, None).await.map(Ok),
            Err(problem) => self.not_made(make, problem).await,
        }
    }

    /// A JWT key or DH parameters, from what is ready or anew.
    async fn made_of(&self, kind: &KindSpec, drawn: Option<&Drawn<'_>>) -> Result<Made, Problem> {
        match (kind, drawn) {
            (KindSpec::JwtKey { jws, algorithm }, None) => self.maker.jwt_key(*jws, *algorithm).await,
            (KindSpec::JwtKey { jws, .. }, Some(drawn)) => self.maker.jwt_key_of(*jws, &drawn.pem),
            (KindSpec::DhParams { bits, rfc7919 }, None) => self.maker.dh_params(*bits, *rfc7919).await,
            (_, drawn) => {
                let dh_params = drawn.map(|drawn| drawn.pem.expose_str().to_owned());
                let material = Material { dh_params, ..Material::default() };
                Ok(Made { material, facts: Facts::default() })
            }
        }
    }

    async fn generated(
        &self,
        spec: &AssetSpec,
        make: &Make,
        reason: &str,
        made: Made,
        drawn: Option<&Drawn<'_>>,
    ) -> Result<(), Fatal> {
        failpoint::hit("key-made");
        self.books
            .edit(|edit| {
                let now = edit.now;
                let record = edit.asset(&make.asset);
                let mut revision = Revision::pending(make.revision, reason, &make.made_for, now);
                if matches!(spec.kind, KindSpec::Ca(_)) {
                    revision.root = Some(record.root_of(make));
                }
                record.begin(revision);
                record.prepared(make.revision, &made.facts, None, now);
                let mut event = self.event("generated", make, reason, &made);
                if let Some(drawn) = drawn {
                    edit.unstock(drawn.id);
                    event.detail.insert("spare".to_owned(), drawn.id.to_string());
                }
                edit.audit(event);
                edit.material(&make.asset, make.revision, Some(made.material));
            })
            .await?;
        failpoint::hit("key-stored");
        Ok(())
    }

    /// How long a revision had to wait for its key, until that was durable: docs/keys.md has what is to be expected.
    pub(super) fn trace_key(&self, make: &Make, drawn: bool, since: Duration) {
        let took_ms = self.clock.monotonic().saturating_sub(since).as_secs_f64() * 1e3;
        tracing::debug!(asset = %make.asset, revision = make.revision, drawn, took_ms, "the key is there");
    }

    /// What the revision whose key is to go on is made of.
    pub(super) async fn kept(&self, make: &Make) -> Result<Option<Material>, Fatal> {
        match make.keep_key_of {
            Some(number) => self.books.material(&make.asset, number).await,
            None => Ok(None),
        }
    }

    /// Nothing was made: the next try has its time, over restarts.
    pub(super) async fn not_made(&self, make: &Make, problem: Problem) -> Outcome {
        self.books
            .edit(|edit| {
                let now = edit.now;
                let effort = &mut edit.asset(&make.asset).effort;
                effort.failed(problem.clone(), Some(make.made_for.clone()), &MAKING_PAUSES, now);
                edit.audit(self.plain_event("making-failed", make, &problem.message));
            })
            .await?;
        Ok(Err(problem))
    }

    pub(super) fn plain_event(&self, action: &str, make: &Make, reason: &str) -> Event {
        self.audit_event(action, &make.asset, Some(make.revision), &[("reason", reason)])
    }

    pub(super) fn event(&self, action: &str, make: &Make, reason: &str, made: &Made) -> Event {
        let mut details = vec![("reason", reason)];
        let facts = &made.facts;
        details.extend(facts.serial.as_deref().map(|serial| ("serial", serial)));
        details.extend(facts.fingerprint_sha256.as_deref().map(|print| ("fingerprint_sha256", print)));
        details.extend(facts.kid.as_deref().map(|kid| ("kid", kid)));
        self.audit_event(action, &make.asset, Some(make.revision), &details)
    }

    /// An entry for the audit, on behalf of whoever this executor works for.
    pub(super) fn audit_event(
        &self,
        action: &str,
        asset: &AssetId,
        revision: Option<u32>,
        details: &[(&str, &str)],
    ) -> Event {
        Event { revision, ..self.event_of(action, Some(asset), details) }
    }

    /// The same, of an issuer where there is no asset.
    pub(super) fn event_of(&self, action: &str, asset: Option<&AssetId>, details: &[(&str, &str)]) -> Event {
        Event {
            actor: self.actor.clone(),
            action: action.to_owned(),
            asset: asset.cloned(),
            revision: None,
            detail: details.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            at: self.clock.now(),
        }
    }
}
