//! Requests signed with a key that the ACME library knows nothing of (RFC 8555 §6.2): a certificate's own key, which may
//! have its certificate revoked, and an account's next key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::Request;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use instant_acme::{BodyWrapper, Error};
use ring::hmac;
use rsa::pkcs1::RsaPublicKey;
use rsa::pkcs8::der::Decode;
use serde_json::{Value, json};

use super::http::Line;
use super::refusal::{Refusal, Unreached, Unsent};
use crate::clock::Entropy;
use crate::issuer::key::{Form, Pair};
use crate::model::{KeyAlgorithm, Secret};
use crate::pki::{PublicKey, pem};

/// A badNonce is answered with a fresh one so many times.
const TRIES: usize = 60;

/// A private key, as a signer of JWS.
pub(super) struct Signer {
    public: PublicKey,
    pair: Pair,
    entropy: Entropy,
}

impl Signer {
    /// From PKCS#8 PEM.
    pub(super) fn read(key: &Secret, entropy: &Entropy) -> Result<Self, String> {
        let der = pem::decode(pem::PRIVATE_KEY, key.expose_str()).map_err(|error| error.to_string())?;
        Self::of_pkcs8(&der, entropy)
    }

    /// From PKCS#8 DER.
    pub(super) fn of_pkcs8(der: &[u8], entropy: &Entropy) -> Result<Self, String> {
        let public = PublicKey::of_pkcs8(der, entropy.ring()).map_err(|error| error.to_string())?;
        let pair = Pair::read(der, public.algorithm, Form::Fixed, entropy)?;
        Ok(Self { public, pair, entropy: entropy.clone() })
    }

    /// The public key (RFC 7517).
    pub(super) fn jwk(&self) -> Value {
        let bits = &self.public.bits;
        let point = |curve: &str, size: usize| {
            let (x, y) = bits.get(1..).unwrap_or_default().split_at(size);
            json!({ "kty": "EC", "crv": curve, "x": BASE64.encode(x), "y": BASE64.encode(y) })
        };
        match self.public.algorithm {
            KeyAlgorithm::EcdsaP256 => point("P-256", 32),
            KeyAlgorithm::EcdsaP384 => point("P-384", 48),
            KeyAlgorithm::Ed25519 => json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(bits) }),
            _ => match RsaPublicKey::from_der(bits) {
                Ok(key) => json!({
                    "kty": "RSA",
                    "n": BASE64.encode(key.modulus.as_bytes()),
                    "e": BASE64.encode(key.public_exponent.as_bytes()),
                }),
                // ring has read the same bytes.
                Err(_) => Value::Null,
            },
        }
    }

    /// A JWS in flattened JSON (RFC 7515 §7.2.2); without a payload it reads only (RFC 8555 §6.3). `who` is `jwk` or
    /// `kid`, with its value.
    pub(super) fn sign(
        &self,
        who: (&str, Value),
        url: &str,
        nonce: Option<&str>,
        payload: Option<&Value>,
    ) -> Result<Value, String> {
        let mut header = json!({ "alg": self.algorithm(), "url": url, who.0: who.1 });
        if let Some(nonce) = nonce {
            header["nonce"] = json!(nonce);
        }
        flattened(&header, payload, |bytes| {
            self.pair.sign(bytes, &self.entropy).map_err(|_| "signing failed".to_owned())
        })
    }

    fn algorithm(&self) -> &'static str {
        match self.public.algorithm {
            KeyAlgorithm::EcdsaP256 => "ES256",
            KeyAlgorithm::EcdsaP384 => "ES384",
            KeyAlgorithm::Ed25519 => "EdDSA",
            _ => "RS256",
        }
    }
}

/// An external account binding (RFC 8555 §7.3.4): the account's public key, under a key that the CA has handed out.
pub(super) fn binding(kid: &str, mac: &[u8], url: &str, jwk: &Value) -> Result<Value, String> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, mac);
    let header = json!({ "alg": "HS256", "kid": kid, "url": url });
    flattened(&header, Some(jwk), |bytes| Ok(hmac::sign(&key, bytes).as_ref().to_vec()))
}

fn flattened(
    header: &Value,
    payload: Option<&Value>,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, String>,
) -> Result<Value, String> {
    let protected = BASE64.encode(header.to_string());
    let payload = BASE64.encode(payload.map_or_else(String::new, Value::to_string));
    let signature = BASE64.encode(sign(format!("{protected}.{payload}").as_bytes())?);
    Ok(json!({ "protected": protected, "payload": payload, "signature": signature }))
}

/// Posts `payload` to `url`, signed by `signer`; the reply.
pub(super) async fn post(
    line: &Line,
    signer: &Signer,
    who: (&str, Value),
    url: &str,
    payload: Option<&Value>,
) -> Result<(Parts, Vec<u8>), Error> {
    for _ in 0..TRIES {
        let nonce = line.nonce().await?;
        let nonce = nonce.to_str().map_err(|_| unsigned("the nonce is no text"))?;
        let jws =
            signer.sign((who.0, who.1.clone()), url, Some(nonce), payload).map_err(|why| unsigned(&why))?;
        let request = Request::post(url).header(CONTENT_TYPE, "application/jose+json");
        let request = request.body(BodyWrapper::from(jws.to_string().into_bytes()))?;
        let (parts, body) = line.fetch(request).await?;
        if parts.status.is_success() {
            return Ok((parts, body));
        }
    }
    Err(Error::Other(Box::new(Refusal::read(
        http::StatusCode::BAD_REQUEST,
        None,
        b"{\"type\":\"urn:ietf:params:acme:error:badNonce\"}",
    ))))
}

fn unsigned(why: &str) -> Error {
    Error::Other(Box::new(Unsent(Unreached(format!("the request could not be signed: {why}")))))
}
