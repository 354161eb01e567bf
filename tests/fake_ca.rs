//! The tests' own CA: a whole order works, and each fault does what it says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

#[path = "support/fake_ca/mod.rs"]
mod fake_ca;
