//! dns-01 by an interface over HTTP, by acme-dns, and by the hooks that are shipped.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::pebble_or_skip;
use super::site::{edge, fails, site};
use crate::support::{
    AcmeDns, Bind, BindOptions, Keyturn, Knot, PebbleOptions, PowerDns, command, must, skipped, wait_for,
};

/// A real PowerDNS: what others have at the same name is neither written over nor taken away, and two certificates for the
/// same names have their four values there at once.
#[test]
fn an_interface_over_http() {
    if let Some(reason) = PowerDns::missing() {
        return skipped("acme::dns::an_interface_over_http", &reason);
    }
    let dns = PowerDns::start("example.test");
    let pebble = pebble_or_skip!(PebbleOptions { dns: Some(dns.address()), ..PebbleOptions::default() });
    dns.put("_acme-challenge.example.test", &["of somebody else"]);
    let folder = Keyturn::alone();
    let key = folder.write("key", &format!("{}\n", PowerDns::KEY));
    let challenge = format!(
        "challenge = {{ kind = \"dns-01\", provider = \"pdns\", endpoint = \"{}\", api_key_file = \"{}\", \
         resolvers = [\"{server}\"], name_servers = [\"{server}\"] }}",
        dns.endpoint(),
        key.display(),
        server = dns.address(),
    );
    let names = r#"dns_names = ["example.test", "*.example.test"]"#;
    let rsa = format!("{names}\n[certificates.rsa]\n{names}\nprivate_key = {{ algorithm = \"rsa-2048\" }}");
    let keyturn = site(&pebble, &challenge, &rsa);
    edge(&keyturn, &pebble);
    assert_eq!(keyturn.status("rsa")["state"], "active");
    assert_eq!(dns.txt("_acme-challenge.example.test"), ["of somebody else"]);

    // A key that was turned over is taken up; a wrong one is said, and not shown.
    fs::write(&key, "a wrong key of it").unwrap();
    let ran = keyturn.run(&["rotate", "edge"]);
    assert!(
        !ran.ok() && ran.stderr.contains("pdns has not written _acme-challenge.example.test"),
        "{ran:#?}"
    );
    assert!(!format!("{ran:?}").contains("a wrong key of it"), "{ran:#?}");
    fs::write(&key, PowerDns::KEY).unwrap();
    let ran = keyturn.run(&["rotate", "edge"]);
    assert!(ran.ok(), "{ran:#?}");
    assert_eq!(dns.txt("_acme-challenge.example.test"), ["of somebody else"]);
}

/// The first try registers, and says which CNAME is missing; once it is there, apex and wildcard have their two values.
#[test]
fn acme_dns() {
    if let Some(reason) = Bind::missing() {
        return skipped("acme::dns::acme_dns", &reason);
    }
    let zones = ["example.test", "auth.test"].map(str::to_owned).to_vec();
    let bind = Arc::new(BindOptions { zones, ..BindOptions::default() }.start());
    let server = bind.address();
    let pebble = pebble_or_skip!(PebbleOptions { dns: Some(server), ..PebbleOptions::default() });
    let acme_dns = AcmeDns::before(Arc::clone(&bind));
    let challenge = format!(
        "challenge = {{ kind = \"dns-01\", provider = \"acme-dns\", server = \"{}\", account_file = \"accounts.json\", \
         resolvers = [\"{server}\"], name_servers = [\"{server}\"], propagation = \"30s\" }}",
        acme_dns.url()
    );
    let keyturn = site(&pebble, &challenge, r#"dns_names = ["example.test", "*.example.test"]"#);
    let said = fails(&keyturn);
    let needed = "_acme-challenge.example.test must be a CNAME to sub-1.auth.test; it is none";
    assert!(said.contains(needed), "{said}");
    assert_eq!((acme_dns.registered(), acme_dns.updates()), (1, 0), "nothing is written where nobody looks");
    let accounts = keyturn.dir().join("accounts.json");
    assert_eq!(fs::metadata(&accounts).unwrap().permissions().mode() & 0o777, 0o600);

    bind.delegate("example.test", "sub-1.auth.test");
    let ran = keyturn.run(&["rotate", "edge"]);
    assert!(ran.ok(), "{ran:#?}\n{}", pebble.log());
    edge(&keyturn, &pebble);
    assert_eq!(acme_dns.registered(), 1, "the account is kept");
    assert_eq!(bind.txt(server, "sub-1.auth.test").len(), 2, "one value each");
    let password = "password-sub-1";
    assert!(fs::read_to_string(&accounts).unwrap().contains(password) && !said.contains(password));

    // As lego keeps it, and with a password that is no longer right.
    let text = fs::read_to_string(&accounts).unwrap().replace(password, "another-password");
    fs::write(&accounts, text).unwrap();
    let ran = keyturn.run(&["rotate", "edge"]);
    assert!(ran.stderr.contains("update was answered with 401 Unauthorized (forbidden)"), "{ran:#?}");
    assert!(!format!("{ran:?}").contains("another-password"), "{ran:#?}");
}

/// A copy of a shipped hook, with its settings beside it.
fn hook(folder: &Keyturn, name: &str, settings: &str) -> std::path::PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("hooks").join(name);
    let copy = folder.write(name, &fs::read_to_string(shipped).unwrap());
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    folder.write(&format!("{name}.conf"), settings);
    copy
}

#[test]
fn the_shipped_hook_of_nsupdate() {
    if let Some(reason) = Bind::missing() {
        return skipped("acme::dns::the_shipped_hook_of_nsupdate", &reason);
    }
    let bind = Bind::start();
    let server = bind.address();
    let pebble = pebble_or_skip!(PebbleOptions { dns: Some(server), ..PebbleOptions::default() });
    let folder = Keyturn::alone();
    let settings =
        format!("SERVER=\"{} {}\"\nKEY_FILE={}\n", server.ip(), server.port(), bind.key_file().display());
    let hook = hook(&folder, "dns-nsupdate", &settings);
    let challenge = format!(
        "challenge = {{ kind = \"dns-01\", hook = \"{}\", timeout = \"30s\", resolvers = [\"{server}\"], \
         name_servers = [\"{server}\"] }}",
        hook.display()
    );
    let keyturn = site(&pebble, &challenge, r#"dns_names = ["example.test", "*.example.test"]"#);
    edge(&keyturn, &pebble);
    assert_eq!(bind.txt(server, "_acme-challenge.example.test"), [] as [String; 0], "taken away again");
    assert!(bind.updates() >= 2, "{}", bind.updates());

    // Without settings, and with a name server that refuses, it fails, and says why.
    fs::write(folder.dir().join("dns-nsupdate.conf"), settings.replace("tsig.key", "no.key")).unwrap();
    let ran = keyturn.run(&["rotate", "edge"]);
    assert!(!ran.ok() && ran.stderr.contains("could not read key from "), "{ran:#?}");
    fs::remove_file(folder.dir().join("dns-nsupdate.conf")).unwrap();
    let ran = keyturn.run(&["rotate", "edge"]);
    assert!(!ran.ok() && ran.stderr.contains("dns-nsupdate: no settings in "), "{ran:#?}");
}

#[test]
fn the_shipped_hook_of_knot() {
    if let Some(reason) = Knot::missing() {
        return skipped("acme::dns::the_shipped_hook_of_knot", &reason);
    }
    let knot = Knot::start("example.test");
    let server = knot.address();
    let pebble = pebble_or_skip!(PebbleOptions { dns: Some(server), ..PebbleOptions::default() });
    let folder = Keyturn::alone();
    let settings = format!("ZONE=example.test\nSOCKET={}\n", knot.socket());
    let hook = hook(&folder, "dns-knot", &settings);
    let present = || command(hook.to_str().unwrap(), ["present", "_acme-challenge.example.test", "other"]);
    assert!(wait_for(Duration::from_secs(30), || present().output().unwrap().status.success()));
    let challenge = format!(
        "challenge = {{ kind = \"dns-01\", hook = \"{}\", resolvers = [\"{server}\"], name_servers = [\"{server}\"] }}",
        hook.display()
    );
    let keyturn = site(&pebble, &challenge, r#"dns_names = ["example.test", "*.example.test"]"#);
    edge(&keyturn, &pebble);
    let name = "_acme-challenge.example.test";
    assert_eq!(knot.txt(name), ["other"], "what others have there stays");
    for _ in 0..2 {
        must(command(hook.to_str().unwrap(), ["cleanup", "_acme-challenge.example.test", "other"]));
        assert_eq!(knot.txt(name), [] as [String; 0], "also when it is gone already");
    }
}
