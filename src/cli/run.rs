//! One pass: plan, execute what is due, wait for it, exit.

use std::collections::BTreeSet;

use super::args::{Cli, Format};
use super::compose::{self, House};
use super::fail::{DONE, FAILED, Failure};
use super::{output, state, status};
use crate::config::Config;
use crate::executor::Passed;
use crate::model::{AssetId, Deferred, Inventory, Problem};
use crate::planner;

pub(super) fn run(cli: &Cli, stock: bool) -> Result<u8, Failure> {
    let config = state::config(cli)?;
    let code = pass(cli, &config, None, async |_: &House| Ok(()))?;
    if stock {
        fill_stock(&config, cli.output == Format::Json)?;
    }
    Ok(code)
}

/// What is missing is made, one after the other: nothing that is due waits for it, since all that was due is done.
fn fill_stock(config: &Config, quiet: bool) -> Result<(), Failure> {
    compose::with_house(config, quiet, async |house| {
        while house.executor.restock(&house.desired).await?.map_err(Failure::failed)? {}
        let inventory = house.executor.books.inventory().await;
        let levels = planner::stock(&house.desired, &inventory, house.executor.clock.now());
        if let Some(line) = status::stock_line(&levels).filter(|_| !quiet) {
            output::line(&line);
        }
        Ok(())
    })
}

/// What comes before the pass, then the pass, then what it has led to.
pub(super) fn pass(
    cli: &Cli,
    config: &Config,
    only: Option<&BTreeSet<AssetId>>,
    before: impl AsyncFnOnce(&House) -> Result<(), Failure>,
) -> Result<u8, Failure> {
    state::warn(config);
    let quiet = cli.output == Format::Json;
    let (passed, inventory) = compose::with_house(config, quiet, async |house| {
        before(&house).await?;
        let passed = house.executor.pass(&house.desired, only).await?;
        let inventory = house.executor.books.inventory().await;
        Ok((passed, inventory))
    })?;
    print(cli, config, &passed, &inventory);
    let failed = passed.failed() || status::stands_in_the_way(&passed.problems, only);
    Ok(if failed { FAILED } else { DONE })
}

fn print(cli: &Cli, config: &Config, passed: &Passed, inventory: &Inventory) {
    let report = status::Report::of(
        config,
        inventory,
        &passed.problems,
        crate::clock::Clock::now(&crate::clock::System::new()),
    );
    if cli.output == Format::Json {
        output::json(&report.json());
        return;
    }
    if passed.done == 0 && passed.failures.is_empty() {
        output::line("nothing to do");
    }
    output::line(&report.table());
    for deferred in &passed.deferred {
        output::line(&waits(deferred));
    }
    for warning in &passed.warnings {
        output::warning(&format!("warning: {warning}"));
    }
    let mut told: Vec<&Problem> = Vec::new();
    for (asset, problem) in &passed.failures {
        if !told.contains(&problem) {
            output::warning(&format!("keyturn: {asset}: {problem}\n  {}", problem.code.action()));
            told.push(problem);
        }
    }
}

/// What waits for what, and until when.
fn waits(deferred: &Deferred) -> String {
    let until = deferred.until.map_or_else(String::new, |until| format!(" (until {until})"));
    format!("waits: {}: {}{until}", deferred.asset, deferred.reason)
}
