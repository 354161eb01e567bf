//! Each challenge, and each kind of name.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::pebble_or_skip;
use super::site::{edge, site};
use crate::support::{Bind, BindOptions, Keyturn, PebbleOptions, command, must, skipped};

#[test]
fn http_01() {
    let pebble = pebble_or_skip!(PebbleOptions::default());
    let keyturn = site(&pebble, &pebble.http(), r#"dns_names = ["www.edge.test", "edge.test"]"#);
    edge(&keyturn, &pebble);
    let before = pebble.counts().all_requests();
    assert!(keyturn.ok(&["run"]).contains("nothing to do"));
    assert_eq!(pebble.counts().all_requests(), before, "with nothing due nothing is asked");
}

#[test]
fn tls_alpn_01_with_keys_of_every_kind() {
    let pebble = pebble_or_skip!(PebbleOptions { authz_reuse: 100, ..PebbleOptions::default() });
    let challenge =
        format!("challenge = {{ kind = \"tls-alpn-01\", listen = \"127.0.0.1:{}\" }}", pebble.tls_port());
    let mut names = r#"dns_names = ["www.edge.test"]"#.to_owned();
    for algorithm in ["ecdsa-p384", "rsa-2048"] {
        names.push_str(&format!(
            "\n[certificates.{algorithm}]\ndns_names = [\"www.edge.test\"]\nprivate_key = {{ algorithm = \"{algorithm}\" }}"
        ));
    }
    let keyturn = site(&pebble, &challenge, &names);
    edge(&keyturn, &pebble);
    assert_eq!(pebble.counts().orders, 3, "one each, whatever the key");
}

#[test]
fn an_address_and_a_name_in_another_alphabet() {
    let pebble = pebble_or_skip!(PebbleOptions::default());
    let names = "dns_names = [\"bücher.test\"]\nip_addresses = [\"127.0.0.1\"]";
    let keyturn = site(&pebble, &pebble.http(), names);
    edge(&keyturn, &pebble);
    let text = must(command("openssl", ["x509", "-in", &pem(&keyturn), "-noout", "-ext", "subjectAltName"]));
    assert!(text.contains("DNS:xn--bcher-kva.test") && text.contains("IP Address:127.0.0.1"), "{text}");
}

#[test]
fn a_folder_that_a_web_server_serves() {
    let pebble = pebble_or_skip!(PebbleOptions::default());
    let keyturn = Keyturn::alone();
    let root = keyturn.dir().join("web");
    fs::create_dir(&root).unwrap();
    let port = pebble.http_port().to_string();
    let mut server = command("python3", ["-m", "http.server", "--bind", "127.0.0.1", &port]);
    server.current_dir(&root).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut server = server.spawn().unwrap();
    let challenge = format!("challenge = {{ kind = \"http-01\", webroot = \"{}\" }}", root.display());
    let keyturn = site(&pebble, &challenge, r#"dns_names = ["www.edge.test"]"#);
    let listens = || std::net::TcpStream::connect(("127.0.0.1", pebble.http_port())).is_ok();
    assert!(crate::support::wait_for(std::time::Duration::from_secs(10), listens));
    let ran = keyturn.run(&["run"]);
    let _ = server.kill();
    let _ = server.wait();
    assert!(ran.ok(), "{ran:#?}");
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0, "nothing stays");
}

/// The apex and the wildcard have their values under one name.
#[test]
fn a_wildcard_and_its_apex_by_a_hook() {
    let pebble = pebble_or_skip!(PebbleOptions::default());
    let management = pebble.dns().management();
    let folder = Keyturn::alone();
    let hook = folder.write(
        "hook",
        &format!(
            "#!/bin/sh\ncase $1 in present) verb=set-txt ;; *) verb=clear-txt ;; esac\n\
             exec curl -sf -d \"{{\\\"host\\\": \\\"$2.\\\", \\\"value\\\": \\\"$3\\\"}}\" http://{management}/$verb\n"
        ),
    );
    fs::set_permissions(&hook, Permissions::from_mode(0o755)).unwrap();
    let challenge =
        format!("challenge = {{ kind = \"dns-01\", hook = \"{}\", propagation = \"0s\" }}", hook.display());
    let keyturn = site(&pebble, &challenge, r#"dns_names = ["edge.test", "*.edge.test"]"#);
    edge(&keyturn, &pebble);
}

/// RFC 2136 with TSIG, a secondary that is told, and a name that is an alias into another zone.
#[test]
fn a_record_in_a_real_name_server() {
    if let Some(reason) = Bind::missing() {
        return skipped("acme::challenges::a_record_in_a_real_name_server", &reason);
    }
    let bind = BindOptions { secondary: true, ..BindOptions::default() }.start();
    let pebble = pebble_or_skip!(PebbleOptions { dns: Some(bind.address()), ..PebbleOptions::default() });
    bind.delegate("alias.example.test", "x.delegated.test");
    let (server, second) = (bind.address(), bind.secondary());
    let folder = Keyturn::alone();
    let key = folder.write("tsig.key", bind.secret());
    let challenge = format!(
        "challenge = {{ kind = \"dns-01\", provider = \"rfc2136\", server = \"{server}\", key_name = \"{}\", key_file = \"{}\", \
         resolvers = [\"{server}\"], name_servers = [\"{server}\", \"{second}\"], propagation = \"30s\" }}",
        Bind::KEY,
        key.display()
    );
    let names = r#"dns_names = ["example.test", "*.example.test", "alias.example.test"]"#;
    let keyturn = site(&pebble, &challenge, names);
    edge(&keyturn, &pebble);
    assert!(bind.updates() >= 4, "two names were written and erased: {}", bind.updates());
    for name in ["_acme-challenge.example.test", "x.delegated.test"] {
        assert_eq!(bind.txt(server, name), [] as [String; 0], "{name} is taken away again");
    }
}

/// Where the certificate is, for other programs.
fn pem(keyturn: &Keyturn) -> String {
    let text = keyturn.ok(&["export", "edge", "--part", "fullchain"]);
    keyturn.write("edge.crt", &text).display().to_string()
}
