//! The command line as it is documented: verbs, exit codes, and what it says of whatever is not as it should be.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

#[path = "cli/audit.rs"]
mod audit;
#[path = "cli/by_hand.rs"]
mod by_hand;
#[path = "cli/config.rs"]
mod config;
#[path = "cli/export.rs"]
mod export;
#[path = "cli/garbage.rs"]
mod garbage;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/import.rs"]
mod import;
#[path = "cli/import_key.rs"]
mod import_key;
#[path = "cli/offline.rs"]
mod offline;
#[path = "cli/revoke.rs"]
mod revoke;
#[path = "cli/rotate.rs"]
mod rotate;
#[path = "cli/sign.rs"]
mod sign;
#[path = "cli/stock.rs"]
mod stock;
#[path = "cli/users.rs"]
mod users;

use support::{Keyturn, Ran, command};

/// Runs it on a site, without polling.
fn quick(keyturn: &Keyturn, args: &[&str]) -> Ran {
    let output = keyturn.command(args).output().unwrap();
    Ran::new(output.status, &output.stdout, &output.stderr)
}

/// Runs it without a site.
fn bare(args: &[&str]) -> Ran {
    let mut binary = command(env!("CARGO_BIN_EXE_keyturn"), args);
    let output = binary.env_remove("KEYTURN_LOG").env_remove("RUST_LOG").output().unwrap();
    Ran::new(output.status, &output.stdout, &output.stderr)
}

/// A refusal: nothing on stdout, one message on stderr, no panic.
fn assert_says(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:#?}");
    assert!(ran.stdout.is_empty() && !ran.stderr.contains("panicked"), "{ran:#?}");
    for word in words {
        assert!(ran.stderr.contains(word), "`{word}` is missing: {ran:#?}");
    }
}
