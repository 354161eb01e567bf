//! The revocation lists of those above a CA whose root is elsewhere: a person brings them, and they go out with its own.
//! One is kept of each who stands there: they come one by one, each when it is due.

use jiff::Timestamp;

use crate::audit::Event;
use crate::cli::compose::House;
use crate::cli::csr;
use crate::cli::fail::Failure;
use crate::config::Config;
use crate::executor::{Edit, upper_lists_key};
use crate::model::{AssetId, AssetRecord, Renewal, RevisionState, Secret, UpperLists};
use crate::pki::{self, ListFacts, PkiError};

/// A list may be so far ahead of our clock.
const CLOCK_SLACK: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

/// The clock has whole seconds.
const TICK: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// A revision of the CA: its certificate, then what stands above it up to the root, PEM each.
struct Path {
    revision: u32,
    certificates: Vec<String>,
}

/// A revocation list, PEM, and what it says.
struct List {
    pem: String,
    says: ListFacts,
}

/// Takes them in, durably; the next edition has them. A list takes the place of the one before it of the same issuer.
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
    let paths = paths(house, id, record).await?;
    let above = above(&paths);
    if above.is_empty() {
        return Err(Failure::usage(format!(
            "{id} has no intermediate yet: import it first, or with the list"
        )));
    }
    let brought = brought(id, &above, text, now)?;
    let kept = executor.books.upper_lists(id).await;
    let kept = read(kept.as_ref().map_or("", Secret::expose_str)).map_err(Failure::failed)?;
    let lists = merged(id, &above, brought, kept)?;
    warn_of_missing(id, &above, &lists);
    let revoked = revoked(&paths, &lists).map_err(Failure::failed)?;
    // By this time the next edition is told from the last: two imports of one second are two.
    let before = record.and_then(|record| record.upper_lists.as_ref());
    let at = before.map_or(now, |before| now.max(before.taken_at + TICK));
    let taken = taken(&above, &lists, at);
    let edit = |edit: &mut Edit<'_>| note(edit, id, taken, &lists, &revoked, by);
    Ok(executor.books.edit(edit).await?)
}

/// Those of the intermediates that are in use, or will be, or were.
async fn paths(house: &House, id: &AssetId, record: Option<&AssetRecord>) -> Result<Vec<Path>, Failure> {
    let mut paths = Vec::new();
    for revision in record.into_iter().flat_map(|record| record.revisions.values()) {
        if revision.state < RevisionState::Prepared || revision.state.is_over() {
            continue;
        }
        let material = house.executor.books.material(id, revision.number).await?;
        let Some((own, material)) = material.and_then(|one| Some((one.certificate.clone()?, one))) else {
            continue;
        };
        let others = [material.chain, material.anchors].concat();
        let above = pki::above(&own, &others, house.executor.clock.now()).map_err(Failure::failed)?;
        let certificates = std::iter::once(own).chain(above).collect();
        paths.push(Path { revision: revision.number, certificates });
    }
    Ok(paths)
}

/// The certificates above, each once.
fn above(paths: &[Path]) -> Vec<&str> {
    let mut above: Vec<&str> = Vec::new();
    for certificate in paths.iter().flat_map(|path| path.certificates.iter().skip(1)) {
        if !above.contains(&certificate.as_str()) {
            above.push(certificate);
        }
    }
    above
}

fn read(text: &str) -> Result<Vec<List>, PkiError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    Ok(pki::lists(text)?.into_iter().map(|(pem, says)| List { pem, says }).collect())
}

/// Those that a person has brought, of each issuer the latest.
fn brought(id: &AssetId, above: &[&str], text: &str, now: Timestamp) -> Result<Vec<List>, Failure> {
    let mut lists = read(text).map_err(Failure::usage)?;
    if lists.is_empty() {
        return Err(Failure::usage("there is no PEM block `X509 CRL`"));
    }
    lists.sort_by_key(|list| std::cmp::Reverse(list.says.this_update));
    let mut latest: Vec<List> = Vec::new();
    for list in lists {
        check_signer(id, &list, above)?;
        if latest.iter().any(|later| list.is_like(later, above)) {
            continue;
        }
        check_time(&list.says, now)?;
        latest.push(list);
    }
    Ok(latest)
}

/// Somebody above has signed it, and may sign lists.
fn check_signer(id: &AssetId, list: &List, above: &[&str]) -> Result<(), Failure> {
    let mut signers = above.iter().filter(|one| list.is_of(one)).peekable();
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

/// Whether it holds now.
fn check_time(list: &ListFacts, now: Timestamp) -> Result<(), Failure> {
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
    Ok(())
}

/// What was kept, with what was brought in place of those before it; what is of nobody any more goes.
fn merged(id: &AssetId, above: &[&str], brought: Vec<List>, kept: Vec<List>) -> Result<Vec<List>, Failure> {
    let mut lists = Vec::new();
    for old in kept.into_iter().filter(|old| above.iter().any(|one| old.is_of(one))) {
        match brought.iter().find(|new| new.is_like(&old, above)) {
            Some(new) if new.says.this_update < old.says.this_update => {
                return Err(Failure::usage(format!(
                    "{id}: this list is of {}, older than the one that is here ({})",
                    new.says.this_update, old.says.this_update
                )));
            }
            Some(_) => {}
            None => lists.push(old),
        }
    }
    lists.extend(brought);
    Ok(lists)
}

impl List {
    /// Whether the key of `certificate` has signed it, in its name.
    fn is_of(&self, certificate: &str) -> bool {
        pki::list_of(&self.pem, certificate).is_ok_and(|found| found.is_some())
    }

    /// Whether both are of the same issuer.
    fn is_like(&self, other: &Self, above: &[&str]) -> bool {
        above.iter().any(|one| self.is_of(one) && other.is_of(one))
    }
}

/// Who looks at the whole chain wants a list of each who stands in it.
fn warn_of_missing(id: &AssetId, above: &[&str], lists: &[List]) {
    for one in above.iter().filter(|one| !lists.iter().any(|list| list.is_of(one))) {
        tracing::warn!(
            "`{}` stands above {id}, and its revocation list is not here: whoever checks the whole chain refuses everybody; \
             `keyturn import {id} --crl FILE` takes it",
            name(one)
        );
    }
}

fn name(certificate: &str) -> String {
    let name = pki::names(certificate).ok().and_then(|names| names.common_name).unwrap_or_default();
    name.escape_debug().to_string()
}

/// What is noted of them: how long all of them hold.
fn taken(above: &[&str], lists: &[List], taken_at: Timestamp) -> Option<UpperLists> {
    let ends = lists.iter().filter_map(|list| Some((list.says.next_update?, list)));
    let (next_update, first) = ends.min_by_key(|(end, _)| *end)?;
    let signer = above.iter().find(|one| first.is_of(one)).map(|one| name(one));
    Some(UpperLists { taken_at, this_update: first.says.this_update, next_update, signer })
}

/// The revisions that nobody should trust any more: the certificate, or one above it, is on the list of who has signed it. A
/// serial number is only its issuer's (RFC 5280 §4.1.2.2).
fn revoked(paths: &[Path], lists: &[List]) -> Result<Vec<u32>, PkiError> {
    let mut revoked = Vec::new();
    for path in paths {
        for pair in path.certificates.windows(2) {
            let serial = pki::facts(&pair[0])?.serial;
            let has = |list: &List| list.says.revoked.iter().any(|one| Some(one) == serial.as_ref());
            if lists.iter().any(|list| has(list) && list.is_of(&pair[1])) {
                revoked.push(path.revision);
            }
        }
    }
    Ok(revoked)
}

fn note(
    edit: &mut Edit<'_>,
    id: &AssetId,
    taken: Option<UpperLists>,
    lists: &[List],
    revoked: &[u32],
    by: &str,
) {
    let at = edit.now;
    let next_update = taken.as_ref().map_or_else(String::new, |lists| lists.next_update.to_string());
    let record = edit.asset(id);
    record.upper_lists = taken;
    for revision in record.revisions.values_mut().filter(|revision| revoked.contains(&revision.number)) {
        revision.renewal.get_or_insert_with(Renewal::default).revoked_since.get_or_insert(at);
    }
    let kept: String = lists.iter().map(|list| list.pem.as_str()).collect();
    edit.keep(upper_lists_key(id), Some(Secret::new(kept)));
    edit.audit(Event {
        at,
        actor: by.to_owned(),
        action: "lists-imported".to_owned(),
        asset: Some(id.clone()),
        revision: None,
        detail: [("next_update".to_owned(), next_update)].into(),
    });
}
