//! `openssl verify -x509_strict` and rustls-webpki judge what was signed.

use std::collections::HashSet;
use std::path::Path;
use std::process::Command;

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{GeneralName, ParsedExtension, X509Certificate};

use super::*;
use crate::issuer::{Event, NotKept, Slot, Usage};
use crate::model::{AssetId, AssetKind, Issued};

mod judges;
mod many;
mod refusals;
mod rollover;

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn now() -> Timestamp {
    "2027-01-15T12:00:00Z".parse().unwrap()
}

fn ca() -> InternalCa {
    InternalCa {
        name: "internal".to_owned(),
        common_name: "Example Internal CA".to_owned(),
        root_lifetime: DAY * 3650,
        intermediate_lifetime: DAY * 365,
        permitted_dns: Vec::new(),
        permitted_ip_ranges: Vec::new(),
        key_algorithm: KeyAlgorithm::EcdsaP256,
        entropy: Entropy::system(),
        signing: Signing::default(),
    }
}

fn constrained() -> InternalCa {
    InternalCa { permitted_dns: vec!["internal.example.org".to_owned()], ..ca() }
}

fn established(ca: &InternalCa) -> Material {
    ca.establish(Under::New(None), None, now()).unwrap().material
}

/// In a rollover both sign, one after the other.
#[test]
fn two_intermediates_in_turn_sign_with_their_own_keys() {
    let ca = ca();
    let authorities = [established(&ca), established(&ca)];
    for authority in authorities.iter().cycle().take(6) {
        let made = ca.sign(&request(authority)).unwrap();
        let (leaf, issuer) = (der(leaf_of(&made)), der(authority.certificate.as_ref().unwrap()));
        assert!(pki::is_signed_by(&pki::parse(&leaf).unwrap(), &pki::parse(&issuer).unwrap()));
    }
}

/// The certificate is the same, the key is not.
#[test]
fn a_remembered_intermediate_answers_only_for_its_own_key() {
    let ca = ca();
    let authority = established(&ca);
    ca.sign(&request(&authority)).unwrap();
    let stolen = Material { private_key: Some(ec_key()), ..authority };
    let error = ca.sign(&request(&stolen)).unwrap_err();
    assert!(error.to_string().contains("does not belong"), "{error}");
}

fn ec_key() -> Secret {
    key::generate(KeyAlgorithm::EcdsaP256, &Entropy::system()).unwrap()
}

/// A key of any kind; RSA keys are made by OpenSSL, which is quick at it.
fn subject_key(algorithm: KeyAlgorithm) -> Secret {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").arg("genpkey").args(arguments).output().unwrap();
        Secret::new(output.stdout)
    };
    match algorithm.rsa_bits() {
        Some(bits) => openssl(&["-algorithm", "RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}")]),
        None if algorithm == KeyAlgorithm::Ed25519 => openssl(&["-algorithm", "ed25519"]),
        None => key::generate(algorithm, &Entropy::system()).unwrap(),
    }
}

/// As it stands on the books once it was revoked.
fn revoked(made: &Made) -> Issued {
    Issued {
        ca: AssetId::new(AssetKind::Ca, "internal"),
        serial: made.facts.serial.clone().unwrap(),
        signed_by: 1,
        not_after: made.facts.validity.unwrap().not_after,
        subject: "certificates/leaf".to_owned(),
        asked: None,
        revoked: Some((now() - SignedDuration::from_mins(5), RevocationReason::KeyCompromise)),
        listed: false,
    }
}

fn request(authority: &Material) -> Request {
    Request {
        asset: AssetId::new(AssetKind::Certificate, "leaf"),
        common_name: None,
        dns_names: vec!["a.internal.example.org".to_owned(), "*.internal.example.org".to_owned()],
        ip_addresses: Vec::new(),
        usages: vec![Usage::ServerAuth],
        duration: DAY * 90,
        private_key: ec_key(),
        authority: Some(authority.clone()),
        replaces: None,
        now: now(),
    }
}

/// An internal CA keeps nothing there.
struct NoDesk;

#[async_trait]
impl Desk for NoDesk {
    async fn recall(&self, _: Slot) -> Result<Option<Secret>, NotKept> {
        Err(NotKept)
    }

    async fn keep(&self, _: Slot, _: Option<Secret>, _: Option<Event<'_>>) -> Result<(), NotKept> {
        Err(NotKept)
    }

    async fn ordering(&self) -> Result<(), NotKept> {
        Err(NotKept)
    }

    async fn not_ordered(&self) -> Result<(), NotKept> {
        Err(NotKept)
    }
}

fn is_transient(error: &IssueError) -> bool {
    error.kind == IssueErrorKind::Unreachable
}

fn issue(ca: &InternalCa, request: &Request) -> Result<Made, IssueError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(ca.issue(request, &NoDesk))
}

fn der(text: &str) -> Vec<u8> {
    pem::decode(pem::CERTIFICATE, text).unwrap().to_vec()
}

fn leaf_of(made: &Made) -> &str {
    made.material.certificate.as_deref().unwrap()
}

/// What OpenSSL says, strictly, at [`now`] and for `purpose`; empty when all is well.
fn openssl_verify(material: &Material, purpose: &str, more: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> String {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        Path::to_str(&path).unwrap().to_owned()
    };
    let root = write("root.pem", &material.anchors.concat());
    let chain = write("chain.pem", &material.chain.concat());
    let leaf = write("leaf.pem", material.certificate.as_deref().unwrap());
    let at = now().as_second().to_string();
    let mut command = Command::new("openssl");
    command.args(["verify", "-x509_strict", "-purpose", purpose, "-attime", &at, "-CAfile", &root]);
    if !material.chain.is_empty() {
        command.args(["-untrusted", &chain]);
    }
    let output = command.args(more).arg(&leaf).output().unwrap();
    match output.status.success() {
        true => String::new(),
        false => String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
    }
}

fn webpki_verify(material: &Material, usage: KeyUsage, name: Option<&str>) {
    let anchor = CertificateDer::from(der(&material.anchors[0]));
    let chain: Vec<_> = material.chain.iter().map(|text| CertificateDer::from(der(text))).collect();
    let leaf = CertificateDer::from(der(material.certificate.as_deref().unwrap()));
    let leaf = EndEntityCert::try_from(&leaf).unwrap();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now().as_second() as u64));
    let anchors = [anchor_from_trusted_cert(&anchor).unwrap()];
    leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &chain, at, usage, None, None).unwrap();
    if let Some(name) = name {
        leaf.verify_is_valid_for_subject_name(&ServerName::try_from(name).unwrap()).unwrap();
    }
}

#[test]
fn every_kind_of_key_gets_a_leaf_that_openssl_and_webpki_accept() {
    let ca = constrained();
    let authority = established(&ca);
    for algorithm in KeyAlgorithm::ALL {
        let mut request = request(&authority);
        request.private_key = subject_key(algorithm);
        request.usages = vec![Usage::ServerAuth, Usage::ClientAuth];
        let made = issue(&ca, &request).unwrap();
        let host = ["-verify_hostname", "b.internal.example.org"];
        assert_eq!(openssl_verify(&made.material, "sslserver", &host), "", "{}", algorithm.name());
        assert_eq!(openssl_verify(&made.material, "sslclient", &[]), "", "{}", algorithm.name());
        webpki_verify(&made.material, KeyUsage::server_auth(), Some("a.internal.example.org"));
        webpki_verify(&made.material, KeyUsage::client_auth(), None);
        assert_eq!(made.material.private_key, Some(request.private_key));
        let bytes = der(leaf_of(&made));
        let certificate = pki::parse(&bytes).unwrap();
        let usage = certificate.key_usage().unwrap().unwrap().value;
        assert!(usage.digital_signature());
        assert_eq!(usage.key_encipherment(), algorithm.rsa_bits().is_some());
    }
}

#[test]
fn ca_keys_of_both_curves_sign() {
    for key_algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384] {
        let ca = InternalCa { key_algorithm, ..ca() };
        let made = issue(&ca, &request(&established(&ca))).unwrap();
        assert_eq!(openssl_verify(&made.material, "sslserver", &[]), "");
        webpki_verify(&made.material, KeyUsage::server_auth(), None);
    }
    let ca = InternalCa { key_algorithm: KeyAlgorithm::Rsa2048, ..ca() };
    let error = ca.establish(Under::New(None), None, now()).unwrap_err();
    assert!(error.message.contains("not rsa-2048"), "{error}");
}

/// An imported CA may have an RSA key.
#[test]
fn an_rsa_ca_key_signs() {
    let key = subject_key(KeyAlgorithm::Rsa2048);
    let signer = SigningPair::read(&key, &Entropy::system()).unwrap();
    let span = template::unclipped(DAY * 365, now()).unwrap();
    let root = template::root("Old RSA CA", span, &Entropy::system()).unwrap().self_signed(&signer).unwrap();
    let previous = Material { anchors: vec![root.pem()], anchor_key: Some(key), ..Material::default() };
    let ca = InternalCa { intermediate_lifetime: DAY * 100, ..ca() };
    let authority = ca.establish(Under::Root(&previous), None, now()).unwrap().material;
    let made = issue(&ca, &request(&authority)).unwrap();
    assert_eq!(openssl_verify(&made.material, "sslserver", &[]), "");
}

#[test]
fn a_new_intermediate_stands_under_the_same_root() {
    let ca = ca();
    let first = established(&ca);
    let later = now() + DAY * 200;
    let made = ca.establish(Under::Root(&first), None, later).unwrap();
    let second = &made.material;
    assert_eq!(second.anchors, first.anchors);
    assert_eq!(second.anchor_key, first.anchor_key);
    assert_ne!(second.private_key, first.private_key);
    assert_ne!(second.certificate, first.certificate);
    let root_ends = pki::facts(&first.anchors[0]).unwrap().validity.map(|validity| validity.not_after);
    let facts = pki::facts(second.certificate.as_deref().unwrap()).unwrap();
    assert_eq!(made.facts, Facts { root_ends, ..facts });
    assert_eq!(made.facts.validity.unwrap().left(later), DAY * 365);
}

#[test]
fn a_new_intermediate_needs_a_root_with_its_key_and_time_left() {
    let ca = ca();
    let first = established(&ca);
    let offline = Material { anchor_key: None, ..first.clone() };
    let error = ca.establish(Under::Root(&offline), None, now()).unwrap_err();
    assert!(error.message.contains("not in the state") && !is_transient(&error), "{error}");
    let other = Material { anchors: established(&ca).anchors, ..first.clone() };
    assert!(ca.establish(Under::Root(&other), None, now()).unwrap_err().message.contains("no root"));
    // Cut short while half a lifetime fits, refused after that.
    let clipped = ca.establish(Under::Root(&first), None, now() + DAY * 3400).unwrap();
    let root = pki::facts(&first.anchors[0]).unwrap().validity.unwrap();
    assert_eq!(clipped.facts.validity.unwrap().not_after, root.not_after);
    let error = ca.establish(Under::Root(&first), None, now() + DAY * 3500).unwrap_err();
    assert!(error.message.contains("keyturn ca rotate internal"), "{error}");
}

fn extension<'a>(certificate: &'a X509Certificate<'a>, oid: &str) -> (&'a ParsedExtension<'a>, bool) {
    let found = certificate.extensions().iter().find(|extension| extension.oid.to_id_string() == oid);
    let extension = found.unwrap_or_else(|| panic!("no extension {oid}"));
    (extension.parsed_extension(), extension.critical)
}

#[test]
fn the_cas_extensions_are_rfc_5280s() {
    let material = established(&constrained());
    let (root, intermediate) = (der(&material.anchors[0]), der(material.certificate.as_deref().unwrap()));
    for (bytes, path_length) in [(&root, 2), (&intermediate, 0)] {
        let certificate = pki::parse(bytes).unwrap();
        let (ParsedExtension::BasicConstraints(basic), true) = extension(&certificate, "2.5.29.19") else {
            panic!("basicConstraints");
        };
        assert_eq!((basic.ca, basic.path_len_constraint), (true, Some(path_length)));
        let (ParsedExtension::KeyUsage(usage), true) = extension(&certificate, "2.5.29.15") else {
            panic!("keyUsage");
        };
        assert_eq!(usage.flags, 0b110_0000, "keyCertSign and cRLSign");
    }
    let certificate = pki::parse(&intermediate).unwrap();
    let (ParsedExtension::NameConstraints(names), true) = extension(&certificate, "2.5.29.30") else {
        panic!("nameConstraints");
    };
    let permitted = names.permitted_subtrees.as_ref().unwrap();
    assert!(matches!(permitted[0].base, GeneralName::DNSName("internal.example.org")));
    let excluded = names.excluded_subtrees.as_ref().unwrap().iter().map(|one| &one.base);
    let excluded: Vec<&[u8]> = excluded
        .map(|base| match base {
            GeneralName::IPAddress(octets) => *octets,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(excluded, [&[0; 8][..], &[0; 32]], "no address is left free");
    assert_ne!(certificate.subject(), certificate.issuer());
    let is_constrained = |text: &str| pki::is_constrained(text).unwrap();
    assert!(is_constrained(material.certificate.as_deref().unwrap()));
    assert!(!is_constrained(established(&ca()).certificate.as_deref().unwrap()));
    assert!(!is_constrained(&constrained_in_names_only()));
    let unconstrained = der(established(&ca()).certificate.as_deref().unwrap());
    assert!(pki::parse(&unconstrained).unwrap().name_constraints().unwrap().is_none());
}

/// As many CAs are: any address is free.
fn constrained_in_names_only() -> String {
    let span = template::unclipped(DAY, now()).unwrap();
    let mut params =
        template::intermediate("X", constrained().constraints(), span, &Entropy::system()).unwrap();
    params.name_constraints.as_mut().unwrap().excluded_subtrees.clear();
    params.self_signed(&SigningPair::read(&ec_key(), &Entropy::system()).unwrap()).unwrap().pem()
}

#[test]
fn a_leaf_names_its_issuers_key_and_nothing_that_was_not_asked_for() {
    let ca = ca();
    let authority = established(&ca);
    let made = issue(&ca, &request(&authority)).unwrap();
    let (leaf, issuer) = (der(leaf_of(&made)), der(authority.certificate.as_deref().unwrap()));
    let (leaf, issuer) = (pki::parse(&leaf).unwrap(), pki::parse(&issuer).unwrap());
    let (ParsedExtension::AuthorityKeyIdentifier(aki), false) = extension(&leaf, "2.5.29.35") else {
        panic!("authorityKeyIdentifier");
    };
    let (ParsedExtension::SubjectKeyIdentifier(ski), false) = extension(&issuer, "2.5.29.14") else {
        panic!("subjectKeyIdentifier");
    };
    assert_eq!(aki.key_identifier.as_ref(), Some(ski));
    // No subject, so the SANs are critical (§4.2.1.6).
    assert_eq!(leaf.subject().iter().count(), 0);
    assert!(extension(&leaf, "2.5.29.17").1);
    assert!(!leaf.is_ca());
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth && !usage.any);
}

#[test]
fn names_come_out_as_they_went_in() {
    let ca = ca();
    let mut request = request(&established(&ca));
    request.common_name = Some("a.internal.example.org".to_owned());
    request.dns_names.push("a.internal.example.org".to_owned());
    request.ip_addresses = vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
    let made = issue(&ca, &request).unwrap();
    let names = pki::names(leaf_of(&made)).unwrap();
    assert_eq!(names.common_name, request.common_name);
    assert_eq!(names.dns, ["a.internal.example.org", "*.internal.example.org"]);
    assert_eq!((names.ip, names.others), (request.ip_addresses, 0));
    assert_eq!(openssl_verify(&made.material, "sslserver", &["-verify_ip", "fd00::1"]), "");
    let bytes = der(leaf_of(&made));
    assert!(!extension(&pki::parse(&bytes).unwrap(), "2.5.29.17").1);
}

#[test]
fn a_client_needs_only_a_common_name() {
    let ca = constrained();
    let mut request = request(&established(&ca));
    request.dns_names.clear();
    request.usages = vec![Usage::ClientAuth];
    request.common_name = Some("Build agent 7".to_owned());
    let made = issue(&ca, &request).unwrap();
    assert_eq!(openssl_verify(&made.material, "sslclient", &[]), "");
    assert_ne!(openssl_verify(&made.material, "sslserver", &[]), "");
    webpki_verify(&made.material, KeyUsage::client_auth(), None);
}

#[test]
fn serials_are_unique_and_of_one_length() {
    let ca = ca();
    let request = request(&established(&ca));
    let serials: HashSet<_> = (0..300)
        .map(|_| {
            let serial = issue(&ca, &request).unwrap().facts.serial.unwrap();
            assert_eq!(serial.len(), 32, "{serial}");
            assert!(('4'..='7').contains(&serial.chars().next().unwrap()), "{serial}");
            serial
        })
        .collect();
    assert_eq!(serials.len(), 300);
}

#[test]
fn cas_have_names_of_their_own_that_fit() {
    let long = InternalCa { common_name: "L".repeat(64), ..ca() };
    let material = established(&long);
    for text in material.anchors.iter().chain(&material.certificate) {
        let name = pki::names(text).unwrap().common_name.unwrap();
        assert!(name.len() <= 64 && name.starts_with("LLL") && name.contains(" 2027-"), "{name}");
    }
    let longer = InternalCa { common_name: "L".repeat(65), ..ca() };
    assert!(longer.establish(Under::New(None), None, now()).unwrap_err().message.contains("64"));
}
