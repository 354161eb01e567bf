//! What Pebble has done, as its log has it.

use std::collections::BTreeMap;

/// Counts over all of its life, also over `Pebble::boot`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PebbleCounts {
    /// Orders that were made: what a limit at a real CA would count.
    pub orders: usize,
    /// Orders that it accepted a CSR for.
    pub finalizations: usize,
    /// Accounts that were made.
    pub accounts: usize,
    /// Challenges that it was told to look at.
    pub validations: usize,
    /// Serials in hex of the certificates that it issued, in their order.
    pub issued: Vec<String>,
    /// Requests by method and endpoint, such as `POST /order-plz`, those with a rejected nonce too.
    pub requests: BTreeMap<String, usize>,
}

impl PebbleCounts {
    pub(super) fn of(log: &str) -> Self {
        let mut counts = Self::default();
        log.lines().filter_map(message).for_each(|message| counts.add(message));
        counts
    }

    fn add(&mut self, message: &str) {
        if let Some((request, _)) = message.split_once(" -> calling handler()") {
            *self.requests.entry(request.to_owned()).or_default() += 1;
        } else if let Some(rest) = message.strip_prefix("Issued certificate serial ") {
            self.issued.extend(rest.split(' ').next().map(str::to_owned));
        }
        self.orders += usize::from(message.starts_with("Added order "));
        self.finalizations += usize::from(message.ends_with("is fully authorized. Processing finalization"));
        self.accounts +=
            usize::from(message.starts_with("There are now ") && message.ends_with(" accounts in memory"));
        self.validations += usize::from(message.starts_with("Pulled a task "));
    }

    /// Requests to one endpoint, by any method.
    pub fn requests_to(&self, path: &str) -> usize {
        self.requests
            .iter()
            .filter(|(request, _)| request.ends_with(&format!(" {path}")))
            .map(|(_, count)| count)
            .sum()
    }

    /// All requests.
    pub fn all_requests(&self) -> usize {
        self.requests.values().sum()
    }

    /// Requests for a nonce alone.
    pub fn nonces(&self) -> usize {
        self.requests_to("/nonce-plz")
    }

    /// Requests to revoke a certificate.
    pub fn revocations(&self) -> usize {
        self.requests_to("/revoke-cert")
    }

    /// Requests to change an account's key.
    pub fn key_changes(&self) -> usize {
        self.requests_to("/rollover-account-key")
    }
}

/// A line without its program, date and time.
fn message(line: &str) -> Option<&str> {
    line.strip_prefix("Pebble ")?.splitn(3, ' ').nth(2)
}
