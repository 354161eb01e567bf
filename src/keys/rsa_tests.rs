//! What FIPS 186-5 asks of RSA keys, and what the operating system's failure leads to.

use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::clock::Entropy;
use crate::pki::pem;

fn made(algorithm: KeyAlgorithm) -> Zeroizing<Vec<u8>> {
    generate(algorithm, |bytes| Entropy::system().fill(bytes)).unwrap()
}

fn read(document: &[u8]) -> RsaPrivateKey {
    RsaPrivateKey::from_pkcs8_der(document).unwrap()
}

/// What OpenSSL says of the key.
fn openssl_check(document: &[u8]) -> String {
    let mut child = Command::new("openssl")
        .args(["rsa", "-check", "-noout", "-inform", "DER"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(document).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// Euclid's.
fn gcd(mut a: BigUint, mut b: BigUint) -> BigUint {
    while b != BigUint::from(0u8) {
        (a, b) = (b.clone(), a % b);
    }
    a
}

#[test]
fn twenty_keys_of_2048_bits_are_as_fips_wants_them_and_openssl_accepts_them() {
    twenty_are_good(KeyAlgorithm::Rsa2048);
}

#[test]
fn twenty_keys_of_3072_bits_are_as_fips_wants_them_and_openssl_accepts_them() {
    twenty_are_good(KeyAlgorithm::Rsa3072);
}

#[test]
fn twenty_keys_of_4096_bits_are_as_fips_wants_them_and_openssl_accepts_them() {
    twenty_are_good(KeyAlgorithm::Rsa4096);
}

fn twenty_are_good(algorithm: KeyAlgorithm) {
    let mut moduli = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let document = made(algorithm);
        assert_eq!(openssl_check(&document), "RSA key ok\n");
        let key = read(&document);
        assert_good(&key, algorithm.rsa_bits().unwrap());
        assert!(moduli.insert(key.n().to_bytes_be()));
    }
}

/// Everything again, by arithmetic that is the test's own; OpenSSL has tested that the primes are some.
fn assert_good(key: &RsaPrivateKey, bits: usize) {
    let (one, n, e, d) = (BigUint::from(1u8), key.n(), key.e(), key.d());
    let (p, q) = (&key.primes()[0], &key.primes()[1]);
    assert_eq!((n, n.bits(), key.primes().len()), (&(p * q), bits, 2));
    assert_eq!(*e, BigUint::from(65_537u32));
    let (p1, q1) = (p - &one, q - &one);
    assert_eq!((gcd(p1.clone(), e.clone()), gcd(q1.clone(), e.clone())), (one.clone(), one.clone()));
    // √2 · 2^(bits/2 - 1) ≤ p < 2^(bits/2), and q likewise (§A.1.3, steps 4.4 and 5.5).
    for prime in [p, q] {
        assert!(prime * prime >= &one << (bits - 1) && prime < &(&one << (bits / 2)));
    }
    let apart = if p > q { p - q } else { q - p };
    assert!(apart > &one << (bits / 2 - 100));
    // d is the smallest that will do, and not a small one (§A.1.1, step 3).
    let lcm = &p1 * &q1 / gcd(p1.clone(), q1.clone());
    assert!(*d > &one << (bits / 2) && *d < lcm);
    assert_eq!((e * d) % lcm, one);
}

/// When the operating system fails, there is an error and no key.
#[test]
fn a_failing_generator_gives_no_key() {
    let mut asked = 0;
    let result = generate(KeyAlgorithm::Rsa2048, |bytes| {
        asked = bytes.len();
        Err(NoEntropy)
    });
    assert!(matches!(result, Err(KeyError::NoEntropy(_))));
    assert_eq!(asked, 32);
}

#[test]
fn what_is_no_rsa_is_refused() {
    let error = generate(KeyAlgorithm::EcdsaP256, |_| Ok(())).unwrap_err();
    assert_eq!(error.to_string(), "cannot generate a key of kind ecdsa-p256: it is not RSA");
}

#[test]
fn primes_that_are_too_close_are_noticed() {
    let at = |distance: usize| {
        [BigUint::from(1u8) << 1023, (BigUint::from(1u8) << 1023) + (BigUint::from(1u8) << distance)]
    };
    for (distance, far) in [(0, false), (923, false), (924, true), (1000, true)] {
        let [p, q] = at(distance);
        assert_eq!(are_far_apart(&p, &q, 2048), far, "{distance}");
        assert_eq!(are_far_apart(&q, &p, 2048), far, "{distance}");
    }
}

/// Keys that OpenSSL takes, and FIPS does not.
#[test]
fn each_fault_is_named() {
    let good = read(&made(KeyAlgorithm::Rsa2048));
    assert_eq!(fault(&good, 2048), None);
    assert_eq!(fault(&good, 3072), Some("its modulus has not the full size"));
    let of_openssl = |options: &[&str]| {
        let all = [&["genpkey", "-algorithm", "RSA"], options].concat();
        let text = Command::new("openssl").args(all).output().unwrap().stdout;
        read(&pem::decode(pem::PRIVATE_KEY, std::str::from_utf8(&text).unwrap()).unwrap())
    };
    let cubed = of_openssl(&["-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:3"]);
    assert_eq!(fault(&cubed, 2048), Some("its public exponent is not 65537"));
    // n has its size, and one prime has not its own.
    let [p, q] = [good.primes()[0].clone(), good.primes()[1].clone()];
    let lopsided = lopsided(&p, &q);
    assert_eq!(fault(&lopsided, 2048), Some("a prime of it is too small"));
}

/// A key whose n has 2048 bits, of a prime of 1023 bits: `rsa` finds them where the size asked for is not ours.
fn lopsided(p: &BigUint, q: &BigUint) -> RsaPrivateKey {
    let larger = if p > q { p } else { q };
    let mut smaller = (BigUint::from(1u8) << 2047usize) / larger + 1u8;
    if &smaller % 2u8 == BigUint::from(0u8) {
        smaller += 1u8;
    }
    let exponent = BigUint::from(EXPONENT);
    while !is_prime(&smaller) || (&smaller - 1u8) % &exponent == BigUint::from(0u8) {
        smaller += 2u8;
    }
    RsaPrivateKey::from_p_q(larger.clone(), smaller, exponent).unwrap()
}

/// By Fermat's test: enough for a number that nobody has chosen.
fn is_prime(n: &BigUint) -> bool {
    let one = BigUint::from(1u8);
    BigUint::from(2u8).modpow(&(n - &one), n) == one
}
