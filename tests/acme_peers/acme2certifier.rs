//! acme2certifier: renewal information, profiles, and a CA whose word on revocation is a file.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::own_network_or_skip;
use super::site::{HTTP, ahead, passes, serial, site, twin};
use crate::support::{
    Acme2certifier, Acme2certifierOptions, Ari, Bind, BindOptions, Keyturn, Namespace, command, must,
};

const NAMES: &str = r#"dns_names = ["www.example.test"]"#;
/// Its Retry-After, in seconds; the tests are done before it has passed.
const AGAIN: u32 = 170;

/// One that really looks.
fn start(own: &Namespace) -> (Acme2certifier, Bind) {
    let bind = BindOptions { port_53: true, ..BindOptions::default() }.inside(own.network());
    let resolver = Some(bind.address().ip());
    let ari = Some(Ari { retry_after: AGAIN, ..Ari::default() });
    let options = Acme2certifierOptions { resolver, ari, ..Acme2certifierOptions::default() };
    (options.inside(own.network()), bind)
}

/// The window that Keyturn keeps, and the moment in it.
fn advised(keyturn: &Keyturn) -> (Timestamp, Timestamp, Timestamp) {
    let renewal = keyturn.status("edge")["renewal"].take();
    let time = |value: &Value| -> Timestamp { value.as_str().unwrap().parse().unwrap() };
    (time(&renewal["window"]["start"]), time(&renewal["window"]["end"]), time(&renewal["chosen"]))
}

fn is_listed(ca: &Acme2certifier, keyturn: &Keyturn, serial: &str) -> bool {
    let Some(list) = ca.crl() else { return false };
    let file = keyturn.write("crl.pem", &list);
    must(command("openssl", ["crl", "-noout", "-text", "-in", file.to_str().unwrap()])).contains(serial)
}

#[test]
fn it_is_renewed_when_its_ca_suggests_it_and_names_what_it_replaces() {
    let own = own_network_or_skip!(Acme2certifier, Bind);
    let (mut ca, _bind) = start(&own);
    let mut keyturn = site(own.network(), &ca.issuer("ca", HTTP), NAMES);
    passes(&keyturn, ca.root());
    let (start, end, chosen) = advised(&keyturn);
    let life = keyturn.status("edge");
    let [from, to] = ["not_before", "not_after"]
        .map(|key| life[key].as_str().unwrap().parse::<Timestamp>().unwrap().as_second());
    let share = (start.as_second() - from) as f64 / (to - from) as f64;
    assert!((share - 0.66).abs() < 0.01 && start <= chosen && chosen <= end, "{life:#}");

    // The CA thinks otherwise now; it is not asked before the Retry-After that it has sent.
    ca.set_ari(Some(Ari { threshold: 0, window: 86_400, retry_after: AGAIN, forced: false }));
    let asked = ca.renewal_infos();
    assert!(passes(&keyturn, ca.root()).contains("nothing to do"));
    assert_eq!((ca.renewal_infos(), advised(&keyturn)), (asked, (start, end, chosen)));
    ahead(&mut keyturn, i64::from(AGAIN) + 1);
    passes(&keyturn, ca.root());
    assert_eq!((ca.renewal_infos(), ca.orders()), (asked + 1, 1));
    let (start, end, chosen) = advised(&keyturn);
    assert_eq!((start.as_second(), end.as_second()), (from, from + 86_400));

    // It is kept: the CA thinks otherwise again, but the moment that was drawn has come.
    let first = serial(&keyturn);
    let id = renewal_id(&keyturn);
    ca.set_ari(Some(Ari::default()));
    ahead(&mut keyturn, chosen.as_second() - Timestamp::now().as_second() + 1);
    let said = passes(&keyturn, ca.root());
    assert!(said.contains(&format!("its CA suggests to renew it at {chosen}")), "{said}");
    assert_eq!((&keyturn.status("edge")["revision"], ca.orders()), (&json!(2), 2));
    assert_ne!(serial(&keyturn), first);
    let replaces: Vec<Value> = ca.wishes().iter().map(|wish| wish["replaces"].clone()).collect();
    assert_eq!(replaces, [Value::Null, json!(id)]);
}

/// RFC 9773 §4.1, by OpenSSL.
fn renewal_id(keyturn: &Keyturn) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let file = keyturn.write("leaf.pem", &keyturn.ok(&["export", "edge", "--part", "certificate"]));
    let ext = ["x509", "-noout", "-ext", "authorityKeyIdentifier", "-in", file.to_str().unwrap()];
    let text = must(command("openssl", ext));
    let key = text.lines().nth(1).unwrap().trim().trim_start_matches("keyid:").replace(':', "");
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let mut serial = bytes(&serial(keyturn));
    if serial[0] > 0x7f {
        serial.insert(0, 0);
    }
    format!("{}.{}", URL_SAFE_NO_PAD.encode(bytes(&key)), URL_SAFE_NO_PAD.encode(serial))
}

#[test]
fn the_profile_that_is_asked_for_is_ordered_also_for_an_address() {
    let own = own_network_or_skip!(Acme2certifier, Bind);
    let (ca, _bind) = start(&own);
    let issuer = ca.issuer("ca", &format!("profile = \"shortlived\"\n{HTTP}"));
    let keyturn = site(own.network(), &issuer, r#"ip_addresses = ["127.0.0.1"]"#);
    passes(&keyturn, ca.root());
    assert_eq!(ca.profiles_ordered(), ["shortlived"]);
    let file = keyturn.dir().join("certificate").display().to_string();
    let names = must(command("openssl", ["x509", "-noout", "-ext", "subjectAltName", "-in", &file]));
    assert!(names.contains("IP Address:127.0.0.1"), "{names}");

    let other = site(own.network(), &issuer.replace("shortlived", "classic"), NAMES);
    let ran = other.run(&["run"]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    let words = format!("{}: it has no profile `classic`: it has shortlived, tlsserver", ca.directory());
    assert!(ran.stderr.contains(&words) && ran.stderr.contains("KT-ISSUE-FAILED"), "{ran:#?}");
    assert_eq!(ca.wishes().len(), 1, "it was not even asked for");
}

#[test]
fn what_someone_else_has_had_revoked_is_replaced_when_the_ca_says_so() {
    let own = own_network_or_skip!(Acme2certifier, Bind);
    let (mut ca, _bind) = start(&own);
    let mut keyturn = site(own.network(), &ca.issuer("ca", HTTP), NAMES);
    passes(&keyturn, ca.root());
    let first = serial(&keyturn);
    assert!(!is_listed(&ca, &keyturn, &first));
    let other = twin(&keyturn, own.network());
    other.ok(&["revoke", "edge", "--now", "--reason", "superseded"]);
    assert!(is_listed(&ca, &keyturn, &first));
    assert_eq!((keyturn.status("edge")["revision"].take(), ca.orders()), (json!(1), 2));

    ca.set_ari(Some(Ari { retry_after: AGAIN, forced: true, ..Ari::default() }));
    ahead(&mut keyturn, i64::from(AGAIN) + 1);
    let said = passes(&keyturn, ca.root());
    assert!(said.contains("its CA suggests to renew it at"), "{said}");
    assert_ne!(serial(&keyturn), first);
}

#[test]
fn it_revokes_by_the_account_and_what_is_compromised() {
    let own = own_network_or_skip!(Acme2certifier, Bind);
    let (ca, _bind) = start(&own);
    let keyturn = site(own.network(), &ca.issuer("ca", HTTP), NAMES);
    passes(&keyturn, ca.root());
    let first = serial(&keyturn);
    keyturn.ok(&["revoke", "edge", "--reason", "superseded"]);
    let second = serial(&keyturn);
    keyturn.ok(&["rotate", "--compromised", "edge"]);
    for one in [&first, &second] {
        assert!(is_listed(&ca, &keyturn, one), "{one}: {:?}", ca.crl());
    }
    let states: Vec<Value> =
        keyturn.status("edge")["revisions"].as_array().unwrap().iter().map(|r| r["state"].clone()).collect();
    assert_eq!(states, ["revoked", "revoked", "active"]);
}
