//! What Java makes of it: a PKIX validator that shares nothing with OpenSSL and webpki (tests/java/Judge.java).

use super::*;
use crate::issuer::internal::{Edition, Signed};
use crate::model::Issued;

/// Java's words on all leaves of `folder`, the number of those that it accepts in the last line; `None` without Java.
pub(super) fn judged(
    root: &str,
    chain: &str,
    lists: Option<&str>,
    folder: &Path,
    at: Timestamp,
) -> Option<Vec<String>> {
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (root, chain) = (write("root.pem", root), write("chain.pem", chain));
    let lists = lists.map(|lists| write("lists.pem", lists));
    let mut java = Command::new("java");
    java.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/java/Judge.java")).args([&root, &chain]);
    java.arg(at.as_second().to_string()).arg(lists.as_deref().unwrap_or(Path::new("-"))).arg(folder);
    let Ok(output) = java.output() else {
        skipped();
        return None;
    };
    let said = String::from_utf8(output.stdout).unwrap();
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        // A JRE alone cannot run a source file.
        assert!(why.contains("jdk.compiler") || why.contains("Could not find"), "{why}");
        skipped();
        return None;
    }
    Some(said.lines().map(str::to_owned).collect())
}

fn skipped() {
    crate::skip::skipped(
        "issuer::internal::tests::java",
        "no Java that runs a source file (scripts/install-test-deps)",
    );
}

/// Its verdict on one leaf: empty where it accepts.
fn verdict(served: &Material, lists: Option<&str>) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("leaf"), leaf_of_material(served)).unwrap();
    let said = judged(&served.anchors[0], &served.chain.concat(), lists, folder.path(), now())?;
    Some(if said == ["1"] { String::new() } else { said.join("\n") })
}

fn leaf_of_material(material: &Material) -> &str {
    material.certificate.as_deref().unwrap()
}

#[test]
fn java_accepts_what_is_good_and_refuses_what_is_revoked() {
    let ca = constrained();
    let authority = established(&ca);
    let (good, bad) = (issue(&ca, &request(&authority)).unwrap(), issue(&ca, &request(&authority)).unwrap());
    let gone = Issued {
        ca: AssetId::new(AssetKind::Ca, "internal"),
        serial: bad.facts.serial.clone().unwrap(),
        signed_by: 1,
        not_after: bad.facts.validity.unwrap().not_after,
        subject: "certificates/leaf".to_owned(),
        asked: None,
        revoked: Some((now() - SignedDuration::from_mins(5), RevocationReason::KeyCompromise)),
        listed: false,
    };
    let signed = [Signed { authority: &authority, revoked: vec![&gone] }];
    let edition = Edition { number: 1, now: now(), lifetime: DAY * 30 };
    let lists = ca.revocation_lists(&signed, edition).unwrap();
    let Some(words) = verdict(&good.material, Some(&lists)) else { return };
    assert_eq!(words, "");
    let words = verdict(&bad.material, Some(&lists)).unwrap();
    assert!(words.contains("REVOKED") && words.contains("KEY_COMPROMISE"), "{words}");
    let stale = Edition { now: now() - DAY * 31, ..edition };
    let stale = ca.revocation_lists(&signed, stale).unwrap();
    assert!(!verdict(&good.material, Some(&stale)).unwrap().is_empty(), "the list has ended");
}

#[test]
fn java_and_webpki_refuse_a_name_outside_the_constraints_and_a_ca_too_deep() {
    let strict = constrained();
    let authority = established(&strict);
    let loose = InternalCa { permitted_dns: Vec::new(), ..strict };
    let bad = Request { dns_names: vec!["a.example.com".to_owned()], ..request(&authority) };
    let outside = issue(&loose, &bad).unwrap().material;
    let below = Material {
        anchors: authority.certificate.iter().cloned().collect(),
        anchor_key: authority.private_key.clone(),
        ..Material::default()
    };
    let short = InternalCa { intermediate_lifetime: DAY * 200, ..loose };
    let deep = short.establish(Under::Root(&below), None, now()).unwrap().material;
    let leaf = issue(&short, &request(&deep)).unwrap().material;
    let deep =
        Material { chain: [leaf.chain.clone(), below.anchors].concat(), anchors: authority.anchors, ..leaf };
    assert_eq!(webpki_says(&outside), Err(webpki::Error::NameConstraintViolation));
    assert_eq!(webpki_says(&deep), Err(webpki::Error::PathLenConstraintViolated));
    let Some(words) = verdict(&outside, None) else { return };
    assert!(words.contains("INVALID_NAME"), "{words}");
    let words = verdict(&deep, None).unwrap();
    assert!(words.contains("PATH_TOO_LONG"), "{words}");
}

pub(super) fn webpki_says(served: &Material) -> Result<(), webpki::Error> {
    let anchor = CertificateDer::from(der(&served.anchors[0]));
    let chain: Vec<_> = served.chain.iter().map(|text| CertificateDer::from(der(text))).collect();
    let leaf = CertificateDer::from(der(leaf_of_material(served)));
    let leaf = EndEntityCert::try_from(&leaf).unwrap();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now().as_second() as u64));
    let anchors = [anchor_from_trusted_cert(&anchor).unwrap()];
    let usage = KeyUsage::server_auth();
    leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &anchors, &chain, at, usage, None, None).map(|_| ())
}
