//! What signatures are made with: by some digests, anybody could make one that fits.

use x509_parser::prelude::{AlgorithmIdentifier, X509Certificate};
use x509_parser::signature_algorithm::RsaSsaPssParams;

use super::{PkiError, certificate, pem};

/// Signature algorithms whose digest is broken (RFC 3279 §2.2.1, §2.2.3; OIW), and its name. sha1WithRSA has two.
const BROKEN: [(&str, &str); 6] = [
    ("1.2.840.113549.1.1.2", "MD2"),
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.3.14.3.2.29", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
];
/// RSASSA-PSS (RFC 4055 §3.1), which has its digest in its parameters; absent means SHA-1.
const PSS: &str = "1.2.840.113549.1.1.10";
const SHA_1: &str = "1.3.14.3.2.26";

/// The broken digest that a signature of this algorithm is made with, if it is one.
pub(super) fn broken(algorithm: &AlgorithmIdentifier<'_>) -> Option<&'static str> {
    let oid = algorithm.algorithm.to_id_string();
    if oid == PSS {
        let parameters = algorithm.parameters.as_ref();
        let read = parameters.and_then(|parameters| RsaSsaPssParams::try_from(parameters).ok());
        let sha_1 = read.is_none_or(|read| read.hash_algorithm_oid().to_id_string() == SHA_1);
        return sha_1.then_some("SHA-1");
    }
    BROKEN.iter().find(|(known, _)| *known == oid).map(|(_, name)| *name)
}

/// The broken digest that a certificate is signed with, if it is one. What a root says of itself with one is believed
/// for other reasons.
pub fn broken_digest(certificate: &X509Certificate<'_>) -> Option<&'static str> {
    let is_own = || {
        certificate.issuer().as_raw() == certificate.subject().as_raw()
            && certificate.verify_signature(None).is_ok()
    };
    broken(&certificate.signature_algorithm).filter(|_| !is_own())
}

/// Whether the first certificate in `text` is signed with a digest that holds; the text of the error says what to do.
///
/// # Errors
///
/// When it is not, or cannot be read.
pub fn check_digest(text: &str) -> Result<(), PkiError> {
    let der = pem::decode(pem::CERTIFICATE, text)?;
    let certificate = certificate::parse(&der)?;
    match broken_digest(&certificate) {
        Some(digest) => Err(PkiError::Broken { digest, subject: certificate.subject().to_string() }),
        None => Ok(()),
    }
}
