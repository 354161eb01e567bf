//! Private keys as they come from elsewhere.

use pkcs8::EncryptedPrivateKeyInfo;
use rsa::pkcs8::der::asn1::{AnyRef, Null};
use rsa::pkcs8::der::{Decode, Encode};
use rsa::pkcs8::spki::AlgorithmIdentifierRef;
use rsa::pkcs8::{ObjectIdentifier, PrivateKeyInfo};
use zeroize::Zeroizing;

use super::{PkiError, pem};
use crate::model::Secret;

/// rsaEncryption (RFC 8017 §A.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The private key in `text`, PKCS#8 PEM, decrypted by `password` where it is encrypted (RFC 5958, PBES2); of an RSA key
/// also PKCS#1.
///
/// # Errors
///
/// When there is none, it cannot be read, or the password is missing or wrong.
pub fn private_key(text: &Secret, password: Option<&Secret>) -> Result<Secret, PkiError> {
    let text = text.expose_str();
    let encoded = |der: &[u8]| Secret::new(pem::encode(pem::PRIVATE_KEY, der).as_bytes());
    match pem::decode(pem::PRIVATE_KEY, text) {
        Ok(der) => return Ok(encoded(&der)),
        Err(PkiError::NoBlock(_)) => {}
        Err(error) => return Err(error),
    }
    let der = match pem::decode(pem::ENCRYPTED_PRIVATE_KEY, text) {
        Ok(der) => der,
        Err(PkiError::NoBlock(_)) => return pkcs1(text).map(|der| encoded(&der)),
        Err(error) => return Err(error),
    };
    let password = password.ok_or(PkiError::Encrypted)?;
    let key = EncryptedPrivateKeyInfo::try_from(der.as_slice()).map_err(|_| PkiError::NotDecrypted)?;
    let plain = key.decrypt(password.expose()).map_err(|_| PkiError::NotDecrypted)?;
    Ok(encoded(plain.as_bytes()))
}

/// What OpenSSL wrote before its version 3: PKCS#8 is a wrapper around exactly these bytes.
fn pkcs1(text: &str) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    // A head of RFC 1421 stands inside the block: no base64.
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(PkiError::NotDecrypted);
    }
    let der = match pem::decode(pem::RSA_PRIVATE_KEY, text) {
        Ok(der) => der,
        Err(PkiError::NoBlock(_)) => return Err(another(text)),
        Err(error) => return Err(error),
    };
    let bad = |_| PkiError::BadBlock(pem::RSA_PRIVATE_KEY);
    rsa::pkcs1::RsaPrivateKey::from_der(&der).map_err(bad)?;
    let algorithm = AlgorithmIdentifierRef { oid: RSA, parameters: Some(AnyRef::from(Null)) };
    PrivateKeyInfo::new(algorithm, &der).to_der().map(Zeroizing::new).map_err(bad)
}

/// Says what there is instead.
fn another(text: &str) -> PkiError {
    let label = text.split_once("-----BEGIN ").and_then(|(_, rest)| rest.split_once("-----"));
    let Some((found, _)) = label else { return PkiError::NoBlock(pem::PRIVATE_KEY) };
    let hint = if found.contains(pem::PRIVATE_KEY) {
        "; `openssl pkcs8 -topk8 -nodes -in FILE` makes one of it"
    } else {
        ", which is no private key"
    };
    // Anything may stand there, and it goes to a terminal.
    let found = found.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(40).collect();
    PkiError::OtherBlock { wanted: pem::PRIVATE_KEY, found, hint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Entropy;
    use crate::keys::PrivateKey;
    use crate::model::KeyAlgorithm;

    fn refused(text: &str) -> String {
        private_key(&Secret::new(text), None).unwrap_err().to_string()
    }

    #[test]
    fn pkcs_1_becomes_pkcs_8() {
        let key = PrivateKey::generate(KeyAlgorithm::Rsa2048, &Entropy::system()).unwrap();
        let read = private_key(&key.to_pkcs1_pem().unwrap(), None).unwrap();
        assert_eq!(read, key.to_pkcs8_pem());
    }

    #[test]
    fn what_else_is_there_is_said() {
        let block = |label: &str| pem::encode(label, b"some bytes").to_string();
        assert_eq!(
            refused(&block("EC PRIVATE KEY")),
            "there is no PEM block `PRIVATE KEY`, only `EC PRIVATE KEY`; `openssl pkcs8 -topk8 -nodes -in FILE` makes one of it"
        );
        assert!(refused(&block(pem::CERTIFICATE)).ends_with("only `CERTIFICATE`, which is no private key"));
        assert!(refused(&block(pem::RSA_PRIVATE_KEY)).contains("`RSA PRIVATE KEY` is broken"));
        assert!(refused("-----BEGIN PRIVATE KEY-----\n").contains("`PRIVATE KEY` is broken"));
        assert_eq!(refused("{\"kty\":\"RSA\"}"), "there is no PEM block `PRIVATE KEY`");
        assert_eq!(refused(&block(pem::ENCRYPTED_PRIVATE_KEY)), PkiError::Encrypted.to_string());
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        assert!(refused(old).contains("-v2 aes-256-cbc"));
    }
}
