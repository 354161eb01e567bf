//! The account at an ACME CA: something is done to it at once, outside of any pass.

use std::sync::Arc;

use serde_json::json;

use super::{Answer, Manner, Next};
use crate::cli::args::Format;
use crate::cli::compose::House;
use crate::cli::fail::{FAILED, Failure};
use crate::cli::issuers;
use crate::clock::Entropy;
use crate::config::{Config, not_one_of};
use crate::issuer::IssueError;
use crate::issuer::acme::Acme;

/// What is done to it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    RollOver,
    RegisterAnew,
}

impl Change {
    pub(super) async fn make(
        self,
        config: &Config,
        house: &House,
        issuer: &str,
        manner: Manner,
    ) -> Result<Next, Failure> {
        let (acme, desk) = (acme(config, house, issuer)?, house.executor.desk(issuer));
        let (account, done) = match self {
            Self::RollOver => (acme.roll_over(&desk).await, "has a new key"),
            Self::RegisterAnew => (acme.register_anew(&desk).await, "is new"),
        };
        Ok(Next::Done(answer(account, issuer, done, manner)))
    }
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
    let all = issuers::acme(config, &house.executor.clock, &Entropy::system(), None)?;
    Ok(Arc::clone(&all[issuer]))
}

fn answer(account: Result<String, IssueError>, issuer: &str, done: &str, manner: Manner) -> Answer {
    match account {
        Ok(account) if manner.format == Format::Json => {
            Answer::done(format!("{:#}\n", json!({ "issuer": issuer, "account": account })))
        }
        Ok(account) => Answer::done(format!("the account {account} of issuers.{issuer} {done}\n")),
        Err(error) => Answer {
            stdout: String::new(),
            stderr: vec![format!("keyturn: {error}")],
            exit: FAILED,
            secret: None,
        },
    }
}
