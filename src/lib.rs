//! Keyturn turns over every certificate and key in a Docker Swarm, and proves it.
//!
//! The way through the house:
//!
//! ```text
//! keyturn.toml ──> config ──> desired ─┐
//!                                      ├─> planner ──> Plan ──> executor ──> issuer / keys
//! world, store ──> executor::observe ──┘    (pure)                 │         target / verify
//!                                                                  └──────> store (journal, audit)
//! ```
//!
//! - [`model`] is what everything is made of; it imports nothing of this crate.
//! - [`config`] turns `keyturn.toml` into a validated `Config`; [`desired`] says what a site wants.
//! - [`planner`] decides, purely: the same facts give the same plan, with a reason for each action.
//! - [`executor`] observes, carries a plan out step by step, and makes no choices.
//! - [`issuer`], [`keys`], [`target`], [`verify`], [`notify`] and [`store`] are the adapters; they never see each other.
//! - [`pki`] reads keys and certificates for all of them; it imports only the model.
//! - [`audit`] chains the history, [`clock`] is the only one that reads a clock or sleeps, [`failpoint`] lets tests crash us,
//!   [`process`] runs programs of the operator's, [`outside`] has the rules for speaking to servers of others,
//!   [`guests`] those for being spoken to, [`patience`] asks file systems that may hang, [`memory`] gives
//!   back what is free.
//! - [`scheduler`] is the daemon's loop: it decides when to look; [`serve`] is what it serves over HTTP, [`systemd`] what
//!   systemd is told.
//! - [`doctor`] judges a house that runs, purely: what was seen of its state, clock, engine and servers.
//! - [`cli`] is the composition root: it alone names concrete types.
//!
//! `tests/architecture.rs` holds these arrows.

pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod desired;
pub mod doctor;
pub mod executor;
pub mod failpoint;
pub mod guests;
pub mod issuer;
pub mod keys;
pub mod memory;
pub mod model;
pub mod notify;
pub mod outside;
pub mod patience;
pub mod pki;
pub mod planner;
pub mod process;
pub mod scheduler;
pub mod serve;
pub mod store;
pub mod systemd;
pub mod target;
pub mod verify;

/// Tests that cannot run here say so as those in `tests/` do; unused helpers in it are no fault.
#[cfg(test)]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used
)]
#[path = "../tests/support/skip.rs"]
mod skip;
