//! Has certificates issued: the key first, durably; then the certificate for it.

use super::desk::ExecutorDesk;
use super::{Executor, Fatal, Outcome};
use crate::desired::CertificateSpec;
use crate::failpoint;
use crate::issuer::{IssueError, IssueErrorKind, Request};
use crate::model::{
    Code, LOCAL_PAUSES, MAKING_PAUSES, Made, Make, Material, OrderOutcome, Problem, Revision, RevisionState,
    Secret, Signer, Ware,
};

impl Executor {
    /// First the key, durably; then the certificate for it. The same key is used again after a crash or a failure.
    pub(super) async fn issue(&self, certificate: &CertificateSpec, make: &Make, reason: &str) -> Outcome {
        let key = match self.subject_key(certificate, make, reason).await? {
            Ok(key) => key,
            Err(problem) => return self.not_made(make, problem).await,
        };
        let request = self.request(certificate, make, key).await?;
        let name = make.signer.as_ref().map_or("", Signer::name);
        let Some(issuer) = self.issuers.get(name) else {
            let message = format!("there is no issuer `{name}`");
            return self.not_made(make, Problem::new(Code::AuthorityMissing, message)).await;
        };
        let desk = ExecutorDesk::to_order(self, name, certificate, make, request.replaces.is_some());
        let issued = issuer.issue(&request, &desk).await;
        desk.fault()?;
        match issued {
            Ok(made) => self.issued(make, reason, &request, made).await,
            Err(error) if error.kind == IssueErrorKind::BadCertificate => {
                self.bad_material(make, error.message).await
            }
            Err(error) => self.not_issued(make, error).await,
        }
    }

    async fn issued(&self, make: &Make, reason: &str, request: &Request, made: Made) -> Outcome {
        failpoint::hit("issued");
        if let Err(fault) = self.maker.check(request, &made) {
            return self.bad_material(make, fault).await;
        }
        let issuer = make.signer.as_ref().map_or("", Signer::name);
        let acme = matches!(make.signer, Some(Signer::Acme { .. }));
        self.books
            .edit(|edit| {
                let now = edit.now;
                let record = edit.asset(&make.asset);
                record.prepared(make.revision, &made.facts, make.signer.as_ref(), now);
                record.ordered(OrderOutcome::Issued, &[]);
                if acme {
                    // Only now may the order be forgotten: until here the certificate could be fetched again.
                    edit.keep(super::desk::order_key(issuer, &make.asset), None);
                    edit.issuer(issuer).answered(now);
                }
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
        let since = self.clock.monotonic();
        let kept = self.kept(make).await?.and_then(|material| material.private_key);
        let drawn = match (&kept, certificate.algorithm.rsa_bits()) {
            (None, Some(_)) => self.books.draw(Ware::Key(certificate.algorithm)).await,
            _ => None,
        };
        let key = match kept.or_else(|| drawn.as_ref().map(|drawn| drawn.pem.clone())) {
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
                let mut event = self.plain_event("issuing", make, reason);
                if let Some(drawn) = &drawn {
                    edit.unstock(drawn.id);
                    event.detail.insert("spare".to_owned(), drawn.id.to_string());
                }
                edit.audit(event);
            })
            .await?;
        failpoint::hit("key-stored");
        self.trace_key(make, drawn.is_some(), since);
        Ok(Ok(key))
    }

    async fn request(
        &self,
        certificate: &CertificateSpec,
        make: &Make,
        private_key: Secret,
    ) -> Result<Request, Fatal> {
        let (authority, replaces) = match &make.signer {
            Some(Signer::Internal(id, number)) => {
                let mut authority = self.books.material(id, *number).await?;
                // The way over an old root is shown only while there is one.
                if let Some(authority) = authority.as_mut().filter(|_| make.crossed.is_none()) {
                    authority.cross = None;
                }
                (authority, None)
            }
            Some(Signer::Acme { replaces: Some(number), .. }) => {
                (None, self.books.material(&make.asset, *number).await?)
            }
            _ => (None, None),
        };
        Ok(Request {
            asset: make.asset.clone(),
            common_name: certificate.common_name.clone(),
            dns_names: certificate.dns_names.clone(),
            ip_addresses: certificate.ip_addresses.clone(),
            usages: certificate.usages.clone(),
            duration: certificate.duration,
            private_key,
            authority,
            replaces: replaces.and_then(|material| material.certificate),
            now: self.clock.now(),
        })
    }

    /// There is no certificate: whose fault that is decides who is tried again, and when.
    async fn not_issued(&self, make: &Make, error: IssueError) -> Outcome {
        let problem = Problem::new(code(error.kind), error.message.clone());
        let issuer = make.signer.as_ref().map_or("", Signer::name);
        self.books
            .edit(|edit| {
                let now = edit.now;
                if let Some(pause) = error.retry_after {
                    edit.issuer(issuer).left_alone(now, pause, &problem);
                }
                let record = edit.asset(&make.asset);
                record.order_failed(&error.failed_names);
                let effort = match error.kind.is_the_issuers() {
                    true => record.by_issuer.entry(issuer.to_owned()).or_default(),
                    false => &mut record.effort,
                };
                let pauses =
                    if error.kind == IssueErrorKind::Local { &LOCAL_PAUSES[..] } else { &MAKING_PAUSES };
                effort.failed(problem.clone(), Some(make.made_for.clone()), pauses, now);
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
                record.ordered(OrderOutcome::Bad, &[]);
                record.effort.failed(problem.clone(), Some(make.made_for.clone()), &MAKING_PAUSES, now);
                if let Some(Signer::Acme { name, .. }) = &make.signer {
                    edit.keep(super::desk::order_key(name, &make.asset), None);
                }
                edit.material(&make.asset, make.revision, None);
                edit.audit(self.plain_event("refused-material", make, &problem.message));
            })
            .await?;
        Ok(Err(problem))
    }
}

/// The problem's code, by whose fault it is.
pub(super) fn code(kind: IssueErrorKind) -> Code {
    match kind {
        IssueErrorKind::Unreachable => Code::IssuerUnreachable,
        IssueErrorKind::Limited => Code::IssuerLimited,
        IssueErrorKind::Unproven => Code::ChallengeFailed,
        IssueErrorKind::Pending => Code::OrderPending,
        IssueErrorKind::BadCertificate => Code::MaterialBad,
        IssueErrorKind::Refused | IssueErrorKind::Local => Code::IssueFailed,
    }
}
