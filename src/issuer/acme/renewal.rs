//! What a CA says about a certificate that it has issued: when to renew it (RFC 9773), and whether it still stands.

use http::Request;
use instant_acme::{BodyWrapper, CertificateIdentifier};
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::Der;
use serde::Deserialize;
use x509_parser::prelude::ParsedExtension;

use super::http::{Line, retry_after};
use crate::issuer::Advice;
use crate::pki::{self, pem};

/// Asking is not worth it more often, and not right less often (RFC 9773 §4.3.2).
const SOONEST: SignedDuration = SignedDuration::from_mins(1);
const LATEST: SignedDuration = SignedDuration::from_hours(24);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RenewalInfo {
    suggested_window: Window,
    #[serde(rename = "explanationURL")]
    explanation_url: Option<String>,
}

#[derive(Deserialize)]
struct Window {
    start: Timestamp,
    end: Timestamp,
}

/// The certificate's name in renewal information and in `replaces` (RFC 9773 §4.1).
pub(super) fn identifier(certificate: &str) -> Result<CertificateIdentifier<'static>, String> {
    let der = pem::decode(pem::CERTIFICATE, certificate).map_err(|error| error.to_string())?;
    let parsed = pki::parse(&der).map_err(|error| error.to_string())?;
    let key = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(aki) => aki.key_identifier.as_ref().map(|key| key.0.to_vec()),
        _ => None,
    });
    let key = key.ok_or("it names no authority key")?;
    let serial = Der::from_slice(parsed.raw_serial());
    Ok(CertificateIdentifier::new(Der::from_slice(&key), serial).into_owned())
}

/// Asks for the renewal information of `certificate`; `None` where the CA has none to give.
pub(super) async fn ask(line: &Line, certificate: &str) -> Result<Option<Advice>, instant_acme::Error> {
    let Some(url) = line.directory().await?.renewal_info else { return Ok(None) };
    let Ok(id) = identifier(certificate) else { return Ok(None) };
    let request = Request::get(format!("{}/{id}", url.trim_end_matches('/'))).body(BodyWrapper::default())?;
    let (parts, body) = line.fetch(request).await?;
    let again = retry_after(&parts.headers, line.clock()).map(|pause| pause.clamp(SOONEST, LATEST));
    Ok(Some(read(&body, again)))
}

/// What cannot be read, or has no span, is no answer (RFC 9773 §4.2).
fn read(body: &[u8], again: Option<SignedDuration>) -> Advice {
    let advice = Advice { ask_again_after: again, ..Advice::default() };
    let Ok(info) = serde_json::from_slice::<RenewalInfo>(body) else { return advice };
    let Window { start, end } = info.suggested_window;
    if end <= start {
        return advice;
    }
    let explanation_url = info.explanation_url.map(|url| super::refusal::harmless(&url));
    Advice { window: Some((start, end)), explanation_url, ..advice }
}
