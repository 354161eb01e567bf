//! Whether a certificate is on its CA's revocation list (RFC 5280 §5), for CAs that give no renewal information.

use http_body_util::BodyExt;
use jiff::Timestamp;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::addresses;
use super::refusal::Unreached;
use crate::model::Material;
use crate::pki::{self, pem};

/// Lists of busy CAs have megabytes.
const LARGEST_LIST: usize = 16 << 20;

/// Whether it is on the list; `None` where the certificate names none, or none that can be believed. A CA of one's own
/// may hand its list out over https: `roots` (PEM) are trusted then beside the machine's own.
pub(super) async fn is_revoked(
    material: &Material,
    roots: &[u8],
    now: Timestamp,
) -> Result<Option<bool>, Unreached> {
    let leaf = material.certificate.as_deref().and_then(|text| pem::decode(pem::CERTIFICATE, text).ok());
    let issuer = material.chain.first().and_then(|text| pem::decode(pem::CERTIFICATE, text).ok());
    let (Some(leaf), Some(issuer)) = (leaf, issuer) else { return Ok(None) };
    let (Ok(leaf), Ok(issuer)) = (pki::parse(&leaf), pki::parse(&issuer)) else { return Ok(None) };
    let Some(url) = distribution_point(&leaf) else { return Ok(None) };
    let list = fetch(&url, roots).await?;
    Ok(verdict(&list, &leaf, &issuer, now))
}

/// Lists are signed, so plain http is what CAs use for them.
fn distribution_point(leaf: &X509Certificate<'_>) -> Option<String> {
    leaf.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::CRLDistributionPoints(points) => points.iter().find_map(|point| {
            let Some(DistributionPointName::FullName(names)) = &point.distribution_point else { return None };
            names.iter().find_map(|name| match name {
                GeneralName::URI(url) if url.starts_with("http") => Some((*url).to_owned()),
                _ => None,
            })
        }),
        _ => None,
    })
}

async fn fetch(url: &str, roots: &[u8]) -> Result<Vec<u8>, Unreached> {
    let uri: http::Uri = url.parse().map_err(|_| Unreached(format!("{url} is no URL")))?;
    addresses::check_host(&uri)?;
    let client = super::http::plain_client(roots)?;
    let reply = client.get(url).send().await.map_err(|error| super::http::unreached(&error))?;
    if !reply.status().is_success() {
        return Err(Unreached(format!("{url}: HTTP {}", reply.status().as_u16())));
    }
    let body: reqwest::Body = reply.into();
    let body = http_body_util::Limited::new(body, LARGEST_LIST).collect().await;
    let body =
        body.map_err(|_| Unreached(format!("{url}: no whole list of at most {LARGEST_LIST} bytes")))?;
    Ok(body.to_bytes().to_vec())
}

/// A list that is not the issuer's, or that is out of date, says nothing.
fn verdict(
    list: &[u8],
    leaf: &X509Certificate<'_>,
    issuer: &X509Certificate<'_>,
    now: Timestamp,
) -> Option<bool> {
    let text = std::str::from_utf8(list).ok().filter(|text| text.contains("-----BEGIN X509 CRL-----"));
    let decoded = text.and_then(|text| pem::decode("X509 CRL", text).ok());
    let der = decoded.as_ref().map_or(list, |der| der.as_slice());
    let (_, list) = CertificateRevocationList::from_der(der).ok()?;
    let ours = list.issuer().as_raw() == issuer.subject().as_raw();
    if !ours || list.verify_signature(issuer.public_key()).is_err() {
        return None;
    }
    let is_late = list.next_update().is_some_and(|next| next.timestamp() < now.as_second());
    let found = list.iter_revoked_certificates().any(|one| one.raw_serial() == leaf.raw_serial());
    // Once revoked is revoked, however old the list; that it stands, only a fresh one says.
    (found || !is_late).then_some(found)
}
