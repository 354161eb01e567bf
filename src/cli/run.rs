//! Has a wish granted: by the daemon where one holds the state, else here and now.

use std::sync::Arc;

use super::args::{Cli, Format};
use super::compose::Base;
use super::fail::Failure;
use super::report::Lines;
use super::wish::{Answer, Manner, Next, Wish};
use super::{control, state};
use crate::config::Config;

pub(super) fn run(cli: &Cli, wish: &Wish) -> Result<u8, Failure> {
    let config = state::config(cli)?;
    Ok(granted(cli, &config, wish)?.print())
}

/// What has come of the wish.
pub(super) fn granted(cli: &Cli, config: &Config, wish: &Wish) -> Result<Answer, Failure> {
    let manner = Manner { format: cli.output };
    if let Some(answer) = control::asked(config, wish, manner)? {
        return Ok(answer);
    }
    wish.check(config)?;
    state::warn(config);
    Base::run(config, async |base| here(config, base, wish, manner).await)
}

/// One pass, in this process.
async fn here(config: &Config, base: Base, wish: &Wish, manner: Manner) -> Result<Answer, Failure> {
    let lines = Arc::new(Lines::new(manner.format == Format::Json));
    let house = base.house(config, Arc::clone(&lines), lines, None)?;
    match wish.note(config, &house, &base.actor, manner).await? {
        Next::Done(answer) => Ok(answer),
        Next::Pass(only) => {
            let passed = house.executor.pass(&house.desired, only.as_ref()).await?;
            let inventory = base.books.inventory().await;
            Ok(Answer::of_pass(config, &passed, &inventory, only.as_ref(), base.clock.as_ref(), manner))
        }
    }
}
