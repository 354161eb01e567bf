//! Authorizations and challenges (RFC 8555 §7.5). Nothing is looked up in any network: a challenge
//! that is triggered is proven, unless the faults say otherwise.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::authority::random;
use super::books::What;
use super::desk::{Answered, Desk};
use super::faults::{Faults, Link, Reuse, Token, said_of};
use super::key::encode;
use super::problem::Problem;
use super::reply::Reply;
use super::store::{Authorization, Identifier, ProofStatus};

/// How long a name counts as proven.
const VALID_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long a client may take to prove it.
const PENDING_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Desk<'_> {
    /// The authorization that an order by `account` for `identifier` gets: an old one, if they are reused.
    pub fn authorize(&mut self, account: usize, identifier: &Identifier) -> usize {
        let made = self.make(account, identifier);
        let found = if self.state.faults.reuse == Reuse::Valid { self.proven(&made) } else { None };
        found.unwrap_or_else(|| {
            self.state.authorizations.push(made);
            self.state.authorizations.len() - 1
        })
    }

    fn proven(&mut self, like: &Authorization) -> Option<usize> {
        let same = |there: &Authorization| {
            (there.account, &there.identifier, there.wildcard)
                == (like.account, &like.identifier, like.wildcard)
        };
        (0..self.state.authorizations.len()).find(|id| {
            let candidate = same(&self.state.authorizations[*id]);
            if candidate {
                self.settle_proof(*id);
            }
            candidate && self.state.authorizations[*id].status == ProofStatus::Valid
        })
    }

    fn make(&self, account: usize, identifier: &Identifier) -> Authorization {
        let (status, lives) = match self.state.faults.reuse {
            Reuse::Already => (ProofStatus::Valid, VALID_FOR),
            _ => (ProofStatus::Pending, PENDING_FOR),
        };
        let bare = identifier.value.trim_start_matches("*.").to_owned();
        Authorization {
            account,
            wildcard: bare != identifier.value,
            identifier: Identifier { kind: identifier.kind.clone(), value: bare },
            status,
            expires: self.now + lives,
            token: token(&self.state.faults.token),
            triggered: None,
            error: None,
        }
    }

    /// Reads one, or gives it up.
    pub fn authorization(&mut self, id: usize, caller: usize, payload: &Value) -> Answered {
        self.proof_of(id, caller)?;
        if payload["status"] == "deactivated" {
            self.state.authorizations[id].status = ProofStatus::Deactivated;
        }
        Ok(Reply::json(200, &self.show_proof(id)))
    }

    /// Reads a challenge.
    pub fn challenge(&mut self, id: usize, kind: &str, caller: usize) -> Answered {
        self.proof_of(id, caller)?;
        Ok(self.reply_challenge(id, kind))
    }

    /// The client says that it is ready. The verdict is seen at the next look, as with a CA that has
    /// to go and see first.
    pub fn trigger(&mut self, id: usize, kind: &str, caller: usize) -> Answered {
        self.proof_of(id, caller)?;
        let now = self.now;
        let found = &mut self.state.authorizations[id];
        if found.status == ProofStatus::Pending && found.triggered.is_none() {
            found.triggered = Some((kind.to_owned(), now));
            let (name, token) = (found.name(), found.token.clone());
            let key_authorization = format!("{token}.{}", self.account_at(caller).key.thumbprint());
            self.note(What::Trigger { challenge: kind.to_owned(), key_authorization }, vec![name]);
        }
        Ok(self.reply_challenge(id, kind))
    }

    fn reply_challenge(&self, id: usize, kind: &str) -> Reply {
        let up = format!("<{}/authorization/{id}>;rel=\"up\"", self.base);
        Reply::json(200, &self.show_challenge(id, kind)).header("link", up)
    }

    fn proof_of(&mut self, id: usize, caller: usize) -> Result<(), Problem> {
        match self.state.authorizations.get(id) {
            None => Err(Problem::not_found()),
            Some(found) if found.account != caller => Err(Problem::unauthorized(403, "that is another's")),
            Some(_) => {
                self.settle_proof(id);
                Ok(())
            }
        }
    }

    /// Brings an authorization up to the present.
    pub fn settle_proof(&mut self, id: usize) {
        let (now, validating) = (self.now, self.state.faults.validating);
        let found = &self.state.authorizations[id];
        let tried = found.triggered.as_ref().is_some_and(|(_, at)| *at + validating <= now);
        match found.status {
            ProofStatus::Pending if tried => self.judge(id),
            ProofStatus::Pending | ProofStatus::Valid if found.expires <= now => {
                self.state.authorizations[id].status = ProofStatus::Expired;
            }
            _ => {}
        }
    }

    fn judge(&mut self, id: usize) {
        let now = self.now;
        let verdict = verdict(&self.state.faults, &self.state.authorizations[id]);
        let found = &mut self.state.authorizations[id];
        let name = found.name();
        match verdict {
            None => (found.status, found.expires) = (ProofStatus::Valid, now + VALID_FOR),
            Some(problem) => {
                (found.status, found.error) = (ProofStatus::Invalid, Some(problem));
                self.note(What::FailedAuthorization, vec![name]);
            }
        }
    }

    fn show_proof(&self, id: usize) -> Value {
        let found = &self.state.authorizations[id];
        let kinds = offered(&self.state.faults, found);
        let challenges: Vec<Value> = kinds.iter().map(|kind| self.show_challenge(id, kind)).collect();
        let mut json = json!({
            "identifier": found.identifier.json(),
            "status": found.status.text(),
            "expires": found.expires.to_string(),
            "challenges": challenges,
        });
        if found.wildcard {
            json["wildcard"] = true.into();
        }
        json
    }

    fn show_challenge(&self, id: usize, kind: &str) -> Value {
        let found = &self.state.authorizations[id];
        let chosen = found.triggered.as_ref().filter(|(chosen, _)| chosen == kind);
        let status = match (found.status, chosen) {
            (ProofStatus::Pending, Some(_)) => "processing",
            (ProofStatus::Valid, Some(_)) => "valid",
            (ProofStatus::Invalid, Some(_)) => "invalid",
            _ => "pending",
        };
        let mut json = json!({
            "type": kind,
            "url": self.link(Link::Challenge, &format!("/challenge/{id}/{kind}")),
            "status": status,
            "token": found.token,
        });
        if let (Some(error), Some(_)) = (&found.error, chosen) {
            json["error"] = error.json();
        }
        if let (ProofStatus::Valid, Some((_, at))) = (found.status, chosen) {
            json["validated"] = Timestamp::to_string(at).into();
        }
        json
    }
}

/// What the faults say against a name, if anything.
fn verdict(faults: &Faults, found: &Authorization) -> Option<Problem> {
    let bare = said_of(&faults.unproven, &found.identifier.value);
    faults.unproven.get(&found.name()).or(bare).cloned()
}

/// A wildcard is proven by DNS only, and an address never is.
fn offered(faults: &Faults, found: &Authorization) -> Vec<String> {
    let suits = |kind: &&String| match kind.as_str() {
        "dns-01" => found.identifier.kind == "dns",
        _ => !found.wildcard,
    };
    faults.challenges.iter().filter(suits).cloned().collect()
}

fn token(fault: &Token) -> String {
    match fault {
        Token::Good => encode(&random::<32>()),
        Token::Climbing => "../../../../etc/cron.d/keyturn".to_owned(),
        Token::Newline => "abcdefghijklmnopqrstuvwxyz\nserver { listen 80; }".to_owned(),
        Token::Shell => "$(touch /tmp/keyturn-was-here)`id`".to_owned(),
        Token::Short => "abc".to_owned(),
        Token::Long => "a".repeat(500_000),
        Token::Text(text) => text.clone(),
    }
}
