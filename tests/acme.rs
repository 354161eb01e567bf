//! Certificates from a real Pebble, with nonces rejected at 20 % and real validation.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

#[path = "support/fake_ca/mod.rs"]
mod fake_ca;
mod support;

mod acme {
    //! What the tests have in common.

    mod accounts;
    mod bindings;
    mod certificates;
    mod challenges;
    mod daemon;
    mod dns;
    mod dual;
    mod failures;
    mod import;
    mod orders;
    mod outages;
    mod outside;
    mod proofs;
    mod revocations;
    mod site;

    /// Pebble, or the test ends as a named skip.
    macro_rules! pebble_or_skip {
        ($options:expr) => {{
            fn here() {}
            let name = std::any::type_name_of_val(&here).trim_end_matches("::here");
            match $crate::support::Pebble::missing() {
                None => $options.start(),
                Some(reason) => return $crate::support::skipped(name, &reason),
            }
        }};
    }
    pub(crate) use pebble_or_skip;
}
