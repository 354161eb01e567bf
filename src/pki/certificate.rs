//! Reading certificates.

use std::net::IpAddr;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use x509_parser::prelude::{ASN1Time, FromDer, GeneralName, X509Certificate};

use super::{PkiError, broken_digest, hex, pem};
use crate::model::{Facts, Usage, Validity};

/// Exactly one certificate, without anything behind it.
///
/// # Errors
///
/// When `der` is something else.
pub fn parse(der: &[u8]) -> Result<X509Certificate<'_>, PkiError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(PkiError::NotACertificate("there are bytes behind it".to_owned())),
        Err(error) => Err(PkiError::NotACertificate(error.to_string())),
    }
}

/// The public facts of the first certificate in `text`.
///
/// # Errors
///
/// When there is none, or it cannot be read.
pub fn facts(text: &str) -> Result<Facts, PkiError> {
    facts_of_der(&pem::decode(pem::CERTIFICATE, text)?)
}

/// The same of DER.
///
/// # Errors
///
/// When it cannot be read.
pub fn facts_of_der(der: &[u8]) -> Result<Facts, PkiError> {
    facts_of(&parse(der)?, der)
}

/// The same of a certificate that has been parsed already, and its DER.
///
/// # Errors
///
/// When a date cannot be read.
pub fn facts_of(certificate: &X509Certificate<'_>, der: &[u8]) -> Result<Facts, PkiError> {
    let validity = certificate.validity();
    Ok(Facts {
        validity: Some(Validity {
            not_before: timestamp(validity.not_before)?,
            not_after: timestamp(validity.not_after)?,
        }),
        serial: Some(hex(without_sign(certificate.raw_serial()))),
        fingerprint_sha256: Some(hex(digest(&SHA256, der).as_ref())),
        ..Facts::default()
    })
}

/// A serial whose first bit is set has an octet of zeros before it in DER; OpenSSL and ACME leave it out.
pub(super) fn without_sign(serial: &[u8]) -> &[u8] {
    match serial {
        [0, rest @ ..] if !rest.is_empty() => rest,
        serial => serial,
    }
}

pub(super) fn timestamp(time: ASN1Time) -> Result<Timestamp, PkiError> {
    Timestamp::from_second(time.timestamp()).map_err(|_| PkiError::BadDate)
}

/// The names a certificate is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The subject's common name.
    pub common_name: Option<String>,
    /// dNSName SANs, lower case, in their order.
    pub dns: Vec<String>,
    /// iPAddress SANs, in their order.
    pub ip: Vec<IpAddr>,
    /// How many SANs are of other kinds.
    pub others: usize,
}

/// The names of the first certificate in `text`.
///
/// # Errors
///
/// When there is none, or it cannot be read.
pub fn names(text: &str) -> Result<Names, PkiError> {
    let der = pem::decode(pem::CERTIFICATE, text)?;
    let certificate = parse(&der)?;
    let common_name = certificate.subject().iter_common_name().next();
    let mut names = Names {
        common_name: common_name.and_then(|name| name.as_str().ok()).map(str::to_owned),
        ..Names::default()
    };
    let san = certificate
        .subject_alternative_name()
        .map_err(|error| PkiError::NotACertificate(error.to_string()))?;
    san.iter().flat_map(|san| &san.value.general_names).for_each(|name| named(&mut names, name));
    Ok(names)
}

/// Notes one SAN.
pub(super) fn named(names: &mut Names, name: &GeneralName<'_>) {
    match name {
        GeneralName::DNSName(name) => names.dns.push(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => match address(bytes) {
            Some(ip) => names.ip.push(ip),
            None => names.others += 1,
        },
        _ => names.others += 1,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Whether the first certificate in `text` says for which names its CA may sign, and for which addresses: a kind of which it
/// says nothing is free (RFC 5280 §4.2.1.10).
///
/// # Errors
///
/// When there is none, or it cannot be read.
pub fn is_constrained(text: &str) -> Result<bool, PkiError> {
    let der = pem::decode(pem::CERTIFICATE, text)?;
    let certificate = parse(&der)?;
    let found =
        certificate.name_constraints().map_err(|error| PkiError::NotACertificate(error.to_string()))?;
    let Some(found) = found.map(|found| found.value) else { return Ok(false) };
    let permitted = found.permitted_subtrees.iter().flatten();
    let mut all = permitted.clone().chain(found.excluded_subtrees.iter().flatten());
    let names = permitted.clone().any(|one| matches!(one.base, GeneralName::DNSName(_)));
    Ok(names && all.any(|one| matches!(one.base, GeneralName::IPAddress(_))))
}

/// Whether its extendedKeyUsage, where it has one, allows for `usage` (RFC 5280 §4.2.1.12).
pub(super) fn is_for(certificate: &X509Certificate<'_>, usage: Usage) -> bool {
    match certificate.extended_key_usage() {
        Ok(None) => true,
        Ok(Some(uses)) => {
            let uses = uses.value;
            uses.any
                || match usage {
                    Usage::ServerAuth => uses.server_auth,
                    Usage::ClientAuth => uses.client_auth,
                }
        }
        Err(_) => false,
    }
}

/// Whether lists by the first certificate in `text` are believed: its keyUsage, where it has one, must say cRLSign (RFC
/// 5280 §4.2.1.3, §6.3.3 (f)).
///
/// # Errors
///
/// When there is none, or it cannot be read.
pub fn may_sign_lists(text: &str) -> Result<bool, PkiError> {
    let der = pem::decode(pem::CERTIFICATE, text)?;
    let certificate = parse(&der)?;
    let usage = certificate.key_usage().map_err(|error| PkiError::NotACertificate(error.to_string()))?;
    Ok(usage.is_none_or(|usage| usage.value.crl_sign()))
}

/// Whether `certificate` names `issuer` as its issuer and carries its signature.
///
/// ring does the arithmetic: RSA from 2048 bits, P-256, P-384 and Ed25519; with anything else the answer
/// is no. A signature by SHA-1 or MD5 counts only where it is a root's own: nobody relies on that.
pub fn is_signed_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == issuer.subject().as_raw()
        && broken_digest(certificate).is_none()
        && certificate.verify_signature(Some(issuer.public_key())).is_ok()
}

/// The SubjectPublicKeyInfo, DER, of the first certificate in `text`.
///
/// # Errors
///
/// When there is none, or it cannot be read.
pub fn spki_of_certificate(text: &str) -> Result<Vec<u8>, PkiError> {
    let der = pem::decode(pem::CERTIFICATE, text)?;
    let certificate = parse(&der)?;
    Ok(certificate.public_key().raw.to_vec())
}
