//! Parts of material that rcgen signed, which shares no code with what renders them.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};

use super::*;
use crate::clock::Entropy;
use crate::model::KeyAlgorithm;

fn key(algorithm: KeyAlgorithm) -> PrivateKey {
    PrivateKey::generate(algorithm, &Entropy::system()).unwrap()
}

fn pair_of(key: &PrivateKey) -> KeyPair {
    KeyPair::from_pem(key.to_pkcs8_pem().expose_str()).unwrap()
}

fn params(name: &str, first_year: i32, last_year: i32) -> CertificateParams {
    let mut params = CertificateParams::new(vec![format!("{name}.example.org")]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.not_before = date_time_ymd(first_year, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    params
}

fn ca_params(name: &str, last_year: i32) -> CertificateParams {
    let mut params = params(name, 2020, last_year);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// Root, two intermediates, leaf; the leaf until `leaf_year`, the issuing CA until 2035.
fn material_until(leaf_year: i32) -> Material {
    let keys = [(); 4].map(|()| key(KeyAlgorithm::EcdsaP256));
    let [root_key, upper_key, lower_key, leaf_key] = keys.each_ref().map(pair_of);
    let root = ca_params("root", 2040);
    let upper = ca_params("upper", 2038);
    let lower = ca_params("lower", 2035);
    let root_pem = root.self_signed(&root_key).unwrap().pem();
    let root = Issuer::new(root, root_key);
    let upper_pem = upper.signed_by(&upper_key, &root).unwrap().pem();
    let upper = Issuer::new(upper, upper_key);
    let lower_pem = lower.signed_by(&lower_key, &upper).unwrap().pem();
    let lower = Issuer::new(lower, lower_key);
    let leaf = params("leaf", 2025, leaf_year).signed_by(&leaf_key, &lower).unwrap().pem();
    let [.., own] = keys;
    Material {
        private_key: Some(own.to_pkcs8_pem()),
        certificate: Some(leaf),
        chain: vec![lower_pem, upper_pem],
        anchors: vec![root_pem],
        ..Material::default()
    }
}

fn material() -> Material {
    material_until(2030)
}

fn text(part: Part, revisions: &[Material]) -> String {
    render(part, revisions).unwrap().expose_str().to_owned()
}

fn blocks(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")).collect()
}

fn normal(text: &str) -> String {
    pem::encode(pem::CERTIFICATE, &pem::decode(pem::CERTIFICATE, text).unwrap()).to_string()
}

#[test]
fn certificate_parts_are_blocks_in_order() {
    let mut material = material();
    let leaf = normal(material.certificate.as_ref().unwrap());
    let chain: Vec<_> = material.chain.iter().map(|text| normal(text)).collect();
    // As a person would import it: text before, carriage returns, no newline at the end.
    material.certificate = Some(format!("subject=leaf\r\n{}", leaf.trim_end().replace('\n', "\r\n")));
    let source = [material.clone()];
    assert_eq!(text(Part::Certificate, &source), leaf);
    assert_eq!(text(Part::Chain, &source), chain.concat());
    assert_eq!(text(Part::Fullchain, &source), leaf.clone() + &chain.concat());
    let key = material.private_key.as_ref().unwrap().expose_str();
    assert_eq!(text(Part::PrivateKey, &source), key);
    assert_eq!(text(Part::Combined, &source), key.to_owned() + &leaf + &chain.concat());
    assert_eq!(text(Part::Ca, &source), normal(&material.anchors[0]));
    for part in [Part::Certificate, Part::Fullchain, Part::Combined, Part::Ca, Part::PublicKey] {
        let text = text(part, &source);
        assert!(text.ends_with("-----\n") && !text.contains("\n\n") && !text.contains('\r'), "{part}");
    }
}

#[test]
fn the_public_key_also_comes_from_the_certificate() {
    let material = material();
    let alone = Material { private_key: None, ..material.clone() };
    assert_eq!(text(Part::PublicKey, &[material]), text(Part::PublicKey, &[alone]));
}

#[test]
fn the_trust_bundle_has_each_root_once() {
    let (old, new) = (material(), material());
    let mut both = new.clone();
    both.anchors.insert(0, old.anchors[0].replace('\n', "\r\n"));
    let bundle = text(Part::Ca, &[old.clone(), both, new.clone()]);
    assert_eq!(bundle, normal(&old.anchors[0]) + &normal(&new.anchors[0]));
}

fn jwt(algorithm: KeyAlgorithm, jws: JwsAlgorithm) -> Material {
    Material { private_key: Some(key(algorithm).to_pkcs8_pem()), jws: Some(jws), ..Material::default() }
}

#[test]
fn jwt_parts_span_revisions_in_order() {
    let first =
        Material { kid: Some("imported".to_owned()), ..jwt(KeyAlgorithm::Rsa2048, JwsAlgorithm::Rs256) };
    let second = jwt(KeyAlgorithm::EcdsaP256, JwsAlgorithm::Es256);
    let revisions = [first, second.clone(), second];
    let set: serde_json::Value = serde_json::from_str(&text(Part::Jwks, &revisions)).unwrap();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    assert_eq!((&keys[0]["kid"], &keys[0]["alg"]), (&"imported".into(), &"RS256".into()));
    assert_eq!(keys[1]["kid"], text(Part::Kid, &revisions));
    assert!(!text(Part::Kid, &revisions).ends_with('\n'));
    assert_eq!(text(Part::Kid, &revisions[..1]), "imported");
    assert_eq!(blocks(&text(Part::PublicKeys, &revisions)), ["PUBLIC KEY", "PUBLIC KEY"]);
    assert_eq!(blocks(&text(Part::PrivateKeyPkcs1, &revisions[..1])), ["RSA PRIVATE KEY"]);
    assert_eq!(render(Part::Jwks, &revisions).unwrap(), render(Part::Jwks, &revisions).unwrap());
}

#[test]
fn what_is_not_there_is_said() {
    let empty = Material::default();
    let reason = |part| render(part, std::slice::from_ref(&empty)).unwrap_err().to_string();
    assert_eq!(reason(Part::Fullchain), "`fullchain` cannot be made: the revision has no certificate");
    assert_eq!(reason(Part::Ca), "`ca` cannot be made: the revision has no root certificate");
    assert_eq!(reason(Part::Kid), "`kid` cannot be made: the revision has no private key");
    assert_eq!(reason(Part::Dhparam), "`dhparam` cannot be made: the revision has no DH parameters");
    assert!(reason(Part::Pkcs12).contains("alone") && reason(Part::Crl).contains("alone"));
    assert!(matches!(render(Part::Jwks, &[]), Err(RenderError::NoRevision(Part::Jwks))));
}

#[test]
fn dh_parameters_come_out_as_they_are() {
    let pem = crate::keys::dh::rfc7919(2048).unwrap().to_pem();
    let material = Material { dh_params: Some(pem.clone()), ..Material::default() };
    assert_eq!(text(Part::Dhparam, &[material]), pem);
}

#[test]
fn a_good_pair_passes() {
    check_pair(&material()).unwrap();
    let public = Material { anchors: Vec::new(), ..material() };
    check_pair(&public).unwrap();
    // Two roots in a rollover: one of them signed.
    let mut two = material();
    two.anchors.insert(0, material().anchors[0].clone());
    check_pair(&two).unwrap();
    let mut with_root = material();
    with_root.chain.push(with_root.anchors[0].clone());
    check_pair(&with_root).unwrap();
}

fn fault(change: impl FnOnce(&mut Material)) -> String {
    let mut material = material();
    change(&mut material);
    check_pair(&material).unwrap_err().to_string()
}

#[test]
fn bad_pairs_are_told_apart() {
    let other = material();
    let message = fault(|material| material.private_key = other.private_key.clone());
    assert!(message.contains("does not belong to the certificate (CN=leaf)"), "{message}");
    let message = fault(|material| material.chain.reverse());
    assert!(message.contains("is not signed by the chain's certificate 1"), "{message}");
    let message = fault(|material| drop(material.chain.remove(0)));
    assert!(message.contains("the certificate (CN=leaf) is not signed"), "{message}");
    let message = fault(|material| material.anchors = other.anchors.clone());
    assert!(message.contains("(CN=upper) is not signed by the root"), "{message}");
    let message = fault(|material| material.private_key = None);
    assert_eq!(message, "there is no private key");
    let message = fault(|material| material.certificate = None);
    assert_eq!(message, "there is no certificate");
    let message = fault(|material| material.chain[1] = "junk".to_owned());
    assert!(message.contains("chain's certificate 2 cannot be read"), "{message}");
    let message = check_pair(&material_until(2036)).unwrap_err().to_string();
    assert_eq!(message, "the certificate's validity does not lie inside the chain's certificate 1's");
    let message = check_pair(&material_until(2024)).unwrap_err().to_string();
    assert_eq!(message, "the certificate ends before it begins");
}

/// A leaf until 2030 under `lower` and `upper`, CAs until those years.
fn chained_until(lower: i32, upper: i32) -> Material {
    let keys = [(); 3].map(|()| key(KeyAlgorithm::EcdsaP256));
    let [upper_key, lower_key, leaf] = keys.each_ref().map(pair_of);
    let upper_pem = ca_params("upper", upper).self_signed(&upper_key).unwrap().pem();
    let above = Issuer::new(ca_params("upper", upper), upper_key);
    let lower_pem = ca_params("lower", lower).signed_by(&lower_key, &above).unwrap().pem();
    let issuer = Issuer::new(ca_params("lower", lower), lower_key);
    Material {
        certificate: Some(params("leaf", 2025, 2030).signed_by(&leaf, &issuer).unwrap().pem()),
        private_key: Some(keys[2].to_pkcs8_pem()),
        chain: vec![lower_pem, upper_pem],
        ..Material::default()
    }
}

#[test]
fn cas_of_others_may_end_in_any_order_but_not_before_the_leaf() {
    check_pair(&chained_until(2036, 2035)).unwrap();
    let message = check_pair(&chained_until(2036, 2029)).unwrap_err().to_string();
    assert_eq!(message, "the certificate's validity does not lie inside the chain's certificate 2's");
    // Our own are dated by us.
    let mut ours = chained_until(2036, 2035);
    ours.anchors = vec![ours.chain[1].clone()];
    let message = check_pair(&ours).unwrap_err().to_string();
    assert_eq!(
        message,
        "the chain's certificate 1's validity does not lie inside the chain's certificate 2's"
    );
}

#[test]
fn only_a_ca_may_stand_above() {
    let keys = [(); 2].map(|()| key(KeyAlgorithm::EcdsaP256));
    let [fake, leaf] = keys.each_ref().map(pair_of);
    let fake_params = params("fake", 2020, 2040);
    let fake_pem = fake_params.self_signed(&fake).unwrap().pem();
    let issuer = Issuer::new(fake_params, fake);
    let certificate = params("leaf", 2025, 2030).signed_by(&leaf, &issuer).unwrap().pem();
    let material = Material {
        private_key: Some(keys[1].to_pkcs8_pem()),
        certificate: Some(certificate),
        chain: vec![fake_pem],
        ..Material::default()
    };
    let message = check_pair(&material).unwrap_err().to_string();
    assert_eq!(message, "the chain's certificate 1 is not a CA certificate");
}
