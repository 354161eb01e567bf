//! What Java and Go make of it: validators that share nothing with OpenSSL, with webpki and with each other.

use super::*;
use crate::issuer::internal::{Edition, Signed};
use crate::skip::skipped;

/// One of them; both programs are called in the same way, and answer in the same way.
#[derive(Debug, Clone, Copy)]
pub(super) enum Judge {
    /// `tests/java/Judge.java`
    Java,
    /// `tests/go/judge.go`
    Go,
}

impl Judge {
    pub(super) const ALL: [Self; 2] = [Self::Java, Self::Go];

    /// Its words on all leaves of `folder`, the number of those that it accepts in the last line; `None` where it is not there.
    pub(super) fn judged(
        self,
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
        let mut program = self.program();
        program.args([&root, &chain]).arg(at.as_second().to_string());
        let Ok(output) = program.arg(lists.as_deref().unwrap_or(Path::new("-"))).arg(folder).output() else {
            self.skipped();
            return None;
        };
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            assert!(self.is_unfit(&why), "{why}");
            self.skipped();
            return None;
        }
        let said = String::from_utf8(output.stdout).unwrap();
        Some(said.lines().map(str::to_owned).collect())
    }

    /// From its source, and without a network.
    fn program(self) -> Command {
        match self {
            Self::Java => {
                let mut java = Command::new("java");
                java.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/java/Judge.java"));
                java
            }
            Self::Go => {
                let mut go = Command::new("go");
                go.envs([("GOFLAGS", "-mod=mod"), ("GOTOOLCHAIN", "local"), ("GOPROXY", "off")]);
                go.args(["run", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/go/judge.go")]);
                go
            }
        }
    }

    /// A JRE alone cannot run a source file, and Go before 1.19 cannot read lists.
    fn is_unfit(self, why: &str) -> bool {
        match self {
            Self::Java => why.contains("jdk.compiler") || why.contains("Could not find"),
            Self::Go => why.contains("x509.RevocationList"),
        }
    }

    fn skipped(self) {
        let why = match self {
            Self::Java => "no Java that runs a source file (scripts/install-test-deps)",
            Self::Go => "no Go from 1.19 on (scripts/install-test-deps)",
        };
        skipped(&format!("issuer::internal::tests::judges: {self:?}"), why);
    }

    /// Its verdict on one leaf: empty where it accepts.
    fn verdict(self, served: &Material, lists: Option<&str>) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("leaf"), leaf_of_material(served)).unwrap();
        let said = self.judged(&served.anchors[0], &served.chain.concat(), lists, folder.path(), now())?;
        Some(if said == ["1"] { String::new() } else { said.join("\n") })
    }
}

fn leaf_of_material(material: &Material) -> &str {
    material.certificate.as_deref().unwrap()
}

#[test]
fn java_accepts_what_is_good_and_refuses_what_is_revoked() {
    accepts_what_is_good_and_refuses_what_is_revoked(Judge::Java, &["REVOKED", "KEY_COMPROMISE"]);
}

#[test]
fn go_accepts_what_is_good_and_refuses_what_is_revoked() {
    accepts_what_is_good_and_refuses_what_is_revoked(Judge::Go, &["revoked"]);
}

fn accepts_what_is_good_and_refuses_what_is_revoked(judge: Judge, words: &[&str]) {
    let ca = constrained();
    let authority = established(&ca);
    let (good, bad) = (issue(&ca, &request(&authority)).unwrap(), issue(&ca, &request(&authority)).unwrap());
    let gone = revoked(&bad);
    let signed = [Signed { authority: &authority, revoked: vec![&gone] }];
    let edition = Edition { number: 1, now: now(), lifetime: DAY * 30 };
    let lists = ca.revocation_lists(&signed, edition).unwrap();
    let Some(said) = judge.verdict(&good.material, Some(&lists)) else { return };
    assert_eq!(said, "");
    let said = judge.verdict(&bad.material, Some(&lists)).unwrap();
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    let stale = Edition { now: now() - DAY * 31, ..edition };
    let stale = ca.revocation_lists(&signed, stale).unwrap();
    assert!(!judge.verdict(&good.material, Some(&stale)).unwrap().is_empty(), "the list has ended");
}

#[test]
fn java_and_webpki_refuse_names_outside_the_constraints_and_a_ca_too_deep() {
    refuses_names_outside_the_constraints_and_a_ca_too_deep(Judge::Java, "INVALID_NAME", "PATH_TOO_LONG");
}

#[test]
fn go_and_webpki_refuse_names_outside_the_constraints_and_a_ca_too_deep() {
    let (outside, deep) = ("is not authorized to sign for this name", "too many intermediates");
    refuses_names_outside_the_constraints_and_a_ca_too_deep(Judge::Go, outside, deep);
}

fn refuses_names_outside_the_constraints_and_a_ca_too_deep(judge: Judge, name: &str, depth: &str) {
    let strict = constrained();
    let authority = established(&strict);
    let loose = InternalCa { permitted_dns: Vec::new(), ..strict };
    let bad = Request { dns_names: vec!["a.example.com".to_owned()], ..request(&authority) };
    let outside = issue(&loose, &bad).unwrap().material;
    let bad = Request { ip_addresses: vec!["192.0.2.1".parse().unwrap()], ..request(&authority) };
    let address = issue(&loose, &bad).unwrap().material;
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
    assert_eq!(webpki_says(&address), Err(webpki::Error::NameConstraintViolation));
    assert_eq!(webpki_says(&deep), Err(webpki::Error::PathLenConstraintViolated));
    for (served, word) in [(outside, name), (address, name), (deep, depth)] {
        let Some(said) = judge.verdict(&served, None) else { return };
        assert!(said.contains(word), "{said}");
    }
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
