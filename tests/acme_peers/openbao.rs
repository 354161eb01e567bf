//! OpenBao: no renewal information, so its certificates are renewed by their age, and its revocation list is read.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::own_network_or_skip;
use super::site::{HTTP, ahead, passes, serial, site};
use crate::support::{ChallTestSrv, Namespace, OpenBao, OpenBaoOptions, Place, wait_for};

const NAMES: &str = r#"dns_names = ["www.example.test"]"#;
/// A CA that does not say when to ask again is asked after this, in seconds.
const AGAIN: i64 = 6 * 3600;

fn names(own: &Namespace) -> ChallTestSrv {
    ChallTestSrv::start(Arc::new(Place::new(Some(own.network()))))
}

/// Requests to revoke: how many it has done, and refused.
fn revocations(ca: &OpenBao) -> (usize, usize) {
    let count = |status| ca.requests("pki/acme/revoke-cert", status);
    (count(200), [400, 401, 403, 404, 500].map(count).iter().sum())
}

#[test]
fn a_bound_account_and_a_renewal_by_age_alone() {
    let own = own_network_or_skip!(OpenBao, ChallTestSrv);
    let dns = names(&own);
    // With the half minute that it puts its start back they live for two; half of that is given up.
    let options = OpenBaoOptions { validity: 90, eab: true, ..OpenBaoOptions::new(dns.address()) };
    let ca = options.inside(own.network());
    let lines = format!("{NAMES}\nrenew_before = \"1/2\"");
    let unbound = site(own.network(), &ca.issuer("ca", HTTP), &lines).run(&["run"]);
    assert!(unbound.stderr.contains("write eab = {") && unbound.code == Some(1), "{unbound:#?}");

    let (kid, hmac) = ca.new_eab();
    let eab = format!("eab = {{ kid = \"{kid}\", hmac_file = \"eab.key\" }}\n{HTTP}");
    let alpn = "[certificates.mail]\nissuers = [\"ca\"]\ndns_names = [\"mail.example.test\"]\n\
                challenge = { kind = \"tls-alpn-01\", listen = \"127.0.0.1:443\" }\nrenew_before = \"1/2\"";
    let keyturn = site(own.network(), &ca.issuer("ca", &eab), &format!("{lines}\n{alpn}"));
    keyturn.write("eab.key", &hmac);
    passes(&keyturn, ca.root());
    let first = keyturn.status("edge");
    assert_eq!((&first["revision"], &keyturn.status("mail")["state"]), (&json!(1), &json!("active")));
    assert_eq!(
        (&first["renewal"]["window"], &first["renewal"]["revoked_since"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(ca.orders(), 2);

    let renewed = || {
        passes(&keyturn, ca.root());
        ["edge", "mail"].iter().all(|asset| keyturn.status(asset)["revision"] != 1)
    };
    assert!(wait_for(Duration::from_secs(100), renewed), "{first:#}");
    let second = keyturn.status("edge");
    assert!(second["issued_at"].as_str() >= first["renew_at"].as_str(), "{first} {second}");
    assert_ne!(first["serial"], second["serial"]);
    assert_eq!(ca.requests("pki/acme/new-account", 201), 1, "one account");
}

/// Its revocation list is handed out over https, by a certificate that only `ca_file` vouches for.
#[test]
fn what_its_operator_has_revoked_is_replaced_by_itself() {
    let own = own_network_or_skip!(OpenBao, ChallTestSrv);
    let dns = names(&own);
    let ca = OpenBaoOptions::new(dns.address()).inside(own.network());
    let mut keyturn = site(own.network(), &ca.issuer("ca", HTTP), NAMES);
    passes(&keyturn, ca.root());
    let first = serial(&keyturn);
    assert_eq!(ca.requests("pki/crl", 200), 1, "it was asked at once whether it stands");
    ca.revoke(&first);
    assert!(passes(&keyturn, ca.root()).contains("nothing to do"), "it is not asked at each pass");

    ahead(&mut keyturn, AGAIN + 60);
    let said = passes(&keyturn, ca.root());
    assert!(said.contains("its CA has revoked revision 1"), "{said}");
    let status = keyturn.status("edge");
    assert_eq!((&status["revision"], &status["problems"]), (&json!(2), &json!([])), "{status:#}");
    assert_ne!(serial(&keyturn), first);
    assert_eq!((ca.orders(), revocations(&ca)), (2, (0, 0)));
}

#[test]
fn it_revokes_by_the_account_by_the_certificates_key_and_what_is_compromised() {
    let own = own_network_or_skip!(OpenBao, ChallTestSrv);
    let dns = names(&own);
    let ca = OpenBaoOptions::new(dns.address()).inside(own.network());
    let keyturn = site(own.network(), &ca.issuer("ca", HTTP), NAMES);
    passes(&keyturn, ca.root());
    let wishes: [&[&str]; 3] = [
        &["revoke", "edge", "--reason", "superseded"],
        // Proven by the key itself.
        &["revoke", "edge", "--reason", "key-compromise"],
        &["rotate", "--compromised", "edge"],
    ];
    for (done, wish) in wishes.iter().enumerate() {
        let old = serial(&keyturn);
        assert!(!ca.has_revoked(&old));
        keyturn.ok(wish);
        assert!(ca.has_revoked(&old), "{wish:?}");
        // OpenBao takes no reason: once with it, once without, and neither way has stood in for the other.
        assert_eq!(revocations(&ca), (done + 1, done + 1), "{wish:?}\n{}", ca.log());
        let new = serial(&keyturn);
        assert!(new != old && !ca.has_revoked(&new));
    }
    passes(&keyturn, ca.root());
    assert_eq!(keyturn.status("edge")["revision"], 4);
}
