//! Orders (RFC 8555 §7.4): made, looked at, and finalized.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use rcgen::{CertificateSigningRequestParams, DnType, DnValue, SanType};
use serde_json::{Value, json};

use super::authority::key_of;
use super::books::What;
use super::desk::{Answered, Desk};
use super::faults::{Link, said_of};
use super::key::bytes;
use super::problem::Problem;
use super::reply::Reply;
use super::store::{Certificate, Identifier, Order, OrderStatus, ProofStatus};

/// How long an order waits for its client.
const EXPIRES: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Desk<'_> {
    /// Begins an order.
    pub fn new_order(&mut self, account: usize, payload: &Value) -> Answered {
        let identifiers = identifiers(payload)?;
        self.refuse(&identifiers)?;
        let profile = self.profile(payload)?;
        let replaces = payload["replaces"].as_str().map(str::to_owned);
        if let Some(id) = &replaces {
            self.may_replace(id, account, &identifiers)?;
        }
        let authorizations = identifiers.iter().map(|wanted| self.authorize(account, wanted)).collect();
        let order = Order {
            account,
            identifiers,
            authorizations,
            status: OrderStatus::Pending,
            expires: self.now + EXPIRES,
            error: None,
            profile,
            replaces,
            csr: Vec::new(),
            due: self.now,
            certificate: None,
        };
        self.note(What::Order, order.names());
        self.state.orders.push(order);
        let id = self.state.orders.len() - 1;
        self.settle_order(id);
        Ok(self.show_order(201, id))
    }

    /// One problem for one name; for several, one for all with a subproblem a refused name.
    fn refuse(&self, identifiers: &[Identifier]) -> Result<(), Problem> {
        let table = &self.state.faults.refuse;
        let said = identifiers.iter().map(|wanted| Some((wanted, said_of(table, &wanted.value)?)));
        let refused: Vec<_> = said.flatten().collect();
        let Some((first, problem)) = refused.first() else {
            return Ok(());
        };
        if identifiers.len() == 1 {
            return Err((*problem).clone());
        }
        let detail =
            format!("Cannot issue for \"{}\": {} (see the subproblems)", first.value, problem.detail);
        let whole = Problem::new(problem.status, &problem.kind, &detail);
        Err(refused.iter().fold(whole, |whole, (name, why)| whole.about(&name.value, &why.kind, &why.detail)))
    }

    fn profile(&self, payload: &Value) -> Result<Option<String>, Problem> {
        let Some(profile) = payload["profile"].as_str() else {
            return Ok(None);
        };
        if self.state.faults.profiles && lifetime(Some(profile)).is_some() {
            Ok(Some(profile.to_owned()))
        } else {
            Err(Problem::new(400, "invalidProfile", &format!("there is no profile \"{profile}\"")))
        }
    }

    /// RFC 9773 §5: the same account, a name in common, and no other order that does it already.
    fn may_replace(&self, id: &str, account: usize, wanted: &[Identifier]) -> Result<(), Problem> {
        let found = self.state.certificates.iter().find(|found| found.issued.ari_id == id);
        let found = found.ok_or_else(|| Problem::malformed("no certificate of ours is to be replaced"))?;
        if found.account != account {
            return Err(Problem::unauthorized(403, "what is to be replaced is another's"));
        }
        if !wanted.iter().any(|wanted| found.names.contains(&wanted.value)) {
            return Err(Problem::malformed("what is to be replaced has no name in common"));
        }
        let replaces =
            |order: &Order| order.status != OrderStatus::Invalid && order.replaces.as_deref() == Some(id);
        if self.state.orders.iter().any(replaces) { Err(Problem::already_replaced()) } else { Ok(()) }
    }

    /// Reads an order.
    pub fn order(&mut self, id: usize, caller: usize) -> Answered {
        self.order_of(id, caller)?;
        Ok(self.show_order(200, id))
    }

    fn order_of(&mut self, id: usize, caller: usize) -> Result<(), Problem> {
        match self.state.orders.get(id) {
            None => Err(Problem::not_found()),
            Some(order) if order.account != caller => Err(Problem::unauthorized(403, "that is another's")),
            Some(_) => {
                self.settle_order(id);
                Ok(())
            }
        }
    }

    /// Takes the CSR.
    pub fn finalize(&mut self, id: usize, caller: usize, payload: &Value) -> Answered {
        self.order_of(id, caller)?;
        if self.state.orders[id].status != OrderStatus::Ready {
            return Err(Problem::order_not_ready());
        }
        let der = bytes(&payload["csr"]).ok_or_else(|| Problem::bad_csr("that is no base64url"))?;
        let names = self.state.orders[id].names();
        let csr = read_csr(&der, &names)?;
        if key_of(&csr).is_some_and(|key| key == self.account_at(caller).key) {
            return Err(Problem::bad_csr("the certificate's key must not be the account's"));
        }
        let due = self.now + self.state.faults.processing;
        let order = &mut self.state.orders[id];
        (order.csr, order.due, order.status) = (der, due, OrderStatus::Processing);
        self.note(What::Finalization, names);
        self.settle_order(id);
        Ok(self.show_order(200, id))
    }

    /// Brings an order up to the present.
    pub fn settle_order(&mut self, id: usize) {
        for authorization in self.state.orders[id].authorizations.clone() {
            self.settle_proof(authorization);
        }
        let order = &self.state.orders[id];
        match order.status {
            OrderStatus::Processing if order.due <= self.now => self.issue(id),
            OrderStatus::Pending | OrderStatus::Ready if order.expires <= self.now => {
                self.fail(id, Problem::malformed("the order has expired"));
            }
            OrderStatus::Pending => self.look_at_proofs(id),
            _ => {}
        }
    }

    fn look_at_proofs(&mut self, id: usize) {
        let proofs = self.state.orders[id].authorizations.iter();
        let proofs: Vec<_> = proofs.map(|proof| self.state.authorizations[*proof].clone()).collect();
        let lost = |status| !matches!(status, ProofStatus::Pending | ProofStatus::Valid);
        if let Some(proof) = proofs.iter().find(|proof| lost(proof.status)) {
            let problem = proof.error.clone();
            self.fail(id, problem.unwrap_or_else(|| Problem::unauthorized(403, "an authorization is gone")));
        } else if proofs.iter().all(|proof| proof.status == ProofStatus::Valid) {
            self.state.orders[id].status = OrderStatus::Ready;
        }
    }

    fn fail(&mut self, id: usize, problem: Problem) {
        let order = &mut self.state.orders[id];
        (order.status, order.error) = (OrderStatus::Invalid, Some(problem));
        let names = order.names();
        self.note(What::FailedOrder, names);
    }

    fn issue(&mut self, id: usize) {
        if let Some(problem) = self.state.faults.fails.clone() {
            return self.fail(id, problem);
        }
        let order = &self.state.orders[id];
        let (account, names, profile) = (order.account, order.names(), order.profile.clone());
        let csr = read_csr(&order.csr, &names).unwrap();
        let faults = &self.state.faults;
        let wanted = faults.lifetime.map(|lifetime| SignedDuration::try_from(lifetime).unwrap());
        let lifetime = wanted.or_else(|| lifetime(profile.as_deref())).unwrap();
        let issued = self.authority.issue(&csr, &names, lifetime, faults, self.now);
        self.note(What::Certificate, names.clone());
        self.state.certificates.push(Certificate { account, names, profile, issued, revoked: None });
        let certificate = Some(self.state.certificates.len() - 1);
        let order = &mut self.state.orders[id];
        (order.status, order.certificate) = (OrderStatus::Valid, certificate);
    }

    fn show_order(&self, status: u16, id: usize) -> Reply {
        let order = &self.state.orders[id];
        let proof = |proof: &usize| self.link(Link::Authorization, &format!("/authorization/{proof}"));
        let mut json = json!({
            "status": order.status.text(),
            "expires": order.expires.to_string(),
            "identifiers": order.identifiers.iter().map(Identifier::json).collect::<Vec<_>>(),
            "authorizations": order.authorizations.iter().map(proof).collect::<Vec<_>>(),
            "finalize": self.link(Link::Finalize, &format!("/order/{id}/finalize")),
        });
        let certificate =
            order.certificate.map(|id| self.link(Link::Certificate, &format!("/certificate/{id}")));
        let error = order.error.as_ref().map(Problem::json);
        let optional = [
            ("certificate", certificate.map(Value::from)),
            ("error", error),
            ("profile", order.profile.clone().map(Value::from)),
            ("replaces", order.replaces.clone().map(Value::from)),
        ];
        for (field, value) in optional.into_iter().filter_map(|(field, value)| Some((field, value?))) {
            json[field] = value;
        }
        Reply::json(status, &json).header("location", self.link(Link::Order, &format!("/order/{id}")))
    }
}

/// How long a profile's certificates live; without one it is the classic.
fn lifetime(profile: Option<&str>) -> Option<SignedDuration> {
    let hours = match profile {
        None | Some("classic") => 90 * 24,
        Some("tlsserver") => 45 * 24,
        Some("shortlived") => 160,
        Some(_) => return None,
    };
    Some(SignedDuration::from_hours(hours))
}

fn identifiers(payload: &Value) -> Result<Vec<Identifier>, Problem> {
    if payload.get("notBefore").is_some() || payload.get("notAfter").is_some() {
        return Err(Problem::malformed("this CA chooses the dates itself"));
    }
    let wanted = payload["identifiers"].as_array().filter(|wanted| !wanted.is_empty());
    let wanted = wanted.ok_or_else(|| Problem::malformed("the order names nothing"))?;
    let mut seen = BTreeSet::new();
    wanted
        .iter()
        .map(|json| {
            let identifier = identifier(json)?;
            let is_new = seen.insert(identifier.clone());
            is_new.then_some(identifier).ok_or_else(|| Problem::malformed("a name is there twice"))
        })
        .collect()
}

fn identifier(json: &Value) -> Result<Identifier, Problem> {
    let (kind, value) =
        (json["type"].as_str().unwrap_or_default(), json["value"].as_str().unwrap_or_default());
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let good = match kind {
        "dns" => value.contains('.') && value.trim_start_matches("*.").bytes().all(plain),
        "ip" => value.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_string() == value),
        _ => return Err(Problem::new(400, "unsupportedIdentifier", &format!("{kind} is not known"))),
    };
    if good {
        Ok(Identifier { kind: kind.to_owned(), value: value.to_owned() })
    } else {
        Err(Problem::malformed(&format!("{value:?} is no {kind} identifier")))
    }
}

/// A CSR whose names are exactly these (RFC 8555 §7.4).
fn read_csr(der: &[u8], names: &[String]) -> Result<CertificateSigningRequestParams, Problem> {
    let csr = CertificateSigningRequestParams::from_der(&der.into());
    let csr = csr.map_err(|error| Problem::bad_csr(&error.to_string()))?;
    let mut asked: BTreeSet<String> = csr.params.subject_alt_names.iter().filter_map(name).collect();
    asked.extend(csr.params.distinguished_name.get(&DnType::CommonName).and_then(text));
    if asked == names.iter().cloned().collect() {
        Ok(csr)
    } else {
        Err(Problem::bad_csr("the names are not those of the order"))
    }
}

fn text(value: &DnValue) -> Option<String> {
    match value {
        DnValue::Utf8String(text) => Some(text.clone()),
        DnValue::PrintableString(text) => Some(text.as_str().to_owned()),
        _ => None,
    }
}

fn name(san: &SanType) -> Option<String> {
    match san {
        SanType::DnsName(name) => Some(name.to_string()),
        SanType::IpAddress(address) => Some(address.to_string()),
        _ => None,
    }
}
