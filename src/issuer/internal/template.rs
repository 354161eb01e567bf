//! What stands in the certificates.

use std::sync::atomic::{AtomicBool, Ordering};

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, DistinguishedName, DnType, IsCa,
    KeyUsagePurpose, SerialNumber,
};
use time::OffsetDateTime;
use x509_parser::prelude::{ParsedExtension, X509Certificate};

use super::super::key::{SigningPair, SubjectKey};
use super::constraints::Constraints;
use super::{BACKDATE, BACKDATE_SHARE, LEAST_SHARE};
use crate::clock::Entropy;
use crate::issuer::{Request, Usage};
use crate::model::{Facts, Secret, Validity};
use crate::pki::{self, pem};

/// ub-common-name (RFC 5280 Appendix A.1), in characters.
pub(super) const LONGEST_CN: usize = 64;

/// The span a certificate is made for.
pub(super) type Span = Validity;

/// From a little before `now` to `now + lifetime`, with no issuer to mind.
pub(super) fn unclipped(lifetime: SignedDuration, now: Timestamp) -> Result<Span, String> {
    if lifetime <= SignedDuration::ZERO {
        return Err("a lifetime must be longer than nothing".to_owned());
    }
    let now = Timestamp::from_second(now.as_second()).map_err(|error| error.to_string())?;
    let backdate = SignedDuration::from_secs(BACKDATE.min(lifetime / BACKDATE_SHARE).as_secs());
    let not_before = now.checked_sub(backdate).map_err(|error| error.to_string())?;
    let not_after = now.checked_add(lifetime).map_err(|error| error.to_string())?;
    Ok(Span { not_before, not_after })
}

/// A CA certificate with its key.
pub(super) struct Authority {
    validity: Validity,
    certificate: Vec<u8>,
    /// Its name, DER.
    subject: Vec<u8>,
    issuer: rcgen::Issuer<'static, SigningPair>,
    /// Whether a signature of its has been verified.
    proven: AtomicBool,
}

/// What an authority has signed: PEM, and its facts.
pub(super) struct Certified {
    pub(super) certificate: String,
    pub(super) facts: Facts,
}

impl Authority {
    pub(super) fn new(certificate: &str, key: &Secret, entropy: &Entropy) -> Result<Self, String> {
        let key = SigningPair::read(key, entropy)?;
        if !key.is_of(certificate) {
            return Err("its key does not belong to its certificate".to_owned());
        }
        let der = pem::decode(pem::CERTIFICATE, certificate).map_err(|error| error.to_string())?.to_vec();
        if has_an_empty_rdn(&der) {
            return Err("its subject has an empty part".to_owned());
        }
        let parsed = pki::parse(&der).map_err(|error| error.to_string())?;
        let facts = pki::facts_of(&parsed, &der).map_err(|error| error.to_string())?;
        let validity = facts.validity.ok_or("its dates cannot be read")?;
        let subject = parsed.subject().as_raw().to_vec();
        let issuer = rcgen::Issuer::from_ca_cert_der(&der.as_slice().into(), key)
            .map_err(|error| error.to_string())?;
        Ok(Self { validity, certificate: der, subject, issuer, proven: AtomicBool::new(false) })
    }

    /// The span for a certificate under this one: inside its own (FAULTS I14), and not much shorter than
    /// asked for.
    pub(super) fn validity_for(&self, lifetime: SignedDuration, now: Timestamp) -> Result<Span, String> {
        let asked = unclipped(lifetime, now)?;
        let Validity { not_before, not_after } = self.validity;
        if now < not_before {
            return Err(format!("the clock says {now}, which is before it begins ({not_before})"));
        }
        let span =
            Span { not_before: asked.not_before.max(not_before), not_after: asked.not_after.min(not_after) };
        if span.left(now) <= SignedDuration::ZERO || span.left(now) < lifetime / LEAST_SHARE {
            return Err(format!("it ends {not_after}, before even half of the lifetime asked for"));
        }
        Ok(span)
    }

    /// The time from `now` on in which both this one and another hold.
    pub(super) fn common(&self, other: Validity, now: Timestamp) -> Option<Span> {
        let not_before = self.validity.not_before.max(other.not_before);
        let not_after = self.validity.not_after.min(other.not_after);
        (not_before <= now && now < not_after).then_some(Span { not_before, not_after })
    }

    /// Whether its pathLenConstraint allows for so many CAs below it (RFC 5280 §4.2.1.9).
    pub(super) fn allows_cas_below(&self, count: u32) -> Result<bool, String> {
        let certificate = pki::parse(&self.certificate).map_err(|error| error.to_string())?;
        let constraints = certificate.basic_constraints().map_err(|error| error.to_string())?;
        let limit = constraints.and_then(|constraints| constraints.value.path_len_constraint);
        Ok(limit.is_none_or(|limit| limit >= count))
    }

    /// subjectKeyIdentifier, by which its lists are found.
    pub(super) fn key_identifier(&self) -> Option<Vec<u8>> {
        let certificate = pki::parse(&self.certificate).ok()?;
        certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
    }

    pub(super) fn issuer(&self) -> &rcgen::Issuer<'static, SigningPair> {
        &self.issuer
    }

    /// Signs, and looks at what came out before anybody gets it.
    pub(super) fn sign(&self, params: CertificateParams, subject: &SubjectKey) -> Result<Certified, String> {
        let signed = params.signed_by(subject, &self.issuer).map_err(|error| error.to_string())?;
        let certificate = pki::parse(signed.der()).map_err(|error| error.to_string())?;
        self.check(&certificate)?;
        let facts = pki::facts_of(&certificate, signed.der()).map_err(|error| error.to_string())?;
        Ok(Certified { certificate: pem::encode(pem::CERTIFICATE, signed.der()).to_string(), facts })
    }

    /// rcgen writes the issuer's name anew; an imported CA's may come out differently, so every certificate is looked at for
    /// that. The key is the same each time: the first signature shows that it is the certificate's.
    fn check(&self, signed: &X509Certificate<'_>) -> Result<(), String> {
        let verifies = if self.proven.load(Ordering::Relaxed) {
            signed.issuer().as_raw() == self.subject
        } else {
            let issuer = pki::parse(&self.certificate).map_err(|error| error.to_string())?;
            pki::is_signed_by(signed, &issuer)
        };
        if !verifies {
            return Err("what it signed does not verify; its subject cannot be written again".to_owned());
        }
        self.proven.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// rcgen panics on one.
fn has_an_empty_rdn(certificate: &[u8]) -> bool {
    pki::parse(certificate)
        .is_ok_and(|certificate| certificate.subject().iter().any(|rdn| rdn.iter().next().is_none()))
}

/// pathLenConstraint 2: below it its successor, which it certifies in a rollover, and that one's intermediates.
pub(super) fn root(name: &str, span: Span, entropy: &Entropy) -> Result<CertificateParams, String> {
    let mut params = base(Some(name), span, entropy)?;
    authority(&mut params, 2);
    Ok(params)
}

/// A root as its predecessor certifies it: pathLenConstraint 1, for intermediates, and none under those.
pub(super) fn cross(name: &str, span: Span, entropy: &Entropy) -> Result<CertificateParams, String> {
    let mut params = base(Some(name), span, entropy)?;
    authority(&mut params, 1);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// pathLenConstraint 0: leaves only.
pub(super) fn intermediate(
    name: &str,
    constraints: Constraints<'_>,
    span: Span,
    entropy: &Entropy,
) -> Result<CertificateParams, String> {
    let mut params = base(Some(name), span, entropy)?;
    authority(&mut params, 0);
    params.use_authority_key_identifier_extension = true;
    // Without names rcgen leaves the extension out; an empty one would forbid everything.
    params.name_constraints = Some(constraints.for_certificate()?);
    Ok(params)
}

/// Where the list is fetched that would have the certificate if it were revoked.
pub(super) fn listed_at(params: &mut CertificateParams, url: Option<&String>) {
    let points = url.map(|url| CrlDistributionPoint { uris: vec![url.clone()] });
    params.crl_distribution_points = points.into_iter().collect();
}

fn authority(params: &mut CertificateParams, path_length: u8) {
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
}

/// A certificate for a server or a client.
pub(super) fn leaf(
    request: &Request,
    is_rsa: bool,
    span: Span,
    entropy: &Entropy,
) -> Result<CertificateParams, String> {
    let mut params = base(request.common_name.as_deref(), span, entropy)?;
    // rcgen marks the SANs critical where there is no subject (RFC 5280 §4.2.1.6).
    params.subject_alt_names = request.alternative_names()?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // TLS 1.2's RSA key exchange encrypts to the server's key; no other kind of key can.
    if is_rsa && request.usages.contains(&Usage::ServerAuth) {
        params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    request.purposes().for_each(|purpose| params.insert_extended_key_usage(purpose));
    Ok(params)
}

/// rcgen's own defaults are a validity of two thousand years, a subject, and a serial that is the same for
/// the same key.
fn base(name: Option<&str>, span: Span, entropy: &Entropy) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(name) = name {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.serial_number = Some(serial(entropy)?);
    params.not_before = date(span.not_before)?;
    params.not_after = date(span.not_after)?;
    Ok(params)
}

/// 126 random bits in 16 octets, never zero (RFC 5280 §4.1.2.2): the top bit clear, so that it is positive
/// without a further octet, and the next one set, so that it has them all.
fn serial(entropy: &Entropy) -> Result<SerialNumber, String> {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes).map_err(|error| error.to_string())?;
    bytes[0] = bytes[0] & 0x3f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

pub(super) fn date(at: Timestamp) -> Result<OffsetDateTime, String> {
    OffsetDateTime::from_unix_timestamp(at.as_second()).map_err(|error| error.to_string())
}
