//! Public keys as JWK (RFC 7517), and sets of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use rsa::pkcs1::RsaPublicKey;
use rsa::pkcs8::der::Decode;
use serde::Serialize;

use crate::model::{JwsAlgorithm, KeyAlgorithm};
use crate::pki::PublicKey;

/// A public key in a JWK Set: exactly the members that verifiers want, and none of the private half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kty: &'static str,
    kid: String,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    #[serde(flatten)]
    parameters: Parameters,
}

/// The members that carry the key (RFC 7518 §6, RFC 8037 §2), in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Parameters {
    Rsa { n: String, e: String },
    Ec { crv: &'static str, x: String, y: String },
    Okp { crv: &'static str, x: String },
}

/// Why a key is no JWK.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// A key of another kind than the algorithm signs with.
    #[error("{jws} cannot sign with a key of kind {key}")]
    WrongKey {
        /// The algorithm.
        jws: &'static str,
        /// The key's kind.
        key: &'static str,
    },
    /// An RSA public key that cannot be taken apart.
    #[error("the RSA public key cannot be read")]
    Unreadable,
}

/// The kind of key that `jws` signs with; `bits` is the size of an RSA modulus.
///
/// `None` for an RSA size other than 2048, 3072 and 4096.
pub fn key_algorithm_for(jws: JwsAlgorithm, bits: usize) -> Option<KeyAlgorithm> {
    let rsa = || KeyAlgorithm::ALL.into_iter().find(|algorithm| algorithm.rsa_bits() == Some(bits));
    jws.only_key().or_else(rsa)
}

impl Jwk {
    /// `key` for verifying what `jws` signed. Its key ID is `kid`, or its thumbprint without one.
    ///
    /// # Errors
    ///
    /// When `jws` does not sign with such keys.
    pub fn new(key: &PublicKey, jws: JwsAlgorithm, kid: Option<&str>) -> Result<Self, JwkError> {
        let bits = key.algorithm.rsa_bits().unwrap_or_default();
        if key_algorithm_for(jws, bits) != Some(key.algorithm) {
            return Err(JwkError::WrongKey { jws: jws.name(), key: key.algorithm.name() });
        }
        let parameters = Parameters::of(key)?;
        let kid = kid.map_or_else(|| parameters.thumbprint(), str::to_owned);
        Ok(Self { kty: parameters.kty(), kid, usage: "sig", alg: jws.name(), parameters })
    }

    /// Its key ID.
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

/// The RFC 7638 thumbprint (SHA-256, base64url) of a public key: the key ID that we give it.
///
/// # Errors
///
/// When the key cannot be taken apart.
pub fn thumbprint(key: &PublicKey) -> Result<String, JwkError> {
    Parameters::of(key).map(|parameters| parameters.thumbprint())
}

/// A JWK Set (RFC 7517 §5): the keys in the order given, the same bytes each time.
pub fn jwks(keys: &[Jwk]) -> String {
    #[derive(Serialize)]
    struct Set<'a> {
        keys: &'a [Jwk],
    }
    // Strings in structs: serde_json has nothing to fail on.
    serde_json::to_string(&Set { keys }).unwrap_or_default()
}

impl Parameters {
    fn of(key: &PublicKey) -> Result<Self, JwkError> {
        Ok(match key.algorithm {
            KeyAlgorithm::EcdsaP256 => Self::ec("P-256", &key.bits),
            KeyAlgorithm::EcdsaP384 => Self::ec("P-384", &key.bits),
            KeyAlgorithm::Ed25519 => Self::Okp { crv: "Ed25519", x: base64url(&key.bits) },
            _ => {
                let rsa = RsaPublicKey::from_der(&key.bits).map_err(|_| JwkError::Unreadable)?;
                Self::Rsa {
                    n: base64url(rsa.modulus.as_bytes()),
                    e: base64url(rsa.public_exponent.as_bytes()),
                }
            }
        })
    }

    /// An uncompressed point is 04, x, y (SEC 1 §2.3.3), each of the field's full size (RFC 7518 §6.2.1.2).
    fn ec(crv: &'static str, point: &[u8]) -> Self {
        let coordinates = point.get(1..).unwrap_or_default();
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        Self::Ec { crv, x: base64url(x), y: base64url(y) }
    }

    fn kty(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RSA",
            Self::Ec { .. } => "EC",
            Self::Okp { .. } => "OKP",
        }
    }

    /// SHA-256 over the required members in lexicographic order, without spaces (RFC 7638 §3, RFC 8037 §2).
    fn thumbprint(&self) -> String {
        let kty = self.kty();
        let canonical = match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"{kty}","n":"{n}"}}"#),
            Self::Ec { crv, x, y } => {
                format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}","y":"{y}"}}"#)
            }
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"{kty}","x":"{x}"}}"#),
        };
        base64url(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref())
    }
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Entropy;
    use crate::keys::PrivateKey;

    #[test]
    fn the_sample_of_rfc_7638() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let sample = Parameters::Rsa { n: n.to_owned(), e: "AQAB".to_owned() };
        assert_eq!(sample.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn the_sample_of_rfc_8037() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let sample = Parameters::Okp { crv: "Ed25519", x: x.to_owned() };
        assert_eq!(sample.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_jwk_has_exactly_its_members() {
        let entropy = Entropy::system();
        for jws in JwsAlgorithm::ALL {
            let members = match jws.name() {
                "ES256" | "ES384" => "alg crv kid kty use x y",
                "EdDSA" => "alg crv kid kty use x",
                _ => "alg e kid kty n use",
            };
            let key = PrivateKey::generate(key_algorithm_for(jws, 2048).unwrap(), &entropy).unwrap();
            let jwk = Jwk::new(key.public(), jws, None).unwrap();
            let value = serde_json::to_value(&jwk).unwrap();
            let mut found: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
            found.sort_unstable();
            assert_eq!(found.join(" "), members);
            assert_eq!(value["alg"], jws.name());
            assert_eq!(value["use"], "sig");
            // 2048 bits are 342 characters of base64url: no sign octet has got in.
            if value["kty"] == "RSA" {
                assert_eq!((value["n"].as_str().unwrap().len(), &value["e"]), (342, &"AQAB".into()));
            }
            assert_eq!(value["kid"], thumbprint(key.public()).unwrap());
        }
    }

    #[test]
    fn coordinates_keep_their_leading_zeros() {
        let mut bits = vec![0; 65];
        bits[0] = 4;
        let key = PublicKey { algorithm: KeyAlgorithm::EcdsaP256, bits };
        let value = serde_json::to_value(Jwk::new(&key, JwsAlgorithm::Es256, None).unwrap()).unwrap();
        assert_eq!(value["x"].as_str().unwrap().len(), 43);
        assert_eq!(value["y"].as_str().unwrap().len(), 43);
    }

    #[test]
    fn a_set_is_stable_and_keeps_the_order() {
        let entropy = Entropy::system();
        let jwk = |kid| {
            let key = PrivateKey::generate(KeyAlgorithm::Ed25519, &entropy).unwrap();
            Jwk::new(key.public(), JwsAlgorithm::EdDsa, Some(kid)).unwrap()
        };
        let keys = [jwk("b"), jwk("a")];
        let text = jwks(&keys);
        assert_eq!(text, jwks(&keys));
        assert!(text.starts_with(
            r#"{"keys":[{"kty":"OKP","kid":"b","use":"sig","alg":"EdDSA","crv":"Ed25519","x":""#
        ));
        assert!(text.find(r#""kid":"b""#) < text.find(r#""kid":"a""#));
        assert_eq!(jwks(&[]), r#"{"keys":[]}"#);
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP384, &Entropy::system()).unwrap();
        let error = Jwk::new(key.public(), JwsAlgorithm::Es256, None).unwrap_err();
        assert_eq!(error.to_string(), "ES256 cannot sign with a key of kind ecdsa-p384");
    }
}
