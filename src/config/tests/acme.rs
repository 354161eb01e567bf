//! Each fault of `[issuers.*]` with `kind = "acme"`, of challenges, and of certificates that are from such an issuer.

use insta::assert_snapshot;

use super::{faults, parse, warnings};

/// An issuer with these lines, from line 4.
fn issuer(lines: &str) -> String {
    format!("[issuers.a]\nkind = \"acme\"\nserver = \"https://acme.example\"\n{lines}\n")
}

/// Each of `lines`, and what is said of an issuer with it.
fn said(lines: &[&str]) -> String {
    let one = |line: &&str| format!("{line}\n{}\n", plain(&faults(&issuer(line))));
    lines.iter().map(one).collect()
}

fn plain(said: &str) -> String {
    said.replace("keyturn.toml:", "").replace("issuers.a.", "")
}

/// A certificate of an issuer with `challenge`; its lines begin in line 7.
fn ordered(challenge: &str, lines: &str) -> String {
    issuer(&format!("challenge = {{ {challenge} }}\n[certificates.edge]\nissuers = [\"a\"]\n{lines}"))
}

const HTTP: &str = "kind = \"http-01\", listen = \"0.0.0.0:80\"";
const ALPN: &str = "kind = \"tls-alpn-01\"";
const DUCK: &str = "kind = \"dns-01\", provider = \"duckdns\", token_file = \"/x\"";
const DNS: &str = "kind = \"dns-01\", hook = \"x\"";

#[test]
fn the_server() {
    let said = |server: &str| {
        let text = format!("[issuers.a]\nkind = \"acme\"\nserver = {server}\n");
        format!("{}\n", plain(&faults(&text)))
    };
    assert_snapshot!([
        plain(&faults("[issuers.a]\nkind = \"acme\"\n")) + "\n",
        said("\"http://acme.example\""),
        said("\"acme.example\""),
        said("\"ftp://acme.example\""),
        said("\"https://acme.example/#dir\""),
        said("\"https://me:x@acme.example\""),
        said("\"https://acme.example:0\""),
        said("1"),
    ].concat(), @"");
}

#[test]
fn the_rest_of_an_issuer() {
    assert_snapshot!(said(&[
        "email = \"ops\"",
        "email = \"a@b.example?cc=c\"",
        "profile = \"tls server\"",
        "concurrency = 0",
        "must_staple = true",
        "root = \"state\"\ncrl = {}",
        "sever = \"x\"",
    ]), @"");
}

#[test]
fn external_account_binding_and_limits() {
    assert_snapshot!(said(&[
        "eab = { kid = \"kid-1\" }",
        "eab = { hmac_file = \"/x\" }",
        "eab = { kid = \"kid-1\", hmac = \"hunter2\" }",
        "limits = \"some\"",
        "limits = { orders = \"300\" }",
        "limits = { orders = \"0/3h\", certificates_per_set = \"5/week\" }",
    ]), @"");
}

#[test]
fn challenges() {
    assert_snapshot!(said(&[
        "challenge = \"http-01\"",
        "challenge = {}",
        "challenge = { kind = \"dns-1\" }",
        "challenge = { kind = \"device-attest-01\" }",
        "challenge = { kind = \"http-01\", listen = \"80\" }",
        "challenge = { kind = \"http-01\", listen = \"0.0.0.0:80\", webroot = \"/srv\" }",
        "challenge = { kind = \"http-01\", provider = \"desec\", name_servers = [] }",
        "challenge = { kind = \"tls-alpn-01\", webroot = \"/srv\" }",
        "challenge = { kind = \"tls-alpn-01\", hook = \"x\" }",
    ]), @"");
    let text =
        format!("[daemon]\nlisten = \"0.0.0.0:443\"\n{}", issuer("challenge = { kind = \"tls-alpn-01\" }"));
    assert_snapshot!(plain(&faults(&text)), @"");
}

#[test]
fn what_a_challenge_cannot_show() {
    let said = |challenge: &str, names: &str| plain(&faults(&ordered(challenge, names))) + "\n";
    let wildcard = "dns_names = [\"*.example.org\"]";
    assert_snapshot!([
        said(HTTP, wildcard),
        said(ALPN, wildcard),
        said(DUCK, "dns_names = [\"x.duckdns.org\", \"*.x.duckdns.org\"]"),
        said(DNS, "ip_addresses = [\"192.0.2.1\"]"),
        said(DNS, "dns_names = [\"*.example.org\"]\nip_addresses = [\"192.0.2.1\"]"),
        said(DNS, &format!("{wildcard}\nchallenge = {{ kind = \"http-01\" }}")),
        plain(&faults(&issuer("[certificates.edge]\ndns_names = [\"example.org\"]"))) + "\n",
        plain(&faults(&issuer("[certificates.edge]\ndns_names = [\"*.example.org\"]"))) + "\n",
    ].concat(), @"");
}

#[test]
fn what_no_public_ca_gives() {
    let said = |lines: &str| plain(&faults(&ordered(HTTP, lines))) + "\n";
    assert_snapshot!([
        said("dns_names = [\"a.example\"]\nmust_staple = true"),
        said("dns_names = [\"a.example\"]\nusages = [\"client-auth\"]"),
        said("dns_names = [\"a.example\"]\ncommon_name = \"b.example\""),
    ].concat(), @"");
    let encrypt = |lines: &str| {
        let text = ordered(HTTP, lines).replace("acme.example", "acme-v02.api.letsencrypt.org/directory");
        plain(&faults(&text)) + "\n"
    };
    assert_snapshot!([
        encrypt("dns_names = [\"a.example.org\"]\nprivate_key = { algorithm = \"ed25519\" }"),
        encrypt("dns_names = [\"localhost\", \"a_b.example.org\"]"),
    ].concat(), @"");
    assert_snapshot!(plain(&warnings(&ordered(HTTP, "dns_names = [\"a.example\"]\nduration = \"30d\""))), @"");
}

#[test]
fn a_challenge_without_an_acme_issuer() {
    let text = super::certificate("dns_names = [\"a\"]\nchallenge = { kind = \"http-01\" }");
    assert_snapshot!(faults(&text), @"");
    assert!(parse(&ordered(HTTP, "dns_names = [\"a.example\"]")).is_ok());
}

#[test]
fn which_issuers() {
    let two = format!("{}[issuers.b]\nkind = \"acme\"\nserver = \"http://b\"\n", issuer(""));
    let said = |issuers: &str| {
        let text = format!(
            "{two}[certificates.edge]\ndns_names = [\"a.example\"]\nchallenge = {{ {HTTP} }}\n{issuers}"
        );
        plain(&faults(&text)) + "\n"
    };
    assert_snapshot!([
        said(""),
        said("issuers = [\"a\", \"c\"]"),
        said("issuers = [\"a\", \"a\"]"),
        said("issuers = []"),
        said("issuers = \"a\""),
    ].concat(), @"");
}
