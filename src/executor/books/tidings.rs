//! Alerts, the outbox and errands as records: one each, so that a change writes no more than it changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::BooksError;
use super::records::{decoded, encoded};
use crate::model::{Alert, GivenUp, Problem, Tidings};

const ALERT: &str = "alert/";
const NOTE: &str = "outbox/";
const POST: &str = "post/";
const ERRAND: &str = "errand/";
const NEXT: &str = "tidings/next";
const LISTENING: &str = "tidings/listening";
const LAST_REQUEST: &str = "tidings/last-request";
const SITE: &str = "tidings/site";
const GIVEN_UP: &str = "tidings/given-up";

/// Takes a record in, if it is one of these.
pub(super) fn read(tidings: &mut Tidings, key: &str, bytes: &[u8]) -> Result<bool, BooksError> {
    if key.starts_with(ALERT) {
        let alert: Alert = decoded(key, bytes)?;
        tidings.alerts.insert(alert.subject.clone(), alert);
    } else if let Some(number) = key.strip_prefix(NOTE) {
        tidings.notes.insert(numbered(key, number)?, Arc::new(decoded(key, bytes)?));
    } else if let Some(number) = key.strip_prefix(ERRAND) {
        tidings.errands.insert(numbered(key, number)?, Arc::new(decoded(key, bytes)?));
    } else if let Some(name) = key.strip_prefix(POST) {
        tidings.posts.insert(name.to_owned(), decoded(key, bytes)?);
    } else if key == NEXT {
        tidings.next = decoded(key, bytes)?;
    } else if key == LISTENING {
        tidings.listening = decoded(key, bytes)?;
    } else if key == GIVEN_UP {
        let given_up: Vec<GivenUp> = decoded(key, bytes)?;
        tidings.given_up = given_up.into_iter().map(|of| ((of.command.clone(), of.moment), of)).collect();
    } else if key == LAST_REQUEST {
        tidings.last_request = decoded(key, bytes)?;
    } else if key == SITE {
        let site: Vec<Problem> = decoded(key, bytes)?;
        tidings.site = site.into_iter().map(|problem| (problem.code, problem)).collect();
    } else {
        return Ok(false);
    }
    Ok(true)
}

pub(super) fn numbered(key: &str, number: &str) -> Result<u64, BooksError> {
    let unreadable = |_| BooksError::Unreadable { what: key.to_owned(), why: "it has no number".to_owned() };
    number.parse().map_err(unreadable)
}

/// Records for a change of the store.
pub(super) type Puts = Vec<(String, Option<Vec<u8>>)>;

/// What differs between the two.
pub(super) fn write(before: &Tidings, after: &Tidings, puts: &mut Puts) -> Result<(), BooksError> {
    differences(
        &before.alerts,
        &after.alerts,
        |subject| format!("{ALERT}{subject}"),
        |alert| encoded(Some(alert)),
        puts,
    )?;
    differences(
        &before.notes,
        &after.notes,
        |number| format!("{NOTE}{number}"),
        |note| encoded(Some(note.as_ref())),
        puts,
    )?;
    differences(
        &before.posts,
        &after.posts,
        |name| format!("{POST}{name}"),
        |post| encoded(Some(post)),
        puts,
    )?;
    differences(
        &before.errands,
        &after.errands,
        |number| format!("{ERRAND}{number}"),
        |errand| encoded(Some(errand.as_ref())),
        puts,
    )?;
    if before.next != after.next {
        puts.push((NEXT.to_owned(), encoded(Some(&after.next))?));
    }
    if before.listening != after.listening {
        puts.push((LISTENING.to_owned(), encoded(Some(&after.listening))?));
    }
    if before.given_up != after.given_up {
        let given_up: Vec<&GivenUp> = after.given_up.values().collect();
        puts.push((GIVEN_UP.to_owned(), encoded(Some(&given_up))?));
    }
    if before.last_request != after.last_request {
        puts.push((LAST_REQUEST.to_owned(), encoded(Some(&after.last_request))?));
    }
    if before.site != after.site {
        let site: Vec<&Problem> = after.site.values().collect();
        puts.push((SITE.to_owned(), encoded(Some(&site))?));
    }
    Ok(())
}

pub(super) fn differences<K: Ord, V: PartialEq>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
    key: impl Fn(&K) -> String,
    value_of: impl Fn(&V) -> Result<Option<Vec<u8>>, BooksError>,
    puts: &mut Puts,
) -> Result<(), BooksError> {
    for (of, value) in after.iter().filter(|(of, value)| before.get(*of) != Some(*value)) {
        puts.push((key(of), value_of(value)?));
    }
    let gone = before.keys().filter(|of| !after.contains_key(*of));
    puts.extend(gone.map(|of| (key(of), None)));
    Ok(())
}
