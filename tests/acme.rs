//! Certificates from a real Pebble, with nonces rejected at 20 % and real validation.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

mod acme {
    //! What the tests have in common.

    mod accounts;
    mod bindings;
    mod certificates;
    mod challenges;
    mod failures;
    mod orders;
    mod proofs;
    mod site;

    use crate::support::{Keyturn, Pebble, command, must};

    /// Pebble, or the test ends as a named skip.
    macro_rules! pebble_or_skip {
        ($options:expr) => {{
            fn here() {}
            let name = std::any::type_name_of_val(&here).trim_end_matches("::here");
            match Pebble::missing() {
                None => $options.start(),
                Some(reason) => return $crate::support::skipped(name, &reason),
            }
        }};
    }
    pub(crate) use pebble_or_skip;

    /// A site with one certificate `edge`; `challenge` and `issuer` are the issuer's, `names` the certificate's.
    pub(crate) fn site(pebble: &Pebble, challenge: &str, issuer: &str, names: &str) -> Keyturn {
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
{issuer}
[certificates.edge]
{names}
"#,
            ca.display()
        ))
    }

    /// An http-01 challenge that this Pebble finds.
    pub(crate) fn http(pebble: &Pebble) -> String {
        format!("{{ kind = \"http-01\", listen = \"127.0.0.1:{}\" }}", pebble.http_port())
    }

    /// Runs, and holds up what came to `openssl verify` and Pebble's root.
    pub(crate) fn edge(keyturn: &Keyturn, pebble: &Pebble) {
        let ran = keyturn.run(&["run"]);
        assert!(ran.ok(), "{ran:#?}\n{}", pebble.log());
        let status = keyturn.status("edge");
        assert_eq!((&status["issuer"], &status["state"]), (&"pebble".into(), &"active".into()));
        let chain = keyturn.ok(&["export", "edge", "--part", "fullchain"]);
        let chain = keyturn.write("fullchain.pem", &chain).display().to_string();
        let root = keyturn.write("root.pem", &pebble.root(0)).display().to_string();
        must(command("openssl", ["verify", "-CAfile", &root, "-untrusted", &chain, &chain]));
    }
}
