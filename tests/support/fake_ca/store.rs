//! What the CA remembers. Everything is found by its place in a list, which is also its address.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::authority::{Issued, random};
use super::books::{Books, What};
use super::faults::Faults;
use super::jws::Jws;
use super::key::{Key, encode};
use super::problem::Problem;
use super::route::Route;

/// All of it, behind one lock.
#[derive(Default)]
pub struct State {
    pub faults: Faults,
    pub books: Books,
    pub accounts: Vec<Account>,
    pub orders: Vec<Order>,
    pub authorizations: Vec<Authorization>,
    pub certificates: Vec<Certificate>,
    /// External accounts: kid and secret.
    pub bindings: BTreeMap<String, Vec<u8>>,
    nonces: HashSet<String>,
    dice: Dice,
    planned: Vec<(Timestamp, Change)>,
}

/// What a test wants changed later.
pub type Change = Box<dyn FnOnce(&mut Faults) + Send>;

/// An account; its address is its place in the list.
#[derive(Debug, Clone)]
pub struct Account {
    pub key: Key,
    pub contact: Vec<String>,
    pub standing: Standing,
    /// The external account it is bound to.
    pub binding: Option<String>,
}

/// Whether an account may do anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Valid,
    Deactivated,
    /// The CA says it never heard of it.
    Forgotten,
}

/// A name or an address to prove.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identifier {
    /// `dns` or `ip`.
    pub kind: String,
    pub value: String,
}

impl Identifier {
    pub fn json(&self) -> Value {
        json!({ "type": self.kind, "value": self.value })
    }
}

/// An order, as it was when last looked at.
#[derive(Debug, Clone)]
pub struct Order {
    pub account: usize,
    pub identifiers: Vec<Identifier>,
    pub authorizations: Vec<usize>,
    pub status: OrderStatus,
    pub expires: Timestamp,
    pub error: Option<Problem>,
    pub profile: Option<String>,
    pub replaces: Option<String>,
    /// The CSR, from finalize on.
    pub csr: Vec<u8>,
    /// When the certificate is made.
    pub due: Timestamp,
    pub certificate: Option<usize>,
}

impl Order {
    pub fn names(&self) -> Vec<String> {
        self.identifiers.iter().map(|identifier| identifier.value.clone()).collect()
    }
}

/// RFC 8555 §7.1.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderStatus {
    Pending,
    Ready,
    Processing,
    Valid,
    Invalid,
}

impl OrderStatus {
    pub fn text(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Processing => "processing",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
        }
    }
}

/// The proof of one name.
#[derive(Debug, Clone)]
pub struct Authorization {
    pub account: usize,
    /// Without the `*.`.
    pub identifier: Identifier,
    pub wildcard: bool,
    pub status: ProofStatus,
    pub expires: Timestamp,
    pub token: String,
    /// The challenge that was triggered, and when.
    pub triggered: Option<(String, Timestamp)>,
    pub error: Option<Problem>,
}

impl Authorization {
    /// With the `*.`.
    pub fn name(&self) -> String {
        format!("{}{}", if self.wildcard { "*." } else { "" }, self.identifier.value)
    }
}

/// RFC 8555 §7.1.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofStatus {
    Pending,
    Valid,
    Invalid,
    Deactivated,
    Expired,
}

impl ProofStatus {
    pub fn text(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Deactivated => "deactivated",
            Self::Expired => "expired",
        }
    }
}

/// A certificate that was issued.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub account: usize,
    /// Those that were ordered, whatever is in the certificate.
    pub names: Vec<String>,
    pub profile: Option<String>,
    /// What was made.
    pub issued: Issued,
    /// The reason code it was revoked with, if it was.
    pub revoked: Option<u64>,
}

impl State {
    /// Changes the faults when the CA's time has come to `at`.
    pub fn plan(&mut self, at: Timestamp, change: Change) {
        self.planned.push((at, change));
        self.planned.sort_by_key(|(at, _)| *at);
    }

    /// The faults as they are at `now`.
    pub fn faults_at(&mut self, now: Timestamp) -> &mut Faults {
        while self.planned.first().is_some_and(|(at, _)| *at <= now) {
            (self.planned.remove(0).1)(&mut self.faults);
        }
        &mut self.faults
    }

    /// A nonce that will be good once.
    pub fn new_nonce(&mut self) -> String {
        let nonce = encode(&random::<16>());
        self.nonces.insert(nonce.clone());
        nonce
    }

    /// Takes a nonce back; the faults may dislike a good one.
    pub fn take_nonce(&mut self, nonce: Option<&str>) -> Result<(), Problem> {
        let known = nonce.is_some_and(|nonce| self.nonces.remove(nonce));
        if known && self.dice.percent() >= self.faults.bad_nonce {
            Ok(())
        } else {
            Err(Problem::new(400, "badNonce", "the nonce is not one of ours, or was used before"))
        }
    }

    /// The account of this key, if it has one that is not forgotten.
    pub fn account_of(&self, key: &Key) -> Option<usize> {
        self.accounts
            .iter()
            .position(|account| account.key == *key && account.standing != Standing::Forgotten)
    }

    /// Writes into the books.
    pub fn note(&mut self, at: Timestamp, what: What, names: Vec<String>) {
        self.books.note(at, what, names);
    }

    /// The names that a request is about, without believing it, so that refused ones are counted too.
    pub fn names_of(&self, route: &Route, body: &[u8]) -> Vec<String> {
        let names = match route {
            Route::NewOrder => asked_for(body),
            Route::Order(id) | Route::Finalize(id) => self.orders.get(*id).map(Order::names),
            Route::Authorization(id) | Route::Challenge(id, _) => {
                self.authorizations.get(*id).map(|authorization| vec![authorization.name()])
            }
            Route::Certificate(id, _) => self.certificates.get(*id).map(|found| found.names.clone()),
            Route::RenewalInfo(id) => {
                let found = self.certificates.iter().find(|found| found.issued.ari_id == *id);
                found.map(|found| found.names.clone())
            }
            _ => None,
        };
        names.unwrap_or_default()
    }
}

fn asked_for(body: &[u8]) -> Option<Vec<String>> {
    let payload = Jws::parse(body).ok()?.payload().ok()??;
    let identifiers = payload["identifiers"].as_array()?;
    Some(identifiers.iter().filter_map(|found| found["value"].as_str()).map(str::to_owned).collect())
}

/// A generator that gives the same every time: faults that come by chance must come again.
struct Dice(u64);

impl Default for Dice {
    fn default() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }
}

impl Dice {
    /// From 0 to 99 (xorshift64*).
    fn percent(&mut self) -> u8 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        u8::try_from(drawn % 100).unwrap()
    }
}
