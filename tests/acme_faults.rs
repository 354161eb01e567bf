//! What a CA can do to us (FAULTS.md, A1 to A22), against a CA of the tests' own, most of it under a clock that is moved.
//!
//! `KEYTURN_TEST_TABLE=/tmp/table.md cargo nextest run --features failpoints --test acme_faults` writes what was measured,
//! a line a fault; `sort -V /tmp/table.md` puts it in order. docs/acme.md has it.
#![allow(
    clippy::print_stdout,
    clippy::type_complexity,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods
)]

#[path = "support/fake_ca/mod.rs"]
mod fake_ca;

#[path = "acme_faults/certificates.rs"]
mod certificates;
#[path = "acme_faults/house.rs"]
mod house;
#[path = "acme_faults/kept.rs"]
mod kept;
#[path = "acme_faults/memory.rs"]
mod memory;
#[path = "acme_faults/outages.rs"]
mod outages;
#[path = "acme_faults/protocol.rs"]
mod protocol;
#[path = "acme_faults/recovery.rs"]
mod recovery;
#[path = "acme_faults/renewal.rs"]
mod renewal;
#[path = "acme_faults/served.rs"]
mod served;
#[path = "acme_faults/table.rs"]
mod table;
#[path = "acme_faults/trap.rs"]
mod trap;
