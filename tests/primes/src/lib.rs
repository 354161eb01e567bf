//! The sources of Keyturn's search for safe primes, once more, as a crate of its own.
//!
//! A debug build optimises its dependencies and not itself, and then searches by another's arithmetic
//! (`Kernel::best`). Through this crate the tests have the arithmetics that a release has, at its speed: see
//! `[profile.dev.package.keyturn-primes]`. It is the same files, so there is nothing in here to go stale.
#![allow(dead_code)]

#[path = "../../../src/clock.rs"]
pub mod clock;
mod keys;

pub use keys::{Cancel, Kernel, find};
