//! Certificates from a real Pebble, with nonces rejected at 20 % and real validation.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

mod acme {
    mod accounts;
    mod certificates;
    mod challenges;
    mod orders;
    mod site;
}
