//! The channels of the configuration, put together; and what a one-shot command delivers before it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::SignedDuration;

use super::compose::Base;
use super::fail::Failure;
use crate::clock::Clock;
use crate::config::{Channel as Settings, ChannelKind, Config};
use crate::desired::Desired;
use crate::executor::{Carried, Errands, Fatal, Postman};
use crate::notify::Channel;
use crate::notify::alertmanager::Alertmanager;
use crate::notify::discord::Discord;
use crate::notify::email::Mail;
use crate::notify::http::Line;
use crate::notify::matrix::Matrix;
use crate::notify::mattermost::Mattermost;
use crate::notify::program::Programs;
use crate::notify::slack::Slack;
use crate::notify::teams::Teams;
use crate::notify::telegram::Telegram;
use crate::notify::webhook::Webhook;

/// A channel that was told something just now is waited for; one that has failed is not.
const SOON: SignedDuration = SignedDuration::from_secs(3);

/// What a one-shot command waits for channels at most.
const PATIENCE: Duration = Duration::from_secs(40);

/// Who carries messages by `config`.
pub(super) fn postman(config: &Config, base: &Base) -> Postman {
    Postman::new(Arc::clone(&base.books), &Desired::of(config), channels(config, &base.clock), &base.actor)
}

/// Who runs its hooks.
pub(super) fn errands(config: &Config, base: &Base) -> Errands {
    let hooks = Desired::of(config).listeners.hooks;
    let programs = Programs { instance: config.daemon().instance().to_owned() };
    Errands::new(Arc::clone(&base.books), hooks, Arc::new(programs), &base.actor)
}

fn channels(config: &Config, clock: &Arc<dyn Clock>) -> BTreeMap<String, Arc<dyn Channel>> {
    let one = |(name, settings): (&String, &Settings)| (name.clone(), channel(settings, clock));
    config.channels().iter().map(one).collect()
}

/// What speaks to one of them.
pub(super) fn channel(settings: &Settings, clock: &Arc<dyn Clock>) -> Arc<dyn Channel> {
    let line = || {
        let ca_file = settings.ca_file().map(ToOwned::to_owned);
        Line::new(settings.allow_private(), ca_file, Arc::clone(clock))
    };
    match settings.kind().clone() {
        ChannelKind::Slack { url_file } => Arc::new(Slack { line: line(), url_file }),
        ChannelKind::Mattermost { url_file } => Arc::new(Mattermost { line: line(), url_file }),
        ChannelKind::Discord { url_file } => Arc::new(Discord { line: line(), url_file }),
        ChannelKind::Teams { url_file } => Arc::new(Teams { line: line(), url_file }),
        ChannelKind::Telegram { server, token_file, chat } => {
            Arc::new(Telegram { line: line(), server, token_file, chat })
        }
        ChannelKind::Matrix { homeserver, token_file, room } => {
            Arc::new(Matrix { line: line(), homeserver, token_file, room })
        }
        ChannelKind::Alertmanager { url, token_file } => {
            Arc::new(Alertmanager { line: line(), url, token_file })
        }
        ChannelKind::Webhook { url_file, secret_file } => {
            Arc::new(Webhook { line: line(), url_file, secret_file })
        }
        ChannelKind::Email(mail) => Arc::new(Mail {
            settings: mail,
            allow_private: settings.allow_private(),
            ca_file: settings.ca_file().map(ToOwned::to_owned),
        }),
    }
}

/// Runs the hooks that are due, the commands side by side.
async fn run_hooks(errands: &Errands) -> Result<(), Fatal> {
    let run = async |command: Vec<String>| {
        while errands.run_next(&command).await? == Carried::Done {}
        Ok::<(), Fatal>(())
    };
    let mut running: FuturesUnordered<_> = errands.commands().into_iter().map(run).collect();
    while let Some(ran) = running.next().await {
        ran?;
    }
    Ok(())
}

/// Runs the hooks that are due, and carries once to each channel what waits for it.
pub(super) async fn deliver(config: &Config, base: &Base) -> Result<(), Failure> {
    if config.channels().is_empty() && config.hooks().is_empty() {
        return Ok(());
    }
    run_hooks(&errands(config, base)).await?;
    let postman = postman(config, base);
    let all = async {
        let beat = async |name: &String| {
            if config.channels()[name].heartbeat().is_some() {
                postman.beat(name).await;
            }
        };
        let carry = async |name: &String| loop {
            if postman.is_shown(name) {
                postman.show(name).await?;
                beat(name).await;
                return Ok::<(), Fatal>(());
            }
            match postman.carry(name).await? {
                Carried::Until(at) if at.duration_since(base.clock.now()) <= SOON => {
                    let left = at.duration_since(base.clock.now());
                    base.clock.sleep(Duration::try_from(left).unwrap_or_default()).await;
                }
                Carried::Done => {}
                Carried::Nothing | Carried::Until(_) => {
                    beat(name).await;
                    return Ok(());
                }
            }
        };
        let mut running: FuturesUnordered<_> = config.channels().keys().map(carry).collect();
        while let Some(carried) = running.next().await {
            carried?;
        }
        Ok::<(), Fatal>(())
    };
    tokio::select! {
        done = all => Ok(done?),
        // What is on its way stays on record, and is sent again.
        () = base.clock.sleep(PATIENCE) => Ok(()),
    }
}
