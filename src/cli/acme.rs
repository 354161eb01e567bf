//! The accounts at ACME CAs.

use std::sync::Arc;

use serde_json::json;

use super::args::{AcmeVerb, Cli, Format};
use super::compose::{self, House};
use super::fail::{DONE, FAILED, Failure};
use super::{issuers, output, state};
use crate::clock::Entropy;
use crate::config::{Config, not_one_of};
use crate::issuer::IssueError;
use crate::issuer::acme::Acme;

pub(super) fn run(cli: &Cli, verb: &AcmeVerb) -> Result<u8, Failure> {
    let config = state::config(cli)?;
    match verb {
        AcmeVerb::Rollover { issuer } => {
            on_account(cli, &config, issuer, "has a new key", async |acme, house| {
                acme.roll_over(&house.executor.desk(issuer)).await
            })
        }
        AcmeVerb::Register { issuer } => on_account(cli, &config, issuer, "is new", async |acme, house| {
            acme.register_anew(&house.executor.desk(issuer)).await
        }),
    }
}

/// Does something to the account of one issuer, and says to which.
fn on_account(
    cli: &Cli,
    config: &Config,
    issuer: &str,
    done: &str,
    work: impl AsyncFnOnce(&Acme, &House) -> Result<String, IssueError>,
) -> Result<u8, Failure> {
    if !config.acme_issuers().contains_key(issuer) {
        let known: Vec<&str> = config.acme_issuers().keys().map(String::as_str).collect();
        return Err(Failure::usage(format!(
            "there is no ACME issuer of that name: {}",
            not_one_of(issuer, &known)
        )));
    }
    state::warn(config);
    let result = compose::with_house(config, true, async |house| {
        let all = issuers::acme(config, &house.executor.clock, &Entropy::system(), None)?;
        let acme = Arc::clone(&all[issuer]);
        Ok(work(&acme, &house).await)
    })?;
    match result {
        Ok(account) if cli.output == Format::Json => {
            output::json(&json!({ "issuer": issuer, "account": account }));
            Ok(DONE)
        }
        Ok(account) => {
            output::line(&format!("the account {account} of issuers.{issuer} {done}"));
            Ok(DONE)
        }
        Err(error) => {
            output::warning(&format!("keyturn: {error}"));
            Ok(FAILED)
        }
    }
}
