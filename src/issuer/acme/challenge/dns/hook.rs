//! A program of the operator's writes the record: `COMMAND present|cleanup FQDN VALUE`, once a value.

use std::time::Duration;

use super::value::Entry;
use crate::config::Command;
use crate::process::{self, Environment};

/// All that a hook sees of our environment. Secrets are its own business: files that it knows, or that systemd has
/// laid out for the service.
const ENVIRONMENT: Environment =
    Environment::Only(&["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "CREDENTIALS_DIRECTORY"]);

/// Puts each value of an entry there.
///
/// # Errors
///
/// What the program said.
pub(super) async fn present(command: &Command, entry: &Entry) -> Result<(), String> {
    for value in &entry.values {
        run(command, "present", &entry.fqdn, value).await?;
    }
    Ok(())
}

/// Takes each value of an entry away, also after one could not be.
///
/// # Errors
///
/// What the program said.
pub(super) async fn clean_up(command: &Command, entry: &Entry) -> Result<(), String> {
    let mut outcome = Ok(());
    for value in &entry.values {
        outcome = outcome.and(run(command, "cleanup", &entry.fqdn, value).await);
    }
    outcome
}

async fn run(command: &Command, verb: &str, fqdn: &str, value: &str) -> Result<(), String> {
    let mut words = command.argv().to_vec();
    words.extend([verb, fqdn, value].map(str::to_owned));
    let timeout = Duration::try_from(command.timeout()).unwrap_or_default();
    process::run(&words, timeout, ENVIRONMENT, &[]).await
}
