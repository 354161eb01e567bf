//! What a client may mind about a chain, each fault by itself.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Judges a served chain at `now`: dates, name, and the way to one of `anchors`.
pub(super) fn remarks(
    chain: &[CertificateDer<'_>],
    name: &str,
    anchors: &[String],
    now: Timestamp,
) -> Vec<String> {
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Vec::new();
    };
    let Ok(entity) = EndEntityCert::try_from(leaf) else {
        return vec!["the leaf cannot be read as an X.509 v3 certificate".to_owned()];
    };
    let found =
        [dates(leaf, now), valid_for(&entity, name), leads_up(&entity, leaf, intermediates, anchors, now)];
    found.into_iter().flatten().collect()
}

/// The first and the last second of its validity, in seconds of the epoch.
fn validity(der: &[u8]) -> Option<(i64, i64)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let validity = certificate.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}

fn dates(leaf: &CertificateDer<'_>, now: Timestamp) -> Option<String> {
    let (not_before, not_after) = validity(leaf)?;
    let say = |what: &str, second| Timestamp::from_second(second).ok().map(|at| format!("{what} {at}"));
    if now.as_second() > not_after {
        say("it expired at", not_after)
    } else if now.as_second() < not_before {
        say("it is not valid before", not_before)
    } else {
        None
    }
}

fn valid_for(entity: &EndEntityCert<'_>, name: &str) -> Option<String> {
    let asked = ServerName::try_from(name).ok()?;
    let result = entity.verify_is_valid_for_subject_name(&asked);
    result.err().map(|_| format!("it is not valid for {name}"))
}

/// The way up, at a time when the leaf holds, so that its own dates do not hide a broken chain.
fn leads_up(
    entity: &EndEntityCert<'_>,
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    anchors: &[String],
    now: Timestamp,
) -> Option<String> {
    if anchors.is_empty() {
        return None;
    }
    let (not_before, not_after) = validity(leaf)?;
    let at = now.as_second().max(not_before).min(not_after);
    let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at).unwrap_or(0)));
    let roots: Vec<CertificateDer<'_>> = anchors.iter().flat_map(|pem| certificates(pem)).collect();
    let trusted: Vec<TrustAnchor<'_>> =
        roots.iter().filter_map(|root| anchor_from_trusted_cert(root).ok()).collect();
    let usage = KeyUsage::server_auth();
    let algorithms = ALL_VERIFICATION_ALGS;
    let result = entity.verify_for_usage(algorithms, &trusted, intermediates, time, usage, None, None);
    result.err().map(|error| format!("its chain does not lead to a known root ({error:?})"))
}

fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).collect()
}
