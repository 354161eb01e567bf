//! Every DNS provider of the table: its least configuration is good, and each key that it misses is named.

use insta::assert_snapshot;

use super::{faults, parse, warnings};
use crate::config::dns_providers::{DnsProviderSpec, Form, Key, Need, dns_providers};

/// An issuer with that challenge; it stands in line 4.
fn issuer(challenge: &str) -> String {
    format!(
        "[issuers.a]\nkind = \"acme\"\nserver = \"https://acme.example\"\nchallenge = {{ kind = \"dns-01\", {challenge} }}\n"
    )
}

fn written(key: &Key) -> String {
    let value = match key.form {
        Form::Number => "8".to_owned(),
        Form::Flag => "true".to_owned(),
        Form::OneOf(words) => format!("{:?}", words[0]),
        Form::Url => "\"https://dns.example.org\"".to_owned(),
        Form::Text => "\"x\"".to_owned(),
        Form::Secret => "\"/etc/keyturn/secret\"".to_owned(),
    };
    format!("{} = {value}", key.written())
}

fn with<'k>(spec: &DnsProviderSpec, keys: impl Iterator<Item = &'k Key>) -> String {
    let mut all = vec![format!("provider = {:?}", spec.name)];
    all.extend(keys.map(written));
    issuer(&all.join(", "))
}

#[test]
fn the_least_and_the_most_of_each_are_good() {
    for spec in dns_providers() {
        let least = spec.keys.iter().filter(|key| key.need == Need::Required);
        let unless = spec.keys.iter().filter(|key| matches!(key.need, Need::Unless(_))).take(1);
        for text in [with(spec, least.chain(unless)), with(spec, spec.keys.iter())] {
            let config = parse(&text).unwrap_or_else(|errors| panic!("{}: {errors}", spec.name));
            assert!(!format!("{config:?}").is_empty());
        }
    }
}

#[test]
fn each_key_that_is_missing_is_named() {
    for spec in dns_providers() {
        for missing in spec.keys.iter().filter(|key| key.need == Need::Required) {
            let said = faults(&with(spec, spec.keys.iter().filter(|key| *key != missing)));
            let place = format!("issuers.a.challenge.{}: is missing: {}", missing.written(), missing.what);
            assert!(said.contains(&place), "{said}");
            assert!(said.lines().count() == 1 && said.contains(&format!("; {} takes ", spec.name)), "{said}");
        }
    }
}

/// A secret that is written as a value is refused and repeated nowhere.
#[test]
fn no_secret_is_a_value() {
    for spec in dns_providers() {
        for secret in spec.keys.iter().filter(|key| key.form == Form::Secret) {
            let rest = spec.keys.iter().filter(|key| *key != secret);
            let text = with(spec, rest).replace(" }", &format!(", {} = \"hunter2\" }}", secret.name));
            let said = faults(&text);
            assert!(said.contains(&format!("{}: is a secret", secret.name)), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}

/// Each challenge with what is said of it.
fn said(challenges: &[&str]) -> String {
    let one = |challenge: &&str| {
        let said =
            faults(&issuer(challenge)).replace("keyturn.toml:4:", "").replace("issuers.a.challenge", "…");
        format!("{challenge}\n{said}\n")
    };
    challenges.iter().map(one).collect()
}

#[test]
fn who_writes_the_record() {
    assert_snapshot!(said(&[
        "",
        "provider = \"clodflare\"",
        "provider = \"example\"",
        "provider = 1",
        "provider = \"desec\", token_file = \"/x\", hook = \"x\"",
        "provider = \"desec\", token_file = \"/x\", timeout = \"1m\"",
        "hook = \"\"",
        "hook = \"x\", timeout = \"0s\"",
        "hook = \"x\", token_file = \"/x\"",
    ]), @r#"

    1: ….provider: is missing; write provider = "cloudflare", or hook = "/path/of/a/program"
    provider = "clodflare"
    32: ….provider: `clodflare` is not known; did you mean `cloudflare`?
    provider = "example"
    32: ….provider: `example` is not known; known: acme-dns, alidns, arvancloud, autodns, azuredns, baiducloud, bluecatv2, bunny, cloudflare, cloudns, constellix, cpanel, ddnss, desec, digitalocean, dnsimple, dnsmadeeasy, domeneshop, dreamhost, duckdns, …
    provider = 1
    32: ….provider: must be text, and is a number
    provider = "desec", token_file = "/x", hook = "x"
    32: ….provider: stands beside hook; one of them writes the record
    provider = "desec", token_file = "/x", timeout = "1m"
    71: ….timeout: belongs to a hook
    hook = ""
    32: ….hook: is empty
    hook = "x", timeout = "0s"
    44: ….timeout: must be at least 1s
    hook = "x", token_file = "/x"
    44: ….token_file: unknown key; known: kind, resolvers, name_servers, propagation, listen, webroot, hook, provider, timeout
    "#);
}

#[test]
fn keys_of_providers() {
    assert_snapshot!(said(&[
        "provider = \"cloudflare\"",
        "provider = \"cloudflare\", token_fil = \"x\"",
        "provider = \"joker\"",
        "provider = \"joker\", username = \"x\"",
        "provider = \"autodns\", username = \"x\", password_file = \"/x\", context = \"4\"",
        "provider = \"inwx\", username = \"x\", password_file = \"/x\", sandbox = \"yes\"",
        "provider = \"pdns\", api_key_file = \"/x\", endpoint = \"ns1:8081\"",
        "provider = \"pdns\", api_key_file = \"/x\", endpoint = \"https://a:b@ns1\"",
        "provider = \"rfc2136\", server = \"192.0.2.53\", key_name = \"x\", key_file = \"/x\", algorithm = \"hmac-md5\"",
    ]), @r#"
    provider = "cloudflare"
    1: ….token_file: is missing: an API token that may edit the zone's records; cloudflare takes token_file
    provider = "cloudflare", token_fil = "x"
    1: ….token_file: is missing: an API token that may edit the zone's records; cloudflare takes token_file
    57: ….token_fil: unknown key; did you mean `token_file`?
    provider = "joker"
    1: ….api_key_file: is missing: the account's API key (or write username); joker takes api_key_file, username, password_file
    1: ….password_file: is missing: the user's password (or write api_key_file); joker takes api_key_file, username, password_file
    1: ….username: is missing: the account's user (or write api_key_file); joker takes api_key_file, username, password_file
    provider = "joker", username = "x"
    1: ….password_file: is missing: the user's password (or write api_key_file); joker takes api_key_file, username, password_file
    provider = "autodns", username = "x", password_file = "/x", context = "4"
    92: ….context: must be a whole number, and is text
    provider = "inwx", username = "x", password_file = "/x", sandbox = "yes"
    89: ….sandbox: must be true or false, and is text
    provider = "pdns", api_key_file = "/x", endpoint = "ns1:8081"
    72: ….endpoint: `ns1:8081` is not an address, such as https://dns.example.org
    provider = "pdns", api_key_file = "/x", endpoint = "https://a:b@ns1"
    72: ….endpoint: has a user in it; secrets are never values here
    provider = "rfc2136", server = "192.0.2.53", key_name = "x", key_file = "/x", algorithm = "hmac-md5"
    110: ….algorithm: `hmac-md5` is not known; known: hmac-sha256, hmac-sha384, hmac-sha512
    "#);
    let plain = issuer("provider = \"pdns\", api_key_file = \"/x\", endpoint = \"http://ns1.example:8081\"");
    assert_snapshot!(warnings(&plain), @r#"
    keyturn.toml:1:1: daemon.state_key_file: the state key lies beside the state: whoever copies the folder can read every key in it; write state_key_file = "credential:state-key" or a file elsewhere
    keyturn.toml:1:10: issuers.a: no certificate names it; nothing is asked of it
    keyturn.toml:4:72: issuers.a.challenge.endpoint: is not https, so that whoever is between can read the secret that is sent there
    "#);
}

#[test]
fn who_is_asked_whether_it_is_there() {
    let said = |keys: &str| said(&[&format!("provider = \"desec\", token_file = \"/x\", {keys}")]);
    assert_snapshot!([
        said("resolvers = []"),
        said("resolvers = [\"dns.example\"], name_servers = [\"192.0.2.1:0\"]"),
        said("propagation = \"1\""),
        said("webroot = \"/x\", listen = \"0.0.0.0:80\""),
    ].concat(), @r#"
    provider = "desec", token_file = "/x", resolvers = []
    71: ….resolvers: is empty; leave it out to ask the machine's own resolvers
    provider = "desec", token_file = "/x", resolvers = ["dns.example"], name_servers = ["192.0.2.1:0"]
    84: ….resolvers[0]: `dns.example` is not an address; write IP or IP:PORT, such as 127.0.0.1:53
    116: ….name_servers[0]: `192.0.2.1:0` is not an address; write IP or IP:PORT, such as 127.0.0.1:53
    provider = "desec", token_file = "/x", propagation = "1"
    71: ….propagation: `1` is not a duration; write a whole number and one unit: 90d, 12h, 10m or 30s
    provider = "desec", token_file = "/x", webroot = "/x", listen = "0.0.0.0:80"
    71: ….webroot: belongs to kind = "http-01"
    87: ….listen: belongs to kind = "http-01"
    "#);
}
