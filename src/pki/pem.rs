//! PEM (RFC 7468), read leniently and written strictly, in memory that is wiped.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::PkiError;

/// The label of an X.509 certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// The label of a PKCS#8 private key.
pub const PRIVATE_KEY: &str = "PRIVATE KEY";
/// The label of a PKCS#1 private key.
pub const RSA_PRIVATE_KEY: &str = "RSA PRIVATE KEY";
/// The label of a SubjectPublicKeyInfo.
pub const PUBLIC_KEY: &str = "PUBLIC KEY";
/// The label of a revocation list (RFC 7468 §6).
pub const CRL: &str = "X509 CRL";
/// The label of PKCS#3 parameters.
pub const DH_PARAMETERS: &str = "DH PARAMETERS";

/// Base64 characters a line (RFC 7468 §2).
const LINE: usize = 64;

/// One block, ended by one newline.
pub fn encode(label: &str, der: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(STANDARD.encode(der));
    // The full size at once: a string that grows leaves copies of a secret behind.
    let size = base64.len() + base64.len() / LINE + 2 * label.len() + 40;
    let mut text = Zeroizing::new(String::with_capacity(size));
    let mut rest = base64.as_str();
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(LINE));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

/// The first block of that label, whatever stands around it.
///
/// # Errors
///
/// When there is none, or it is broken.
pub fn decode(label: &'static str, text: &str) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    next(label, text)?.map(|(der, _)| der).ok_or(PkiError::NoBlock(label))
}

/// All blocks of that label, in order; none is no error.
///
/// # Errors
///
/// When one is broken.
pub fn decode_all(label: &'static str, text: &str) -> Result<Vec<Zeroizing<Vec<u8>>>, PkiError> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((der, tail)) = next(label, rest)? {
        blocks.push(der);
        rest = tail;
    }
    Ok(blocks)
}

type Block<'a> = (Zeroizing<Vec<u8>>, &'a str);

fn next<'a>(label: &'static str, text: &'a str) -> Result<Option<Block<'a>>, PkiError> {
    let Some((_, inside)) = text.split_once(&format!("-----BEGIN {label}-----")) else {
        return Ok(None);
    };
    let bad = || PkiError::BadBlock(label);
    let (body, rest) = inside.split_once(&format!("-----END {label}-----")).ok_or_else(bad)?;
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    base64.extend(body.chars().filter(|c| !c.is_ascii_whitespace()));
    let der = STANDARD.decode(base64.as_bytes()).map_err(|_| bad())?;
    Ok(Some((Zeroizing::new(der), rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for size in [0, 1, 47, 48, 49, 1000] {
            let der: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let text = encode(CERTIFICATE, &der);
            assert!(text.ends_with("-----END CERTIFICATE-----\n"));
            assert!(text.lines().all(|line| line.len() <= LINE));
            assert_eq!(*decode(CERTIFICATE, &text).unwrap(), der);
        }
    }

    #[test]
    fn text_around_blocks_does_no_harm() {
        let text = format!(
            "subject=CN = x\r\n{}noise\n{}",
            encode(CERTIFICATE, b"one").replace('\n', "\r\n"),
            *encode(CERTIFICATE, b"two")
        );
        let blocks = decode_all(CERTIFICATE, &text).unwrap();
        assert_eq!(blocks.iter().map(|b| b.as_slice()).collect::<Vec<_>>(), [b"one", b"two"]);
    }

    #[test]
    fn faults_are_told_apart() {
        assert_eq!(decode(PRIVATE_KEY, "").unwrap_err(), PkiError::NoBlock(PRIVATE_KEY));
        let cut = "-----BEGIN PRIVATE KEY-----\nAAAA";
        assert_eq!(decode(PRIVATE_KEY, cut).unwrap_err(), PkiError::BadBlock(PRIVATE_KEY));
        let junk = "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----";
        assert_eq!(decode(PRIVATE_KEY, junk).unwrap_err(), PkiError::BadBlock(PRIVATE_KEY));
    }
}
