//! Requests as records: one each.

use std::sync::Arc;

use super::BooksError;
use super::records::{decoded, encoded};
use super::tidings::{Puts, differences, numbered};
use crate::model::Approvals;

const REQUEST: &str = "approval/";
const LAST: &str = "approvals/last";

/// Takes a record in, if it is one of these.
pub(super) fn read(approvals: &mut Approvals, key: &str, bytes: &[u8]) -> Result<bool, BooksError> {
    if let Some(number) = key.strip_prefix(REQUEST) {
        approvals.requests.insert(numbered(key, number)?, Arc::new(decoded(key, bytes)?));
    } else if key == LAST {
        approvals.last = decoded(key, bytes)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// What differs between the two.
pub(super) fn write(before: &Approvals, after: &Approvals, puts: &mut Puts) -> Result<(), BooksError> {
    differences(
        &before.requests,
        &after.requests,
        |number| format!("{REQUEST}{number}"),
        |request| encoded(Some(request.as_ref())),
        puts,
    )?;
    if before.last != after.last {
        puts.push((LAST.to_owned(), encoded(Some(&after.last))?));
    }
    Ok(())
}
