//! The internal CA: a root, a signing intermediate under it, and the leaves it signs.
//!
//! What is signed follows RFC 5280, strictly enough for `openssl verify -x509_strict`: the tests ask it.

mod constraints;
mod crl;
mod import;
mod names;
mod request;
mod signing;
mod template;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

pub use self::crl::{Edition, Signed};
pub use self::import::{Imported, import, root_of};
pub use self::signing::Signing;
use self::template::{Authority, Certified};
use super::key::{self, SigningPair, SubjectKey};
use super::{Advice, Desk, IssueError, IssueErrorKind, Issuer, Request, Under};
use crate::clock::Entropy;
use crate::model::{
    CrlUrls, Facts, KeyAlgorithm, MOST_BACKDATED, Made, Material, Network, RevocationReason, Secret, Validity,
};
use crate::pki::{self, PublicKey, pem};

/// Backdating; less where the lifetime is short.
const BACKDATE: SignedDuration = MOST_BACKDATED;
/// Backdating is at most this part of the lifetime.
const BACKDATE_SHARE: i32 = 24;
/// A certificate that would end with its issuer before 1/2 of the lifetime asked for is refused: it would
/// be renewed again and again, each time for less.
const LEAST_SHARE: i32 = 2;

/// A certification authority whose keys are in the state.
#[derive(Debug, Clone)]
pub struct InternalCa {
    /// Its name in the configuration.
    pub name: String,
    /// What its certificates are called.
    pub common_name: String,
    /// Of a root.
    pub root_lifetime: SignedDuration,
    /// Of a signing intermediate; the last of a root's is cut short by the root's end.
    pub intermediate_lifetime: SignedDuration,
    /// The domains it may sign for, with all below them; empty means any. They go into the intermediate as
    /// a critical constraint (RFC 5280 §4.2.1.10), not into the root: what a root says of itself is not
    /// binding (§6.1.1), and a change of the configuration would wait ten years for the next one.
    pub permitted_dns: Vec<String>,
    /// The addresses it may sign for where names are constrained; empty means none: a constraint of names alone would leave
    /// every address free.
    pub permitted_ip_ranges: Vec<Network>,
    /// Of the intermediate's key, `ecdsa-p256` or `ecdsa-p384`; the root's is always `ecdsa-p384`.
    pub key_algorithm: KeyAlgorithm,
    /// For keys, serial numbers and signatures.
    pub entropy: Entropy,
    /// The intermediate that has signed last, ready to sign again.
    pub signing: Signing,
}

impl InternalCa {
    /// Makes a signing intermediate under a root that goes on, or under a new one.
    ///
    /// The material's `private_key` and `certificate` are the intermediate's, `anchors` holds the root and
    /// `anchor_key` its key; `cross` is the root as an older one has certified it. The facts are the intermediate's.
    /// `lists` is where its revocation lists will be fetched, where they are served.
    ///
    /// # Errors
    ///
    /// When the configuration cannot be kept, or the root's key is not there, or the root ends too soon.
    pub fn establish(
        &self,
        under: Under<'_>,
        lists: Option<CrlUrls>,
        now: Timestamp,
    ) -> Result<Made, IssueError> {
        if self.common_name.chars().count() > template::LONGEST_CN {
            return Err(refused(format!("issuers.{}: common_name is longer than 64 characters", self.name)));
        }
        let (root, root_key) = match under {
            Under::Root(material) => self.known_root(material)?,
            Under::New(_) => self.new_root(now)?,
        };
        let cross = match under {
            Under::Root(material) => material.cross.clone(),
            Under::New(None) => None,
            Under::New(Some(old)) => self.certified_by_old(old, &root, &root_key, now)?,
        };
        let authority = self.authority("root", &root, &root_key)?;
        let key = self.new_key(self.key_algorithm)?;
        let subject = SubjectKey::read(&key, &self.entropy).map_err(refused)?;
        let validity = authority.validity_for(self.intermediate_lifetime, now).map_err(|why| {
            refused(format!("{why}; make a new root with `keyturn ca rotate {}`", self.name))
        })?;
        let name = self.unique_name("Issuing", now)?;
        let mut params = template::intermediate(&name, self.constraints(), validity, &self.entropy)
            .map_err(|why| refused(format!("issuers.{}: {why}", self.name)))?;
        template::listed_at(&mut params, lists.as_ref().map(|lists| &lists.root));
        let Certified { certificate, facts } = authority.sign(params, &subject).map_err(refused)?;
        let root_ends = pki::facts(&root).map_err(refused)?.validity.map(|validity| validity.not_after);
        let facts = Facts { root_ends, ..facts };
        let material = Material {
            private_key: Some(key),
            certificate: Some(certificate),
            anchors: vec![root],
            anchor_key: Some(root_key),
            cross,
            crl_urls: lists,
            ..Material::default()
        };
        Ok(Made { material, facts })
    }

    /// The new root's name and key, certified by the old root: who knows only that accepts what stands under the new one.
    /// `None` where the old root cannot: it has ended, or its pathLenConstraint does not allow another CA above the
    /// intermediate, as an imported one's may not.
    fn certified_by_old(
        &self,
        old: &Material,
        root: &str,
        root_key: &Secret,
        now: Timestamp,
    ) -> Result<Option<String>, IssueError> {
        let Ok((old_root, old_key)) = self.known_root(old) else { return Ok(None) };
        let authority = self.authority("old root", &old_root, &old_key)?;
        let new =
            pki::facts(root).map_err(refused)?.validity.ok_or_else(|| refused("a root without dates"))?;
        let Some(span) = authority.common(new, now) else { return Ok(None) };
        if !authority.allows_cas_below(2).map_err(refused)? {
            return Ok(None);
        }
        let name = pki::names(root).map_err(refused)?.common_name.unwrap_or_default();
        let mut params = template::cross(&name, span, &self.entropy).map_err(later)?;
        template::listed_at(&mut params, old.crl_urls.as_ref().map(|lists| &lists.root));
        let subject = SubjectKey::read(root_key, &self.entropy).map_err(refused)?;
        authority.sign(params, &subject).map(|cross| Some(cross.certificate)).map_err(refused)
    }

    /// The root that `anchor_key` belongs to; in a rollover there may be others.
    fn known_root(&self, material: &Material) -> Result<(String, Secret), IssueError> {
        let Some(key) = &material.anchor_key else {
            let why = "the key of its root is not in the state, so that it cannot sign a new intermediate";
            return Err(refused(format!("issuers.{}: {why}", self.name)));
        };
        let public = SubjectKey::read(key, &self.entropy).map_err(refused)?;
        let root = material.anchors.iter().find(|root| public.is_of(root));
        match root {
            Some(root) => Ok((root.clone(), key.clone())),
            None => Err(refused(format!("issuers.{}: no root is there for its root key", self.name))),
        }
    }

    fn new_root(&self, now: Timestamp) -> Result<(String, Secret), IssueError> {
        let key = self.new_key(KeyAlgorithm::EcdsaP384)?;
        let signer = SigningPair::read(&key, &self.entropy).map_err(refused)?;
        let name = self.unique_name("Root", now)?;
        let validity = template::unclipped(self.root_lifetime, now).map_err(refused)?;
        let params = template::root(&name, validity, &self.entropy).map_err(later)?;
        let certificate = params.self_signed(&signer).map_err(refused)?;
        Ok((pem::encode(pem::CERTIFICATE, certificate.der()).to_string(), key))
    }

    fn new_key(&self, algorithm: KeyAlgorithm) -> Result<Secret, IssueError> {
        key::generate(algorithm, &self.entropy).map_err(|why| later(format!("issuers.{}: {why}", self.name)))
    }

    /// Two CAs must not share a name while their keys differ: a client that looks for an issuer by name
    /// finds the wrong one. So the year and some chance are added, and what is too long is cut.
    fn unique_name(&self, role: &str, now: Timestamp) -> Result<String, IssueError> {
        let mut random = [0; 2];
        self.entropy.fill(&mut random).map_err(later)?;
        Ok(self.name_of(role, now, &random))
    }

    fn authority(&self, role: &str, certificate: &str, key: &Secret) -> Result<Authority, IssueError> {
        Authority::new(certificate, key, &self.entropy)
            .map_err(|why| refused(format!("the {role} of issuers.{} cannot sign: {why}", self.name)))
    }

    /// The intermediate that signs leaves.
    fn signer(&self, material: &Material) -> Result<Arc<Authority>, IssueError> {
        match (&material.certificate, &material.private_key) {
            (Some(certificate), Some(key)) => {
                self.signing.get(certificate, key, || self.authority("intermediate", certificate, key))
            }
            _ => Err(later(format!("issuers.{} has no signing intermediate yet", self.name))),
        }
    }

    /// Signs a leaf: what [`Issuer::issue`] does, which need not wait for anything here.
    ///
    /// # Errors
    ///
    /// As it has them.
    pub fn sign(&self, request: &Request) -> Result<Made, IssueError> {
        let mut made = self.sign_for(request, || SubjectKey::read(&request.private_key, &self.entropy))?;
        made.material.private_key = Some(request.private_key.clone());
        Ok(made)
    }

    /// The same for somebody else's key; the private key of `request` is not looked at.
    ///
    /// # Errors
    ///
    /// As [`Issuer::issue`] has them.
    pub fn sign_public(&self, request: &Request, key: PublicKey) -> Result<Made, IssueError> {
        self.sign_for(request, || Ok(SubjectKey::of(key)))
    }

    fn sign_for(
        &self,
        request: &Request,
        subject: impl FnOnce() -> Result<SubjectKey, String>,
    ) -> Result<Made, IssueError> {
        let Some(material) = &request.authority else {
            return Err(later(format!("issuers.{} has no signing intermediate yet", self.name)));
        };
        names::check(request, &self.permitted_dns, &self.permitted_ip_ranges)
            .map_err(|why| refused(format!("issuers.{}: {why}", self.name)))?;
        let authority = self.signer(material)?;
        let subject = subject().map_err(refused)?;
        let validity = self.validity(&authority, request)?;
        let mut params =
            template::leaf(request, subject.is_rsa(), validity, &self.entropy).map_err(refused)?;
        template::listed_at(&mut params, material.crl_urls.as_ref().map(|lists| &lists.own));
        let Certified { certificate, facts } = authority.sign(params, &subject).map_err(refused)?;
        let cross = material.cross.iter().filter(|cross| outlasts(cross, validity));
        let chain = material.certificate.iter().chain(&material.chain).chain(cross).cloned().collect();
        let material = Material {
            certificate: Some(certificate),
            chain,
            anchors: material.anchors.clone(),
            ..Material::default()
        };
        Ok(Made { material, facts })
    }

    /// A leaf whose lifetime no intermediate can hold is refused for good, one that this intermediate
    /// cannot hold any more waits for the next.
    fn validity(&self, authority: &Authority, request: &Request) -> Result<template::Span, IssueError> {
        authority.validity_for(request.duration, request.now).map_err(|why| {
            let message = format!("the intermediate of issuers.{}: {why}", self.name);
            if request.duration / LEAST_SHARE <= self.intermediate_lifetime {
                later(message)
            } else {
                refused(message)
            }
        })
    }
}

#[async_trait]
impl Issuer for InternalCa {
    async fn issue(&self, request: &Request, _desk: &dyn Desk) -> Result<Made, IssueError> {
        self.sign(request)
    }

    /// It says nothing that the records do not say.
    async fn advice(&self, _certificate: &Material, _now: Timestamp) -> Result<Advice, IssueError> {
        Ok(Advice::default())
    }

    /// The record of the revocation is all there is to it.
    async fn revoke(&self, _: &Material, _: RevocationReason, _: &dyn Desk) -> Result<(), IssueError> {
        Ok(())
    }
}

/// Whether a certificate holds for as long as one below it.
fn outlasts(certificate: &str, below: Validity) -> bool {
    let validity = pki::facts(certificate).ok().and_then(|facts| facts.validity);
    validity.is_some_and(|validity| validity.encloses(&below))
}

fn refused(message: impl ToString) -> IssueError {
    IssueError::new(IssueErrorKind::Refused, message)
}

fn later(message: impl ToString) -> IssueError {
    IssueError::new(IssueErrorKind::Unreachable, message)
}
