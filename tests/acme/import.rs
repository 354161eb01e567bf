//! A certificate that another ACME client has left goes on here: nothing is ordered before it is due.

use super::pebble_or_skip;
use super::site::{configuration, site, verifies};
use crate::support::{Keyturn, Lego, Pebble, PebbleOptions, Proof, Ran, lego_pair, skip_without};

const CERTIFICATE: &str = r#"dns_names = ["edge.test"]
[[certificates.edge.targets]]
kind = "file"
dir = "out"
files = { "tls.crt" = "fullchain", "tls.key" = "private-key" }
"#;
const DAY: u64 = 86_400;

/// What lego has left, as certbot would: `fullchain.pem` and `privkey.pem`.
fn left_by_another(keyturn: &Keyturn, pebble: &Pebble) {
    let http = Proof::Http(([127, 0, 0, 1], pebble.http_port()).into());
    // Such keys are PKCS#1 there.
    let (place, more) = (pebble.place(), ["--key-type", "rsa2048"]);
    let (chain, key) = lego_pair(place, &pebble.directory(), &pebble.ca_file(), &http, &["edge.test"], &more);
    keyturn.write("fullchain.pem", &chain);
    keyturn.write("privkey.pem", &key);
}

fn import(keyturn: &Keyturn, more: &[&str]) -> Ran {
    keyturn.run(&[&["import", "certificates/edge", "--cert", "fullchain.pem"], more].concat())
}

const WITH_KEY: [&str; 2] = ["--key", "privkey.pem"];

fn refused(ran: &Ran, words: &str) {
    assert!(ran.code == Some(2) && ran.stderr.contains(words), "{words}: {ran:#?}");
}

#[test]
fn what_another_client_left_is_served_until_its_renewal_is_due() {
    skip_without!(Pebble, Lego);
    let pebble = pebble_or_skip!(PebbleOptions { validity: Some(90 * DAY), ..PebbleOptions::default() });
    let mut keyturn = site(&pebble, &pebble.http(), CERTIFICATE);
    left_by_another(&keyturn, &pebble);
    let theirs = pebble.counts();

    let ran = import(&keyturn, &WITH_KEY);
    assert!(ran.ok(), "{ran:#?}");
    let edge = keyturn.status("edge");
    assert_eq!((&edge["state"], &edge["issuer"]), (&"active".into(), &"pebble".into()), "{edge:#}");
    assert_eq!(edge["issued_at"], edge["not_before"], "as old as it is, not as long as it is here");
    assert!(verifies(&keyturn, &pebble.root(0)));
    let read = |file: &str| std::fs::read_to_string(keyturn.dir().join(file)).unwrap();
    assert_eq!(read("out/tls.crt").replace("\n\n", "\n"), read("fullchain.pem").replace("\n\n", "\n"));
    refused(&import(&keyturn, &WITH_KEY), "is the one in use already");
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&(55 * DAY).to_string()));
    keyturn.ok(&["run"]);
    assert_eq!(keyturn.status("edge")["serial"], edge["serial"]);
    assert_eq!(pebble.counts().orders, theirs.orders, "nothing is ordered before it is due");

    keyturn.set("KEYTURN_CLOCK_OFFSET", Some(&(61 * DAY).to_string()));
    keyturn.ok(&["run"]);
    let (renewed, counts) = (keyturn.status("edge"), pebble.counts());
    assert_ne!(renewed["serial"], edge["serial"], "{renewed:#}");
    assert_eq!(
        (counts.orders, counts.accounts),
        (theirs.orders + 1, theirs.accounts + 1),
        "by an account of its own"
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    skip_without!(Pebble, Lego);
    let pebble = pebble_or_skip!(PebbleOptions::default());
    let keyturn = site(&pebble, &pebble.http(), CERTIFICATE);
    left_by_another(&keyturn, &pebble);
    refused(&import(&keyturn, &[]), "certbot has it in privkey.pem");
    refused(&import(&keyturn, &["--key", "fullchain.pem"]), "`CERTIFICATE`, which is no private key");
    refused(&import(&keyturn, &[&WITH_KEY[..], &["--kid", "a"]].concat()), "only JWT keys have a key ID");
    refused(&keyturn.run(&["import", "certificates/edge", "--key", "privkey.pem"]), "--cert FILE");
    let other = CERTIFICATE.replace("edge.test", "other.test");
    let names = site(&pebble, &pebble.http(), &other);
    for file in ["fullchain.pem", "privkey.pem"] {
        names.write(file, &std::fs::read_to_string(keyturn.dir().join(file)).unwrap());
    }
    refused(&import(&names, &WITH_KEY), "is not for other.test");
    let internal = "[issuers.internal]\nkind = \"internal\"\ncommon_name = \"CA\"\n";
    let certificates = format!("[certificates.edge]\nissuers = [\"internal\"]\n{CERTIFICATE}");
    let ours = Keyturn::alone().config(&configuration(internal, &certificates));
    ours.write("fullchain.pem", &std::fs::read_to_string(keyturn.dir().join("fullchain.pem")).unwrap());
    refused(&import(&ours, &[]), "there is nothing to import");
}
