//! The configuration and zones of the tests' name servers.

use std::fmt::Write;
use std::net::SocketAddr;

use super::dns::BindOptions;

/// A TSIG key, as `named.conf` and `nsupdate -k` take it.
pub(super) fn key_file(name: &str, secret: &str) -> String {
    format!("key \"{name}\" {{ algorithm hmac-sha256; secret \"{secret}\"; }};\n")
}

/// Nothing outside its folder, no control channel, no trust anchors to refresh, no wait before a NOTIFY.
fn options(role: &str, listen: SocketAddr, more: &str) -> String {
    format!(
        "include \"tsig.key\";
controls {{ }};
options {{
  directory \".\"; managed-keys-directory \"{role}\"; pid-file none; session-keyfile none; lock-file none;
  listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }};
  dnssec-validation no; empty-zones-enable no; allow-query {{ any; }}; allow-transfer {{ any; }};
  {more}
}};\n",
        listen.port(),
        listen.ip(),
    )
}

/// `named.conf` of the primary.
pub(super) fn primary(of: &BindOptions, first: SocketAddr, second: SocketAddr) -> String {
    let notify = match of.secondary && of.lag == 0 {
        true => {
            let to = format!("{} port {}", second.ip(), second.port());
            format!("notify explicit; notify-delay 0; notify-source {}; also-notify {{ {to}; }};", first.ip())
        }
        false => "notify no;".to_owned(),
    };
    // Without recursion BIND follows no alias into another of its zones; with a root of its own it asks nobody.
    let mut text = options("primary", first, &format!("recursion yes; {notify}"));
    text += "zone \".\" { type primary; file \"primary/root.zone\"; notify no; };\n";
    for zone in &of.zones {
        let policy = "update-policy { grant keyturn zonesub ANY; };";
        writeln!(text, "zone \"{zone}\" {{ type primary; file \"primary/{zone}.zone\"; {policy} }};")
            .unwrap();
    }
    text
}

/// `named.conf` of the secondary.
pub(super) fn secondary(of: &BindOptions, first: SocketAddr, second: SocketAddr) -> String {
    let lag = of.lag.max(1);
    let refresh = format!("recursion no; notify no; min-refresh-time {lag}; max-refresh-time {lag};");
    let mut text = options("secondary", second, &refresh);
    for zone in &of.zones {
        let from = format!("primaries {{ {} port {}; }}; allow-notify {{ any; }};", first.ip(), first.port());
        writeln!(text, "zone \"{zone}\" {{ type secondary; file \"secondary/{zone}\"; {from} }};").unwrap();
    }
    text
}

/// A zone in which all names are at 127.0.0.1, and nothing is cached for longer than a second.
pub(super) fn zone_file(of: &BindOptions, first: SocketAddr, second: SocketAddr) -> String {
    let mut text = "$TTL 1\n@ SOA ns1 hostmaster 1 3600 1 86400 1\n@ A 127.0.0.1\n* A 127.0.0.1\n".to_owned();
    writeln!(text, "@ NS ns1\nns1 A {}", first.ip()).unwrap();
    if of.secondary {
        writeln!(text, "@ NS ns2\nns2 A {}", second.ip()).unwrap();
    }
    text
}
