//! The accounts at ACME CAs.

use super::args::{AcmeVerb, Cli};
use super::fail::Failure;
use super::run;
use super::wish::Wish;

pub(super) fn run(cli: &Cli, verb: &AcmeVerb) -> Result<u8, Failure> {
    let wish = match verb {
        AcmeVerb::Rollover { issuer } => Wish::AcmeRollover { issuer: issuer.clone() },
        AcmeVerb::Register { issuer } => Wish::AcmeRegister { issuer: issuer.clone() },
    };
    run::run(cli, &wish)
}
