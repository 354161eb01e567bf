//! Makes revisions: keys, parameters, CAs and certificates.

use super::{Executor, Fatal, Outcome};
use crate::audit::Event;
use crate::desired::{AssetSpec, CertificateSpec, Desired, KindSpec};
use crate::failpoint;
use crate::issuer::Request;
use crate::model::{
    AssetId, Code, MAKING_PAUSES, Made, Make, Material, Problem, Revision, RevisionState, Secret,
};

impl Executor {
    /// Makes one revision, or goes on with one that a crash has interrupted.
    pub(super) async fn make(&self, desired: &Desired, make: &Make, reason: &str) -> Outcome {
        let Some(spec) = desired.assets.get(&make.asset) else { return Ok(Ok(())) };
        let made = match &spec.kind {
            KindSpec::Certificate(certificate) => {
                return self.issue(certificate, make, reason).await;
            }
            KindSpec::JwtKey { jws, algorithm } => self.maker.jwt_key(*jws, *algorithm).await,
            KindSpec::DhParams { bits, rfc7919 } => self.maker.dh_params(*bits, *rfc7919).await,
            KindSpec::Ca(_) => {
                let previous = self.kept(make).await?;
                self.maker.authority(&make.asset, previous.as_ref(), self.clock.now()).await
            }
        };
        match made {
            Ok(made) => self.generated(spec, make, reason, made).await.map(Ok),
            Err(problem) => self.not_made(make, problem).await,
        }
    }

    async fn generated(&self, spec: &AssetSpec, make: &Make, reason: &str, made: Made) -> Result<(), Fatal> {
        failpoint::hit("key-made");
        self.books
            .edit(|edit| {
                let now = edit.now;
                let record = edit.asset(&make.asset);
                let mut revision = Revision::pending(make.revision, reason, &make.made_for, now);
                if matches!(spec.kind, KindSpec::Ca(_)) {
                    let kept = make.keep_key_of.and_then(|number| record.revisions.get(&number)?.root);
                    revision.root = Some(kept.unwrap_or(make.revision));
                }
                record.begin(revision);
                record.prepared(make.revision, &made.facts, None, now);
                edit.audit(self.event("generated", make, reason, &made));
                edit.material(&make.asset, make.revision, Some(made.material));
            })
            .await?;
        failpoint::hit("key-stored");
        Ok(())
    }

    /// First the key, durably; then the certificate for it. The same key is used again after a crash or a failure.
    async fn issue(&self, certificate: &CertificateSpec, make: &Make, reason: &str) -> Outcome {
        let key = match self.subject_key(certificate, make, reason).await? {
            Ok(key) => key,
            Err(problem) => return self.not_made(make, problem).await,
        };
        let request = self.request(certificate, make, key).await?;
        let Some(issuer) = self.issuers.get(&certificate.authority) else {
            let message = format!("there is no issuer {}", certificate.authority);
            return self.not_made(make, Problem::new(Code::AuthorityMissing, message)).await;
        };
        let made = match issuer.issue(&request).await {
            Ok(made) => made,
            Err(error) => {
                return self.not_made(make, Problem::new(Code::IssueFailed, error.to_string())).await;
            }
        };
        failpoint::hit("issued");
        if let Err(fault) = self.maker.check(&request, &made) {
            return self.bad_material(make, fault).await;
        }
        self.books
            .edit(|edit| {
                let now = edit.now;
                let issuer = &certificate.authority.name;
                edit.asset(&make.asset).prepared(make.revision, &made.facts, Some(issuer), now);
                edit.audit(self.event("issued", make, reason, &made));
                edit.material(&make.asset, make.revision, Some(made.material));
            })
            .await?;
        failpoint::hit("certificate-stored");
        Ok(Ok(()))
    }

    /// The key that the certificate is for: begun before a crash, kept over renewals, or new.
    async fn subject_key(
        &self,
        certificate: &CertificateSpec,
        make: &Make,
        reason: &str,
    ) -> Result<Result<Secret, Problem>, Fatal> {
        let begun = self.books.material(&make.asset, make.revision).await?;
        if let Some(key) = begun.and_then(|material| material.private_key) {
            return Ok(Ok(key));
        }
        let kept = self.kept(make).await?.and_then(|material| material.private_key);
        let key = match kept {
            Some(key) => key,
            None => match self.maker.key(certificate.algorithm).await {
                Ok(key) => key,
                Err(problem) => return Ok(Err(problem)),
            },
        };
        failpoint::hit("key-made");
        self.books
            .edit(|edit| {
                let revision = Revision::pending(make.revision, reason, &make.made_for, edit.now);
                edit.asset(&make.asset).begin(revision);
                let material = Material { private_key: Some(key.clone()), ..Material::default() };
                edit.material(&make.asset, make.revision, Some(material));
                edit.audit(self.plain_event("issuing", make, reason));
            })
            .await?;
        failpoint::hit("key-stored");
        Ok(Ok(key))
    }

    /// What the revision whose key is to go on is made of.
    async fn kept(&self, make: &Make) -> Result<Option<Material>, Fatal> {
        match make.keep_key_of {
            Some(number) => self.books.material(&make.asset, number).await,
            None => Ok(None),
        }
    }

    async fn request(
        &self,
        certificate: &CertificateSpec,
        make: &Make,
        private_key: Secret,
    ) -> Result<Request, Fatal> {
        let authority = match &make.authority {
            Some((id, number)) => self.books.material(id, *number).await?,
            None => None,
        };
        Ok(Request {
            common_name: certificate.common_name.clone(),
            dns_names: certificate.dns_names.clone(),
            ip_addresses: certificate.ip_addresses.clone(),
            usages: certificate.usages.clone(),
            duration: certificate.duration,
            private_key,
            authority,
            now: self.clock.now(),
        })
    }

    /// Nothing was made: the next try has its time, over restarts.
    async fn not_made(&self, make: &Make, problem: Problem) -> Outcome {
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

    /// What was issued is not what was asked for: that revision is never delivered, and the next one is another.
    async fn bad_material(&self, make: &Make, fault: String) -> Outcome {
        let problem = Problem::new(Code::MaterialBad, fault);
        self.books
            .edit(|edit| {
                let now = edit.now;
                let record = edit.asset(&make.asset);
                record.ended(make.revision, RevisionState::Failed, now);
                record.effort.failed(problem.clone(), Some(make.made_for.clone()), &MAKING_PAUSES, now);
                edit.material(&make.asset, make.revision, None);
                edit.audit(self.plain_event("refused-material", make, &problem.message));
            })
            .await?;
        Ok(Err(problem))
    }

    fn plain_event(&self, action: &str, make: &Make, reason: &str) -> Event {
        self.audit_event(action, &make.asset, Some(make.revision), &[("reason", reason)])
    }

    fn event(&self, action: &str, make: &Make, reason: &str, made: &Made) -> Event {
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
        Event {
            actor: self.actor.clone(),
            action: action.to_owned(),
            asset: Some(asset.clone()),
            revision,
            detail: details.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            at: self.clock.now(),
        }
    }
}
