//! The request for a certificate (PKCS#10): into `finalize` of ACME (RFC 8555 §7.4), or into the hands of a person.

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose};

use super::Request;
use super::key::SigningPair;
use crate::clock::Entropy;

/// DER, for exactly the names of the request: CAs compare them with the order, and say themselves what the certificate is
/// for.
pub(super) fn csr(request: &Request, entropy: &Entropy) -> Result<Vec<u8>, String> {
    signed(request, Vec::new(), entropy)
}

/// The same, with what it is to be for, which a person would have to tell the CA otherwise.
pub(super) fn csr_for_uses(request: &Request, entropy: &Entropy) -> Result<Vec<u8>, String> {
    signed(request, request.purposes().collect(), entropy)
}

fn signed(
    request: &Request,
    extended_key_usages: Vec<ExtendedKeyUsagePurpose>,
    entropy: &Entropy,
) -> Result<Vec<u8>, String> {
    let key = SigningPair::read(&request.private_key, entropy)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(name) = &request.common_name {
        params.distinguished_name.push(DnType::CommonName, name.as_str());
    }
    params.subject_alt_names = request.alternative_names()?;
    params.extended_key_usages = extended_key_usages;
    let csr = params.serialize_request(&key).map_err(|error| error.to_string())?;
    Ok(csr.der().to_vec())
}
