//! ACME issuers, challenges, and the certificates that they are to issue.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use insta::assert_snapshot;

use super::{CA, faults, parse, warnings};
use crate::config::{
    AcmeIssuer, Certificate, Challenge, Config, DnsPublisher, Environment, HttpAnswer, duration_text,
};
use crate::model::{Limits, Rate};

/// The design's issuer, and all its ways to write a challenge.
const EXAMPLE: &str = r#"
[daemon]
state_key_file = "credential:state-key"
listen         = "127.0.0.1:9780"
public_listen  = "0.0.0.0:9781"

[issuers.letsencrypt]
kind      = "acme"
server    = "https://acme-v02.api.letsencrypt.org/directory"
email     = "ops@example.org"
ca_file   = "pebble.pem"
profile   = "tlsserver"
preferred_chain = "ISRG Root X1"
eab       = { kid = "kid-1", hmac_file = "eab.key" }
challenge = { kind = "http-01", listen = "0.0.0.0:5002" }

[issuers.zerossl]
kind      = "acme"
server    = "https://acme.zerossl.com/v2/DV90"
eab       = { kid = "kid-2", hmac_file = "credential:zerossl" }
challenge = { kind = "http-01", webroot = "/srv/acme" }

[issuers.alpn]
kind      = "acme"
server    = "https://[::1]:14000/dir"
challenge = { kind = "tls-alpn-01", listen = "0.0.0.0:5001" }

[issuers.proxied]
kind      = "acme"
server    = "https://ca.internal.example/acme"
email     = "mailto:ops@example.org"
challenge = { kind = "http-01" }
concurrency = 1

[certificates.edge]
issuers      = ["letsencrypt", "zerossl"]
common_name  = "example.org"
dns_names    = ["example.org", "*.example.org"]
ip_addresses = []
usages       = ["server-auth"]
private_key  = { algorithm = "ecdsa-p256", rotation = "always" }
duration     = "90d"
renew_before = "1/3"
challenge    = { kind = "dns-01", provider = "cloudflare", token_file = "credential:cf" }

[certificates.signed]
issuers   = ["letsencrypt"]
dns_names = ["*.example.org"]
challenge = { kind = "dns-01", provider = "rfc2136", server = "192.0.2.53:53", key_name = "keyturn", key_file = "tsig.key", resolvers = ["127.0.0.1:53", "::1"], propagation = "0s" }

[certificates.hooked]
issuers   = ["zerossl"]
dns_names = ["*.example.org"]
challenge = { kind = "dns-01", hook = "hooks/dns-example" }

[certificates.plain]
issuers   = ["alpn", "proxied"]
dns_names = ["example.org"]
"#;

fn parse_example(text: &str) -> Config {
    let environment = Environment::with_credentials("/run/credentials/keyturn.service");
    Config::parse_in(text, Path::new("/etc/keyturn/keyturn.toml"), &environment)
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn issuer(name: &str) -> AcmeIssuer {
    parse_example(EXAMPLE).acme_issuers()[name].clone()
}

fn challenge(certificate: &str) -> Challenge {
    parse_example(EXAMPLE).certificates()[certificate].challenge().unwrap().clone()
}

/// One ACME issuer that is not Let's Encrypt, with `rest`.
fn acme(name: &str, rest: &str) -> String {
    format!("[issuers.{name}]\nkind = \"acme\"\nserver = \"https://{name}.example/dir\"\n{rest}\n")
}

/// [`acme`] with a challenge, and a certificate of it; its table begins in line 5.
fn ordered(rest: &str) -> String {
    acme("pebble", "challenge = { kind = \"http-01\" }") + &format!("[certificates.edge]\n{rest}\n")
}

#[test]
fn the_designs_examples_are_good() {
    let config = parse_example(EXAMPLE);
    let lines: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    assert_snapshot!(lines.join("\n"), @"");
    assert_eq!(config.certificates()["edge"].issuers(), ["letsencrypt", "zerossl"]);
    assert_eq!(config.assets().count(), 4, "an ACME issuer is no asset");
}

#[test]
fn an_issuer_is_typed() {
    let one = issuer("letsencrypt");
    assert_eq!(one.server(), "https://acme-v02.api.letsencrypt.org/directory");
    assert_eq!((one.email(), one.profile()), (Some("ops@example.org"), Some("tlsserver")));
    assert_eq!(one.ca_file(), Some(Path::new("/etc/keyturn/pebble.pem")));
    assert_eq!(one.preferred_chain(), Some("ISRG Root X1"));
    let eab = one.eab().unwrap();
    assert_eq!((eab.kid(), eab.hmac_file()), ("kid-1", Path::new("/etc/keyturn/eab.key")));
    assert_eq!((one.concurrency(), one.limits()), (8, Limits::LETS_ENCRYPT));
    assert_eq!(
        one.challenge(),
        Some(&Challenge::Http01(HttpAnswer::Listen("0.0.0.0:5002".parse().unwrap())))
    );
    let other = issuer("zerossl");
    let hmac = Path::new("/run/credentials/keyturn.service/zerossl");
    assert_eq!((other.eab().unwrap().hmac_file(), other.limits()), (hmac, Limits::default()));
    assert_eq!(other.challenge(), Some(&Challenge::Http01(HttpAnswer::Webroot("/srv/acme".into()))));
    let alpn = Challenge::TlsAlpn01 { listen: "0.0.0.0:5001".parse().unwrap() };
    assert_eq!(issuer("alpn").challenge(), Some(&alpn));
    assert_eq!((issuer("proxied").email(), issuer("proxied").concurrency()), (Some("ops@example.org"), 1));
}

#[test]
fn without_an_address_http_01_is_answered_where_everyone_may_ask() {
    let answered = |text: &str| match parse_example(text).acme_issuers()["proxied"].challenge() {
        Some(Challenge::Http01(HttpAnswer::Listen(address))) => address.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(answered(EXAMPLE), "0.0.0.0:9781");
    assert_eq!(answered(&EXAMPLE.replace("public_listen", "#")), "127.0.0.1:9780");
}

#[test]
fn a_dns_challenge_is_typed() {
    let Challenge::Dns01(dns) = challenge("signed") else { panic!("dns-01") };
    let resolvers: Vec<String> = dns.resolvers().iter().map(ToString::to_string).collect();
    assert_eq!(resolvers, ["127.0.0.1:53", "[::1]:53"]);
    assert!(dns.propagation().is_zero());
    let DnsPublisher::Provider { name, settings, secrets } = dns.publisher() else { panic!("a provider") };
    assert_eq!(name, "rfc2136");
    let settings: Vec<(&str, &str)> =
        settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(settings, [("key_name", "keyturn"), ("server", "192.0.2.53:53")]);
    assert_eq!(*secrets, BTreeMap::from([("key".to_owned(), PathBuf::from("/etc/keyturn/tsig.key"))]));
    let Challenge::Dns01(dns) = challenge("hooked") else { panic!("dns-01") };
    assert_eq!(duration_text(dns.propagation()), "5m");
    let DnsPublisher::Hook(hook) = dns.publisher() else { panic!("a hook") };
    assert_eq!(hook.argv(), ["/etc/keyturn/hooks/dns-example"]);
    assert_eq!(duration_text(hook.timeout()), "5m");
    let Challenge::Dns01(dns) = challenge("edge") else { panic!("dns-01") };
    let DnsPublisher::Provider { secrets, .. } = dns.publisher() else { panic!("a provider") };
    assert_eq!(secrets["token"], Path::new("/run/credentials/keyturn.service/cf"));
}

#[test]
fn limits_are_the_cas_unless_said_otherwise() {
    let of = |server: &str, limits: &str| {
        let text = format!("[issuers.ca]\nkind = \"acme\"\nserver = \"https://{server}/dir\"\n{limits}\n");
        parse(&text).unwrap().acme_issuers()["ca"].limits()
    };
    let known = Limits::LETS_ENCRYPT;
    assert_eq!(of("ACME-STAGING-v02.api.letsencrypt.org", ""), known);
    assert_eq!(of("acme-v02.api.letsencrypt.org", "limits = \"none\""), Limits::default());
    assert_eq!(of("api.letsencrypt.org.example", ""), Limits::default());
    let orders = Some(Rate { count: 10, window: jiff::SignedDuration::from_mins(1) });
    let changed = "limits = { orders = \"10/1m\", certificates_per_set = \"none\" }";
    assert_eq!(of("acme-v02.api.letsencrypt.org", changed), Limits { orders, per_set: None, ..known });
    assert_eq!(of("other.example", changed), Limits { orders, ..Limits::default() });
    let all = "limits = { orders = \"300/3h\", certificates_per_domain = \"50/7d\", certificates_per_set = \"5/7d\", \
               failed_authorizations = \"5/1h\" }";
    assert_eq!(of("other.example", all), known);
}

#[test]
fn issuers() {
    assert_snapshot!(faults(
        "[issuers.a]\nkind = \"acme\"\nserver = \"http://a.example/dir\"\nemail = \"ops\"\nprofile = \"tls server\"\n\
         preferred_chain = \"\"\nconcurrency = 65\nlimits = \"some\"\nmust_staple = true\ncommon_name = \"A\"\n\
         eab = { kid = \"\", hmac = \"c2VjcmV0\" }\nca_file = 1\nchallange = {}\n\
         [issuers.b]\nkind = \"acme\"\nserver = \"https://user@b.example/dir\"\nemail = \"mailto:a@b.example,c@b.example\"\n\
         limits = { orders = \"300\", certificates_per_domain = \"0/7d\", failed_authorizations = \"5/0s\", per_set = \"5/7d\" }\n\
         [issuers.c]\nkind = \"acme\"\n[issuers.d]\nkind = \"acme\"\nserver = \"d.example/dir\"\n\
         [issuers.e]\nkind = \"acme\"\nserver = \"https://e.example:0/\"\n\
         [issuers.f]\nkind = \"acme\"\nserver = \"https://f.example/#top\"\neab = { hmac_file = \"credential:f\" }\n"
    ), @"");
}

#[test]
fn challenges() {
    let text = [
        "{ kind = \"http-01\", listen = \"0.0.0.0:80\", webroot = \"/srv\" }",
        "{ kind = \"http-01\", hook = \"x\", provider = \"x\" }",
        "{ kind = \"tls-alpn-01\", listen = \"127.0.0.1:9780\" }",
        "{ kind = \"tls-alpn-01\", webroot = \"/srv\", resolvers = [] }",
        "{ kind = \"dns-1\", token = \"x\" }",
        "{ provider = \"cloudflare\" }",
        "{ kind = \"dns-01\" }",
        "{ kind = \"dns-01\", hook = \"x\", provider = \"cloudflare\" }",
        "{ kind = \"dns-01\", hook = [\"x\"], timeout = \"0s\", resolvers = [], propagation = \"soon\", listen = \"x\" }",
        "{ kind = \"dns-01\", provider = \"cloudfare\", token_file = \"x\" }",
        "{ kind = \"dns-01\", provider = \"cloudflare\", token = \"c2VjcmV0\", timeout = \"1m\" }",
        "{ kind = \"dns-01\", provider = \"cloudflare\", tokn_file = \"x\", token_file = \"credential:cf\" }",
        "{ kind = \"dns-01\", provider = \"rfc2136\", server = \"\", algorithm = \"hmac-md5\", resolvers = [\"localhost\", \"::1\", \"[::1]:53\"] }",
        "\"http-01\"",
    ];
    let issuer =
        |(index, challenge): (usize, &&str)| acme(&format!("i{index}"), &format!("challenge = {challenge}"));
    let text: String = text.iter().enumerate().map(issuer).collect();
    let shown = faults(&text);
    assert!(!shown.contains("c2VjcmV0"), "{shown}");
    assert_snapshot!(shown, @"");
}

#[test]
fn which_issuers() {
    let pebble = acme("pebble", "challenge = { kind = \"http-01\" }");
    let second = CA.replace("internal]", "second]");
    let with = |issuers: &str| {
        format!("{CA}{second}{pebble}[certificates.edge]\ndns_names = [\"a.example\"]\nissuers = {issuers}\n")
    };
    assert_eq!(
        parse(&with("[\"pebble\", \"second\"]")).unwrap().certificates()["edge"].issuers(),
        ["pebble", "second"]
    );
    assert_snapshot!(faults(&with("[\"internal\", \"pebble\", \"second\"]")), @"");
    assert_snapshot!(faults(&with("[\"pebble\", \"pebble\", \"peble\"]")), @"");
    assert_snapshot!(warnings(&with("[\"internal\"]")), @"");
    let only = format!("{pebble}[certificates.edge]\ndns_names = [\"a.example\"]\n");
    assert_eq!(parse(&only).unwrap().certificates()["edge"].issuers(), ["pebble"]);
    // Nothing follows from an issuer that is faulty itself.
    assert_snapshot!(faults("[issuers.a]\nkind = \"acme\"\n[certificates.edge]\ndns_names = [\"*.a.example\"]\nchallenge = { kind = \"dns-01\", hook = \"x\" }\nrenew_before = \"60d\"\n"), @"");
}

#[test]
fn what_a_challenge_cannot_show() {
    let dns = "challenge = { kind = \"dns-01\", hook = \"x\" }";
    assert_snapshot!(faults(&ordered("dns_names = [\"a.example\", \"*.a.example\"]")), @"");
    assert_snapshot!(faults(&ordered("dns_names = [\"*.a.example\"]\nchallenge = { kind = \"tls-alpn-01\" }")), @"");
    assert_snapshot!(faults(&ordered(&format!("ip_addresses = [\"192.0.2.1\"]\n{dns}"))), @"");
    assert_snapshot!(faults(&ordered(&format!("dns_names = [\"*.a.example\"]\nip_addresses = [\"192.0.2.1\"]\n{dns}"))), @"");
    assert_snapshot!(faults(&ordered("dns_names = [\"*.a.example\"]\nip_addresses = [\"192.0.2.1\"]")), @"");
    for good in [
        format!("dns_names = [\"*.a.example\"]\n{dns}"),
        "ip_addresses = [\"192.0.2.1\", \"2001:db8::1\"]".to_owned(),
        "ip_addresses = [\"192.0.2.1\"]\nchallenge = { kind = \"tls-alpn-01\" }".to_owned(),
    ] {
        parse(&ordered(&good)).unwrap_or_else(|errors| panic!("{errors}"));
    }
    let two = acme("a", "challenge = { kind = \"http-01\" }") + &acme("b", "");
    assert_snapshot!(faults(&format!("{two}[certificates.edge]\nissuers = [\"a\", \"b\"]\ndns_names = [\"*.a.example\"]\n")), @"");
    assert_snapshot!(faults(&format!("{CA}{two}[certificates.edge]\nissuers = [\"internal\", \"b\"]\ndns_names = [\"a.example\"]\n")), @"");
    assert_snapshot!(faults(&format!("{CA}[certificates.edge]\ndns_names = [\"a.example\"]\n{dns}\n")), @"");
}

#[test]
fn what_no_public_ca_gives() {
    assert_snapshot!(faults(&ordered(
        "common_name = \"b.example\"\ndns_names = [\"a.example\"]\nusages = [\"server-auth\", \"client-auth\"]\n\
         must_staple = true\n[[certificates.edge.targets]]\nkind = \"file\"\ndir = \"tls\"\nfiles = { a = \"ca\" }"
    )), @"");
    let letsencrypt = ordered(
        "dns_names = [\"a\", \"a_b.example\", \"a.example\"]\nip_addresses = [\"192.0.2.1\"]\nprivate_key = { algorithm = \"ed25519\" }",
    );
    let letsencrypt = letsencrypt.replace("pebble.example", "acme-v02.api.letsencrypt.org");
    assert_snapshot!(faults(&letsencrypt), @"");
    let address =
        ordered("ip_addresses = [\"192.0.2.1\"]").replace("pebble.example", "acme-v02.api.letsencrypt.org");
    assert_snapshot!(warnings(&address), @"");
    assert_snapshot!(warnings(&ordered("dns_names = [\"a\"]\nduration = \"30d\"\nrenew_before = \"60d\"\nprivate_key = { algorithm = \"ed25519\" }")), @"");
}

#[test]
fn an_internal_ca_behind_an_acme_ca_keeps_its_own_rules() {
    let text = format!(
        "{CA}name_constraints = {{ permitted_dns = [\"internal.example\"] }}\n{}[certificates.edge]\n\
         issuers = [\"pebble\", \"internal\"]\ndns_names = [\"a.example\"]\nduration = \"365d\"\nrenew_before = \"400d\"\n",
        acme("pebble", "challenge = { kind = \"http-01\" }")
    );
    assert_snapshot!(faults(&text), @"");
    let text = format!(
        "{CA}{}[certificates.edge]\nissuers = [\"pebble\", \"internal\"]\ndns_names = [\"a.example\"]\n\
         [[certificates.edge.targets]]\nkind = \"file\"\ndir = \"tls\"\nfiles = {{ a = \"ca\" }}\n",
        acme("pebble", "challenge = { kind = \"http-01\" }")
    );
    parse(&text).unwrap_or_else(|errors| panic!("{errors}"));
}

#[test]
fn names_may_be_written_as_people_write_them() {
    let config = parse(&ordered(
        "common_name = \"Bücher.Example\"\ndns_names = [\"bücher.example\", \"STRASSE.example\", \"straße.example\", \"例え.テスト\"]",
    ))
    .unwrap();
    let edge = &config.certificates()["edge"];
    let names =
        ["xn--bcher-kva.example", "strasse.example", "xn--strae-oqa.example", "xn--r8jz45g.xn--zckzah"];
    assert_eq!(edge.dns_names(), names);
    assert_eq!(edge.common_name(), Some("xn--bcher-kva.example"));
    let dns = "challenge = { kind = \"dns-01\", hook = \"x\" }";
    let wild = parse(&ordered(&format!("dns_names = [\"*.Bücher.example\"]\n{dns}"))).unwrap();
    assert_eq!(wild.certificates()["edge"].dns_names(), ["*.xn--bcher-kva.example"]);
    assert_snapshot!(faults(&ordered("dns_names = [\"bücher.example\", \"xn--bcher-kva.example\", \"a\u{301}\u{200b}\u{ff0e}..example\", \"１０.０.０.１\", \"ü ü.example\", \"＊.example\"]")), @"");
}

#[test]
fn only_the_first_issuer_is_part_of_what_a_revision_is_made_for() {
    let issuers = acme("a", "challenge = { kind = \"http-01\" }")
        + &acme("b", "challenge = { kind = \"http-01\" }\nprofile = \"short\"");
    let of = |rest: &str| {
        let text = format!("{CA}{issuers}[certificates.edge]\ndns_names = [\"a.example\"]\n{rest}\n");
        parse(&text).map(|config| Certificate::made_for(&config.certificates()["edge"])).unwrap()
    };
    let base = of("issuers = [\"a\"]");
    assert_eq!(base, "cn=\"\" dns=a.example ip= usages=server-auth key=ecdsa-p256");
    for same in [
        "issuers = [\"a\", \"b\"]",
        "issuers = [\"a\", \"internal\"]\nduration = \"30d\"",
        "issuers = [\"a\"]\nduration = \"30d\"\nrenew_before = \"10d\"",
        "issuers = [\"a\"]\nchallenge = { kind = \"tls-alpn-01\" }",
    ] {
        assert_eq!(base, of(same), "{same}");
    }
    assert_eq!(of("issuers = [\"b\", \"a\"]"), format!("{base} profile=short"));
    let internal = format!("{base} issuer=internal lifetime=90d");
    assert_eq!(of("issuers = [\"internal\"]"), internal);
    assert_eq!(of("issuers = [\"internal\", \"a\"]"), internal);
}
