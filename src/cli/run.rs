//! Has a wish granted: by the daemon where one holds the state, else here and now.

use std::sync::Arc;

use super::args::{Cli, Format};
use super::compose::{Base, House};
use super::fail::Failure;
use super::report::Lines;
use super::wish::{Answer, By, Manner, Next, Wish};
use super::{approvals, control, messages, state};
use crate::config::Config;
use crate::planner::{self, Seed};

pub(super) fn run(cli: &Cli, wish: &Wish) -> Result<u8, Failure> {
    Ok(granted(cli, &state::client_config(cli)?, wish)?.print())
}

/// What has come of the wish.
pub(super) fn granted(cli: &Cli, config: &Config, wish: &Wish) -> Result<Answer, Failure> {
    let manner = Manner { format: cli.output };
    if let Some(answer) = control::asked(config, wish, manner)? {
        return Ok(answer);
    }
    let config = &state::config(cli)?;
    wish.check(config)?;
    approvals::must_not_wait(config, wish)?;
    state::warn(config);
    Base::run(config, async |base| here(config, base, wish, manner).await)
}

/// Puts on record what there is to tell, as things stand.
async fn tell(house: &House, base: &Base) -> Result<(), Failure> {
    base.herald.post_up().await?;
    if house.desired.listeners.is_empty() && !base.books.tidings().await.listening {
        return Ok(());
    }
    let (executor, desired) = (&house.executor, &house.desired);
    executor.expire_approvals().await?;
    let inventory = executor.observe(desired).await;
    let plan = planner::plan(desired, &inventory, base.clock.now(), Seed::of(&desired.instance));
    Ok(base.herald.tell(desired, &inventory, &plan.problems).await?)
}

/// One pass, in this process.
async fn here(config: &Config, base: Base, wish: &Wish, manner: Manner) -> Result<Answer, Failure> {
    let lines = Arc::new(Lines::new(manner.format == Format::Json));
    let house = base.house(config, Arc::clone(&lines), lines, None)?;
    match wish.note(config, &house, &By::themselves(base.actor.clone()), manner).await? {
        Next::Done(answer) => Ok(answer),
        Next::Pass(only) => {
            tell(&house, &base).await?;
            let passed = house.executor.pass(&house.desired, only.as_ref()).await?;
            tell(&house, &base).await?;
            messages::deliver(config, &base).await?;
            let inventory = base.books.inventory().await;
            Ok(Answer::of_pass(config, &passed, &inventory, only.as_ref(), base.clock.as_ref(), manner))
        }
    }
}
