//! Reading requests for certificates (PKCS#10, RFC 2986).

use x509_parser::error::X509Error;
use x509_parser::objects::oid_registry;
use x509_parser::prelude::{AlgorithmIdentifier, FromDer, ParsedExtension, X509CertificationRequest};

use super::certificate::{Names, named};
use super::{PkiError, PublicKey, digest, pem};

/// What somebody wants certified, who has shown that the key is theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningRequest {
    /// The names that are asked for.
    pub names: Names,
    /// The key.
    pub key: PublicKey,
}

/// The first request in `text` (PEM), if its signature is its own key's.
///
/// # Errors
///
/// When there is none, it cannot be read, its signature is wrong or could be forged, or its key is weak or of a kind that we
/// do not handle.
pub fn signing_request(text: &str) -> Result<SigningRequest, PkiError> {
    let der = pem::decode(pem::REQUEST, text).or_else(|_| pem::decode(pem::OLD_REQUEST, text));
    let der = der.map_err(|_| PkiError::NoBlock(pem::REQUEST))?;
    let broken = |error: &dyn std::fmt::Display| PkiError::NotARequest(error.to_string());
    let (rest, request) = X509CertificationRequest::from_der(&der).map_err(|error| broken(&error))?;
    if !rest.is_empty() {
        return Err(broken(&"there are bytes behind it"));
    }
    let info = &request.certification_request_info;
    let key = PublicKey::of_spki(info.subject_pki.raw).map_err(|error| broken(&error))?;
    if let Some(digest) = digest::broken(&request.signature_algorithm) {
        return Err(broken(&format!(
            "it is signed with {digest}, by which it could be forged: make it with SHA-256"
        )));
    }
    if key.has_small_exponent() {
        return Err(broken(
            &"the public exponent of its RSA key is below 65537, and FIPS 186-5 §5.1 forbids that: make another key",
        ));
    }
    request.verify_signature().map_err(|error| match error {
        X509Error::SignatureUnsupportedAlgorithm => broken(&unsupported(&request.signature_algorithm)),
        _ => broken(&"its signature is not that of its key"),
    })?;
    let mut names = Names::default();
    if let Some(name) = info.subject.iter_common_name().next() {
        names.common_name = name.as_str().ok().map(str::to_owned);
    }
    for extension in request.requested_extensions().into_iter().flatten() {
        if let ParsedExtension::SubjectAlternativeName(san) = extension {
            san.general_names.iter().for_each(|name| named(&mut names, name));
        }
    }
    Ok(SigningRequest { names, key })
}

/// It may be good: we cannot tell.
fn unsupported(algorithm: &AlgorithmIdentifier<'_>) -> String {
    let oid = &algorithm.algorithm;
    let name = oid_registry().get(oid).map_or_else(|| oid.to_id_string(), |known| known.sn().to_owned());
    format!("its signature algorithm {name} is not supported: sign it with SHA-256")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn request() -> String {
        let key = KeyPair::generate().unwrap();
        let names = ["A.example.org".to_owned(), "192.0.2.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "svc");
        params.serialize_request(&key).unwrap().pem().unwrap()
    }

    #[test]
    fn names_and_key_are_read() {
        let read = signing_request(&request()).unwrap();
        assert_eq!(read.names.dns, ["a.example.org"]);
        assert_eq!(read.names.ip, ["192.0.2.1".parse::<std::net::IpAddr>().unwrap()]);
        assert_eq!((read.names.common_name.as_deref(), read.names.others), (Some("svc"), 0));
        assert_eq!(read.key.algorithm, crate::model::KeyAlgorithm::EcdsaP256);
    }

    #[test]
    fn who_has_not_the_key_is_refused() {
        let der = pem::decode(pem::REQUEST, &request()).unwrap();
        let mut forged = der.to_vec();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        let forged = pem::encode(pem::REQUEST, &forged);
        let error = signing_request(&forged).unwrap_err().to_string();
        assert!(error.contains("signature"), "{error}");
        for text in ["", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"] {
            signing_request(text).unwrap_err();
        }
    }
}
