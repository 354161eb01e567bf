//! `import ca/NAME`: a CA that OpenSSL has made goes on signing here.

use std::path::PathBuf;

use super::{assert_says, quick};
use crate::support::{Keyturn, Ran, command};

const PASSWORD: &str = "correct horse\n";

fn site() -> Keyturn {
    let keyturn = Keyturn::alone().config(CONFIG);
    keyturn.write("password", PASSWORD);
    keyturn
}

const CONFIG: &str = r#"
[daemon]
instance = "test"
state_dir = "state"
[issuers.old]
kind = "internal"
common_name = "Old CA"
intermediate_lifetime = "100d"
trust_before = "0s"
crl = { lifetime = "30d" }
[certificates.edge]
issuers = ["old"]
dns_names = ["edge.test"]
duration = "30d"
[[certificates.edge.targets]]
kind = "file"
dir = "out"
files = { "tls.crt" = "fullchain", "tls.key" = "private-key", "ca.crt" = "ca", "ca.crl" = "crl" }
"#;

/// Without revocation lists.
fn unlisted() -> Keyturn {
    let config = CONFIG.replace("crl = { lifetime = \"30d\" }\n", "").replace(", \"ca.crl\" = \"crl\"", "");
    let keyturn = Keyturn::alone().config(&config);
    keyturn.write("password", PASSWORD);
    keyturn
}

fn openssl(keyturn: &Keyturn, line: &str) -> Ran {
    let output = command("openssl", line.split(' ')).current_dir(keyturn.dir()).output().unwrap();
    Ran::new(output.status, &output.stdout, &output.stderr)
}

fn must(keyturn: &Keyturn, line: &str) {
    let ran = openssl(keyturn, line);
    assert!(ran.ok(), "openssl {line}: {ran:#?}");
}

/// `root.pem`, and its key encrypted in `root.key`.
fn root(keyturn: &Keyturn) {
    let usage = "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign";
    must(
        keyturn,
        &format!(
            "req -x509 -newkey rsa:2048 -keyout root.key -passout file:password -days 1000 -subj /CN=OldRoot -out \
             root.pem {usage}"
        ),
    );
}

/// `middle.pem` under it, and its key in `middle.key`.
fn middle(keyturn: &Keyturn) {
    must(
        keyturn,
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout middle.key -subj /CN=OldIssuing -out middle.csr",
    );
    certify(keyturn, "keyUsage=critical,keyCertSign,cRLSign");
}

/// `middle.pem` for the same request, by these lines.
fn certify(keyturn: &Keyturn, lines: &str) {
    keyturn.write("ext", &format!("basicConstraints=critical,CA:TRUE,pathlen:0\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n{lines}\n"));
    must(
        keyturn,
        "x509 -req -in middle.csr -CA root.pem -CAkey root.key -passin file:password -days 200 -extfile ext -out middle.pem",
    );
}

fn import(keyturn: &Keyturn, cert: &str, key: &str, more: &[&str]) -> Ran {
    let path = |name: &str| -> PathBuf { keyturn.dir().join(name) };
    let (cert, key) = (path(cert), path(key));
    let fixed = ["import", "ca/old", "--cert", cert.to_str().unwrap(), "--key", key.to_str().unwrap()];
    quick(keyturn, &[&fixed, more].concat())
}

fn served(keyturn: &Keyturn, checks: &str) -> Ran {
    openssl(
        keyturn,
        &format!(
            "verify -x509_strict {checks} -CRLfile out/ca.crl -CAfile root.pem -untrusted out/tls.crt out/tls.crt"
        ),
    )
}

#[test]
fn a_root_with_an_encrypted_key_signs_a_new_intermediate() {
    let keyturn = site();
    root(&keyturn);
    assert_says(
        &import(&keyturn, "root.pem", "root.key", &[]),
        2,
        &["root.key", "encrypted", "--password-file"],
    );
    let wrong = keyturn.write("wrong", "battery staple").display().to_string();
    assert_says(&import(&keyturn, "root.pem", "root.key", &["--password-file", &wrong]), 2, &["is wrong"]);
    let password = keyturn.dir().join("password").display().to_string();
    let ran = import(&keyturn, "root.pem", "root.key", &["--password-file", &password]);
    assert!(ran.ok(), "{ran:#?}");
    assert_eq!(keyturn.audited("imported"), 1);
    let ran = quick(&keyturn, &["run"]);
    assert!(ran.ok(), "{ran:#?}");
    let verified = served(&keyturn, "-crl_check_all");
    assert!(verified.ok(), "{verified:#?}");
    let again = import(&keyturn, "root.pem", "root.key", &["--password-file", &password]);
    assert_says(&again, 2, &["has a root of its own already"]);
    // It is a root like any other: it can be rolled over.
    let ran = quick(&keyturn, &["ca", "rotate", "old"]);
    assert!(ran.ok(), "{ran:#?}");
}

#[test]
fn an_intermediate_signs_while_its_root_is_elsewhere() {
    let keyturn = site();
    root(&keyturn);
    middle(&keyturn);
    assert_says(
        &import(&keyturn, "middle.pem", "middle.key", &[]),
        2,
        &["the chain does not have who has signed `OldIssuing`"],
    );
    let chain = keyturn.dir().join("root.pem").display().to_string();
    let ran = import(&keyturn, "middle.pem", "middle.key", &["--chain", &chain]);
    assert!(ran.ok(), "{ran:#?}");
    assert!(quick(&keyturn, &["run"]).ok());
    let verified = served(&keyturn, "-crl_check");
    assert!(verified.ok(), "{verified:#?}");
    assert!(quick(&keyturn, &["run"]).stdout.contains("nothing to do"));
}

/// The root is in the bundle twice: certified by an older one first, and by itself.
#[test]
fn the_way_to_the_root_is_found_among_others() {
    let keyturn = site();
    root(&keyturn);
    middle(&keyturn);
    must(
        &keyturn,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout older.key -days 1000 -subj /CN=Older -out older.pem",
    );
    must(&keyturn, "req -new -key root.key -passin file:password -subj /CN=OldRoot -out root.csr");
    keyturn.write("cross", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n");
    must(
        &keyturn,
        "x509 -req -in root.csr -CA older.pem -CAkey older.key -days 900 -extfile cross -out cross.pem",
    );
    let read = |name: &str| std::fs::read_to_string(keyturn.dir().join(name)).unwrap();
    let chain = keyturn.write("chain.pem", &(read("cross.pem") + &read("root.pem"))).display().to_string();
    let ran = import(&keyturn, "middle.pem", "middle.key", &["--chain", &chain]);
    assert!(ran.ok(), "{ran:#?}");
    let verified = served(&keyturn, "-crl_check");
    assert!(verified.ok(), "{verified:#?}");
}

/// Clients refuse everybody by a list whose signer may not sign lists.
#[test]
fn who_may_not_sign_lists_is_refused_where_there_are_lists() {
    let keyturn = site();
    root(&keyturn);
    middle(&keyturn);
    certify(&keyturn, "keyUsage=critical,keyCertSign");
    let chain = keyturn.dir().join("root.pem").display().to_string();
    let words = ["may not sign revocation lists", "lacks cRLSign"];
    assert_says(&import(&keyturn, "middle.pem", "middle.key", &["--chain", &chain]), 2, &words);
    must(
        &keyturn,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout mute.key -subj /CN=mute -out mute.pem -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign",
    );
    assert_says(&import(&keyturn, "mute.pem", "mute.key", &[]), 2, &words);
    assert_eq!(keyturn.audited("imported"), 0);
}

/// It was taken in before there were lists: none is made by it, and it is said what to do.
#[test]
fn who_may_not_sign_lists_makes_none() {
    let keyturn = unlisted();
    root(&keyturn);
    middle(&keyturn);
    certify(&keyturn, "keyUsage=critical,keyCertSign");
    let chain = keyturn.dir().join("root.pem").display().to_string();
    let chain = ["--chain", chain.as_str()];
    assert!(import(&keyturn, "middle.pem", "middle.key", &chain).ok());
    assert!(quick(&keyturn, &["run"]).ok());
    let keyturn = keyturn.config(CONFIG);
    let ran = quick(&keyturn, &["run"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("lacks cRLSign"), "{ran:#?}");
    assert!(!keyturn.dir().join("out/ca.crl").exists());
    let said = quick(&keyturn, &["status"]).stdout;
    assert!(said.contains("KT-CRL-LATE") && said.contains("keyturn csr ca/old"), "{said}");

    // Certified anew, it makes them.
    certify(&keyturn, "keyUsage=critical,keyCertSign,cRLSign");
    assert!(import(&keyturn, "middle.pem", "middle.key", &chain).ok());
    assert!(quick(&keyturn, &["run"]).ok());
    let ran = quick(&keyturn, &["rotate", "certificates/edge"]);
    assert!(ran.ok(), "{ran:#?}");
    let verified = served(&keyturn, "-crl_check");
    assert!(verified.ok(), "{verified:#?}");
    let said = quick(&keyturn, &["status"]).stdout;
    assert!(!said.contains("KT-CRL-LATE"), "{said}");
    assert!(quick(&keyturn, &["run"]).stdout.contains("nothing to do"));
}

/// What the CA's own certificate does not allow for, clients refuse: it is not delivered, and it is said why.
#[test]
fn what_the_ca_may_not_sign_is_not_delivered() {
    let role = "[issuers.old.sign.any]\ndns_names = [\"edge.test\"]\nusages = [\"server-auth\"]\nduration = \"1d\"\n";
    for (lines, why) in [
        ("nameConstraints=critical,permitted;DNS:other.test", "outside its nameConstraints"),
        ("nameConstraints=critical,excluded;DNS:test", "outside its nameConstraints"),
        ("extendedKeyUsage=clientAuth", "may not sign for server-auth"),
    ] {
        let keyturn = site();
        keyturn.write(
            "keyturn.toml",
            &CONFIG.replace("[certificates.edge]", &format!("{role}[certificates.edge]")),
        );
        root(&keyturn);
        middle(&keyturn);
        certify(&keyturn, &format!("keyUsage=critical,keyCertSign,cRLSign\n{lines}"));
        let chain = keyturn.dir().join("root.pem").display().to_string();
        let ran = import(&keyturn, "middle.pem", "middle.key", &["--chain", &chain]);
        assert!(ran.code == Some(1) && ran.stderr.contains(why), "{lines}: {ran:#?}");
        assert!(!keyturn.dir().join("out/tls.crt").exists(), "{lines}");
        let said = quick(&keyturn, &["status"]).stdout;
        assert!(said.contains("KT-MATERIAL-BAD") && said.contains(why), "{lines}: {said}");
        must(
            &keyturn,
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -subj / -addext subjectAltName=DNS:edge.test -out own.csr",
        );
        let own = keyturn.dir().join("own.csr").display().to_string();
        assert_says(&quick(&keyturn, &["ca", "sign", &own]), 1, &["cannot sign this request", why]);
        assert_eq!(keyturn.audited("csr-signed"), 0);
    }
}

#[test]
fn what_cannot_sign_is_refused() {
    let keyturn = site();
    root(&keyturn);
    middle(&keyturn);
    let whole = std::fs::read_to_string(keyturn.dir().join("middle.pem")).unwrap();
    must(
        &keyturn,
        "x509 -req -sha1 -in middle.csr -CA root.pem -CAkey root.key -passin file:password -days 200 -extfile ext -out middle.pem",
    );
    let chain = keyturn.dir().join("root.pem").display().to_string();
    let forged = import(&keyturn, "middle.pem", "middle.key", &["--chain", &chain]);
    assert_says(&forged, 2, &["`CN=OldIssuing` is signed with SHA-1"]);
    keyturn.write("middle.pem", &whole);
    let with_chain = ["--chain", chain.as_str()];
    must(
        &keyturn,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -subj /CN=leaf -out leaf.pem -addext basicConstraints=critical,CA:FALSE",
    );
    assert_says(&import(&keyturn, "leaf.pem", "leaf.key", &[]), 2, &["is no CA"]);
    assert_says(&import(&keyturn, "middle.pem", "leaf.key", &with_chain), 2, &["its key does not belong"]);
    assert_says(&import(&keyturn, "leaf.key", "leaf.key", &[]), 2, &["no PEM block `CERTIFICATE`"]);
    assert_says(&import(&keyturn, "none.pem", "leaf.key", &[]), 2, &["none.pem cannot be read"]);
    must(
        &keyturn,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout flat.key -subj /CN=flat -out flat.pem -addext basicConstraints=critical,CA:TRUE,pathlen:0",
    );
    assert_says(&import(&keyturn, "flat.pem", "flat.key", &[]), 2, &["pathLenConstraint is 0"]);
    assert_eq!(keyturn.audited("imported"), 0);
}
