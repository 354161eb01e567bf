//! Reading revocation lists.

use jiff::Timestamp;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::{PkiError, certificate, hex, pem};

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

/// What a revocation list says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFacts {
    /// `thisUpdate`.
    pub this_update: Timestamp,
    /// `nextUpdate`; RFC 5280 §5.1.2.5 asks for it.
    pub next_update: Option<Timestamp>,
    /// The serial numbers that are revoked, lower-case hex.
    pub revoked: Vec<String>,
}

/// Each list in `lists` (PEM, one after another), PEM, with what it says.
///
/// # Errors
///
/// When one cannot be read.
pub fn lists(lists: &str) -> Result<Vec<(String, ListFacts)>, PkiError> {
    let all = pem::decode_all(pem::CRL, lists)?;
    all.iter().map(|der| Ok((pem::encode(pem::CRL, der).to_string(), facts(der)?))).collect()
}

fn facts(der: &[u8]) -> Result<ListFacts, PkiError> {
    let (_, list) = CertificateRevocationList::from_der(der).map_err(|_| PkiError::BadBlock(pem::CRL))?;
    Ok(ListFacts {
        this_update: certificate::timestamp(list.last_update())?,
        next_update: list.next_update().map(certificate::timestamp).transpose()?,
        revoked: list
            .iter_revoked_certificates()
            .map(|one| hex(certificate::without_sign(one.raw_serial())))
            .collect(),
    })
}
