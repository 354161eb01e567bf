//! The revocation lists of those above a CA whose root is elsewhere: a person brings them, and they go out with its own.

use jiff::Timestamp;

use crate::audit::Event;
use crate::cli::compose::House;
use crate::cli::csr;
use crate::cli::fail::Failure;
use crate::config::Config;
use crate::executor::{Edit, upper_lists_key};
use crate::model::{AssetId, Renewal, RevisionState, Secret, UpperLists};
use crate::pki::{self, ListFacts};

/// A list may be so far ahead of our clock.
const CLOCK_SLACK: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

/// Takes them in, durably, instead of those that were there before; the next edition has them.
pub(super) async fn take(
    config: &Config,
    house: &House,
    id: &AssetId,
    text: &str,
    by: &str,
) -> Result<(), Failure> {
    let executor = &house.executor;
    let (now, inventory) = (executor.clock.now(), executor.books.inventory().await);
    let record = inventory.record(id);
    if !csr::is_elsewhere(config, id, record) {
        return Err(Failure::usage(format!("{id} has its root here, and makes that root's lists itself")));
    }
    let lists = pki::lists(text).map_err(Failure::usage)?;
    let above = above(house, id).await?;
    let mut facts = Vec::new();
    for (list, said) in &lists {
        check_signer(id, list, &above)?;
        facts.push(spanned(said, now)?);
    }
    let (Some(this_update), Some(next_update)) =
        (facts.iter().map(|span| span.0).max(), facts.iter().map(|span| span.1).min())
    else {
        return Err(Failure::usage("there is no PEM block `X509 CRL`"));
    };
    let known = record.and_then(|record| record.upper_lists.as_ref());
    if let Some(known) = known.filter(|known| known.this_update > this_update) {
        return Err(Failure::usage(format!(
            "{id}: this list is of {this_update}, older than the one that is here ({})",
            known.this_update
        )));
    }
    let taken = UpperLists { taken_at: now, this_update, next_update };
    let kept: String = lists.iter().map(|(list, _)| list.as_str()).collect();
    let revoked: Vec<&String> = lists.iter().flat_map(|(_, said)| &said.revoked).collect();
    let edit = |edit: &mut Edit<'_>| note(edit, id, taken, kept, &revoked, by);
    Ok(executor.books.edit(edit).await?)
}

/// Somebody above has signed it, and may sign lists.
fn check_signer(id: &AssetId, list: &str, above: &[String]) -> Result<(), Failure> {
    let is_its = |certificate: &&String| pki::list_of(list, certificate).is_ok_and(|found| found.is_some());
    let mut signers = above.iter().filter(is_its).peekable();
    if signers.peek().is_none() {
        return Err(Failure::usage(format!("a list is signed by nobody who stands above {id}")));
    }
    if !signers.any(|signer| pki::may_sign_lists(signer).unwrap_or(false)) {
        return Err(Failure::usage(format!(
            "a list is signed by a CA above {id} whose keyUsage lacks cRLSign: clients would refuse everybody by it"
        )));
    }
    Ok(())
}

/// From when to when it holds.
fn spanned(list: &ListFacts, now: Timestamp) -> Result<(Timestamp, Timestamp), Failure> {
    let end = list.next_update.ok_or_else(|| {
        Failure::usage(
            "a list does not say when its successor comes (nextUpdate), as RFC 5280 §5.1.2.5 asks for",
        )
    })?;
    if end <= now {
        return Err(Failure::usage(format!("a list has ended at {end}")));
    }
    if list.this_update > now + CLOCK_SLACK {
        return Err(Failure::usage(format!("a list begins at {} only", list.this_update)));
    }
    Ok((list.this_update, end))
}

/// The certificates above the intermediates that are in use, or will be, or were.
async fn above(house: &House, id: &AssetId) -> Result<Vec<String>, Failure> {
    let inventory = house.executor.books.inventory().await;
    let mut above = Vec::new();
    for revision in inventory.record(id).into_iter().flat_map(|record| record.revisions.values()) {
        if revision.state < RevisionState::Prepared || revision.state.is_over() {
            continue;
        }
        if let Some(material) = house.executor.books.material(id, revision.number).await? {
            above.extend(material.chain.into_iter().chain(material.anchors));
        }
    }
    if above.is_empty() {
        return Err(Failure::usage(format!(
            "{id} has no intermediate yet: import it first, or with the list"
        )));
    }
    Ok(above)
}

fn note(edit: &mut Edit<'_>, id: &AssetId, taken: UpperLists, lists: String, revoked: &[&String], by: &str) {
    let at = edit.now;
    let next_update = taken.next_update.to_string();
    let record = edit.asset(id);
    record.upper_lists = Some(taken);
    for revision in record.revisions.values_mut().filter(|revision| !revision.state.is_over()) {
        if revision.serial.as_ref().is_some_and(|serial| revoked.contains(&serial)) {
            revision.renewal.get_or_insert_with(Renewal::default).revoked_since.get_or_insert(at);
        }
    }
    edit.keep(upper_lists_key(id), Some(Secret::new(lists)));
    edit.audit(Event {
        at,
        actor: by.to_owned(),
        action: "lists-imported".to_owned(),
        asset: Some(id.clone()),
        revision: None,
        detail: [("next_update".to_owned(), next_update)].into(),
    });
}
