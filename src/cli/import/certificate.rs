//! A certificate that a person has had issued, or had before.

use super::{Wish, keep};
use crate::cli::compose::House;
use crate::cli::fail::Failure;
use crate::cli::{compromised, csr};
use crate::clock::Entropy;
use crate::config::{Certificate, Config};
use crate::issuer::manual;
use crate::model::{AssetId, AssetRecord, Made, Material, Revision, RevisionState, Secret};
use crate::pki;

/// The certificate, and who is to have issued it: a person's CA, or the first that speaks ACME, where it may come from
/// what spoke to it before. What our own CA signs is made anew at no cost.
pub(super) fn taken_in<'c>(config: &'c Config, id: &AssetId) -> Result<(&'c Certificate, &'c str), Failure> {
    let certificate = config.certificates().get(&id.name);
    let certificate = certificate.ok_or_else(|| Failure::usage(format!("{id} is no certificate")))?;
    let foreign = |issuer: &&String| {
        config.manual_issuers().contains(*issuer) || config.acme_issuers().contains_key(*issuer)
    };
    match certificate.issuers().iter().find(foreign) {
        Some(issuer) => Ok((certificate, issuer)),
        None => Err(Failure::usage(format!(
            "{id} is issued by {}, a CA of Keyturn's own: `keyturn run` makes it, and there is nothing to import",
            certificate.issuers().join(", ")
        ))),
    }
}

/// A key that the certificate may be for, and the revision that waits for it.
type Candidate = (Option<u32>, Secret);

impl Wish {
    pub(super) async fn take_certificate(
        &self,
        config: &Config,
        house: &House,
        id: &AssetId,
        by: &str,
    ) -> Result<(), Failure> {
        let (wanted, issuer) = taken_in(config, id)?;
        let by_hand = config.manual_issuers().contains(issuer);
        let executor = &house.executor;
        let inventory = executor.books.inventory().await;
        let record = inventory.record(id).cloned().unwrap_or_else(|| AssetRecord::new(id.clone()));
        let made_for = csr::made_for(house, id);
        let mut certificates = pki::certificates(&self.chain).map_err(Failure::usage)?;
        if certificates.is_empty() {
            return Err(Failure::usage("there is no PEM block `CERTIFICATE`"));
        }
        let leaf = certificates.remove(0);
        check_names(wanted, &leaf)?;
        compromised::refuse_certificate(&inventory, id, &leaf)?;
        let (waiting, key) = self.key_of(&leaf, house, &record, &made_for, by_hand).await?;
        let mut chain = pki::above(&leaf, &certificates, executor.clock.now()).map_err(Failure::usage)?;
        // Who trusts the root has it.
        if chain.last().is_some_and(|last| pki::is_root(last).unwrap_or(false)) {
            chain.pop();
        }
        std::iter::once(&leaf)
            .chain(&chain)
            .try_for_each(|one| pki::check_digest(one))
            .map_err(Failure::usage)?;
        if chain.is_empty() && !pki::is_root(&leaf).map_err(Failure::usage)? {
            tracing::warn!("no intermediate of {id} is given (--chain): most clients cannot do without");
        }
        let facts = pki::facts(&leaf).map_err(Failure::usage)?;
        if record.active().is_some_and(|active| active.fingerprint_sha256 == facts.fingerprint_sha256) {
            return Err(Failure::usage(format!("{id}: this certificate is the one in use already")));
        }
        let material = Material {
            private_key: Some(key.clone()),
            certificate: Some(leaf.clone()),
            chain,
            ..Material::default()
        };
        let made = Made { material, facts };
        let names = pki::names(&leaf).map_err(Failure::usage)?;
        let mut request = csr::request(wanted, key, executor.clock.now());
        (request.dns_names, request.ip_addresses) = (names.dns, names.ip);
        executor.maker.check(&request, &made).map_err(Failure::usage)?;
        let number = waiting.unwrap_or(record.newest_number() + 1);
        let edit = |edit: &mut crate::executor::Edit<'_>| {
            note(edit, id, &made_for, (number, waiting.is_none()), (issuer, by_hand), made, by);
        };
        Ok(executor.books.edit(edit).await?)
    }

    /// The private key: the one that is given, that of a request, or the one in use.
    async fn key_of(
        &self,
        leaf: &str,
        house: &House,
        record: &AssetRecord,
        made_for: &str,
        by_hand: bool,
    ) -> Result<Candidate, Failure> {
        let mut candidates: Vec<Candidate> = self.key.iter().map(|key| (None, key.clone())).collect();
        if self.key.is_none() {
            let waits = |revision: &&Revision| {
                let is_here = revision.state == RevisionState::Active
                    || revision.state == RevisionState::Pending && revision.made_for == made_for;
                is_here && !revision.compromised
            };
            for revision in record.revisions.values().rev().filter(waits) {
                let material = house.executor.books.material(&record.id, revision.number).await?;
                let waiting = (revision.state == RevisionState::Pending).then_some(revision.number);
                candidates.extend(material.and_then(|it| it.private_key).map(|key| (waiting, key)));
            }
        }
        for (waiting, key) in candidates {
            if manual::belongs(leaf, &key, &Entropy::system()).map_err(Failure::usage)? {
                return Ok((waiting, key));
            }
        }
        Err(Failure::usage(match self.key {
            Some(_) => format!("{}: the private key does not belong to the certificate", record.id),
            None if !by_hand => format!(
                "{}: the certificate is for no key that is here: name its key by --key (certbot has it in privkey.pem)",
                record.id
            ),
            None => format!(
                "{}: the certificate is for no key that is here; `keyturn csr` prints the request for one that is, or name \
                 its key by --key",
                record.id
            ),
        }))
    }
}

/// It may have more names than were asked for, as CAs like to add `www.`, but none may be missing.
fn check_names(wanted: &Certificate, leaf: &str) -> Result<(), Failure> {
    let names = pki::names(leaf).map_err(Failure::usage)?;
    let missing = wanted.dns_names().iter().filter(|name| !names.dns.contains(name)).cloned();
    let missing_ip =
        wanted.ip_addresses().iter().filter(|ip| !names.ip.contains(ip)).map(ToString::to_string);
    let missing: Vec<String> = missing.chain(missing_ip).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(format!("{}: the certificate is not for {}", wanted.id(), missing.join(", "))))
}

fn note(
    edit: &mut crate::executor::Edit<'_>,
    id: &AssetId,
    made_for: &str,
    (number, is_new): (u32, bool),
    (issuer, by_hand): (&str, bool),
    made: Made,
    by: &str,
) {
    let at = edit.now;
    let record = edit.asset(id);
    if is_new {
        record.begin(Revision::pending(number, &format!("imported by {by}"), made_for, at));
    }
    record.prepared(number, &made.facts, None, at);
    if let Some(revision) = record.revisions.get_mut(&number) {
        revision.issuer = Some(issuer.to_owned());
        // Its renewal is due when it would have been due where it comes from, not by what is left of it today.
        let began = made.facts.validity.map(|validity| validity.not_before).filter(|_| !by_hand);
        revision.issued_at = began.or(revision.issued_at);
    }
    let detail = [
        ("serial", made.facts.serial.clone()),
        ("fingerprint_sha256", made.facts.fingerprint_sha256.clone()),
    ];
    let detail = detail.into_iter().filter_map(|(key, value)| Some((key, value?)));
    keep(edit, id, number, by, detail, made.material);
}
