//! Ten thousand leaves: ten thousand serials, RFC 5280's musts on each, and OpenSSL's, webpki's, Java's and Go's word on each.

use std::collections::BTreeSet;

use x509_parser::prelude::ParsedExtension;

use super::judges::Judge;
use super::*;
use crate::pki;

const LEAVES: usize = 10_000;

/// What RFC 5280 asks of an end-entity certificate that its CA has signed.
fn assert_musts(leaf: &X509Certificate<'_>, issuer: &X509Certificate<'_>) {
    // §4.1.1.2, §4.1.2.3: the algorithm outside is that inside.
    assert_eq!(leaf.signature_algorithm, leaf.tbs_certificate.signature);
    // §4.1.2.1: with extensions it is v3.
    assert_eq!(leaf.version().0, 2);
    // §4.1.2.2: positive, and of at most 20 octets.
    let serial = leaf.raw_serial();
    assert!((1..=20).contains(&serial.len()) && serial[0] < 0x80 && serial.iter().any(|octet| *octet != 0));
    // §4.1.2.4: never empty, and the issuer's subject to the byte.
    assert!(leaf.issuer().iter().next().is_some());
    assert_eq!(leaf.issuer().as_raw(), issuer.subject().as_raw());
    // §4.1.2.5: UTCTime through the year 2049.
    let validity = leaf.validity();
    for time in [validity.not_before, validity.not_after] {
        assert!(time.is_utctime() && time.to_datetime().year() < 2050);
    }
    assert!(validity.not_before <= validity.not_after);
    assert!(validity.not_after <= issuer.validity().not_after);
    // §4.1.2.8: no unique identifiers.
    assert!(leaf.issuer_uid.is_none() && leaf.subject_uid.is_none());
    // §4.2: no extension twice.
    let oids: BTreeSet<String> = leaf.extensions().iter().map(|one| one.oid.to_id_string()).collect();
    assert_eq!(oids.len(), leaf.extensions().len());
    assert_extensions(leaf, issuer);
}

fn assert_extensions(leaf: &X509Certificate<'_>, issuer: &X509Certificate<'_>) {
    // §4.2.1.1: the authority's key is named, not critically, by what the authority calls it (§4.2.1.2).
    let (ParsedExtension::AuthorityKeyIdentifier(authority), false) = extension(leaf, "2.5.29.35") else {
        panic!("no key identifier of the authority");
    };
    let (ParsedExtension::SubjectKeyIdentifier(own), _) = extension(issuer, "2.5.29.14") else {
        panic!("the authority has no key identifier");
    };
    assert_eq!(authority.key_identifier.as_ref().unwrap(), own);
    // §4.2.1.3: critical, and nothing of a CA's.
    let (ParsedExtension::KeyUsage(usage), true) = extension(leaf, "2.5.29.15") else {
        panic!("no key usage")
    };
    assert!(usage.digital_signature() && !usage.key_cert_sign() && !usage.crl_sign());
    // §4.2.1.6, §4.1.2.6: with an empty subject the names are critical.
    let (ParsedExtension::SubjectAlternativeName(names), critical) = extension(leaf, "2.5.29.17") else {
        panic!("no names");
    };
    assert!(!names.general_names.is_empty());
    assert_eq!(critical, leaf.subject().iter().next().is_none());
    // §4.2.1.9: no CA. §4.2.1.10: no name constraints outside of one.
    assert!(!leaf.is_ca());
    assert!(leaf.name_constraints().unwrap().is_none());
}

#[test]
fn ten_thousand_leaves_have_ten_thousand_serials_and_keep_to_rfc_5280() {
    let ca = ca();
    let authority = established(&ca);
    let issuer_der = der(authority.certificate.as_ref().unwrap());
    let issuer = pki::parse(&issuer_der).unwrap();
    let mut request = request(&authority);
    let mut serials = HashSet::new();
    let folder = tempfile::tempdir().unwrap();
    let leaves = folder.path().join("leaves");
    std::fs::create_dir(&leaves).unwrap();
    let (mut files, mut keys) = (Vec::new(), HashSet::new());
    for n in 0..LEAVES {
        request.private_key = ec_key();
        request.dns_names = vec![format!("c{n}.internal.example.org")];
        let made = ca.sign(&request).unwrap();
        let leaf_der = der(leaf_of(&made));
        let leaf = pki::parse(&leaf_der).unwrap();
        assert_musts(&leaf, &issuer);
        assert!(serials.insert(leaf.raw_serial().to_vec()) && keys.insert(leaf.public_key().raw.to_vec()));
        webpki_verify(&made.material, KeyUsage::server_auth(), Some(&request.dns_names[0]));
        let file = leaves.join(n.to_string());
        std::fs::write(&file, leaf_of(&made)).unwrap();
        files.push(file);
    }
    assert_eq!((serials.len(), keys.len()), (LEAVES, LEAVES));
    openssl_verifies(&authority, folder.path(), &files);
    let chain = authority.certificate.as_deref().unwrap();
    for judge in Judge::ALL {
        if let Some(said) = judge.judged(&authority.anchors[0], chain, None, &leaves, now()) {
            assert_eq!(said, [LEAVES.to_string()], "{judge:?}");
        }
    }
}

/// All in few processes: a command line has its limits.
fn openssl_verifies(authority: &Material, folder: &Path, files: &[std::path::PathBuf]) {
    let (root, chain) = (folder.join("root.pem"), folder.join("chain.pem"));
    std::fs::write(&root, authority.anchors.concat()).unwrap();
    std::fs::write(&chain, authority.certificate.as_ref().unwrap()).unwrap();
    let at = now().as_second().to_string();
    let mut accepted = 0;
    for files in files.chunks(1000) {
        let mut command = Command::new("openssl");
        command
            .args(["verify", "-x509_strict", "-purpose", "sslserver", "-attime", &at, "-CAfile"])
            .arg(&root);
        let output = command.arg("-untrusted").arg(&chain).args(files).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        accepted += said.lines().filter(|line| line.ends_with(": OK")).count();
    }
    assert_eq!(accepted, LEAVES);
}
