//! A CA that was there before: its root with its key; or an intermediate, once or again and again, whose root is elsewhere.

use super::{Wish, keep};
use crate::cli::compose::House;
use crate::cli::fail::Failure;
use crate::cli::wish::By;
use crate::cli::{approvals, compromised, csr, lists};
use crate::clock::Entropy;
use crate::config::Config;
use crate::executor::Edit;
use crate::issuer::Under;
use crate::issuer::internal::{Imported, import, root_of};
use crate::issuer::manual;
use crate::model::{
    AssetId, AssetKind, AssetRecord, Guarded, Made, Make, Material, Revision, RevisionState, Secret,
};
use crate::pki;

/// A revision that an import makes.
struct Place {
    number: u32,
    /// Whether it is not begun yet.
    is_new: bool,
    /// The revision that its root was taken in with.
    root: u32,
}

impl Wish {
    /// Takes it over as a revision of the CA, durably.
    pub(super) async fn take_authority(
        &self,
        config: &Config,
        house: &House,
        id: &AssetId,
        certificate: &str,
        by: &By,
    ) -> Result<(), Failure> {
        self.refuse_unapproved(config, house, by).await?;
        let executor = &house.executor;
        let inventory = executor.books.inventory().await;
        let record = inventory.record(id).cloned().unwrap_or_else(|| AssetRecord::new(id.clone()));
        let elsewhere = csr::is_elsewhere(config, id, Some(&record));
        if !elsewhere && !record.revisions.is_empty() {
            return Err(Failure::usage(format!(
                "{id} has a root of its own already: import under another name, and point the certificates at it"
            )));
        }
        compromised::refuse_certificate(&inventory, id, certificate)?;
        let (waiting, key) = self.authority_key(house, &record, certificate).await?;
        let now = executor.clock.now();
        let lists = config.internal_cas().get(&id.name).is_some_and(|ca| ca.crl().is_some());
        let imported = import(certificate, &key, &self.chain, lists, &Entropy::system(), now);
        let imported = imported.map_err(Failure::usage)?;
        for above in imported.above() {
            compromised::refuse_certificate(&inventory, id, above)?;
        }
        let made_for = csr::made_for(house, id);
        let number = waiting.unwrap_or(record.newest_number() + 1);
        let mut place = Place { number, is_new: waiting.is_none(), root: number };
        let made = match imported {
            Imported::Root(_) if elsewhere => {
                return Err(Failure::usage(format!(
                    "{id}: this is a root, and its root is elsewhere: import the intermediate (`keyturn csr {id}`)"
                )));
            }
            Imported::Root(root) => under(house, id, &made_for, &root).await?,
            Imported::Intermediate(mut made) => {
                refuse_again(id, &record, &made)?;
                place.root = known_root(house, &record, &made.material.anchors).await?.unwrap_or(number);
                warn_unconstrained(config, id, &made.material)?;
                let url = config.internal_cas().get(&id.name).and_then(|ca| ca.crl()?.url());
                made.material.crl_urls = url.map(|url| lists::urls(url, id, number, place.root));
                made
            }
        };
        let mut redeemed = Ok(());
        let edit = |edit: &mut Edit<'_>| {
            redeemed = by.redeem(edit);
            if redeemed.is_ok() {
                note(edit, id, &made_for, &place, made, &by.actor);
            }
        };
        executor.books.edit(edit).await?;
        Ok(redeemed?)
    }

    /// The fingerprint of the root that it would have everyone trust, where it is not in use here already.
    pub(in crate::cli) async fn new_root(
        &self,
        config: &Config,
        house: &House,
    ) -> Result<Option<String>, Failure> {
        let id = self.checked(config)?;
        let Some(certificate) = self.certificate.as_ref().filter(|_| id.kind == AssetKind::Ca) else {
            return Ok(None);
        };
        let root = root_of(certificate, &self.chain, house.executor.clock.now()).map_err(Failure::usage)?;
        let print = pki::facts(&root).map_err(Failure::usage)?.fingerprint_sha256;
        let inventory = house.executor.books.inventory().await;
        let known = match inventory.record(&id) {
            Some(record) => known_root(house, record, &[root]).await?,
            None => None,
        };
        Ok(print.filter(|_| known.is_none()))
    }

    /// A new root is as good as a rotation: who may not do that alone may not bring one either.
    async fn refuse_unapproved(&self, config: &Config, house: &House, by: &By) -> Result<(), Failure> {
        let guarded = by.ticket.is_none() && config.guards().requires(Guarded::CaRotate);
        match guarded && self.new_root(config, house).await?.is_some() {
            true => Err(approvals::only_by_daemon(config, "import", Guarded::CaRotate)),
            false => Ok(()),
        }
    }

    /// The private key: the one that is given, that of a request, or the one in use; with the revision that waits for it.
    async fn authority_key(
        &self,
        house: &House,
        record: &AssetRecord,
        certificate: &str,
    ) -> Result<(Option<u32>, Secret), Failure> {
        if let Some(key) = &self.key {
            return Ok((None, key.clone()));
        }
        let waits = |revision: &&Revision| {
            matches!(revision.state, RevisionState::Active | RevisionState::Pending) && !revision.compromised
        };
        for revision in record.revisions.values().rev().filter(waits) {
            let material = house.executor.books.material(&record.id, revision.number).await?;
            let Some(key) = material.and_then(|material| material.private_key) else { continue };
            if manual::belongs(certificate, &key, &Entropy::system()).map_err(Failure::usage)? {
                let waiting = (revision.state == RevisionState::Pending).then_some(revision.number);
                return Ok((waiting, key));
            }
        }
        let id = &record.id;
        Err(Failure::usage(format!(
            "{id}: the certificate is for no key that is here; `keyturn csr {id}` prints the request for one that is, or name \
             its private key by --key"
        )))
    }
}

/// An intermediate of our own under a root that was there before.
async fn under(house: &House, id: &AssetId, made_for: &str, root: &Material) -> Result<Made, Failure> {
    let make = Make {
        asset: id.clone(),
        revision: 1,
        made_for: made_for.to_owned(),
        keep_key_of: None,
        crossed: None,
        signer: None,
    };
    let executor = &house.executor;
    let made = executor.maker.authority(&make, 1, Under::Root(root), executor.clock.now()).await;
    made.map_err(|problem| Failure::usage(problem.message))
}

fn refuse_again(id: &AssetId, record: &AssetRecord, made: &Made) -> Result<(), Failure> {
    let mut live = record.revisions.values().filter(|revision| !revision.state.is_over());
    match live.find(|revision| revision.fingerprint_sha256 == made.facts.fingerprint_sha256) {
        Some(known) => {
            Err(Failure::usage(format!("{id}: this certificate is its revision {} already", known.number)))
        }
        None => Ok(()),
    }
}

/// The revision that the same root came with, where it is known already: then nobody has to be told of it first.
async fn known_root(house: &House, record: &AssetRecord, anchors: &[String]) -> Result<Option<u32>, Failure> {
    let live = record.revisions.values().rev().filter(|revision| {
        revision.state >= RevisionState::Prepared && !revision.state.is_over() && revision.root.is_some()
    });
    for revision in live {
        let known = house.executor.books.material(&record.id, revision.number).await?;
        if known.is_some_and(|known| known.anchors == anchors) {
            return Ok(revision.root);
        }
    }
    Ok(None)
}

/// Keyturn keeps to the configuration's names in any case; nobody else is bound by what does not stand in the certificate.
fn warn_unconstrained(config: &Config, id: &AssetId, material: &Material) -> Result<(), Failure> {
    let wanted = config.internal_cas().get(&id.name).is_some_and(|ca| !ca.permitted_dns().is_empty());
    let text = material.certificate.as_deref().unwrap_or_default();
    if wanted && !pki::is_constrained(text).map_err(Failure::usage)? {
        tracing::warn!(
            "name_constraints of {id} do not stand in this certificate, or it leaves addresses free: Keyturn keeps to them, but \
             clients would trust more"
        );
    }
    Ok(())
}

fn note(edit: &mut Edit<'_>, id: &AssetId, made_for: &str, place: &Place, made: Made, by: &str) {
    let at = edit.now;
    let number = place.number;
    let record = edit.asset(id);
    if place.is_new {
        record.begin(Revision::pending(number, &format!("imported by {by}"), made_for, at));
    }
    record.prepared(number, &made.facts, None, at);
    if let Some(revision) = record.revisions.get_mut(&number) {
        revision.root = Some(place.root);
    }
    let print = made.material.anchors.first().and_then(|root| pki::facts(root).ok()?.fingerprint_sha256);
    let root_key = if made.facts.root_is_elsewhere { "elsewhere" } else { "in the state" };
    let detail = [
        ("root_fingerprint_sha256", print.unwrap_or_default()),
        ("fingerprint_sha256", made.facts.fingerprint_sha256.clone().unwrap_or_default()),
        ("root_key", root_key.to_owned()),
    ];
    keep(edit, id, number, by, detail, made.material);
}
