//! OpenSSL is the judge here.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

/// Runs `openssl` with `input` on its standard input; its outputs together, and whether it said yes.
fn openssl(arguments: &[&str], input: &str) -> (bool, String) {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

fn assert_accepted(params: &DhParams) {
    let (ok, text) = openssl(&["dhparam", "-check", "-noout"], &params.to_pem());
    assert!(ok && text.contains("DH parameters appear to be ok"), "{text}");
}

fn generated(bits: usize) -> DhParams {
    generate(bits, 0, &Entropy::system(), &Cancel::new(), &|_| {}).unwrap()
}

#[test]
fn openssl_accepts_what_is_generated() {
    for _ in 0..4 {
        let params = generated(512);
        assert_eq!(params.bits(), 512);
        assert_accepted(&params);
        assert_eq!(DhParams::from_pem(&params.to_pem()).unwrap(), params);
    }
}

#[test]
fn odd_sizes_are_exact() {
    for bits in [513, 575, 577] {
        let params = generated(bits);
        assert_eq!(params.bits(), bits);
        assert_accepted(&params);
    }
}

#[test]
fn openssl_accepts_1024_bits() {
    assert_accepted(&generated(1024));
}

#[test]
fn the_groups_of_rfc_7919_are_openssls() {
    for bits in [2048, 3072, 4096, 6144, 8192] {
        let group = format!("group:ffdhe{bits}");
        let genpkey = ["genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", &group];
        let (ok, theirs) = openssl(&genpkey, "");
        assert!(ok, "{theirs}");
        assert_eq!(rfc7919(bits).unwrap().to_pem(), theirs);
        assert_eq!(rfc7919(bits).unwrap().bits(), bits);
    }
    assert!(rfc7919(1024).is_none());
}

#[test]
fn sizes_out_of_range_are_refused() {
    for bits in [0, 511, 8193] {
        let result = generate(bits, 1, &Entropy::system(), &Cancel::new(), &|_| {});
        assert!(matches!(result, Err(DhError::Size(_))));
    }
}

#[test]
fn what_is_no_parameters_is_refused() {
    let good = rfc7919(2048).unwrap();
    let with = |prime: &[u8], generator: &[u8]| DhParams::from_pem(&DhParams::new(prime, generator).to_pem());
    let mut even = good.prime.clone();
    *even.last_mut().unwrap() = 0;
    assert!(matches!(with(&even, &[2]), Err(DhError::Unusable("p is even"))));
    assert!(matches!(with(&good.prime, &[1]), Err(DhError::Unusable(_))));
    assert!(matches!(with(&good.prime, &good.prime), Err(DhError::Unusable(_))));
    assert!(matches!(with(&[23], &[2]), Err(DhError::Size(5))));
    assert!(matches!(DhParams::from_pem(""), Err(DhError::Pem(_))));
    let other = pem::encode(pem::DH_PARAMETERS, b"junk");
    assert!(matches!(DhParams::from_pem(&other), Err(DhError::NotPkcs3)));
}
