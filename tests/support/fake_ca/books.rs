//! What the CA has seen and done, by its own time, so that a test can count it.

use std::fmt;

use jiff::Timestamp;

use super::route::Endpoint;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// By the CA's clock.
    pub at: Timestamp,
    /// What it was.
    pub what: What,
    /// The identifiers it was about, sorted; empty where there are none.
    pub names: Vec<String>,
}

/// The things that are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A request and its answer; status 0 is none. `lost` is an answer that was made and not sent.
    Request { endpoint: Endpoint, status: u16, problem: Option<String>, lost: bool },
    /// An order was created.
    Order,
    /// A challenge was triggered: its type, and the key authorization that answers it.
    Trigger { challenge: String, key_authorization: String },
    /// A CSR was taken.
    Finalization,
    /// A certificate was issued.
    Certificate,
    /// A name could not be proven.
    FailedAuthorization,
    /// An order became invalid.
    FailedOrder,
    /// A certificate was revoked, by a request or by the CA.
    Revocation,
}

/// All entries up to a moment, in order.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// Oldest first.
    pub entries: Vec<Entry>,
}

impl Books {
    pub(super) fn note(&mut self, at: Timestamp, what: What, mut names: Vec<String>) {
        names.sort();
        self.entries.push(Entry { at, what, names });
    }

    fn keep(mut self, keep: impl Fn(&Entry) -> bool) -> Self {
        self.entries.retain(keep);
        self
    }

    /// Those of exactly this set of names.
    pub fn of(self, names: &[&str]) -> Self {
        let mut wanted: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        wanted.sort();
        self.keep(|entry| entry.names == wanted)
    }

    /// Those from `from` on and before `until`.
    pub fn between(self, from: Timestamp, until: Timestamp) -> Self {
        self.keep(|entry| entry.at >= from && entry.at < until)
    }

    fn count(&self, is: impl Fn(&What) -> bool) -> usize {
        self.entries.iter().filter(|entry| is(&entry.what)).count()
    }

    /// Requests of any kind.
    pub fn requests(&self) -> usize {
        self.count(|what| matches!(what, What::Request { .. }))
    }

    /// Requests to one endpoint.
    pub fn requests_to(&self, wanted: Endpoint) -> usize {
        self.count(|what| matches!(what, What::Request { endpoint, .. } if *endpoint == wanted))
    }

    /// Orders created.
    pub fn orders(&self) -> usize {
        self.count(|what| *what == What::Order)
    }

    /// CSRs taken.
    pub fn finalizations(&self) -> usize {
        self.count(|what| *what == What::Finalization)
    }

    /// Certificates issued.
    pub fn certificates(&self) -> usize {
        self.count(|what| *what == What::Certificate)
    }

    /// Challenges triggered.
    pub fn triggers(&self) -> usize {
        self.count(|what| matches!(what, What::Trigger { .. }))
    }

    /// Refused requests (but for `badNonce`), and authorizations and orders that failed.
    pub fn failures(&self) -> usize {
        self.count(|what| match what {
            What::Request { status, problem, .. } => *status >= 400 && problem.as_deref() != Some("badNonce"),
            What::FailedAuthorization | What::FailedOrder => true,
            _ => false,
        })
    }

    /// Requests that were told `badNonce`.
    pub fn bad_nonces(&self) -> usize {
        self.problems("badNonce")
    }

    /// Requests that were told this problem.
    pub fn problems(&self, kind: &str) -> usize {
        self.count(|what| matches!(what, What::Request { problem: Some(problem), .. } if problem == kind))
    }

    /// The most entries of `counted` in any stretch of so many seconds: "at most 5 an hour".
    pub fn densest(&self, seconds: i64, counted: impl Fn(&What) -> bool) -> usize {
        let times: Vec<i64> = self
            .entries
            .iter()
            .filter(|entry| counted(&entry.what))
            .map(|entry| entry.at.as_second())
            .collect();
        let within = |from: &i64| times.iter().filter(|at| (*from..*from + seconds).contains(*at)).count();
        times.iter().map(within).max().unwrap_or(0)
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.entries {
            writeln!(f, "{} {} {}", entry.at, entry.what, entry.names.join(","))?;
        }
        write!(
            f,
            "{} requests, {} orders, {} finalizations, {} certificates, {} failures, {} badNonce",
            self.requests(),
            self.orders(),
            self.finalizations(),
            self.certificates(),
            self.failures(),
            self.bad_nonces()
        )
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { endpoint, status, problem, lost } => {
                let (problem, lost) = (problem.as_deref().unwrap_or(""), if *lost { "lost" } else { "" });
                write!(f, "{endpoint:?} {status} {problem}{lost}")
            }
            Self::Trigger { challenge, .. } => write!(f, "trigger {challenge}"),
            other => write!(f, "{other:?}"),
        }
    }
}
