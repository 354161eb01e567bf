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
    ].concat(), @r#"
    1:10: server: is missing; write server = "https://acme-v02.api.letsencrypt.org/directory"
    3:1: server: must be https://: only TLS shows that it is the CA who answers (RFC 8555 §6.1)
    3:1: server: `acme.example` is not the address of a directory, such as https://acme-v02.api.letsencrypt.org/directory
    3:1: server: `ftp://acme.example` is not the address of a directory, such as https://acme-v02.api.letsencrypt.org/directory
    3:1: server: `https://acme.example/#dir` is not the address of a directory, such as https://acme-v02.api.letsencrypt.org/directory
    3:1: server: has a user in it; secrets are never values here
    3:1: server: `https://acme.example:0` names no host to connect to
    3:1: server: must be text, and is a number
    "#);
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
    ]), @r#"
    email = "ops"
    4:1: email: `ops` is not an email address, such as ops@example.org
    email = "a@b.example?cc=c"
    4:1: email: `a@b.example?cc=c` is not an email address, such as ops@example.org
    profile = "tls server"
    4:1: profile: `tls server` has blanks in it; write a profile that the CA's directory lists, such as tlsserver
    concurrency = 0
    4:1: concurrency: must be from 1 to 64
    must_staple = true
    4:1: must_staple: no public CA answers OCSP any more (Let's Encrypt stopped in August 2025), so a certificate that asks for stapled answers would be refused by browsers; take this out
    root = "state"
    crl = {}
    4:1: root: belongs to kind = "internal"
    5:1: crl: belongs to kind = "internal"
    sever = "x"
    4:1: sever: unknown key; did you mean `server`?
    "#);
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
    ]), @r#"
    eab = { kid = "kid-1" }
    4:1: eab.hmac_file: is missing; write hmac_file = "credential:eab"
    eab = { hmac_file = "/x" }
    4:1: eab.kid: is missing; write kid = "kid-1"
    eab = { kid = "kid-1", hmac = "hunter2" }
    4:1: eab.hmac_file: is missing; write hmac_file = "credential:eab"
    4:24: eab.hmac: is a secret; write it into a file, and the file's name here: hmac_file = "…"
    limits = "some"
    4:1: limits: is not known; write "none", or such as { orders = "300/3h" }
    limits = { orders = "300" }
    4:12: limits.orders: `300` is not a limit; write so many in so long, such as "300/3h", or "none"
    limits = { orders = "0/3h", certificates_per_set = "5/week" }
    4:12: limits.orders: `0/3h` is not a limit; write so many in so long, such as "300/3h", or "none"
    4:29: limits.certificates_per_set: `5/week` is not a limit; write so many in so long, such as "300/3h", or "none"
    "#);
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
    ]), @r#"
    challenge = "http-01"
    4:1: challenge: must be a table, and is text
    challenge = {}
    4:1: challenge.kind: is missing; write kind = "http-01"
    challenge = { kind = "dns-1" }
    4:15: challenge.kind: `dns-1` is not known; did you mean `dns-01`?
    challenge = { kind = "device-attest-01" }
    4:15: challenge.kind: `device-attest-01` is not known; known: http-01, tls-alpn-01, dns-01
    challenge = { kind = "http-01", listen = "80" }
    4:33: challenge.listen: `80` is not an address; write IP:PORT, such as 127.0.0.1:9780
    challenge = { kind = "http-01", listen = "0.0.0.0:80", webroot = "/srv" }
    4:56: challenge.webroot: stands beside listen; either a web server answers, or Keyturn does
    challenge = { kind = "http-01", provider = "desec", name_servers = [] }
    4:33: challenge.provider: belongs to kind = "dns-01"
    4:53: challenge.name_servers: belongs to kind = "dns-01"
    challenge = { kind = "tls-alpn-01", webroot = "/srv" }
    4:37: challenge.webroot: belongs to kind = "http-01"
    challenge = { kind = "tls-alpn-01", hook = "x" }
    4:37: challenge.hook: belongs to kind = "dns-01"
    "#);
    let text =
        format!("[daemon]\nlisten = \"0.0.0.0:443\"\n{}", issuer("challenge = { kind = \"tls-alpn-01\" }"));
    assert_snapshot!(plain(&faults(&text)), @r#"
    6:1: challenge.listen: is where the daemon speaks HTTP; write another port
    "#);
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
    ].concat(), @r#"
    7:1: certificates.edge.dns_names: control over `*.example.org` is shown by dns-01 only, and challenge is http-01; write challenge = { kind = "dns-01", … }
    7:1: certificates.edge.dns_names: control over `*.example.org` is shown by dns-01 only, and challenge is tls-alpn-01; write challenge = { kind = "dns-01", … }
    7:1: certificates.edge.dns_names: `x.duckdns.org` and its wildcard need two values at one name, and duckdns keeps one; write two certificates
    7:1: certificates.edge.ip_addresses: control over 192.0.2.1 is shown by http-01 or tls-alpn-01 only, and challenge is dns-01; write challenge = { kind = "http-01" }, or give it a certificate of its own
    8:1: certificates.edge.ip_addresses: control over 192.0.2.1 is shown by http-01 or tls-alpn-01 only, and challenge is dns-01; give it a certificate of its own, without a wildcard
    7:1: certificates.edge.dns_names: control over `*.example.org` is shown by dns-01 only, and challenge here is http-01; write challenge = { kind = "dns-01", … }
    4:15: certificates.edge.challenge: is missing, and issuers.a has none either; write challenge = { kind = "http-01" } here or there
    4:15: certificates.edge.challenge: is missing, and issuers.a has none either; write challenge = { kind = "dns-01", hook = "PROGRAM" } here or there
    "#);
}

#[test]
fn what_no_public_ca_gives() {
    let said = |lines: &str| plain(&faults(&ordered(HTTP, lines))) + "\n";
    assert_snapshot!([
        said("dns_names = [\"a.example\"]\nmust_staple = true"),
        said("dns_names = [\"a.example\"]\nusages = [\"client-auth\"]"),
        said("dns_names = [\"a.example\"]\ncommon_name = \"b.example\""),
    ].concat(), @r#"
    8:1: certificates.edge.must_staple: no public CA answers OCSP any more (Let's Encrypt stopped in August 2025), so a certificate that asks for stapled answers would be refused by browsers; take this out
    8:1: certificates.edge.usages: client-auth is no longer given by public CAs (Let's Encrypt stopped in July 2026); take it out, or name an internal CA alone
    8:1: certificates.edge.common_name: `b.example` must be one of dns_names for an ACME CA; add it there, or leave it out
    "#);
    let encrypt = |lines: &str| {
        let text = ordered(HTTP, lines).replace("acme.example", "acme-v02.api.letsencrypt.org/directory");
        plain(&faults(&text)) + "\n"
    };
    assert_snapshot!([
        encrypt("dns_names = [\"a.example.org\"]\nprivate_key = { algorithm = \"ed25519\" }"),
        encrypt("dns_names = [\"localhost\", \"a_b.example.org\"]"),
    ].concat(), @r#"
    8:1: certificates.edge.private_key: no public CA certifies ed25519 keys; write algorithm = "ecdsa-p256"
    7:1: certificates.edge.dns_names: `localhost` is no public name, and Let's Encrypt certifies no others
    7:1: certificates.edge.dns_names: `a_b.example.org` is no public name, and Let's Encrypt certifies no others
    "#);
    assert_snapshot!(plain(&warnings(&ordered(HTTP, "dns_names = [\"a.example\"]\nduration = \"30d\""))), @r#"
    1:1: daemon.state_key_file: the state key lies beside the state: whoever copies the folder can read every key in it; write state_key_file = "credential:state-key" or a file elsewhere
    8:1: certificates.edge.duration: has no effect: an ACME CA decides by itself how long its certificates live
    "#);
}

#[test]
fn a_challenge_without_an_acme_issuer() {
    let text = super::certificate("dns_names = [\"a\"]\nchallenge = { kind = \"http-01\" }");
    assert_snapshot!(faults(&text), @r#"
    keyturn.toml:6:1: certificates.edge.challenge: is for ACME, and none of the issuers is of that kind; take this out
    "#);
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
    ].concat(), @r#"
    7:1: issuers.b.server: must be https://: only TLS shows that it is the CA who answers (RFC 8555 §6.1)
    8:15: certificates.edge.issuers: is missing, and there are several issuers; write issuers = ["a"]
    7:1: issuers.b.server: must be https://: only TLS shows that it is the CA who answers (RFC 8555 §6.1)
    11:17: certificates.edge.issuers[1]: no such issuer: `c` is not known; did you mean `a`?
    7:1: issuers.b.server: must be https://: only TLS shows that it is the CA who answers (RFC 8555 §6.1)
    11:17: certificates.edge.issuers[1]: is in this list twice
    7:1: issuers.b.server: must be https://: only TLS shows that it is the CA who answers (RFC 8555 §6.1)
    11:1: certificates.edge.issuers: is empty; name an issuer
    7:1: issuers.b.server: must be https://: only TLS shows that it is the CA who answers (RFC 8555 §6.1)
    11:1: certificates.edge.issuers: must be a list, and is text
    "#);
}
