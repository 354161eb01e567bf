//! Revocation lists (RFC 5280 §5): one for each certificate that can sign.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason as Reason, RevokedCertParams, SerialNumber,
};

use super::template::{self, Authority};
use super::{InternalCa, refused};
use crate::issuer::IssueError;
use crate::model::{Issued, Material, RevocationReason};
use crate::pki::{self, pem};

/// One of the CA's revisions, and what it has signed that is revoked.
#[derive(Debug)]
pub struct Signed<'a> {
    /// The intermediate, with its root.
    pub authority: &'a Material,
    /// What is to be listed; what is not revoked is passed over.
    pub revoked: Vec<&'a Issued>,
}

/// What stands in all lists of one edition.
#[derive(Debug, Clone, Copy)]
pub struct Edition {
    /// cRLNumber (§5.2.3).
    pub number: u32,
    /// When it is made; `thisUpdate` lies a little before, for clients whose clocks are behind.
    pub now: Timestamp,
    /// Until `nextUpdate`.
    pub lifetime: SignedDuration,
}

impl InternalCa {
    /// The lists of all intermediates and of their roots, PEM, one after another, the newest last. A root's list is empty: no
    /// intermediate is ever revoked, but who checks whole chains wants it.
    ///
    /// Who may not sign lists has none: clients would refuse everybody by it. Of the newest that is an error: what they have
    /// is good until it ends, and nothing is signed by an intermediate that no list is there for.
    ///
    /// # Errors
    ///
    /// When the newest may not sign lists, a key cannot be read, or the dates cannot be written.
    pub fn revocation_lists(&self, signed: &[Signed<'_>], edition: Edition) -> Result<String, IssueError> {
        let mut lists = String::new();
        let mut roots: Vec<&str> = Vec::new();
        for (at, Signed { authority: material, revoked }) in signed.iter().enumerate() {
            let is_newest = at + 1 == signed.len();
            let own = material.certificate.as_deref().unwrap_or_default();
            let intermediate = self.signer(material)?;
            if self.may_list("intermediate", own, is_newest)? {
                lists += &list(&intermediate, revoked, edition).map_err(refused)?;
            }
            let Some(key) = &material.anchor_key else { continue };
            let (root, _) = self.known_root(material)?;
            if let Some(known) = material.anchors.iter().find(|anchor| **anchor == root)
                && !roots.contains(&known.as_str())
                && self.may_list("root", &root, is_newest)?
            {
                roots.push(known);
                lists += &list(&self.authority("root", &root, key)?, &[], edition).map_err(refused)?;
            }
        }
        Ok(lists)
    }

    fn may_list(&self, role: &str, certificate: &str, is_newest: bool) -> Result<bool, IssueError> {
        if pki::may_sign_lists(certificate).map_err(refused)? {
            return Ok(true);
        }
        if !is_newest {
            return Ok(false);
        }
        let name = &self.name;
        let what = match role {
            "root" => format!("make another root (`keyturn ca rotate {name}`)"),
            _ => format!("have it certified anew with cRLSign (`keyturn csr ca/{name}` asks for it)"),
        };
        Err(refused(format!(
            "the {role} of issuers.{name} may not sign revocation lists, since its keyUsage lacks cRLSign: clients would refuse \
             everybody by them; {what}, or take `crl` out"
        )))
    }
}

fn list(authority: &Authority, revoked: &[&Issued], edition: Edition) -> Result<String, String> {
    let span = template::unclipped(edition.lifetime, edition.now)?;
    let revoked_certs = revoked.iter().filter_map(|one| entry(one).transpose()).collect::<Result<_, _>>()?;
    let params = CertificateRevocationListParams {
        this_update: template::date(span.not_before)?,
        next_update: template::date(span.not_after)?,
        crl_number: SerialNumber::from(u64::from(edition.number)),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: authority
            .key_identifier()
            .map_or(KeyIdMethod::Sha256, KeyIdMethod::PreSpecified),
    };
    let list = params.signed_by(authority.issuer()).map_err(|error| error.to_string())?;
    Ok(pem::encode(pem::CRL, list.der()).to_string())
}

fn entry(one: &Issued) -> Result<Option<RevokedCertParams>, String> {
    let Some((at, reason)) = one.revoked else { return Ok(None) };
    let serial = pki::unhex(&one.serial).ok_or("a serial number that is none")?;
    Ok(Some(RevokedCertParams {
        serial_number: SerialNumber::from_slice(&serial),
        revocation_time: template::date(at)?,
        reason_code: code(reason),
        invalidity_date: None,
    }))
}

/// "Unspecified" is better said by leaving it out (§5.3.1).
fn code(reason: RevocationReason) -> Option<Reason> {
    match reason {
        RevocationReason::Unspecified => None,
        RevocationReason::KeyCompromise => Some(Reason::KeyCompromise),
        RevocationReason::AffiliationChanged => Some(Reason::AffiliationChanged),
        RevocationReason::Superseded => Some(Reason::Superseded),
        RevocationReason::CessationOfOperation => Some(Reason::CessationOfOperation),
    }
}
