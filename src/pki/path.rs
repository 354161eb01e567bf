//! Whether clients would go the way up from a certificate (RFC 5280 §6.1): rustls-webpki judges, as somebody who has not
//! made it.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

use super::{certificate, pem};
use crate::model::{Material, Usage};

/// Whether a certificate is accepted for `usage` at `now` by who trusts its roots: the CAs above it may say for which names
/// and uses, and over how many other CAs, they sign. The text says what is against it.
///
/// # Errors
///
/// When it is not, or cannot be read.
pub fn accepted(material: &Material, usage: Usage, now: Timestamp) -> Result<(), String> {
    let leaf = der(material.certificate.as_deref().unwrap_or_default())?;
    let leaf = EndEntityCert::try_from(&leaf).map_err(|error| format!("it cannot be read: {error}"))?;
    let chain = material.chain.iter().map(|text| der(text)).collect::<Result<Vec<_>, _>>()?;
    let roots = material.anchors.iter().map(|text| der(text)).collect::<Result<Vec<_>, _>>()?;
    // webpki takes of a root its name, its key and its nameConstraints; OpenSSL minds its uses as well.
    let may = |root: &&CertificateDer<'_>| allows(root, usage);
    let anchors: Vec<TrustAnchor<'_>> =
        roots.iter().filter(may).filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
    let time = UnixTime::since_unix_epoch(Duration::from_secs(now.as_second().try_into().unwrap_or(0)));
    let purpose = match usage {
        Usage::ServerAuth => KeyUsage::server_auth(),
        Usage::ClientAuth => KeyUsage::client_auth(),
    };
    let algorithms = ALL_VERIFICATION_ALGS;
    match leaf.verify_for_usage(algorithms, &anchors, &chain, time, purpose, None, None) {
        // Constraints on policies are for others to judge: it knows none.
        Ok(_) | Err(Error::UnsupportedCriticalExtension) => Ok(()),
        Err(_) if anchors.len() < roots.len() => Err(unfit(usage)),
        Err(error) => Err(said(&error, usage)),
    }
}

/// Whether clients take a certificate itself for these uses: it is no CA's, and its extendedKeyUsage, where it has one, says
/// all of them (RFC 5280 §4.2.1.9, §4.2.1.12).
///
/// # Errors
///
/// When they do not, or it cannot be read.
pub fn usable(text: &str, usages: &[Usage]) -> Result<(), String> {
    let der = der(text)?;
    let leaf = certificate::parse(&der).map_err(|error| error.to_string())?;
    if leaf.is_ca() {
        return Err("it is a CA's (its basicConstraints say CA:TRUE), and clients refuse such a one of a server or client"
            .to_owned());
    }
    match usages.iter().find(|usage| !certificate::is_for(&leaf, **usage)) {
        Some(usage) => Err(format!(
            "its extendedKeyUsage lacks {}, which `usages` asks for: clients refuse it",
            usage.name()
        )),
        None => Ok(()),
    }
}

fn der(text: &str) -> Result<CertificateDer<'static>, String> {
    let der = pem::decode(pem::CERTIFICATE, text).map_err(|error| error.to_string())?;
    Ok(CertificateDer::from(der.to_vec()))
}

/// Whether a CA's certificate leaves it open to sign for this (RFC 5280 §4.2.1.12).
fn allows(ca: &CertificateDer<'_>, usage: Usage) -> bool {
    certificate::parse(ca).is_ok_and(|ca| certificate::is_for(&ca, usage))
}

fn unfit(usage: Usage) -> String {
    format!(
        "a CA above it may not sign for {}: its extendedKeyUsage lacks that, and clients refuse it",
        usage.name()
    )
}

fn said(error: &Error, usage: Usage) -> String {
    match error {
        Error::NameConstraintViolation => {
            "a CA above it may not sign for its names: they lie outside its nameConstraints, and clients refuse it"
                .to_owned()
        }
        Error::RequiredEkuNotFoundContext(_) => unfit(usage),
        Error::PathLenConstraintViolated => {
            "the pathLenConstraint of a CA above it does not allow for so many CAs under it, and clients refuse it"
                .to_owned()
        }
        error => format!("clients refuse it: {error}"),
    }
}
