//! The account at an ACME CA: something is done to it at once, outside of any pass.

use std::sync::Arc;

use serde_json::json;

use super::{Answer, Manner, Next, entropy};
use crate::cli::args::Format;
use crate::cli::compose::House;
use crate::cli::fail::{FAILED, Failure};
use crate::cli::issuers;
use crate::config::{Config, not_one_of};
use crate::issuer::IssueError;
use crate::issuer::acme::Acme;

pub(super) async fn roll_over(
    config: &Config,
    house: &House,
    issuer: &str,
    manner: Manner,
) -> Result<Next, Failure> {
    let acme = acme(config, house, issuer)?;
    let account = acme.roll_over(&house.executor.desk(issuer)).await;
    Ok(Next::Done(answer(account, issuer, "has a new key", manner)))
}

pub(super) async fn register_anew(
    config: &Config,
    house: &House,
    issuer: &str,
    manner: Manner,
) -> Result<Next, Failure> {
    let acme = acme(config, house, issuer)?;
    let account = acme.register_anew(&house.executor.desk(issuer)).await;
    Ok(Next::Done(answer(account, issuer, "is new", manner)))
}

/// Refuses a name that no ACME issuer has.
pub(super) fn known(config: &Config, issuer: &str) -> Result<(), Failure> {
    if config.acme_issuers().contains_key(issuer) {
        return Ok(());
    }
    let known: Vec<&str> = config.acme_issuers().keys().map(String::as_str).collect();
    Err(Failure::usage(format!("there is no ACME issuer of that name: {}", not_one_of(issuer, &known))))
}

fn acme(config: &Config, house: &House, issuer: &str) -> Result<Arc<Acme>, Failure> {
    known(config, issuer)?;
    let all = issuers::acme(config, &house.executor.clock, &entropy(), None)?;
    Ok(Arc::clone(&all[issuer]))
}

fn answer(account: Result<String, IssueError>, issuer: &str, done: &str, manner: Manner) -> Answer {
    match account {
        Ok(account) if manner.format == Format::Json => {
            Answer::done(format!("{:#}\n", json!({ "issuer": issuer, "account": account })))
        }
        Ok(account) => Answer::done(format!("the account {account} of issuers.{issuer} {done}\n")),
        Err(error) => {
            Answer { stdout: String::new(), stderr: vec![format!("keyturn: {error}")], exit: FAILED }
        }
    }
}
