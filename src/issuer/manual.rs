//! A person who carries requests to a CA, and certificates back.

use super::Request;
use crate::clock::Entropy;
use crate::model::Secret;
use crate::pki::{PublicKey, pem, spki_of_certificate};

/// The request for a certificate, PKCS#10 PEM, signed by its own key.
///
/// # Errors
///
/// When the key or a name cannot be read.
pub fn signing_request(request: &Request, entropy: &Entropy) -> Result<String, String> {
    let der = super::csr::csr_for_uses(request, entropy)?;
    Ok(pem::encode(pem::REQUEST, &der).to_string())
}

/// Whether a certificate (PEM) is for a private key (PKCS#8 PEM).
///
/// # Errors
///
/// When one of them cannot be read.
pub fn belongs(certificate: &str, key: &Secret, entropy: &Entropy) -> Result<bool, String> {
    let der = pem::decode(pem::PRIVATE_KEY, key.expose_str()).map_err(|error| error.to_string())?;
    let key = PublicKey::of_pkcs8(&der, entropy.ring()).map_err(|error| error.to_string())?;
    Ok(spki_of_certificate(certificate).map_err(|error| error.to_string())? == key.spki_der())
}
