//! Each challenge, each kind of name.

use crate::support::{Keyturn, Pebble, PebbleOptions, skipped};

/// Pebble, or the test ends as a named skip.
macro_rules! pebble_or_skip {
    ($options:expr) => {{
        fn here() {}
        let name = std::any::type_name_of_val(&here).trim_end_matches("::here");
        match Pebble::missing() {
            None => $options.start(),
            Some(reason) => return skipped(name, &reason),
        }
    }};
}

/// A site with one certificate `edge`; `challenge` is the issuer's, `names` the certificate's.
fn site(pebble: &Pebble, challenge: &str, names: &str) -> Keyturn {
    let (server, ca) = (pebble.directory(), pebble.ca_file());
    Keyturn::alone().config(&format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
[issuers.pebble]
kind = "acme"
server = "{server}"
ca_file = "{}"
email = "ops@example.org"
challenge = {challenge}
[certificates.edge]
issuers = ["pebble"]
{names}
"#,
        ca.display()
    ))
}

#[test]
fn http_01() {
    let pebble = pebble_or_skip!(PebbleOptions::default());
    let challenge = format!("{{ kind = \"http-01\", listen = \"127.0.0.1:{}\" }}", pebble.http_port());
    let keyturn = site(&pebble, &challenge, r#"dns_names = ["www.edge.test", "edge.test"]"#);
    let ran = keyturn.run(&["run", "-vv"]);
    assert!(ran.ok(), "{ran:#?}\n{}", pebble.log());
    println!("{}", ran.stdout);
    let status = keyturn.status("edge");
    assert_eq!((&status["issuer"], &status["state"]), (&"pebble".into(), &"active".into()));
}
