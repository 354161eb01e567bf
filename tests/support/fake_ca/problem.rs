//! What a CA says when it says no (RFC 7807, RFC 8555 §6.7).

use serde_json::{Value, json};

use super::reply::Reply;

/// A problem document; `kind` is the part after `urn:ietf:params:acme:error:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status it is sent with.
    pub status: u16,
    /// `rateLimited`, `badNonce`, …
    pub kind: String,
    /// For people.
    pub detail: String,
    /// One a name: the name, its kind, its detail (RFC 8555 §6.7.1).
    pub subproblems: Vec<(String, String, String)>,
}

impl Problem {
    /// A problem without subproblems.
    pub fn new(status: u16, kind: &str, detail: &str) -> Self {
        Self { status, kind: kind.to_owned(), detail: detail.to_owned(), subproblems: Vec::new() }
    }

    /// Adds what is wrong with one name.
    pub fn about(mut self, name: &str, kind: &str, detail: &str) -> Self {
        self.subproblems.push((name.to_owned(), kind.to_owned(), detail.to_owned()));
        self
    }

    /// A request that no client should send.
    pub fn malformed(detail: &str) -> Self {
        Self::new(400, "malformed", detail)
    }

    /// Not allowed to do this.
    pub fn unauthorized(status: u16, detail: &str) -> Self {
        Self::new(status, "unauthorized", detail)
    }

    /// A limit of the CA was reached.
    pub fn rate_limited(detail: &str) -> Self {
        Self::new(429, "rateLimited", detail)
    }

    /// What Let's Encrypt says of a name that failed too often: no waiting helps, a person must act.
    pub fn paused(name: &str) -> Self {
        let detail = format!(
            "Your account is temporarily prevented from requesting certificates for {name} and possibly \
             others. Please visit: https://portal.ca.test/sfe/v1/unpause?jwt=abc"
        );
        Self::rate_limited(&detail)
    }

    /// The CA does not issue for `name`, though perhaps for the others of the order.
    pub fn rejected(name: &str) -> Self {
        Self::new(400, "rejectedIdentifier", &format!("the CA's policy forbids issuing for \"{name}\""))
    }

    /// The domain's CAA records name another CA.
    pub fn caa(name: &str) -> Self {
        Self::new(403, "caa", &format!("CAA record for {name} prevents issuance"))
    }

    /// The terms of service have changed.
    pub fn user_action_required() -> Self {
        Self::new(403, "userActionRequired", "agree to the new terms at https://ca.test/terms")
    }

    /// The CA wants an account of its own to be named.
    pub fn external_account_required() -> Self {
        Self::new(403, "externalAccountRequired", "this CA needs an external account binding")
    }

    /// The CSR is not what was ordered.
    pub fn bad_csr(detail: &str) -> Self {
        Self::new(400, "badCSR", detail)
    }

    /// Finalized too early.
    pub fn order_not_ready() -> Self {
        Self::new(403, "orderNotReady", "the order's authorizations are not all valid")
    }

    /// The certificate has a successor already (RFC 9773 §7.4).
    pub fn already_replaced() -> Self {
        Self::new(409, "alreadyReplaced", "the certificate has been marked as replaced by another order")
    }

    /// The CA does not know the account.
    pub fn no_account() -> Self {
        Self::new(400, "accountDoesNotExist", "no account is known by that name or key")
    }

    /// The CA itself is at fault.
    pub fn internal() -> Self {
        Self::new(500, "serverInternal", "something went wrong here")
    }

    /// Nothing is at this address.
    pub fn not_found() -> Self {
        Self::new(404, "malformed", "there is nothing at this address")
    }

    /// As JSON, as an order or a challenge carries it.
    pub fn json(&self) -> Value {
        let mut json = document(&self.kind, &self.detail);
        json["status"] = self.status.into();
        if !self.subproblems.is_empty() {
            json["subproblems"] = self.subproblems.iter().map(subproblem).collect();
        }
        json
    }

    /// As a reply.
    pub fn reply(&self) -> Reply {
        Reply::json(self.status, &self.json()).content("application/problem+json").about(&self.kind)
    }
}

fn document(kind: &str, detail: &str) -> Value {
    json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail })
}

fn subproblem((name, kind, detail): &(String, String, String)) -> Value {
    let mut json = document(kind, detail);
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    json["identifier"] = json!({ "type": if is_address { "ip" } else { "dns" }, "value": name });
    json
}
