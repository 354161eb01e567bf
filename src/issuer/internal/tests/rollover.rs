//! A root is rolled over: OpenSSL and webpki find the way from both sides; revocation lists are believed, and refuse.

use super::*;
use crate::issuer::internal::{Edition, Signed};
use crate::model::Network;

/// The CA before and after; the new root is certified by the old.
fn rolled() -> (InternalCa, Material, Material) {
    let ca = InternalCa { root_lifetime: DAY * 800, ..constrained() };
    let old = ca.establish(Under::New(None), None, now() - DAY * 300).unwrap().material;
    let new = ca.establish(Under::New(Some(&old)), None, now()).unwrap().material;
    (ca, old, new)
}

#[test]
fn both_sides_of_a_rollover_find_their_way() {
    let (ca, old, new) = rolled();
    let made = issue(&ca, &request(&new)).unwrap();
    assert_eq!(made.material.chain.len(), 2, "the intermediate, and the new root by the old one");
    crate::keys::encodings::check_pair(&made.material).unwrap();
    let bundles = [old.anchors.clone(), new.anchors.clone(), [old.anchors, new.anchors.clone()].concat()];
    for anchors in bundles {
        let served = Material { anchors, ..made.material.clone() };
        assert_eq!(openssl_verify(&served, "sslserver", &[]), "");
        webpki_verify(&served, KeyUsage::server_auth(), Some("a.internal.example.org"));
    }
    let without = Material { cross: None, ..new };
    let alone = issue(&ca, &request(&without)).unwrap();
    assert_eq!(alone.material.chain.len(), 1);
}

#[test]
fn the_way_over_the_old_root_is_not_shown_when_it_ends_before_the_leaf() {
    let (ca, _, new) = rolled();
    let late = Request { now: now() + DAY * 450, ..request(&new) };
    let next = ca.establish(Under::Root(&new), None, late.now).unwrap().material;
    let late = Request { authority: Some(next), ..late };
    assert_eq!(issue(&ca, &late).unwrap().material.chain.len(), 1);
}

#[test]
fn an_old_root_that_allows_no_more_cas_certifies_none() {
    let ca = ca();
    let key = ec_key();
    let signer = crate::issuer::key::SigningPair::read(&key, &Entropy::system()).unwrap();
    let span = template::unclipped(DAY * 365, now()).unwrap();
    let root = template::cross("Imported", span, &Entropy::system()).unwrap().self_signed(&signer).unwrap();
    let old = Material { anchors: vec![root.pem()], anchor_key: Some(key), ..Material::default() };
    assert_eq!(ca.establish(Under::New(Some(&old)), None, now()).unwrap().material.cross, None);
}

fn with_lists(made: &Made, lists: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lists).unwrap();
    openssl_verify(
        &made.material,
        "sslserver",
        &["-crl_check_all", "-CRLfile", file.path().to_str().unwrap()],
    )
}

#[test]
fn openssl_believes_the_lists_and_refuses_what_is_on_them() {
    let (ca, old, new) = rolled();
    let (good, bad) = (issue(&ca, &request(&new)).unwrap(), issue(&ca, &request(&new)).unwrap());
    let gone = revoked(&bad);
    let signed =
        [Signed { authority: &old, revoked: Vec::new() }, Signed { authority: &new, revoked: vec![&gone] }];
    let edition = Edition { number: 7, now: now(), lifetime: DAY * 30 };
    let lists = ca.revocation_lists(&signed, edition).unwrap();
    assert_eq!(pem::decode_all(pem::CRL, &lists).unwrap().len(), 4, "two intermediates and two roots");
    assert_eq!(with_lists(&good, &lists), "");
    let words = with_lists(&bad, &lists);
    assert!(words.contains("certificate revoked"), "{words}");
    // NGINX asks for the whole chain: without the root's list nobody gets in.
    let only = pem::decode_all(pem::CRL, &lists).unwrap();
    let only: String =
        only.iter().skip(2).take(1).map(|der| pem::encode(pem::CRL, der).to_string()).collect();
    assert!(with_lists(&good, &only).contains("unable to get certificate CRL"));
    let stale = Edition { now: now() - DAY * 31, ..edition };
    assert!(with_lists(&good, &ca.revocation_lists(&signed, stale).unwrap()).contains("expired"));
}

#[test]
fn a_list_has_its_number_dates_and_reasons() {
    use x509_parser::prelude::{CertificateRevocationList, FromDer};
    let (ca, _, new) = rolled();
    let gone = revoked(&issue(&ca, &request(&new)).unwrap());
    let edition = Edition { number: 300, now: now(), lifetime: DAY * 30 };
    let lists = ca.revocation_lists(&[Signed { authority: &new, revoked: vec![&gone] }], edition).unwrap();
    let der = pem::decode(pem::CRL, &lists).unwrap();
    let (_, list) = CertificateRevocationList::from_der(&der).unwrap();
    assert_eq!(list.crl_number().unwrap().to_string(), "300");
    assert_eq!(list.next_update().unwrap().timestamp(), (now() + DAY * 30).as_second());
    assert!(list.last_update().timestamp() < now().as_second(), "for clocks that are behind");
    let entry = list.iter_revoked_certificates().next().unwrap();
    assert_eq!(pki::hex(entry.raw_serial()), gone.serial);
    assert_eq!(entry.reason_code().unwrap().1.0, 1);
}

#[test]
fn openssl_refuses_a_leaf_outside_the_constraints_and_a_ca_too_deep() {
    // The constraint is in the intermediate; a leaf that our own checks would not sign is signed past them.
    let strict = constrained();
    let authority = established(&strict);
    let loose = InternalCa { permitted_dns: Vec::new(), ..strict };
    let bad = Request { dns_names: vec!["a.example.com".to_owned()], ..request(&authority) };
    let made = issue(&loose, &bad).unwrap();
    let words = openssl_verify(&made.material, "sslserver", &[]);
    assert!(words.contains("permitted subtree violation"), "{words}");
    // An intermediate under an intermediate: pathLenConstraint 0 forbids it.
    let below = Material {
        anchors: authority.certificate.iter().cloned().collect(),
        anchor_key: authority.private_key.clone(),
        ..Material::default()
    };
    let short = InternalCa { intermediate_lifetime: DAY * 200, ..loose };
    let deep = short.establish(Under::Root(&below), None, now()).unwrap().material;
    let leaf = issue(&short, &request(&deep)).unwrap().material;
    let chain = [leaf.chain.clone(), below.anchors].concat();
    let served = Material { chain, anchors: authority.anchors, ..leaf };
    let words = openssl_verify(&served, "sslserver", &[]);
    assert!(words.contains("path length constraint exceeded"), "{words}");
}

/// A stolen intermediate signs what it likes, past our own checks: clients hold addresses against its constraints, too.
#[test]
fn openssl_and_webpki_refuse_an_address_that_is_not_permitted() {
    let strict = constrained();
    let network = |address: &str, bits| Network { address: address.parse().unwrap(), bits };
    let ranges = vec![network("10.1.2.3", 8), network("2001:db8::", 32)];
    let some = InternalCa { permitted_ip_ranges: ranges, ..strict.clone() };
    for (ca, good, bad) in [
        (strict, vec![], ["192.0.2.1", "2001:db8::1"]),
        (some, vec!["10.255.0.1", "2001:db8:1::1"], ["11.0.0.1", "2001:db9::1"]),
    ] {
        let authority = established(&ca);
        let addresses = |all: &[&str]| all.iter().map(|address| address.parse().unwrap()).collect();
        let inside = Request { ip_addresses: addresses(&good), ..request(&authority) };
        let served = issue(&ca, &inside).unwrap().material;
        assert_eq!(openssl_verify(&served, "sslserver", &[]), "", "{good:?}");
        webpki_verify(&served, KeyUsage::server_auth(), Some("a.internal.example.org"));
        let loose = InternalCa { permitted_dns: Vec::new(), ..ca.clone() };
        for address in bad {
            let asked = Request { ip_addresses: addresses(&[address]), ..request(&authority) };
            let words = issue(&ca, &asked).unwrap_err().to_string();
            assert!(words.contains("is outside name_constraints.permitted_ip_ranges"), "{words}");
            let served = issue(&loose, &asked).unwrap().material;
            let words = openssl_verify(&served, "sslserver", &[]);
            assert!(words.contains("subtree violation"), "{address}: {words}");
            assert_eq!(
                judges::webpki_says(&served),
                Err(webpki::Error::NameConstraintViolation),
                "{address}"
            );
        }
    }
}
