//! `root = "offline"`: the root is OpenSSL's, on a machine that Keyturn never sees; requests go out, certificates come back.

use std::path::PathBuf;

use super::{assert_says, quick};
use crate::support::{Keyturn, Ran, command, status};

fn site(more: &str) -> Keyturn {
    let keyturn = Keyturn::alone().config(&format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
[issuers.internal]
kind = "internal"
common_name = "Example CA"
root = "offline"
intermediate_lifetime = "100d"
trust_before = "0s"
name_constraints = {{ permitted_dns = ["example.internal"] }}
{more}
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.example.internal"]
duration = "20d"
[[certificates.edge.targets]]
kind = "file"
dir = "out"
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key", "ca.crt" = "ca"{} }}
"#,
        if more.contains("crl") { r#", "ca.crl" = "crl""# } else { "" }
    ));
    keyturn.write(
        "ca.cnf",
        "[ca]\ndefault_ca=root\n[root]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=any\n\
         copy_extensions=copy\nunique_subject=no\n\
         default_crl_days=40\ncrlnumber=crlnumber\ncrl_extensions=crl_ext\nx509_extensions=ca_ext\nrand_serial=yes\n[any]\n\
         commonName=supplied\n[ca_ext]\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n\
         [crl_ext]\nauthorityKeyIdentifier=keyid:always\n",
    );
    keyturn.write("index.txt", "");
    keyturn.write("crlnumber", "01\n");
    root(&keyturn, "root", "1");
    keyturn
}

/// `NAME.pem` and `NAME.key`: a root with this pathLenConstraint.
fn root(keyturn: &Keyturn, name: &str, depth: &str) {
    root_for(keyturn, name, depth, "keyCertSign,cRLSign");
}

fn root_for(keyturn: &Keyturn, name: &str, depth: &str, usage: &str) {
    must(
        keyturn,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout {name}.key -days 3000 -subj /CN=Offline-{name} \
             -out {name}.pem -addext basicConstraints=critical,CA:TRUE,pathlen:{depth} -addext \
             keyUsage=critical,{usage}"
        ),
    );
}

fn openssl(keyturn: &Keyturn, line: &str) -> Ran {
    let output = command("openssl", line.split(' ')).current_dir(keyturn.dir()).output().unwrap();
    Ran::new(output.status, &output.stdout, &output.stderr)
}

fn must(keyturn: &Keyturn, line: &str) -> String {
    let ran = openssl(keyturn, line);
    assert!(ran.ok(), "openssl {line}: {ran:#?}");
    ran.stdout
}

/// The ceremony: what `csr` prints is signed by `root`, as it asks for, for so many days.
fn signed(keyturn: &Keyturn, root: &str, days: u32) {
    let request = quick(keyturn, &["csr", "ca/internal"]);
    assert!(request.ok(), "{request:#?}");
    keyturn.write("middle.csr", &request.stdout);
    must(keyturn, "req -verify -noout -in middle.csr");
    sign(keyturn, root, days);
}

fn sign(keyturn: &Keyturn, root: &str, days: u32) {
    must(
        keyturn,
        &format!(
            "ca -batch -config ca.cnf -cert {root}.pem -keyfile {root}.key -days {days} -notext -in middle.csr -out middle.pem"
        ),
    );
}

fn file(keyturn: &Keyturn, name: &str) -> String {
    let path: PathBuf = keyturn.dir().join(name);
    path.display().to_string()
}

fn import(keyturn: &Keyturn, root: &str, more: &[&str]) -> Ran {
    let (cert, chain) = (file(keyturn, "middle.pem"), file(keyturn, &format!("{root}.pem")));
    let fixed = ["import", "ca/internal", "--cert", cert.as_str(), "--chain", chain.as_str()];
    quick(keyturn, &[&fixed, more].concat())
}

fn taken(ran: &Ran) {
    assert!(ran.ok(), "{ran:#?}");
}

fn verified(keyturn: &Keyturn, root: &str, checks: &str) {
    must(
        keyturn,
        &format!("verify -x509_strict {checks}-CAfile {root}.pem -untrusted out/tls.crt out/tls.crt"),
    );
}

#[test]
fn an_intermediate_is_asked_for_waited_for_and_renewed() {
    let keyturn = site("");
    // Nothing is made without the root, and that is no failure.
    let waits = quick(&keyturn, &["run"]);
    assert!(waits.ok() && waits.stdout.contains("waits: ca/internal: there is none yet"), "{waits:#?}");
    assert!(waits.stdout.contains("`keyturn csr ca/internal` prints the request"), "{waits:#?}");
    assert!(waits.stdout.contains("waits: certificates/edge: waits for ca/internal"), "{waits:#?}");
    let waits = quick(&keyturn, &["ca", "init", "internal"]);
    assert!(waits.ok() && waits.stdout.contains("waits for a person"), "{waits:#?}");

    signed(&keyturn, "root", 100);
    let text = must(&keyturn, "req -noout -text -in middle.csr");
    for part in [
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign",
        "DNS:example.internal",
        "IP:0.0.0.0/0.0.0.0",
        "Example CA Issuing",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The same key and name until the answer has come.
    let again = quick(&keyturn, &["csr", "ca/internal"]);
    keyturn.write("again.csr", &again.stdout);
    let public = |name: &str| must(&keyturn, &format!("req -noout -pubkey -subject -in {name}.csr"));
    assert_eq!(public("middle"), public("again"));
    let audited = keyturn.audited("csr-made");
    assert_eq!(audited, 1);

    taken(&import(&keyturn, "root", &[]));
    taken(&quick(&keyturn, &["run"]));
    verified(&keyturn, "root", "");
    assert!(quick(&keyturn, &["run"]).stdout.contains("nothing to do"));
    assert_says(&import(&keyturn, "root", &[]), 2, &["is its revision 1 already"]);
    assert_says(&quick(&keyturn, &["ca", "rotate", "nobody"]), 2, &["there is no asset"]);

    // The same key once more, for longer: no request is needed.
    sign(&keyturn, "root", 90);
    taken(&import(&keyturn, "root", &[]));
    let ca = &status(&keyturn)["ca/internal"];
    assert_eq!((&ca["revision"], &ca["state"]), (&2.into(), &"active".into()), "{ca:#}");

    // The next one has another key; the old one stays until it is there.
    let asked = quick(&keyturn, &["rotate", "ca/internal"]);
    assert!(asked.ok() && asked.stdout.contains("waits for a person"), "{asked:#?}");
    assert_eq!(status(&keyturn)["ca/internal"]["revision"], 2);
    signed(&keyturn, "root", 80);
    assert_ne!(public("middle"), public("again"));
    taken(&import(&keyturn, "root", &[]));
    let ca = &status(&keyturn)["ca/internal"];
    assert_eq!((&ca["revision"], &ca["state"]), (&3.into(), &"active".into()), "{ca:#}");
    taken(&quick(&keyturn, &["rotate", "certificates/edge"]));
    verified(&keyturn, "root", "");
}

const ROLE: &str = "[issuers.internal.sign.any]\ncommon_names = [\"svc-*\"]\nusages = [\"client-auth\"]\nduration = \"1d\"\n";

/// `ca sign` of a request from elsewhere.
fn asked_to_sign(keyturn: &Keyturn) -> Ran {
    must(
        keyturn,
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout svc.key -subj /CN=svc-1 -out svc.csr",
    );
    let request = file(keyturn, "svc.csr");
    quick(keyturn, &["ca", "sign", &request])
}

/// Certified once more, the key in wrong hands would sign on.
#[test]
fn a_key_in_wrong_hands_signs_no_more() {
    let keyturn = site(ROLE);
    signed(&keyturn, "root", 100);
    taken(&import(&keyturn, "root", &[]));
    taken(&quick(&keyturn, &["run"]));
    taken(&asked_to_sign(&keyturn));
    let asked = quick(&keyturn, &["rotate", "--compromised", "ca/internal"]);
    assert!(asked.ok() && asked.stdout.contains("waits for a person"), "{asked:#?}");
    let words =
        ["ca/internal signs nothing by revision 1", "was called compromised", "waits for its successor"];
    assert_says(&asked_to_sign(&keyturn), 1, &words);
    sign(&keyturn, "root", 90);
    let words = ["is for a key of ca/internal that was called compromised"];
    assert_says(&import(&keyturn, "root", &[]), 2, &words);
    signed(&keyturn, "root", 80);
    taken(&import(&keyturn, "root", &[]));
    assert_eq!(keyturn.audited("imported"), 2);
    taken(&asked_to_sign(&keyturn));
}

#[test]
fn a_person_is_told_in_time() {
    let keyturn = site("");
    signed(&keyturn, "root", 100);
    taken(&import(&keyturn, "root", &[]));
    taken(&quick(&keyturn, &["run"]));
    // From when on the successor is asked for, and until when nobody is bothered.
    let at = |days: i64| {
        #[allow(clippy::disallowed_methods)]
        let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        let plan = quick(&keyturn, &["plan", "--at", &at.to_string()]);
        assert!(plan.ok(), "{plan:#?}");
        plan.stdout
    };
    assert!(!at(30).contains("waits for a person"), "{}", at(30));
    assert!(at(70).contains("waits for a person: `keyturn csr ca/internal`"), "{}", at(70));
}

#[test]
fn a_new_root_is_known_before_anything_is_signed_under_it() {
    let keyturn = site("");
    signed(&keyturn, "root", 100);
    taken(&import(&keyturn, "root", &[]));
    taken(&quick(&keyturn, &["run"]));
    root(&keyturn, "second", "1");
    signed(&keyturn, "second", 100);
    taken(&import(&keyturn, "second", &[]));
    taken(&quick(&keyturn, &["run"]));
    let bundle = std::fs::read_to_string(keyturn.dir().join("out/ca.crt")).unwrap();
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 2, "both roots");
    taken(&quick(&keyturn, &["rotate", "certificates/edge"]));
    verified(&keyturn, "second", "");
}

#[test]
fn what_cannot_sign_or_does_not_fit_is_refused() {
    let keyturn = site("");
    signed(&keyturn, "root", 100);
    root(&keyturn, "flat", "0");
    root(&keyturn, "other", "1");
    assert_says(&import(&keyturn, "other", &[]), 2, &["the chain does not have who has signed"]);
    sign(&keyturn, "flat", 100);
    assert_says(&import(&keyturn, "flat", &[]), 2, &["pathLenConstraint of `Offline-flat` is 0"]);
    // For a key that nobody here has.
    must(
        &keyturn,
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout else.key -subj /CN=Else -out middle.csr",
    );
    sign(&keyturn, "root", 100);
    assert_says(&import(&keyturn, "root", &[]), 2, &["is for no key that is here"]);
    // That is no CA.
    let key = file(&keyturn, "else.key");
    assert_says(&import(&keyturn, "root", &["--key", &key]), 2, &["is no CA"]);
    let (cert, key) = (file(&keyturn, "root.pem"), file(&keyturn, "root.key"));
    let root = ["import", "ca/internal", "--cert", cert.as_str(), "--key", key.as_str()];
    assert_says(&quick(&keyturn, &root), 2, &["its root is elsewhere"]);
    assert_eq!(keyturn.audited("imported"), 0);
}

#[test]
fn a_list_of_a_root_that_may_sign_none_is_refused() {
    let keyturn = site("crl = { lifetime = \"30d\" }");
    root_for(&keyturn, "mute", "1", "keyCertSign");
    signed(&keyturn, "mute", 100);
    taken(&import(&keyturn, "mute", &[]));
    must(&keyturn, "ca -gencrl -config ca.cnf -cert mute.pem -keyfile mute.key -out mute.crl");
    let list = file(&keyturn, "mute.crl");
    let refused = quick(&keyturn, &["import", "ca/internal", "--crl", &list]);
    assert_says(&refused, 2, &["whose keyUsage lacks cRLSign"]);
    assert_eq!(keyturn.audited("lists-imported"), 0);
}

#[test]
fn the_roots_list_goes_out_with_ours() {
    let keyturn = site(&format!("crl = {{ lifetime = \"30d\" }}\n{ROLE}"));
    must(&keyturn, "ca -gencrl -config ca.cnf -cert root.pem -keyfile root.key -out root.crl");
    let list = file(&keyturn, "root.crl");
    let bring = ["import", "ca/internal", "--crl", list.as_str()];
    assert_says(&quick(&keyturn, &bring), 2, &["has no intermediate yet"]);
    signed(&keyturn, "root", 100);
    taken(&import(&keyturn, "root", &[]));
    taken(&quick(&keyturn, &["run"]));
    // Ours alone is not enough for who checks the whole chain.
    let checks = "-crl_check -CRLfile out/ca.crl ";
    verified(&keyturn, "root", checks);
    let all = openssl(
        &keyturn,
        "verify -crl_check_all -CRLfile out/ca.crl -CAfile root.pem -untrusted out/tls.crt out/tls.crt",
    );
    assert!(!all.ok() && all.stderr.contains("unable to get certificate CRL"), "{all:#?}");
    taken(&quick(&keyturn, &bring));
    taken(&quick(&keyturn, &["run"]));
    verified(&keyturn, "root", "-crl_check_all -CRLfile out/ca.crl ");
    assert!(quick(&keyturn, &["run"]).stdout.contains("nothing to do"));
    assert_eq!(keyturn.audited("lists-imported"), 1);

    // As DER; and what is somebody else's is refused.
    must(&keyturn, "crl -in root.crl -outform DER -out root.der");
    let der = file(&keyturn, "root.der");
    taken(&quick(&keyturn, &["import", "ca/internal", "--crl", &der]));
    root(&keyturn, "other", "1");
    must(&keyturn, "ca -gencrl -config ca.cnf -cert other.pem -keyfile other.key -out other.crl");
    let other = file(&keyturn, "other.crl");
    let refused = quick(&keyturn, &["import", "ca/internal", "--crl", &other]);
    assert_says(&refused, 2, &["signed by nobody who stands above ca/internal"]);

    // The root revokes the intermediate: that is said, and its successor asked for.
    must(&keyturn, "ca -revoke middle.pem -config ca.cnf -cert root.pem -keyfile root.key");
    must(&keyturn, "ca -gencrl -config ca.cnf -cert root.pem -keyfile root.key -out root.crl");
    let ran = quick(&keyturn, &bring);
    assert!(
        ran.stdout.contains("KT-CERTIFICATE-REVOKED") && ran.stdout.contains("waits for a person"),
        "{ran:#?}"
    );
    assert_says(&asked_to_sign(&keyturn), 1, &["signs nothing by revision 1", "its issuer has revoked it"]);
    signed(&keyturn, "root", 100);
    let leaf = || status(&keyturn)["certificates/edge"]["fingerprint_sha256"].clone();
    let before = leaf();
    taken(&import(&keyturn, "root", &[]));
    // What it has signed is reissued without being asked for.
    taken(&quick(&keyturn, &["run"]));
    assert_ne!(leaf(), before);
    verified(&keyturn, "root", "-crl_check_all -CRLfile out/ca.crl ");
}

/// The root certifies a policy CA, and that one the intermediate, as its number 02: `above.pem` is its chain.
fn below_a_policy_ca(keyturn: &Keyturn) {
    root(keyturn, "root", "2");
    let config = std::fs::read_to_string(keyturn.dir().join("ca.cnf")).unwrap();
    let config = config.replace("index.txt", "policy.txt").replace("serial=serial", "serial=policy.serial");
    let config = config
        .replace("crlnumber=crlnumber", "crlnumber=policy.crlnumber")
        .replace("rand_serial=yes\n", "\n");
    for (name, text) in [
        ("policy.cnf", &*config),
        ("policy.txt", ""),
        ("policy.serial", "02\n"),
        ("policy.crlnumber", "01\n"),
    ] {
        keyturn.write(name, text);
    }
    must(
        keyturn,
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout policy.key -subj /CN=Policy -out policy.csr \
         -addext basicConstraints=critical,CA:TRUE,pathlen:1 -addext keyUsage=critical,keyCertSign,cRLSign",
    );
    must(
        keyturn,
        "ca -batch -config ca.cnf -cert root.pem -keyfile root.key -days 900 -notext -in policy.csr -out policy.pem",
    );
    let request = quick(keyturn, &["csr", "ca/internal"]);
    keyturn.write("middle.csr", &request.stdout);
    must(
        keyturn,
        "ca -batch -config policy.cnf -cert policy.pem -keyfile policy.key -days 100 -notext -in middle.csr -out middle.pem",
    );
    let read = |name: &str| std::fs::read_to_string(keyturn.dir().join(name)).unwrap();
    keyturn.write("above.pem", &[read("policy.pem"), read("root.pem")].concat());
}

/// `NAME.crl`, by `NAME`.
fn list(keyturn: &Keyturn, name: &str, config: &str, more: &str) {
    must(
        keyturn,
        &format!("ca -gencrl -config {config} -cert {name}.pem -keyfile {name}.key -out {name}.crl{more}"),
    );
}

#[test]
fn each_who_stands_above_has_a_list_of_its_own() {
    let keyturn = site("crl = { lifetime = \"30d\" }");
    below_a_policy_ca(&keyturn);
    let (cert, above) = (file(&keyturn, "middle.pem"), file(&keyturn, "above.pem"));
    taken(&quick(&keyturn, &["import", "ca/internal", "--cert", &cert, "--chain", &above]));
    let bring = |name: &str| {
        quick(&keyturn, &["import", "ca/internal", "--crl", &file(&keyturn, &format!("{name}.crl"))])
    };
    // Somebody else's certificate, the root's number 02, is revoked; ours is number 02 of the policy CA.
    let index = std::fs::read_to_string(keyturn.dir().join("index.txt")).unwrap();
    keyturn.write("index.txt", &format!("R\t491231235959Z\t250101000000Z\t02\tunknown\t/CN=Else\n{index}"));
    list(&keyturn, "root", "ca.cnf", "");
    list(&keyturn, "policy", "policy.cnf", "");
    let first = bring("policy");
    assert!(first.ok() && first.stderr.contains("`Offline-root` stands above ca/internal"), "{first:#?}");
    let second = bring("root");
    assert!(second.ok() && !second.stderr.contains("stands above"), "{second:#?}");
    taken(&quick(&keyturn, &["run"]));
    must(
        &keyturn,
        "verify -x509_strict -crl_check_all -CRLfile out/ca.crl -CAfile root.pem -untrusted out/tls.crt out/tls.crt",
    );
    let told = |ran: &Ran| ran.stdout.contains("KT-CERTIFICATE-REVOKED");
    assert!(!told(&quick(&keyturn, &["status"])), "ours is another 02");

    // An older one does not take its place; a later one does, and both are still there.
    list(&keyturn, "root", "ca.cnf", " -crl_lastupdate 20200101000000Z -crl_nextupdate 20490101000000Z");
    assert_says(&bring("root"), 2, &["older than the one that is here"]);
    // The root revokes the policy CA: nobody believes what stands under it.
    must(&keyturn, "ca -revoke policy.pem -config ca.cnf -cert root.pem -keyfile root.key");
    list(&keyturn, "root", "ca.cnf", "");
    let ran = bring("root");
    assert!(told(&ran) && !ran.stderr.contains("stands above"), "{ran:#?}");
    assert!(ran.stdout.contains("waits for a person"), "{ran:#?}");
}
