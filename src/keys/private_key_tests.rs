//! OpenSSL must read what we write, and we what it writes.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

/// What `openssl` answers to `input`.
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn generated(algorithm: KeyAlgorithm) -> PrivateKey {
    PrivateKey::generate(algorithm, &Entropy::system()).unwrap()
}

#[test]
fn openssl_reads_every_kind_that_is_generated() {
    for algorithm in KeyAlgorithm::ALL {
        let key = generated(algorithm);
        assert_eq!(key.algorithm(), algorithm);
        let pem = key.to_pkcs8_pem();
        openssl(&["pkey", "-check", "-noout"], pem.expose());
        let public = openssl(&["pkey", "-pubout"], pem.expose());
        assert_eq!(String::from_utf8(public).unwrap(), key.public_key_pem());
        let again = PrivateKey::from_pkcs8_pem(&pem).unwrap();
        assert_eq!((again.algorithm(), again.spki_der()), (algorithm, key.spki_der()));
        assert_eq!(again.to_pkcs8_pem(), pem);
    }
}

#[test]
fn keys_that_openssl_made_are_read() {
    let kinds: [(&[&str], KeyAlgorithm); 4] = [
        (&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], KeyAlgorithm::EcdsaP256),
        (&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], KeyAlgorithm::EcdsaP384),
        (&["-algorithm", "ED25519"], KeyAlgorithm::Ed25519),
        (&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], KeyAlgorithm::Rsa2048),
    ];
    for (arguments, algorithm) in kinds {
        let pem = openssl(&[&["genpkey"], arguments].concat(), b"");
        let key = PrivateKey::from_pkcs8_pem(&Secret::new(pem)).unwrap();
        assert_eq!(key.algorithm(), algorithm);
    }
}

#[test]
fn what_a_key_states_of_its_public_half_is_what_is_computed_from_it() {
    let entropy = Entropy::system();
    let assert_same = |pkcs8: &[u8]| {
        let computed = PublicKey::of_pkcs8(pkcs8, entropy.ring()).unwrap();
        assert_eq!(PublicKey::stated_in_pkcs8(pkcs8, entropy.ring()).unwrap(), computed);
    };
    for algorithm in KeyAlgorithm::ALL {
        assert_same(generated(algorithm).pkcs8_der());
    }
    for curve in ["P-256", "P-384"] {
        let curve = format!("ec_paramgen_curve:{curve}");
        let theirs = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", &curve], b"");
        assert_same(&pem::decode(pem::PRIVATE_KEY, std::str::from_utf8(&theirs).unwrap()).unwrap());
    }
    // Where it states none, ring is asked, which wants one.
    let whole = generated(KeyAlgorithm::EcdsaP256);
    let bare = openssl(&["ec", "-no_public", "-outform", "DER"], whole.to_pkcs8_pem().expose());
    let bare = openssl(&["pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-outform", "DER"], &bare);
    assert!(PublicKey::stated_in_pkcs8(&bare, entropy.ring()).is_err());
}

#[test]
fn pkcs1_is_openssls() {
    let key = generated(KeyAlgorithm::Rsa2048);
    let theirs = openssl(&["rsa", "-traditional"], key.to_pkcs8_pem().expose());
    assert_eq!(key.to_pkcs1_pem().unwrap(), Secret::new(theirs));
    let error = generated(KeyAlgorithm::EcdsaP256).to_pkcs1_pem().unwrap_err();
    assert!(error.to_string().contains("ecdsa-p256 has no PKCS#1 form"), "{error}");
}

#[test]
fn rsa_keys_have_the_usual_exponent() {
    let key = generated(KeyAlgorithm::Rsa2048);
    let text = openssl(&["pkey", "-text", "-noout"], key.to_pkcs8_pem().expose());
    assert!(String::from_utf8(text).unwrap().contains("publicExponent: 65537 (0x10001)"));
}

/// ring writes Ed25519 as PKCS#8 v2, which OpenSSL 3.0 does not read; we write v1 whatever came in.
#[test]
fn ed25519_of_version_2_becomes_version_1() {
    let entropy = Entropy::system();
    let v2 = ring::signature::Ed25519KeyPair::generate_pkcs8(entropy.ring()).unwrap();
    let key = PrivateKey::from_pkcs8_pem(&Secret::new(pem::encode(pem::PRIVATE_KEY, v2.as_ref()).as_bytes()));
    let key = key.unwrap();
    assert_eq!(key.pkcs8_der().len(), 48);
    let public = openssl(&["pkey", "-pubout"], key.to_pkcs8_pem().expose());
    assert_eq!(String::from_utf8(public).unwrap(), key.public_key_pem());
}

#[test]
fn what_is_no_usable_key_is_refused() {
    let reason = |text: &[u8]| PrivateKey::from_pkcs8_pem(&Secret::new(text)).unwrap_err().to_string();
    assert!(reason(b"").contains("no PEM block `PRIVATE KEY`"));
    let junk = pem::encode(pem::PRIVATE_KEY, b"junk");
    assert!(reason(junk.as_bytes()).contains("openssl pkcs8"));
    let small = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"], b"");
    assert!(reason(&small).contains("RSA keys of 1024 bits are not supported"));
    let odd = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2304"], b"");
    assert!(reason(&odd).contains("RSA keys of 2304 bits are not supported"));
    let curve = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"], b"");
    assert!(reason(&curve).contains("not supported"));
    let mut flipped = generated(KeyAlgorithm::EcdsaP256).pkcs8_der().to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let flipped = pem::encode(pem::PRIVATE_KEY, &flipped);
    assert!(reason(flipped.as_bytes()).contains("damaged"));
}

#[test]
fn no_key_is_shown() {
    let key = generated(KeyAlgorithm::EcdsaP256);
    assert_eq!(format!("{key:?}"), "PrivateKey { algorithm: EcdsaP256, .. }");
}
