//! Who answers a request: checks the signature, and passes it on to what it is about.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::authority::Authority;
use super::books::What;
use super::faults::{Ari, Link};
use super::jws::{Jws, Signer};
use super::key::Key;
use super::problem::Problem;
use super::reply::Reply;
use super::route::Route;
use super::store::{Account, Standing, State};

/// The state while one request is answered.
pub struct Desk<'a> {
    pub state: &'a mut State,
    pub authority: &'a Authority,
    /// `https://127.0.0.1:port`.
    pub base: &'a str,
    /// The CA's time.
    pub now: Timestamp,
}

/// A request as it came.
#[derive(Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub content_type: String,
    pub body: Vec<u8>,
}

/// What every handler gives.
pub type Answered = Result<Reply, Problem>;

/// Who signed.
pub enum Caller {
    Account(usize),
    Key(Key),
}

impl Desk<'_> {
    /// Answers as a good CA would; the faults that replace answers are not seen here.
    pub fn answer(&mut self, route: &Route, asked: &Asked) -> Answered {
        match (asked.method.as_str(), route) {
            ("GET", Route::Directory) => Ok(self.directory()),
            ("HEAD", Route::NewNonce) => Ok(Reply::empty(200)),
            ("GET", Route::NewNonce) => Ok(Reply::empty(204)),
            ("GET", Route::RenewalInfo(id)) => self.renewal_info(id),
            (_, Route::Unknown) => Err(Problem::not_found()),
            ("POST", _) => self.signed(route, asked),
            _ => Err(Problem::new(405, "malformed", "that method is not for this address")),
        }
    }

    fn signed(&mut self, route: &Route, asked: &Asked) -> Answered {
        if asked.content_type != "application/jose+json" {
            return Err(Problem::new(415, "malformed", "the content type is not application/jose+json"));
        }
        let jws = Jws::parse(&asked.body)?;
        let caller = self.caller(&jws, &format!("{}{}", self.base, asked.path))?;
        let payload = jws.payload()?;
        match (route, caller) {
            (Route::NewAccount, Caller::Key(key)) => self.new_account(key, &payload.unwrap_or_default()),
            (Route::RevokeCert, caller) => self.revoke(&caller, &payload.unwrap_or_default()),
            (route, Caller::Account(account)) => self.of_account(route, account, payload),
            (_, Caller::Key(_)) => Err(Problem::malformed("this must be signed by a kid")),
        }
    }

    fn of_account(&mut self, route: &Route, caller: usize, payload: Option<Value>) -> Answered {
        let empty = payload.is_none();
        let payload = payload.unwrap_or_default();
        match route {
            Route::Account(id) => self.account(*id, caller, &payload),
            Route::KeyChange => self.key_change(caller, &payload),
            Route::NewOrder => self.new_order(caller, &payload),
            Route::Order(id) if empty => self.order(*id, caller),
            Route::Authorization(id) => self.authorization(*id, caller, &payload),
            Route::Challenge(id, kind) if empty => self.challenge(*id, kind, caller),
            Route::Challenge(id, kind) => self.trigger(*id, kind, caller),
            Route::Finalize(id) => self.finalize(*id, caller, &payload),
            Route::Certificate(id, chain) if empty => self.certificate(*id, *chain, caller),
            _ => Err(Problem::malformed("that is not how this address is asked")),
        }
    }

    /// Checks key, url, signature and nonce (RFC 8555 §6.2 to §6.5).
    fn caller(&mut self, jws: &Jws, url: &str) -> Result<Caller, Problem> {
        let caller = match jws.signer()? {
            Signer::Jwk(key) => Caller::Key(key),
            Signer::Kid(kid) => Caller::Account(self.by_kid(kid)?),
        };
        let key = match &caller {
            Caller::Key(key) => key,
            Caller::Account(id) => &self.state.accounts[*id].key,
        };
        jws.check(key, url)?;
        self.state.take_nonce(jws.text("nonce"))?;
        Ok(caller)
    }

    fn by_kid(&self, kid: &str) -> Result<usize, Problem> {
        let path = kid.strip_prefix(self.base).unwrap_or_default();
        let Route::Account(id) = Route::of(path) else {
            return Err(Problem::no_account());
        };
        match self.state.accounts.get(id).map(|account| account.standing) {
            Some(Standing::Valid) => Ok(id),
            Some(Standing::Deactivated) => Err(Problem::unauthorized(401, "the account is deactivated")),
            Some(Standing::Forgotten) | None => Err(Problem::no_account()),
        }
    }

    fn directory(&self) -> Reply {
        let faults = &self.state.faults;
        let mut json = json!({
            "newNonce": self.link(Link::NewNonce, "/new-nonce"),
            "newAccount": self.link(Link::NewAccount, "/new-account"),
            "newOrder": self.link(Link::NewOrder, "/new-order"),
            "revokeCert": self.link(Link::RevokeCert, "/revoke-cert"),
            "keyChange": self.link(Link::KeyChange, "/key-change"),
            "renewalInfo": self.link(Link::RenewalInfo, "/renewal-info"),
            "meta": {
                "termsOfService": "https://ca.test/terms",
                "website": "https://ca.test",
                "caaIdentities": ["ca.test"],
                "externalAccountRequired": faults.needs_binding,
                "profiles": {
                    "classic": "https://ca.test/profiles/classic",
                    "tlsserver": "https://ca.test/profiles/tlsserver",
                    "shortlived": "https://ca.test/profiles/shortlived",
                },
            },
        });
        if faults.ari == Ari::None {
            json.as_object_mut().unwrap().remove("renewalInfo");
        }
        if !faults.profiles {
            json["meta"].as_object_mut().unwrap().remove("profiles");
        }
        Reply::json(200, &json)
    }

    /// An address of the CA, as the faults have it.
    pub fn link(&self, link: Link, path: &str) -> String {
        let url = format!("{}{path}", self.base);
        match self.state.faults.links.get(&link) {
            Some(twist) => twist.apply(url),
            None => url,
        }
    }

    /// The account with this number.
    pub fn account_at(&mut self, id: usize) -> &mut Account {
        &mut self.state.accounts[id]
    }

    /// Writes into the books.
    pub fn note(&mut self, what: What, names: Vec<String>) {
        self.state.note(self.now, what, names);
    }
}
