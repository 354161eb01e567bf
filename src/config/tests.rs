//! The whole of it: the example of the design, each fault with its message and place, and hostile input.

mod acme;
mod dns_providers;
mod example;
mod faults;
mod hostile;
mod notify;
mod roles;
mod targets;

use std::path::Path;

use super::{Config, ConfigErrors, Environment};

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse_in(text, Path::new("/etc/keyturn/keyturn.toml"), &Environment::default())
}

/// The faults of `text` without the folder, one a line.
fn faults(text: &str) -> String {
    let shown = parse(text).expect_err("faults").to_string();
    shown.replace("/etc/keyturn/", "")
}

/// The warnings of `text`, one a line.
fn warnings(text: &str) -> String {
    let config = parse(text).unwrap_or_else(|errors| panic!("{errors}"));
    let lines: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    lines.join("\n").replace("/etc/keyturn/", "")
}

/// An issuer, for what needs one.
const CA: &str = "[issuers.internal]\nkind = \"internal\"\ncommon_name = \"Example Internal CA\"\n";

/// A certificate on top of [`CA`]; its table begins in line 4.
fn certificate(rest: &str) -> String {
    format!("{CA}[certificates.edge]\n{rest}\n")
}
