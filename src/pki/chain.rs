//! Putting chains in order.

use super::{PkiError, certificate, pem};

/// All certificates in `text`, PEM each.
///
/// # Errors
///
/// When a block is broken.
pub fn certificates(text: &str) -> Result<Vec<String>, PkiError> {
    let all = pem::decode_all(pem::CERTIFICATE, text)?;
    Ok(all.iter().map(|der| pem::encode(pem::CERTIFICATE, der).to_string()).collect())
}

/// What stands above `own` among `others`, PEM each, its issuer first, as far up as they go; a root is the last.
///
/// # Errors
///
/// When a certificate cannot be read.
pub fn above(own: &str, others: &[String]) -> Result<Vec<String>, PkiError> {
    let mut above: Vec<String> = Vec::new();
    loop {
        let below = above.last().map_or(own, String::as_str);
        if signed(below, below)? {
            return Ok(above);
        }
        let mut issuer = None;
        for one in others.iter().filter(|one| *one != own && !above.contains(one)) {
            if signed(below, one)? {
                issuer = Some(one.clone());
                break;
            }
        }
        match issuer {
            Some(issuer) => above.push(issuer),
            None => return Ok(above),
        }
    }
}

/// Whether a certificate has signed itself.
///
/// # Errors
///
/// When it cannot be read.
pub fn is_root(text: &str) -> Result<bool, PkiError> {
    signed(text, text)
}

fn signed(below: &str, issuer: &str) -> Result<bool, PkiError> {
    let (below, issuer) = (pem::decode(pem::CERTIFICATE, below)?, pem::decode(pem::CERTIFICATE, issuer)?);
    Ok(certificate::is_signed_by(&certificate::parse(&below)?, &certificate::parse(&issuer)?))
}
