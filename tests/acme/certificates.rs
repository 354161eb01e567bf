//! What a certificate is: its key, its chain.

use x509_parser::pem::parse_x509_pem;

use super::pebble_or_skip;
use super::site::{key_fits, passes, shown, site, verifies};
use crate::support::{Pebble, PebbleOptions};

const NAMES: &str = "dns_names = [\"edge.test\"]\ncommon_name = \"edge.test\"";

/// Which keys there are to be, and how OpenSSL calls them.
const KEYS: [(&str, &str); 3] =
    [("ecdsa-p256", "prime256v1"), ("ecdsa-p384", "secp384r1"), ("rsa-3072", "(3072 bit)")];

#[test]
fn keys_of_each_kind() {
    let pebble = pebble_or_skip!(PebbleOptions::default());
    for (algorithm, known_as) in KEYS {
        let certificate = format!("{NAMES}\nprivate_key = {{ algorithm = \"{algorithm}\" }}");
        let keyturn = site(&pebble, &pebble.http(), &certificate);
        passes(&keyturn, &pebble);
        let text = shown(&keyturn, &["-text"]);
        assert!(text.contains(known_as), "{text}");
        assert!(key_fits(&keyturn) && verifies(&keyturn, &pebble.root(0)), "{algorithm}");
    }
}

#[test]
fn a_chain_of_several_intermediates() {
    let pebble = pebble_or_skip!(PebbleOptions { chain_length: 3, ..PebbleOptions::default() });
    let keyturn = site(&pebble, &pebble.http(), NAMES);
    passes(&keyturn, &pebble);
    let chain = keyturn.ok(&["export", "edge", "--part", "fullchain"]);
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 4);
    assert!(verifies(&keyturn, &pebble.root(0)));
}

/// The common name of one of Pebble's roots.
fn root_name(pebble: &Pebble, number: u8) -> String {
    let root = pebble.root(number);
    let (_, pem) = parse_x509_pem(root.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    certificate.subject().iter_common_name().next().unwrap().as_str().unwrap().to_owned()
}

#[test]
fn the_chain_that_is_preferred_is_taken() {
    let pebble = pebble_or_skip!(PebbleOptions { alternate_roots: 2, ..PebbleOptions::default() });
    for number in 0..3 {
        let wanted = format!("preferred_chain = \"{}\"\n{}", root_name(&pebble, number), pebble.http());
        let keyturn = site(&pebble, &wanted, NAMES);
        passes(&keyturn, &pebble);
        for other in 0..3 {
            assert_eq!(verifies(&keyturn, &pebble.root(other)), other == number, "{number} {other}");
        }
    }
}

#[test]
fn a_preferred_chain_that_is_not_offered_is_no_obstacle_and_is_told() {
    let pebble = pebble_or_skip!(PebbleOptions { alternate_roots: 1, ..PebbleOptions::default() });
    let wanted = format!("preferred_chain = \"Nobody\"\n{}", pebble.http());
    let keyturn = site(&pebble, &wanted, NAMES);
    let said = passes(&keyturn, &pebble);
    assert!(said.contains("no chain up to `Nobody`"), "{said}");
    assert!(verifies(&keyturn, &pebble.root(0)));
}
