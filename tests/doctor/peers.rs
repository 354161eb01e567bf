//! A CA whose clock is another, and a Swarm.

use super::{findings, found};
use crate::support::{Keyturn, Nginx, Pebble, engine_or_skip, skip_without};

#[cfg(feature = "failpoints")]
#[test]
fn the_clock_is_held_against_the_cas() {
    skip_without!(Pebble);
    let pebble = Pebble::start();
    let mut keyturn = Keyturn::alone().config(&format!(
        "[daemon]\ninstance = \"test\"\nstate_dir = \"state\"\n[issuers.le]\nkind = \"acme\"\nserver = \"{}\"\nca_file = \"{}\"\n\
         challenge = {{ kind = \"http-01\", listen = \"127.0.0.1:{}\" }}\n[certificates.edge]\ndns_names = [\"edge.test\"]\n",
        pebble.directory(),
        pebble.ca_file().display(),
        pebble.http_port()
    ));
    let clock = |keyturn: &Keyturn| {
        let mut all = findings(&keyturn.run(&["doctor", "-o", "json"]), "clock");
        all.retain(|finding| finding != "warning KT-CLOCK-UNSYNCED");
        all
    };
    assert_eq!(clock(&keyturn), [""; 0]);
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some("30"));
    assert_eq!(clock(&keyturn), ["warning KT-CLOCK-OFF"]);
    keyturn.set("KEYTURN_CLOCK_OFFSET", Some("-300"));
    assert_eq!(clock(&keyturn), ["fault KT-CLOCK-OFF"]);
    keyturn.set("KEYTURN_CLOCK_OFFSET", None);
    drop(pebble);
    assert_eq!(clock(&keyturn), ["warning KT-ISSUER-UNREACHABLE"]);
}

#[test]
fn a_swarm_and_its_services_are_looked_at() {
    let mut engine = engine_or_skip!();
    let keyturn = Keyturn::beside(&engine).config(&format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
[docker]
socket = "{}"
[issuers.internal]
kind = "internal"
common_name = "Test CA"
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.test"]
[[certificates.edge.targets]]
kind = "swarm"
services = ["web_nginx"]
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key" }}
"#,
        engine.socket().display()
    ));
    let alone = ["warning KT-SWARM-MANAGERS", "warning KT-SWARM-UNLOCKED"];
    assert_eq!(found(&keyturn, "engine"), alone);
    assert_eq!(found(&keyturn, "services"), ["warning KT-SERVICE-MISSING"]);
    let _web = Nginx::new("web_nginx", 8443).create(&engine);
    assert_eq!(found(&keyturn, "services"), ["warning KT-SERVICE-HABIT"], "start-first without a delay");
    engine.ok(["service", "update", "--detach", "--update-failure-action", "continue", "web_nginx"]);
    let habits = found(&keyturn, "services");
    assert!(habits.len() == 2 && habits.iter().all(|one| one == "warning KT-SERVICE-HABIT"), "{habits:?}");
    engine.ok(["swarm", "update", "--autolock=true"]);
    assert_eq!(found(&keyturn, "engine"), ["warning KT-SWARM-MANAGERS"]);
    engine.stop("TERM");
    assert_eq!(found(&keyturn, "engine"), ["fault KT-ENGINE-UNREACHABLE"]);
}
