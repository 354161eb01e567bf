//! Reading revocation lists.

use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::{PkiError, certificate, pem};

/// The list, DER, among `lists` (PEM, one after another) that the key of `certificate` (PEM) has signed; `None` where there
/// is none.
///
/// # Errors
///
/// When the certificate or the lists cannot be read.
pub fn list_of(lists: &str, certificate: &str) -> Result<Option<Vec<u8>>, PkiError> {
    let der = pem::decode(pem::CERTIFICATE, certificate)?;
    let signer = certificate::parse(&der)?;
    let is_its = |list: &[u8]| {
        CertificateRevocationList::from_der(list).is_ok_and(|(_, list)| {
            list.issuer().as_raw() == signer.subject().as_raw()
                && list.verify_signature(signer.public_key()).is_ok()
        })
    };
    let found = pem::decode_all(pem::CRL, lists)?.into_iter().find(|list| is_its(list));
    Ok(found.map(|list| list.to_vec()))
}
