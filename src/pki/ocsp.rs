//! What a certificate says of OCSP.

use x509_parser::prelude::{GeneralName, ParsedExtension};

use super::{PkiError, parse};

/// `id-ad-ocsp` (RFC 5280 §4.2.2.1).
const ID_AD_OCSP: &str = "1.3.6.1.5.5.7.48.1";
/// `id-pe-tlsfeature` (RFC 7633).
const ID_PE_TLSFEATURE: &str = "1.3.6.1.5.5.7.1.24";
/// `status_request` as the only or first feature: a SEQUENCE that holds the INTEGER 5.
const STATUS_REQUEST: [u8; 3] = [2, 1, 5];

/// What a leaf says of OCSP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ocsp {
    /// Its responder, where it names one.
    pub responder: Option<String>,
    /// Whether it demands a stapled response.
    pub must_staple: bool,
}

/// Of a certificate in DER.
///
/// # Errors
///
/// When it cannot be read.
pub fn ocsp(der: &[u8]) -> Result<Ocsp, PkiError> {
    let certificate = parse(der)?;
    let mut found = Ocsp::default();
    for extension in certificate.extensions() {
        if let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() {
            let responder = |method: &str| method == ID_AD_OCSP;
            let mut named =
                access.accessdescs.iter().filter(|one| responder(&one.access_method.to_id_string()));
            found.responder = named.find_map(|one| match one.access_location {
                GeneralName::URI(url) => Some(url.to_owned()),
                _ => None,
            });
        }
        if extension.oid.to_id_string() == ID_PE_TLSFEATURE {
            found.must_staple = extension.value.windows(3).any(|window| window == STATUS_REQUEST);
        }
    }
    Ok(found)
}
