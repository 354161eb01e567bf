//! Private keys as they come from elsewhere.

use pkcs8::EncryptedPrivateKeyInfo;

use super::{PkiError, pem};
use crate::model::Secret;

/// The private key in `text`, PKCS#8 PEM, decrypted by `password` where it is encrypted (RFC 5958, PBES2).
///
/// # Errors
///
/// When there is none, it cannot be read, or the password is missing or wrong.
pub fn private_key(text: &Secret, password: Option<&Secret>) -> Result<Secret, PkiError> {
    let text = text.expose_str();
    if let Ok(der) = pem::decode(pem::PRIVATE_KEY, text) {
        return Ok(Secret::new(pem::encode(pem::PRIVATE_KEY, &der).as_bytes()));
    }
    let der = match pem::decode(pem::ENCRYPTED_PRIVATE_KEY, text) {
        Ok(der) => der,
        Err(PkiError::NoBlock(_)) => return Err(PkiError::NoBlock(pem::PRIVATE_KEY)),
        Err(error) => return Err(error),
    };
    let password = password.ok_or(PkiError::Encrypted)?;
    let key = EncryptedPrivateKeyInfo::try_from(der.as_slice()).map_err(|_| PkiError::NotDecrypted)?;
    let plain = key.decrypt(password.expose()).map_err(|_| PkiError::NotDecrypted)?;
    Ok(Secret::new(pem::encode(pem::PRIVATE_KEY, plain.as_bytes()).as_bytes()))
}
