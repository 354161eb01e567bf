//! The request for an intermediate whose root is elsewhere (PKCS#10): what it is to become stands in it.

use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose};
use ring::digest;

use super::{InternalCa, refused, template};
use crate::issuer::IssueError;
use crate::issuer::key::{SigningPair, SubjectKey};
use crate::model::Secret;
use crate::pki::{self, pem};

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
        params.custom_extensions.extend(self.constraints().for_request().map_err(refused)?);
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
