//! The real peers of the ACME tests: that each starts, is what the tests take it for, and does what its helpers say.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nix::sys::signal::Signal;
use serde_json::Value;
use support::{
    Acme2certifier, Acme2certifierOptions, Ari, Bind, BindOptions, ChallTestSrv, Lego, Namespace, OpenBao,
    OpenBaoOptions, Pebble, PebbleOptions, Place, Proof, command, engine_or_skip, lego, must, skip_without,
    wait_for,
};
use x509_parser::prelude::ParsedExtension;

/// The directory, asked for over TLS with the peer's own CA.
fn directory(place: &Place, url: &str) -> Value {
    let text = place.get(url).unwrap_or_else(|| panic!("{url} does not answer"));
    serde_json::from_str(&text).unwrap()
}

fn is_running(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[test]
fn pebble_answers_and_counts() {
    skip_without!(Pebble);
    let pebble = Pebble::start();
    assert!(directory(pebble.place(), &pebble.directory())["newOrder"].is_string());
    let counts = pebble.counts();
    assert_eq!((counts.orders, counts.accounts, counts.nonces()), (0, 0, 0));
    assert!(counts.requests_to("/dir") > 0 && counts.issued.is_empty(), "{counts:?}");
    assert_eq!(pebble.certificate_status("0123"), None);
    assert!(pebble.is_alive());
}

#[test]
fn pebble_has_the_chains_and_accounts_that_are_asked_for() {
    skip_without!(Pebble);
    let eab = Some((
        "kid-1".to_owned(),
        "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W".to_owned(),
    ));
    let pebble =
        PebbleOptions { alternate_roots: 1, chain_length: 2, eab, ..PebbleOptions::default() }.start();
    assert_ne!(pebble.root(0), pebble.root(1));
    assert!(pebble.intermediate(0).starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(pebble.manage("roots/2"), None);
    let directory = directory(pebble.place(), &pebble.directory());
    assert_eq!(directory["meta"]["externalAccountRequired"], true);
}

#[test]
fn pebble_that_hangs_is_noticed_and_its_end_leaves_nothing() {
    skip_without!(Pebble);
    let mut pebble = Pebble::start();
    let watch = pebble.watch();
    pebble.signal(Signal::SIGSTOP);
    assert!(wait_for(Duration::from_secs(30), || watch.has_hung()));
    drop(watch);
    pebble.kill();
    pebble.boot();
    let (pid, folder) = (pebble.pid(), pebble.place().dir().to_owned());
    assert!(is_running(pid) && folder.exists());
    drop(pebble);
    assert!(!is_running(pid) && !folder.exists());
}

#[test]
fn pebble_lives_beside_an_engine() {
    let engine = engine_or_skip!();
    skip_without!(Pebble);
    let pebble = Pebble::beside(&engine);
    assert!(directory(pebble.place(), &pebble.directory())["newOrder"].is_string());
    // From here that network cannot be reached.
    let outside = command("curl", ["-ksS", "-m", "5", &pebble.directory()]).output().unwrap();
    assert!(!outside.status.success());
}

#[test]
fn bind_takes_updates_by_tsig_only_and_tells_its_secondary() {
    skip_without!(Bind);
    let bind = BindOptions { secondary: true, ..BindOptions::default() }.start();
    let name = "_acme-challenge.example.test";
    assert!(bind.update(&format!("add {name}. 1 TXT \"one\"\nadd {name}. 1 TXT \"two\"")).ok());
    assert_eq!(bind.txt(bind.address(), name), ["one", "two"]);
    assert!(wait_for(Duration::from_secs(10), || bind.txt(bind.secondary(), name) == ["one", "two"]));
    assert_eq!(bind.updates(), 2);
    assert_eq!(bind.query(bind.secondary(), "example.test", "NS").len(), 2);
    let wrong = r#"key "keyturn" { algorithm hmac-sha256; secret "d3Jvbmc="; };"#;
    fs::write(bind.key_file(), wrong).unwrap();
    assert!(!bind.update(&format!("del {name}. TXT")).ok());
    assert_eq!(bind.txt(bind.address(), name), ["one", "two"]);
}

#[test]
fn bind_answers_for_delegated_challenges() {
    skip_without!(Bind);
    let bind = Bind::start();
    bind.delegate("www.example.test", "www.delegated.test");
    assert!(bind.update("add www.delegated.test. 1 TXT \"there\"").ok());
    assert_eq!(bind.txt(bind.address(), "_acme-challenge.www.example.test"), ["there"]);
}

#[test]
fn bind_has_port_53_and_a_late_secondary_in_a_network_of_its_own() {
    if let Some(reason) = support::missing().or_else(Bind::missing) {
        return support::skipped("bind_has_port_53_and_a_late_secondary_in_a_network_of_its_own", &reason);
    }
    let own = Namespace::new("names");
    let options = BindOptions { secondary: true, lag: 4, port_53: true, ..BindOptions::default() };
    let mut bind = options.inside(own.network());
    assert_eq!(bind.query(bind.address(), "ns2.example.test", "A"), ["127.0.2.2"]);
    assert!(bind.update("add late.example.test. 1 TXT \"x\"").ok());
    assert!(bind.txt(bind.secondary(), "late.example.test").is_empty());
    assert!(wait_for(Duration::from_secs(20), || bind.txt(bind.secondary(), "late.example.test") == ["x"]));
    bind.kill_secondary();
    assert!(bind.query(bind.secondary(), "example.test", "SOA").is_empty());
}

/// What OpenSSL says of the first certificate of a chain.
fn shown(chain: &str, what: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chain.pem");
    fs::write(&file, chain).unwrap();
    must(command("openssl", ["x509", "-noout", what, "-in", file.to_str().unwrap()]))
}

/// Whether a chain leads to a root, by OpenSSL.
fn verifies(chain: &str, root: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let [chain_file, root_file] = ["chain.pem", "root.pem"].map(|name| folder.path().join(name));
    fs::write(&chain_file, chain).unwrap();
    fs::write(&root_file, root).unwrap();
    let mut openssl = command("openssl", ["verify", "-CAfile"]);
    openssl.arg(root_file).arg("-untrusted").arg(&chain_file).arg(&chain_file);
    openssl.output().unwrap().status.success()
}

/// RFC 9773 §4.1.
fn certificate_id(chain: &str) -> String {
    let (_, pem) = x509_parser::pem::parse_x509_pem(chain.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    let aki = certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(aki) => aki.key_identifier.as_ref(),
        _ => None,
    });
    let [aki, serial] = [aki.unwrap().0, certificate.raw_serial()].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    format!("{aki}.{serial}")
}

#[test]
fn pebble_issues_by_each_challenge() {
    skip_without!(Pebble, Bind, Lego);
    let bind = Bind::start();
    let pebble =
        PebbleOptions { nonce_reject: 0, dns: Some(bind.address()), ..PebbleOptions::default() }.start();
    let http = Proof::Http(([127, 0, 0, 1], pebble.http_port()).into());
    let tls = Proof::Tls(([127, 0, 0, 1], pebble.tls_port()).into());
    for (proof, name) in [(http, "h.test"), (tls, "t.test"), (Proof::Dns(&bind), "*.example.test")] {
        let chain = lego(pebble.place(), &pebble.directory(), &pebble.ca_file(), &proof, &[name], &[]);
        assert!(verifies(&chain, &pebble.root(0)), "{name}");
    }
    let counts = pebble.counts();
    assert_eq!((counts.orders, counts.finalizations, counts.accounts, counts.validations), (3, 3, 3, 3));
    assert_eq!(counts.issued.len(), 3);
    assert_eq!(pebble.certificate_status(&counts.issued[0]).unwrap()["Status"], "Valid");
    assert!(bind.updates() > 0);
}

#[test]
fn pebble_validates_with_a_dns_that_the_test_sets() {
    skip_without!(Pebble, Lego);
    let pebble = PebbleOptions { nonce_reject: 0, validity: Some(300), ..PebbleOptions::default() }.start();
    let dns = pebble.dns();
    dns.add_txt("there.test", "one");
    dns.set_cname("_acme-challenge.a.test", "there.test");
    dns.set_a("a.test", &["127.0.0.9"]);
    let asked = |kind: &str, name: &str| {
        let port = dns.address().port().to_string();
        must(command("dig", ["+short", "-p", &port, "@127.0.0.1", name, kind]))
    };
    assert!(asked("TXT", "_acme-challenge.a.test").contains("\"one\""));
    assert_eq!(asked("A", "a.test"), "127.0.0.9");
    dns.clear_a("a.test");
    assert_eq!(asked("A", "a.test"), "127.0.0.1");
    let proof = Proof::Http(([127, 0, 0, 1], pebble.http_port()).into());
    let chain = lego(pebble.place(), &pebble.directory(), &pebble.ca_file(), &proof, &["a.test"], &[]);
    assert!(shown(&chain, "-dates").contains("notAfter"));
}

#[test]
fn acme2certifier_has_ari_and_profiles() {
    skip_without!(Acme2certifier, Lego);
    let mut ca = Acme2certifier::start();
    let root = ca.root().to_owned();
    let listed = directory(ca.place(), &ca.directory());
    assert!(
        listed["renewalInfo"].is_string() && listed["meta"]["profiles"]["shortlived"].is_string(),
        "{listed}"
    );
    assert_eq!((ca.orders(), ca.renewal_infos()), (0, 0));

    let proof = Proof::Http(([127, 0, 0, 1], ca.place().port().number()).into());
    let chain = lego(ca.place(), &ca.directory(), &ca.ca_file(), &proof, &["www.example.test"], &[]);
    assert!(verifies(&chain, &root));
    assert_eq!((ca.orders(), ca.issued().len()), (1, 1));

    let id = certificate_id(&chain);
    assert_eq!(ca.profiles_ordered(), [""]);
    let later = ca.renewal_info(&id).unwrap()["suggestedWindow"]["start"].take();
    ca.set_ari(Some(Ari { forced: true, ..Ari::default() }));
    let now = ca.renewal_info(&id).unwrap()["suggestedWindow"]["start"].take();
    assert!(now.as_str().unwrap() < later.as_str().unwrap(), "{now} {later}");
    assert_eq!(ca.renewal_infos(), 2);
    ca.set_ari(None);
    assert_eq!(directory(ca.place(), &ca.directory())["renewalInfo"], Value::Null);
}

#[test]
fn acme2certifier_validates_and_binds_accounts_in_a_network_of_its_own() {
    if let Some(reason) = support::missing() {
        return support::skipped(
            "acme2certifier_validates_and_binds_accounts_in_a_network_of_its_own",
            &reason,
        );
    }
    skip_without!(Acme2certifier, Bind, Lego);
    let own = Namespace::new("a2c");
    let bind = BindOptions { port_53: true, ..BindOptions::default() }.inside(own.network());
    let (kid, hmac) = ("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W");
    let eab = Some((kid.to_owned(), hmac.to_owned()));
    let resolver = Some(bind.address().ip());
    let ca =
        Acme2certifierOptions { eab, resolver, ..Acme2certifierOptions::default() }.inside(own.network());
    assert_eq!(directory(ca.place(), &ca.directory())["meta"]["externalAccountRequired"], true);
    let more = ["--eab", "--kid", kid, "--hmac", hmac];
    let http = Proof::Http(([127, 0, 0, 1], 80).into());
    for (proof, name) in [(http, "www.example.test"), (Proof::Dns(&bind), "mail.example.test")] {
        lego(ca.place(), &ca.directory(), &ca.ca_file(), &proof, &[name], &more);
    }
    assert_eq!(ca.issued().len(), 2);
}

#[test]
fn openbao_issues_without_ari() {
    skip_without!(OpenBao, Bind, Lego);
    let bind = Bind::start();
    let bao = OpenBaoOptions { validity: 600, eab: true, ..OpenBaoOptions::new(bind.address()) }.start();
    let listed = directory(bao.place(), &bao.directory());
    assert!(listed["newOrder"].is_string() && listed.get("renewalInfo").is_none(), "{listed}");
    assert_eq!((bao.orders(), &listed["meta"]["externalAccountRequired"]), (0, &Value::Bool(true)));
    let (kid, hmac) = bao.new_eab();
    let more = ["--eab", "--kid", &kid, "--hmac", &hmac];
    let names = ["example.test", "*.example.test"];
    let chain = lego(bao.place(), &bao.directory(), &bao.ca_file(), &Proof::Dns(&bind), &names, &more);
    assert!(verifies(&chain, bao.root()));
    assert_eq!(bao.orders(), 1);
}

#[test]
fn openbao_validates_by_http_in_a_network_of_its_own() {
    if let Some(reason) = support::missing() {
        return support::skipped("openbao_validates_by_http_in_a_network_of_its_own", &reason);
    }
    skip_without!(OpenBao, ChallTestSrv, Lego);
    let own = Namespace::new("bao");
    let dns = ChallTestSrv::start(Arc::new(Place::new(Some(own.network()))));
    let bao = OpenBaoOptions::new(dns.address()).inside(own.network());
    for proof in [Proof::Http(([127, 0, 0, 1], 80).into()), Proof::Tls(([127, 0, 0, 1], 443).into())] {
        let chain = lego(bao.place(), &bao.directory(), &bao.ca_file(), &proof, &["www.example.test"], &[]);
        assert!(verifies(&chain, bao.root()));
    }
}
