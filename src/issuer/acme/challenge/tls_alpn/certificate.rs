//! The certificate that shows control of one name (RFC 8737 §3). Nobody trusts it; the CA reads it.

use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, KeyUsagePurpose, SanType};
use ring::digest::{SHA256, digest};
use rustls::crypto::ring::sign::any_ecdsa_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use super::super::{Proof, Subject};
use crate::clock::Entropy;
use crate::issuer::key::{self, SigningPair};
use crate::model::{KeyAlgorithm, Secret};
use crate::pki::pem;

/// For clocks that go wrong by less than this.
const BACKDATE: SignedDuration = SignedDuration::from_hours(1);

/// A CA looks within minutes.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 7);

/// RFC 5280 §4.1.2.4 wants an issuer; nothing is read from it.
const COMMON_NAME: &str = "ACME challenge";

/// Made by a fresh key that nothing else is ever signed with.
pub(super) fn make(proof: &Proof, entropy: &Entropy, now: Timestamp) -> Result<CertifiedKey, String> {
    let secret = key::generate(KeyAlgorithm::EcdsaP256, entropy)?;
    let signer = SigningPair::read(&secret, entropy)?;
    let certificate = params(proof, now)?.self_signed(&signer).map_err(|error| error.to_string())?;
    let chain = vec![certificate.der().clone()];
    Ok(CertifiedKey::new(chain, for_rustls(&secret)?))
}

fn for_rustls(secret: &Secret) -> Result<std::sync::Arc<dyn rustls::sign::SigningKey>, String> {
    let der = pem::decode(pem::PRIVATE_KEY, secret.expose_str()).map_err(|error| error.to_string())?;
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(&der[..]));
    any_ecdsa_type(&der).map_err(|error| error.to_string())
}

/// The serial is rcgen's, made of the public key: the key is fresh, and so is its serial.
fn params(proof: &Proof, now: Timestamp) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, COMMON_NAME);
    // Exactly this one.
    params.subject_alt_names = vec![name(&proof.subject)?];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let shown = digest(&SHA256, proof.key_authorization.as_bytes());
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(shown.as_ref())];
    params.not_before = date(now.checked_sub(BACKDATE))?;
    params.not_after = date(now.checked_add(LIFETIME))?;
    Ok(params)
}

fn name(subject: &Subject) -> Result<SanType, String> {
    match subject {
        Subject::Dns(name) => {
            name.as_str().try_into().map(SanType::DnsName).map_err(|error| error.to_string())
        }
        Subject::Ip(ip) => Ok(SanType::IpAddress(*ip)),
    }
}

fn date(at: Result<Timestamp, jiff::Error>) -> Result<OffsetDateTime, String> {
    let at = at.map_err(|error| error.to_string())?;
    OffsetDateTime::from_unix_timestamp(at.as_second()).map_err(|error| error.to_string())
}
