//! Signed requests (RFC 8555 §6.2), checked as a CA checks them.

use serde_json::Value;

use super::key::{Key, bytes};
use super::problem::Problem;

/// A flattened JWS, taken apart and not yet believed.
#[derive(Debug)]
pub struct Jws {
    header: Value,
    payload: Vec<u8>,
    signed: String,
    signature: Vec<u8>,
}

/// How a request names its signer; exactly one of the two is allowed.
pub enum Signer<'a> {
    /// By the account's address.
    Kid(&'a str),
    /// By the key itself.
    Jwk(Key),
}

impl Jws {
    /// Takes the body of a request apart.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let json = serde_json::from_slice(body).map_err(|_| Problem::malformed("the body is no JSON"))?;
        Self::of(&json)
    }

    /// Takes a JWS apart that is itself a payload, or part of one.
    pub fn of(json: &Value) -> Result<Self, Problem> {
        if json.get("header").is_some() || json.get("signatures").is_some() {
            return Err(Problem::malformed("only flattened JWS with a protected header"));
        }
        Self::read(json).ok_or_else(|| Problem::malformed("that is no flattened JWS"))
    }

    fn read(json: &Value) -> Option<Self> {
        let (protected, payload) = (json["protected"].as_str()?, json["payload"].as_str()?);
        Some(Self {
            header: serde_json::from_slice(&bytes(&json["protected"])?).ok()?,
            payload: bytes(&json["payload"])?,
            signed: format!("{protected}.{payload}"),
            signature: bytes(&json["signature"])?,
        })
    }

    /// A text of the protected header.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.header[field].as_str()
    }

    /// Who says to have signed.
    pub fn signer(&self) -> Result<Signer<'_>, Problem> {
        match (self.text("kid"), self.header.get("jwk")) {
            (Some(kid), None) => Ok(Signer::Kid(kid)),
            (None, Some(jwk)) => Ok(Signer::Jwk(Key::of(jwk)?)),
            _ => Err(Problem::malformed("a request has either a kid or a jwk")),
        }
    }

    /// Whether `key` has signed this, for this `url`.
    pub fn check(&self, key: &Key, url: &str) -> Result<(), Problem> {
        if self.text("alg") != Some(key.algorithm()) {
            return Err(Problem::new(400, "badSignatureAlgorithm", "the algorithm is not that of the key"));
        }
        if self.text("url") != Some(url) {
            return Err(Problem::unauthorized(401, "the signed url is not the one that was asked"));
        }
        if key.has_signed(self.signed.as_bytes(), &self.signature) {
            Ok(())
        } else {
            Err(Problem::malformed("the signature is not that of the key"))
        }
    }

    /// Whether it is made with the shared secret `mac` (RFC 8555 §7.3.4).
    pub fn check_mac(&self, mac: &[u8], url: &str) -> Result<(), Problem> {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, mac);
        let verified = ring::hmac::verify(&key, self.signed.as_bytes(), &self.signature).is_ok();
        if verified && self.text("alg") == Some("HS256") && self.text("url") == Some(url) {
            Ok(())
        } else {
            Err(Problem::unauthorized(403, "the external account binding does not verify"))
        }
    }

    /// The payload as JSON; `None` when it is empty, which is a POST-as-GET.
    pub fn payload(&self) -> Result<Option<Value>, Problem> {
        if self.payload.is_empty() {
            return Ok(None);
        }
        let json = serde_json::from_slice(&self.payload);
        json.map(Some).map_err(|_| Problem::malformed("the payload is no JSON"))
    }
}
