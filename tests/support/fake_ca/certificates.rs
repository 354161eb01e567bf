//! What becomes of a certificate: fetched, revoked (RFC 8555 §7.4.2, §7.6), and asked about (RFC 9773).

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::books::What;
use super::desk::{Answered, Caller, Desk};
use super::faults::{Ari, Link};
use super::key::bytes;
use super::problem::Problem;
use super::reply::Reply;
use super::store::Certificate;

impl Desk<'_> {
    /// One of a certificate's chains, with the addresses of the others.
    pub fn certificate(&mut self, id: usize, chain: usize, caller: usize) -> Answered {
        let found = self.state.certificates.get(id).ok_or_else(Problem::not_found)?;
        if found.account != caller {
            return Err(Problem::unauthorized(403, "that is another's"));
        }
        let pem = found.issued.chains.get(chain).ok_or_else(Problem::not_found)?;
        let reply = Reply::text(200, "application/pem-certificate-chain", pem);
        let others = (0..found.issued.chains.len()).filter(|other| *other != chain);
        Ok(others.fold(reply, |reply, other| {
            let url = self.link(Link::Alternate, &format!("/certificate/{id}/{other}"));
            reply.header("link", format!("<{url}>;rel=\"alternate\""))
        }))
    }

    /// Revokes, for the account that ordered it or for whoever holds its key.
    pub fn revoke(&mut self, caller: &Caller, payload: &Value) -> Answered {
        let der = bytes(&payload["certificate"]).unwrap_or_default();
        let found = self.state.certificates.iter_mut().find(|found| found.issued.der == der);
        let found = found.ok_or_else(|| Problem::new(404, "malformed", "no certificate of ours"))?;
        if !may_revoke(caller, found) {
            return Err(Problem::unauthorized(403, "neither the account's nor by its own key"));
        }
        let reason = payload["reason"].as_u64().unwrap_or(0);
        if ![0, 1, 3, 4, 5].contains(&reason) {
            return Err(Problem::new(400, "badRevocationReason", "a subscriber may not give that reason"));
        }
        if found.revoked.is_some() {
            return Err(Problem::new(400, "alreadyRevoked", "the certificate is revoked already"));
        }
        found.revoked = Some(reason);
        let names = found.names.clone();
        self.note(What::Revocation, names);
        Ok(Reply::empty(200))
    }

    /// When to renew.
    pub fn renewal_info(&mut self, id: &str) -> Answered {
        let found = self.state.certificates.iter().find(|found| found.issued.ari_id == id);
        let found = found.ok_or_else(Problem::not_found)?;
        let (start, end) = self.window(found);
        let mut json = json!({ "suggestedWindow": { "start": start.to_string(), "end": end.to_string() } });
        if found.revoked.is_some() {
            json["explanationURL"] = "https://ca.test/incident".into();
        }
        Ok(Reply::json(200, &json))
    }

    fn window(&self, found: &Certificate) -> (Timestamp, Timestamp) {
        let hour = SignedDuration::from_hours(1);
        let millennium: Timestamp = "3000-01-01T00:00:00Z".parse().unwrap();
        match self.state.faults.ari {
            Ari::Good | Ari::None if found.revoked.is_none() => good_window(found),
            Ari::Good | Ari::None | Ari::Past => (self.now - hour * 2, self.now - hour),
            Ari::Year3000 => (millennium, millennium + hour * 24),
            Ari::Backwards => (self.now + hour * 2, self.now + hour),
            Ari::NoWidth => (self.now + hour, self.now + hour),
            Ari::Window(start, end) => (start, end),
        }
    }
}

/// A fiftieth of the lifetime wide, around the moment when a third of it is left.
fn good_window(found: &Certificate) -> (Timestamp, Timestamp) {
    let lifetime = found.issued.not_after.duration_since(found.issued.not_before);
    let start = found.issued.not_after - lifetime / 3 - lifetime / 100;
    let whole = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap();
    (whole(start), whole(start + lifetime / 50))
}

fn may_revoke(caller: &Caller, found: &Certificate) -> bool {
    match caller {
        Caller::Account(id) => found.account == *id,
        Caller::Key(key) => found.issued.key.as_ref() == Some(key),
    }
}
