//! Accounts that the CA knows beforehand (external account binding, RFC 8555 §7.3.4).

use super::pebble_or_skip;
use super::site::{fails, passes, site};
use crate::support::{Keyturn, Pebble, PebbleOptions};

const KID: &str = "kid-1";
const HMAC: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
const OTHER: &str = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyb3Ro";

fn options() -> PebbleOptions {
    PebbleOptions { eab: Some((KID.to_owned(), HMAC.to_owned())), ..PebbleOptions::default() }
}

/// A site whose account is bound by `kid` and the key in `eab.key`.
fn bound(pebble: &Pebble, kid: &str, hmac: &str) -> Keyturn {
    let eab = format!("eab = {{ kid = \"{kid}\", hmac_file = \"eab.key\" }}\n{}", pebble.http());
    let keyturn = site(pebble, &eab, "dns_names = [\"edge.test\"]");
    keyturn.write("eab.key", &format!("{hmac}\n"));
    keyturn
}

#[test]
fn an_account_is_bound() {
    let pebble = pebble_or_skip!(options());
    passes(&bound(&pebble, KID, HMAC), &pebble);
    assert_eq!((pebble.counts().accounts, pebble.counts().issued.len()), (1, 1));
}

#[test]
fn a_binding_that_the_ca_wants_is_asked_for() {
    let pebble = pebble_or_skip!(options());
    let said = fails(&site(&pebble, &pebble.http(), "dns_names = [\"edge.test\"]"));
    assert!(said.contains("KT-ISSUE-FAILED") && said.contains("write eab = {"), "{said}");
    // The CA was asked for its directory, and for nothing that it would refuse.
    assert_eq!((pebble.counts().accounts, pebble.counts().requests_to("/sign-me-up")), (0, 0));
}

#[test]
fn a_binding_by_another_key_is_refused_in_the_cas_words() {
    let pebble = pebble_or_skip!(options());
    for (kid, hmac) in [(KID, OTHER), ("kid-2", HMAC)] {
        let said = fails(&bound(&pebble, kid, hmac));
        assert!(said.contains("KT-ISSUE-FAILED") && said.contains(&pebble.directory()), "{said}");
        assert!(said.to_lowercase().contains("external") || said.contains("unauthorized"), "{said}");
        assert!(!said.contains(hmac), "{said}");
    }
    assert_eq!((pebble.counts().accounts, pebble.counts().orders), (0, 0));
}
