//! What a CA has sent as a certificate, looked at before anybody gets it.

use jiff::{SignedDuration, Timestamp};
use x509_parser::prelude::X509Certificate;

use crate::issuer::Request;
use crate::model::{Facts, Made, Material};
use crate::pki::{self, PublicKey, pem};

/// A CA's clock may be ahead of ours by so much.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(5);
/// Less than this is no certificate to turn a service over for.
const SHORTEST_LIFE: SignedDuration = SignedDuration::from_secs(60);

/// The leaf and what is above it, in the order they came in; each signs the one before it.
pub(super) fn read(text: &str, request: &Request, entropy: &crate::clock::Entropy) -> Result<Made, String> {
    let ders = pem::decode_all(pem::CERTIFICATE, text).map_err(|error| error.to_string())?;
    let parsed: Result<Vec<X509Certificate<'_>>, _> = ders.iter().map(|der| pki::parse(der)).collect();
    let parsed = parsed.map_err(|error| error.to_string())?;
    let facts = ders.first().ok_or("it has sent no certificate").map(|der| pki::facts_of_der(der))?;
    let facts = facts.map_err(|error| error.to_string())?;
    check_key(&parsed[0], request, entropy)?;
    check_dates(&facts, request.now)?;
    check_order(&parsed)?;
    check_ends(&ders, &facts)?;
    let mut texts = ders.iter().map(|der| pem::encode(pem::CERTIFICATE, der).to_string());
    let material = Material {
        private_key: Some(request.private_key.clone()),
        certificate: texts.next(),
        chain: texts.collect(),
        ..Material::default()
    };
    Ok(Made { material, facts })
}

/// The common name of who stands above the chain's end: what `preferred_chain` is compared with.
pub(super) fn top(text: &str) -> Option<String> {
    let ders = pem::decode_all(pem::CERTIFICATE, text).ok()?;
    let last = pki::parse(ders.last()?).ok()?;
    let name = last.issuer().iter_common_name().next()?.as_str().ok()?.to_owned();
    Some(name)
}

fn check_key(
    leaf: &X509Certificate<'_>,
    request: &Request,
    entropy: &crate::clock::Entropy,
) -> Result<(), String> {
    let der =
        pem::decode(pem::PRIVATE_KEY, request.private_key.expose_str()).map_err(|error| error.to_string())?;
    let ours = PublicKey::of_pkcs8(&der, entropy.ring()).map_err(|error| error.to_string())?;
    if leaf.public_key().raw == ours.spki_der() {
        return Ok(());
    }
    Err("the certificate is for another key".to_owned())
}

fn check_dates(facts: &Facts, now: Timestamp) -> Result<(), String> {
    let validity = facts.validity.ok_or("its dates cannot be read")?;
    if validity.not_before > now + CLOCK_SLACK {
        return Err(format!("the certificate is not valid before {}", validity.not_before));
    }
    if validity.left(now) < SHORTEST_LIFE {
        return Err(format!("the certificate ends at {}", validity.not_after));
    }
    Ok(())
}

fn check_order(chain: &[X509Certificate<'_>]) -> Result<(), String> {
    for (at, pair) in chain.windows(2).enumerate() {
        if !pki::is_signed_by(&pair[0], &pair[1]) {
            return Err(format!(
                "the chain is broken: certificate {} is not signed by the one after it",
                at + 1
            ));
        }
        if !pair[1].is_ca() {
            return Err(format!("the chain is broken: certificate {} is no CA's", at + 2));
        }
    }
    // Clients know roots, and hardly any root signs leaves.
    match chain {
        [leaf] if leaf.issuer() != leaf.subject() => {
            Err("the chain is incomplete: there is a leaf and no issuer of it".to_owned())
        }
        _ => Ok(()),
    }
}

/// A chain is valid until the first of its certificates ends.
fn check_ends(ders: &[impl AsRef<[u8]>], leaf: &Facts) -> Result<(), String> {
    let end = |facts: &Facts| facts.validity.map(|validity| validity.not_after);
    for der in ders.iter().skip(1) {
        let facts = pki::facts_of_der(der.as_ref()).map_err(|error| error.to_string())?;
        if end(&facts) < end(leaf) {
            let when = end(&facts).map_or_else(String::new, |end| format!(" at {end}"));
            return Err(format!("an issuer in the chain ends{when}, before the certificate"));
        }
    }
    Ok(())
}
