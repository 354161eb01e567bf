//! The CA's own certificates, and how it makes more: rightly, or as the faults have it.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber,
};
use ring::rand::{SecureRandom, SystemRandom};
use time::OffsetDateTime;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::faults::{Chain, Dates, Faults, Names};
use super::key::{Key, encode};

/// Two roots and an intermediate that both have signed, and the wrong ones that the faults need.
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    other_root: CertifiedIssuer<'static, KeyPair>,
    intermediate: Issuer<'static, KeyPair>,
    intermediate_params: CertificateParams,
    stranger: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate as the CA keeps it.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The leaf.
    pub der: Vec<u8>,
    /// The chains on offer as PEM, the default first.
    pub chains: Vec<String>,
    /// What ARI calls it (RFC 9773 §4.1).
    pub ari_id: String,
    /// Whose it is.
    pub key: Option<Key>,
    /// As in the certificate.
    pub not_before: Timestamp,
    /// As in the certificate.
    pub not_after: Timestamp,
}

impl Authority {
    /// New keys, in the name of `name`, so that two CAs in one test can be told apart.
    pub fn new(name: &str) -> Self {
        let intermediate_params = ca(&format!("{name} intermediate"), 0);
        Self {
            root: root(&format!("{name} root")),
            other_root: root(&format!("{name} other root")),
            intermediate: Issuer::new(intermediate_params.clone(), KeyPair::generate().unwrap()),
            intermediate_params,
            stranger: root(&format!("{name} stranger")),
        }
    }

    /// The root that clients should know.
    pub fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// The root under which the alternate chain ends.
    pub fn other_root_pem(&self) -> String {
        self.other_root.pem()
    }

    /// Makes a certificate for `csr`, of `names` and for `lifetime`, with what `faults` does to it.
    pub fn issue(
        &self,
        csr: &CertificateSigningRequestParams,
        names: &[String],
        lifetime: SignedDuration,
        faults: &Faults,
        now: Timestamp,
    ) -> Issued {
        let (not_before, not_after) = dates(faults.dates, lifetime, now);
        let params = leaf(with_faults(names, &faults.names), not_before, not_after);
        let issuer: &Issuer<'_, KeyPair> = match faults.chain {
            Chain::Stranger => &self.stranger,
            _ => &self.intermediate,
        };
        let leaf = if faults.wrong_key {
            params.signed_by(&KeyPair::generate().unwrap(), issuer)
        } else {
            params.signed_by(&csr.public_key, issuer)
        };
        let leaf = leaf.unwrap();
        let der = leaf.der().to_vec();
        let (ari_id, key) = read(&der);
        let chains = self.chains(&leaf.pem(), faults, not_after);
        Issued { der, chains, ari_id, key, not_before, not_after }
    }

    fn chains(&self, leaf: &str, faults: &Faults, leaf_ends: Timestamp) -> Vec<String> {
        let intermediate = self.intermediate_by(&self.root, None);
        let default = match faults.chain {
            Chain::Whole => leaf.to_owned() + &intermediate,
            Chain::WithRoot => leaf.to_owned() + &intermediate + &self.root.pem(),
            Chain::NoIntermediate => leaf.to_owned(),
            Chain::WrongIntermediate => leaf.to_owned() + &self.unrelated(),
            Chain::Swapped => intermediate + leaf,
            Chain::IssuerEndsFirst => {
                let ends = leaf_ends - SignedDuration::from_hours(24);
                leaf.to_owned() + &self.intermediate_by(&self.root, Some(ends))
            }
            Chain::Stranger => leaf.to_owned() + &self.stranger.pem(),
            Chain::Garbage => "your certificate is being printed\n".to_owned(),
            Chain::Empty => String::new(),
        };
        let alternate = leaf.to_owned() + &self.intermediate_by(&self.other_root, None);
        if faults.alternate { vec![default, alternate] } else { vec![default] }
    }

    /// The intermediate's certificate from `root`; it ends with the root unless told otherwise.
    fn intermediate_by(&self, root: &Issuer<'_, KeyPair>, ends: Option<Timestamp>) -> String {
        let mut params = self.intermediate_params.clone();
        if let Some(ends) = ends {
            params.not_after = civil(ends);
        }
        params.signed_by(self.intermediate.key(), root).unwrap().pem()
    }

    /// An intermediate of the same name and root, but of another key.
    fn unrelated(&self) -> String {
        let key = KeyPair::generate().unwrap();
        self.intermediate_params.signed_by(&key, &self.root).unwrap().pem()
    }
}

fn root(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    CertifiedIssuer::self_signed(ca(name, 1), KeyPair::generate().unwrap()).unwrap()
}

/// What a CA certificate says; long enough for any virtual decade.
fn ca(name: &str, below: u8) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2200, 1, 1);
    params
}

fn leaf(names: Vec<String>, not_before: Timestamp, not_after: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(SerialNumber::from_slice(&random::<16>()));
    (params.not_before, params.not_after) = (civil(not_before), civil(not_after));
    params
}

fn with_faults(names: &[String], fault: &Names) -> Vec<String> {
    let mut names = names.to_vec();
    match fault {
        Names::AsAsked => {}
        Names::Without(name) => names.retain(|there| there != name),
        Names::With(name) => names.push(name.clone()),
        Names::Only(others) => names.clone_from(others),
    }
    names
}

fn dates(fault: Dates, lifetime: SignedDuration, now: Timestamp) -> (Timestamp, Timestamp) {
    let hour = SignedDuration::from_hours(1);
    // A CA backdates by an hour for clocks that are behind, but not what lives shorter than that.
    let backdated = now - hour.min(lifetime / 10);
    match fault {
        Dates::Good => (backdated, backdated + lifetime),
        Dates::Expired => (now - hour - lifetime, now - hour),
        Dates::Future => (now + hour * 720, now + hour * 720 + lifetime),
        Dates::OneSecond => (now, now + SignedDuration::from_secs(1)),
        Dates::Exact(from, until) => (from, until),
    }
}

fn civil(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap()
}

/// What ARI calls a certificate, and whose key is in it.
fn read(der: &[u8]) -> (String, Option<Key>) {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let issuer = certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(issuer) => issuer.key_identifier.as_ref(),
        _ => None,
    });
    let serial = encode(certificate.tbs_certificate.raw_serial());
    let id = format!("{}.{serial}", encode(issuer.unwrap().0));
    (id, Key::of_spki(certificate.public_key()))
}

/// Random bytes, for serials, nonces and tokens.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}

/// The key of a CSR.
pub fn key_of(csr: &CertificateSigningRequestParams) -> Option<Key> {
    let spki = csr.public_key.subject_public_key_info();
    Key::of_spki(&x509_parser::x509::SubjectPublicKeyInfo::from_der(&spki).ok()?.1)
}
