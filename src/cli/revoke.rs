//! Have a certificate withdrawn by who issued it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::compose::House;
use super::fail::Failure;
use super::{compromised, csr, rotate, state};
use crate::audit::Event;
use crate::config::{Config, not_one_of};
use crate::model::{
    AssetId, AssetKind, AssetRecord, Effort, Issued, KeyPrints, Request, Revision, RevisionState, Revocation,
    RevocationReason,
};

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    pub(super) asset: String,
    /// Instead of the one in use.
    pub(super) revision: Option<u32>,
    /// Of a CA: one that it has signed for a request.
    #[serde(default)]
    pub(super) serial: Option<String>,
    pub(super) reason: String,
    /// What is in use is not replaced first.
    pub(super) now: bool,
    /// A person has had it revoked.
    #[serde(default)]
    pub(super) done: bool,
}

impl Wish {
    /// What is meant, and why.
    pub(super) fn checked(&self, config: &Config) -> Result<(AssetId, RevocationReason), Failure> {
        let reason = reason(&self.reason)?;
        let id = state::asset(config, &self.asset)?;
        if self.serial.is_some() {
            return match id.kind {
                AssetKind::Ca => Ok((id, reason)),
                _ => Err(Failure::usage(format!("{id} signs nothing: --serial goes with ca/NAME"))),
            };
        }
        if id.kind != AssetKind::Certificate {
            return Err(Failure::usage(format!("{id} is no certificate: only those can be revoked")));
        }
        Ok((id, reason))
    }

    /// Puts it on record.
    pub(super) async fn ask(&self, config: &Config, house: &House, by: &str) -> Result<AssetId, Failure> {
        let (id, reason) = self.checked(config)?;
        match &self.serial {
            Some(serial) => of_request(house, config, &id, serial, reason, by).await?,
            None => ask(house, config, &id, self, reason, by).await?,
        }
        Ok(id)
    }
}

fn reason(text: &str) -> Result<RevocationReason, Failure> {
    let all = RevocationReason::ALL;
    all.into_iter().find(|reason| reason.name() == text).ok_or_else(|| {
        Failure::usage(format!("--reason {}", not_one_of(text, &all.map(RevocationReason::name))))
    })
}

/// A certificate that was signed for a request is revoked as soon as that is noted; the next lists have it.
async fn of_request(
    house: &House,
    config: &Config,
    ca: &AssetId,
    serial: &str,
    reason: RevocationReason,
    by: &str,
) -> Result<(), Failure> {
    let books = &house.executor.books;
    let serial = serial.replace(':', "").to_ascii_lowercase();
    let inventory = books.inventory().await;
    let known = inventory.issued.get(&(ca.clone(), serial.clone())).filter(|one| one.asked.is_some());
    let issued = known.ok_or_else(|| {
        Failure::usage(format!(
            "{ca} has signed no request with the serial number {serial} that is still valid"
        ))
    })?;
    if let Some((at, _)) = issued.revoked {
        return Err(Failure::usage(format!("{serial} was revoked at {at} already")));
    }
    if config.internal_cas().get(&ca.name).is_some_and(|ca| ca.crl().is_none()) {
        tracing::warn!(
            "the revocation of {serial} is recorded, but {ca} has no revocation lists (`crl`): nobody is told of it"
        );
    }
    let edit = |edit: &mut crate::executor::Edit<'_>| {
        let at = edit.now;
        edit.put_issued(Issued { revoked: Some((at, reason)), ..issued.clone() });
        edit.audit(Event {
            at,
            actor: by.to_owned(),
            action: "revoked".to_owned(),
            asset: Some(ca.clone()),
            revision: Some(issued.signed_by),
            detail: [("serial".to_owned(), serial.clone()), ("reason".to_owned(), reason.name().to_owned())]
                .into(),
        });
    };
    books.edit(edit).await?;
    crate::failpoint::hit("revoke-asked");
    Ok(())
}

/// The wish is durable before anything is done for it: a crash does not forget it.
async fn ask(
    house: &House,
    config: &Config,
    id: &AssetId,
    wish: &Wish,
    reason: RevocationReason,
    by: &str,
) -> Result<(), Failure> {
    let books = &house.executor.books;
    let inventory = books.inventory().await;
    let nothing = || Failure::usage(format!("{id} has no certificate yet"));
    let record = inventory.assets.get(id).ok_or_else(nothing)?;
    let number = wish.revision.or(record.active().map(|active| active.number)).ok_or_else(nothing)?;
    let issuer = issuer_of(id, record, number, books.now()).map_err(Failure::usage)?;
    let by_hand = config.manual_issuers().contains(&issuer);
    if wish.done {
        if !by_hand {
            return Err(Failure::usage(format!(
                "{id} is revoked by Keyturn itself: --done is for what a person carries"
            )));
        }
        return done(house, id, number, reason, by).await;
    }
    if config.internal_cas().get(&issuer).is_some_and(|ca| ca.crl().is_none()) {
        tracing::warn!(
            "the revocation of {id} is recorded, but {issuer} has no revocation lists (`crl`): nobody is told of it"
        );
    }
    let keys = compromised::keys(house, &inventory, id).await?;
    let key_stays = house.desired.assets.get(id).is_some_and(rotate::key_stays);
    let edit = |edit: &mut crate::executor::Edit<'_>| {
        let at = edit.now;
        let asked = Revocation {
            at,
            by: by.to_owned(),
            reason,
            after_successor: !wish.now,
            effort: Effort::default(),
        };
        mark(edit.asset(id), number, asked, key_stays, &keys);
        edit.audit(Event {
            at,
            actor: by.to_owned(),
            action: "revoke-asked".to_owned(),
            asset: Some(id.clone()),
            revision: Some(number),
            detail: [("reason".to_owned(), reason.name().to_owned())].into(),
        });
    };
    books.edit(edit).await?;
    crate::failpoint::hit("revoke-asked");
    if by_hand {
        csr::key(config, house, id, by).await?;
    }
    Ok(())
}

/// It is revoked, as the person says who has seen to it.
async fn done(
    house: &House,
    id: &AssetId,
    number: u32,
    reason: RevocationReason,
    by: &str,
) -> Result<(), Failure> {
    let edit = |edit: &mut crate::executor::Edit<'_>| {
        let at = edit.now;
        let record = edit.asset(id);
        let asked = record.revisions.get(&number).and_then(|revision| revision.to_revoke.as_ref());
        let reason = asked.map_or(reason, |asked| asked.reason);
        record.revoked(number, at);
        let over = record.revisions.get(&number).is_none_or(|revision| revision.state.is_over());
        if over {
            edit.material(id, number, None);
        }
        edit.audit(Event {
            at,
            actor: by.to_owned(),
            action: "revoked".to_owned(),
            asset: Some(id.clone()),
            revision: Some(number),
            detail: [("reason".to_owned(), reason.name().to_owned()), ("by".to_owned(), "hand".to_owned())]
                .into(),
        });
    };
    Ok(house.executor.books.edit(edit).await?)
}

/// Who has issued it; or why it cannot be revoked.
fn issuer_of(id: &AssetId, record: &AssetRecord, number: u32, now: Timestamp) -> Result<String, String> {
    let why = |why: &str| format!("revision {number} of {id} {why}");
    let revision = record.revisions.get(&number).ok_or_else(|| why("is not known"))?;
    let end = revision.validity.map(|validity| validity.not_after);
    match (revision.state, &revision.issuer, revision.revoked_at) {
        (_, _, Some(at)) => Err(why(&format!("was revoked at {at} already"))),
        (state, ..) if state.is_over() => Err(why(&format!("is {state}: its certificate is not kept"))),
        (_, None, _) => Err(why("is not issued yet")),
        _ if end.is_some_and(|end| end < now) => Err(why("has ended: it need not be revoked")),
        (_, Some(issuer), _) => Ok(issuer.clone()),
    }
}

fn in_use(revision: &Revision) -> bool {
    revision.state.is_coming() || revision.state == RevisionState::Active
}

/// What is in use is replaced as well; where its key is in wrong hands, by one with another, and so is whatever else has
/// that key, though only an older certificate for it was named.
fn mark(record: &mut AssetRecord, number: u32, asked: Revocation, key_stays: bool, keys: &KeyPrints) {
    let compromised = asked.reason == RevocationReason::KeyCompromise;
    let marked = if compromised { record.sharing(number, keys) } else { [number].into() };
    if marked.iter().any(|number| record.revisions.get(number).is_some_and(in_use)) {
        let after = record.newest_number();
        let request = Request { at: asked.at, by: asked.by.clone(), after, compromised, new_root: false };
        record.ask(request, key_stays);
    }
    for number in marked {
        if let Some(revision) = record.revisions.get_mut(&number) {
            withdraw(revision, asked.clone());
            revision.compromised |= compromised;
        }
    }
    if compromised {
        record.remember_compromised(keys);
    }
}

/// What nobody has issued yet cannot be revoked.
fn withdraw(revision: &mut Revision, asked: Revocation) {
    if revision.issuer.is_some() {
        let after_successor = asked.after_successor && in_use(revision);
        revision.to_revoke = Some(Revocation { after_successor, ..asked });
    }
}
