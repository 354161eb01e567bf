//! The request for an intermediate whose root is elsewhere (PKCS#10): what it is to become stands in it.

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, KeyUsagePurpose,
};
use ring::digest;
use x509_cert::der::Encode;
use x509_cert::der::asn1::Ia5String;
use x509_cert::ext::pkix::constraints::name::{GeneralSubtree, NameConstraints};
use x509_cert::ext::pkix::name::GeneralName;

use super::{InternalCa, refused, template};
use crate::issuer::IssueError;
use crate::issuer::key::{SigningPair, SubjectKey};
use crate::model::Secret;
use crate::pki::{self, pem};

/// id-ce-nameConstraints (RFC 5280 §4.2.1.10).
const NAME_CONSTRAINTS: &[u64] = &[2, 5, 29, 30];

impl InternalCa {
    /// PEM; the same key, made at the same time, asks for the same name. It wants to be a CA for leaves only
    /// (pathLenConstraint 0) and, where the configuration says so, for these names only.
    ///
    /// # Errors
    ///
    /// When the key or a name cannot be read.
    pub fn signing_request(&self, key: &Secret, made_at: Timestamp) -> Result<String, IssueError> {
        let public = SubjectKey::read(key, &self.entropy).map_err(refused)?;
        let print = digest::digest(&digest::SHA256, &public.spki_der());
        let name = self.name_of("Issuing", made_at, &print.as_ref()[..2]);
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.custom_extensions.extend(constraints(&self.permitted_dns).map_err(refused)?);
        let signer = SigningPair::read(key, &self.entropy).map_err(refused)?;
        let csr = params.serialize_request(&signer).map_err(refused)?;
        Ok(pem::encode(pem::REQUEST, csr.der()).to_string())
    }

    /// `base Issuing 2027-1a2b`, cut where it is too long: two CAs must not share a name while their keys differ.
    pub(super) fn name_of(&self, role: &str, at: Timestamp, print: &[u8]) -> String {
        let year = at.to_zoned(jiff::tz::TimeZone::UTC).year();
        let suffix = format!(" {role} {year}-{}", pki::hex(print));
        let room = template::LONGEST_CN - suffix.len();
        let base: String = self.common_name.chars().take(room).collect();
        format!("{}{suffix}", base.trim_end())
    }
}

/// rcgen writes them into certificates, not into requests.
fn constraints(permitted_dns: &[String]) -> Result<Option<CustomExtension>, x509_cert::der::Error> {
    if permitted_dns.is_empty() {
        return Ok(None);
    }
    let subtree = |name: &String| {
        Ok(GeneralSubtree { base: GeneralName::DnsName(Ia5String::new(name)?), minimum: 0, maximum: None })
    };
    let permitted = permitted_dns.iter().map(subtree).collect::<Result<Vec<_>, x509_cert::der::Error>>()?;
    let all = NameConstraints { permitted_subtrees: Some(permitted), excluded_subtrees: None };
    let mut extension = CustomExtension::from_oid_content(NAME_CONSTRAINTS, all.to_der()?);
    extension.set_criticality(true);
    Ok(Some(extension))
}
