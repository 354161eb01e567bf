//! What goes wrong with a CA, and whose fault it is.

use http::StatusCode;
use instant_acme::Error;
use jiff::SignedDuration;
use serde::Deserialize;

use crate::issuer::{IssueError, IssueErrorKind};

/// No more of what a CA says is repeated than this, in characters.
const LONGEST_WORDS: usize = 500;
const ACME_ERROR: &str = "urn:ietf:params:acme:error:";

/// There was no reply that could be used; the words say why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreached(pub(super) String);

/// The same of a request that changes nothing, or that was never sent.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub(super) struct Unsent(#[from] pub(super) Unreached);

/// A reply that is longer than any that means well.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("its reply is longer than {0} bytes")]
pub(super) struct TooLong(pub(super) usize);

/// A reply that says no.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// Of the problem type (RFC 8555 §6.7), what follows the common prefix; empty where it has none.
    pub(super) kind: String,
    /// In the CA's words, made harmless.
    pub(super) detail: String,
    pub(super) retry_after: Option<SignedDuration>,
    /// What is wrong with single identifiers (RFC 8555 §6.7.1).
    pub(super) of_names: Vec<(String, String)>,
    /// The request was one that changes nothing: a directory, a nonce.
    pub(super) only_read: bool,
}

/// A problem document (RFC 7807), as far as we read it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Document {
    r#type: String,
    detail: String,
    subproblems: Vec<Subproblem>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Subproblem {
    detail: String,
    identifier: Identifier,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Identifier {
    value: String,
}

impl Refusal {
    /// A body that is no problem document (a proxy's page) leaves the status alone to tell.
    pub(super) fn read(status: StatusCode, retry_after: Option<SignedDuration>, body: &[u8]) -> Self {
        let document: Document = serde_json::from_slice(body).unwrap_or_default();
        let of_names =
            document.subproblems.iter().map(|sub| (sub.identifier.value.clone(), harmless(&sub.detail)));
        Self {
            status: status.as_u16(),
            kind: document.r#type.strip_prefix(ACME_ERROR).unwrap_or_default().to_owned(),
            detail: harmless(&document.detail),
            retry_after,
            of_names: of_names.filter(|(name, _)| !name.is_empty()).collect(),
            only_read: false,
        }
    }

    /// Whether what was asked for may have been done all the same.
    ///
    /// Not by a client error (RFC 8555 §6.7), and not by 503: whoever says it, a CA that sheds load or the proxy before
    /// it, has not taken the request up (RFC 9110 §15.6.4). All else above 500 says nothing of it: a gateway's 502 and
    /// 504 are of a CA that was asked and not heard, and a 500, with a problem document or without, is also what a CA
    /// says that has stored an order and then failed. To count one too many of those costs a wait; to count one too few, in an
    /// outage that lasts, the limits that other certificates need as well.
    fn may_be_done(&self) -> bool {
        !self.only_read && self.status >= 500 && self.status != StatusCode::SERVICE_UNAVAILABLE.as_u16()
    }

    /// Whether it is of this type of RFC 8555 §6.7.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }

    /// Whether the CA does not know the account, as one that has lost it says.
    pub(super) fn account_is_lost(&self) -> bool {
        self.is("accountDoesNotExist")
    }

    /// Whose fault it is.
    fn fault(&self) -> IssueErrorKind {
        match (self.kind.as_str(), self.status) {
            ("rateLimited", _) | (_, 429) => IssueErrorKind::Limited,
            // Some CAs are busy with 503 and a Retry-After.
            (_, 503) if self.retry_after.is_some() => IssueErrorKind::Limited,
            ("serverInternal" | "badNonce", _) | (_, 500..) => IssueErrorKind::Unreachable,
            ("connection" | "dns" | "incorrectResponse" | "tls", _) => IssueErrorKind::Unproven,
            // A proxy, or a server that is no CA.
            ("", _) => IssueErrorKind::Unreachable,
            _ => IssueErrorKind::Refused,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.kind.is_empty() { "no reason that ACME knows" } else { &self.kind };
        write!(f, "HTTP {} ({kind})", self.status)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        self.of_names.iter().try_for_each(|(name, why)| write!(f, "; {}: {why}", harmless(name)))
    }
}

impl std::error::Error for Refusal {}

/// What a CA says is shown to people and kept: one line, of bounded length, without control characters.
pub(super) fn harmless(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut clean: String = clean.take(LONGEST_WORDS + 1).collect();
    if clean.chars().count() > LONGEST_WORDS {
        clean.pop();
        clean.push('…');
    }
    clean
}

/// The refusal in an error of the library, where it is one.
pub(super) fn refusal(error: &Error) -> Option<&Refusal> {
    match error {
        Error::Other(inner) => inner.downcast_ref(),
        _ => None,
    }
}

/// Whether the reply was too long to be read; it is no shorter the next time.
pub(super) fn is_too_long(error: &Error) -> bool {
    matches!(error, Error::Other(inner) if inner.is::<TooLong>())
}

/// Whether a fresh nonce is all that is needed; the library has tried three already.
pub(super) fn is_bad_nonce(error: &Error) -> bool {
    match error {
        Error::Api(problem) => problem.r#type.as_deref().is_some_and(|kind| kind.ends_with(":badNonce")),
        error => refusal(error).is_some_and(|refusal| refusal.is("badNonce")),
    }
}

/// Whether what was asked for may have been done, though the answer is this error: then it is counted, and looked for
/// before it is asked for again.
pub(super) fn may_be_done(error: &Error) -> bool {
    let unsent = matches!(error, Error::Other(inner) if inner.is::<Unsent>());
    !unsent && !is_bad_nonce(error) && refusal(error).is_none_or(Refusal::may_be_done)
}

/// Whether the reply was a success, and only the library does not like it: the client below it knows all other errors.
pub(super) fn is_ours_alone(error: &Error) -> bool {
    let is_known = |inner: &(dyn std::error::Error + 'static)| {
        inner.is::<Refusal>() || inner.is::<Unreached>() || inner.is::<Unsent>() || inner.is::<TooLong>()
    };
    matches!(error, Error::Other(inner) if !is_known(inner.as_ref()))
}

/// Whether a CA does not take the reason for a revocation (RFC 8555 §7.6); OpenBao takes none.
pub(super) fn takes_no_reason(error: &Error) -> bool {
    refusal(error).is_some_and(|refusal| refusal.is("badRevocationReason"))
}

/// As the one who has asked for a certificate is told; `doing` is what could not be done.
pub(super) fn issue_error(ca: &str, doing: &str, error: &Error) -> IssueError {
    if let Some(refusal) = refusal(error) {
        let message = format!("{ca} has refused {doing}: {refusal}");
        let failed_names = refusal.of_names.iter().map(|(name, _)| name.clone()).collect();
        return IssueError { message, kind: refusal.fault(), retry_after: refusal.retry_after, failed_names };
    }
    let (kind, words) = match error {
        Error::Other(inner) if inner.is::<Unreached>() || inner.is::<Unsent>() => {
            (IssueErrorKind::Unreachable, inner.to_string())
        }
        Error::Api(problem) => (IssueErrorKind::Unreachable, harmless(&problem.to_string())),
        // serde's words could quote what was sent.
        Error::Json(error) => {
            (IssueErrorKind::Unreachable, format!("a reply that is not ACME ({:?})", error.classify()))
        }
        Error::Unsupported(what) => (IssueErrorKind::Refused, format!("it does not support {what}")),
        error => (IssueErrorKind::Unreachable, harmless(&error.to_string())),
    };
    IssueError::new(kind, format!("{doing} at {ca} failed: {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, kind: &str) -> Refusal {
        let body = format!("{{\"type\":\"{ACME_ERROR}{kind}\"}}");
        Refusal::read(StatusCode::from_u16(status).unwrap(), None, body.as_bytes())
    }

    fn error(error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Other(Box::new(error))
    }

    #[test]
    fn what_a_ca_has_declined_counts_for_nothing() {
        for (status, kind) in
            [(403, "rejectedIdentifier"), (429, "rateLimited"), (503, "rateLimited"), (503, "serverInternal")]
        {
            assert!(!may_be_done(&error(answer(status, kind))), "{status} {kind}");
        }
        let page = Refusal::read(StatusCode::SERVICE_UNAVAILABLE, None, b"<html>");
        assert!(!may_be_done(&error(page)), "the page of a proxy that has no CA to ask");
        assert!(!may_be_done(&error(answer(400, "badNonce"))));
        assert!(!may_be_done(&error(Unsent(Unreached("connection refused".to_owned())))));
        let nonce = Refusal { only_read: true, ..answer(504, "") };
        assert!(!may_be_done(&error(nonce)), "a nonce is no order");
    }

    #[test]
    fn what_nobody_has_answered_may_be_done() {
        for status in [500, 502, 504, 524] {
            assert!(may_be_done(&error(answer(status, "serverInternal"))), "{status}");
        }
        assert!(may_be_done(&error(Unreached("connection reset".to_owned()))));
        assert!(may_be_done(&Error::Str("no order URL found")));
    }

    fn refused(document: &str) -> Error {
        Error::Other(Box::new(Refusal::read(StatusCode::BAD_REQUEST, None, document.as_bytes())))
    }

    #[test]
    fn only_what_the_library_finds_by_itself_is_ours_alone() {
        assert!(is_ours_alone(&Error::Other("replaces field mismatch".into())));
        assert!(!is_ours_alone(&refused(r#"{"type": "urn:ietf:params:acme:error:malformed"}"#)));
        assert!(!is_ours_alone(&Error::Other(Box::new(Unreached("no route".to_owned())))));
        assert!(!is_ours_alone(&Error::Str("no nonce found")));
    }

    #[test]
    fn a_ca_that_takes_no_reason_says_so() {
        assert!(takes_no_reason(&refused(r#"{"type": "urn:ietf:params:acme:error:badRevocationReason"}"#)));
        assert!(!takes_no_reason(&refused(r#"{"type": "urn:ietf:params:acme:error:unauthorized"}"#)));
    }
}
