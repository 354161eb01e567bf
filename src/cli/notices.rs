//! Messages that are sent at once, without the state: nothing is kept, and nothing waits.

use std::sync::Arc;

use super::args::Cli;
use super::compose::block_on;
use super::fail::{DONE, FAILED, Failure};
use super::{messages, output, state};
use crate::clock::{Clock, System};
use crate::config::{Channel as Settings, Config};
use crate::model::{Event, Item, Message, Phase, Severity};

/// `notify test`: does a message arrive?
pub(super) fn test(cli: &Cli, name: Option<&str>) -> Result<u8, Failure> {
    let config = state::config(cli)?;
    let text = "this is a test: messages of Keyturn arrive here".to_owned();
    send(&config, chosen(&config, name)?, ("test", Event::Recovery, Severity::Info), text)
}

/// `notify down`: what cannot speak for itself any more has failed.
pub(super) fn down(cli: &Cli, unit: &str) -> Result<u8, Failure> {
    let config = state::config(cli)?;
    let hears = |settings: &&Settings| settings.events().contains(&Event::Failure);
    let channels: Vec<&Settings> = config.channels().values().filter(hears).collect();
    let text = format!("{unit} has failed{}: nothing is renewed until it runs again", why());
    // Where nobody can be told, the log is.
    tracing::error!(unit, "{text}");
    if channels.is_empty() {
        return Err(Failure::failed(anyhow::anyhow!(
            "no channel of the configuration takes failures: {text}"
        )));
    }
    send(&config, channels, ("down", Event::Failure, Severity::Critical), text)
}

/// What systemd says of the unit that has failed (systemd.exec(5), MONITOR_…), where it says anything.
fn why() -> String {
    let said = |name: &str| std::env::var(format!("MONITOR_{name}")).ok().filter(|word| !word.is_empty());
    let words = [said("SERVICE_RESULT"), said("EXIT_CODE"), said("EXIT_STATUS")];
    let words: Vec<String> = words.into_iter().flatten().collect();
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(", ")) }
}

fn send(
    config: &Config,
    channels: Vec<&Settings>,
    (kind, event, severity): (&str, Event, Severity),
    text: String,
) -> Result<u8, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(System::new());
    let (instance, at) = (config.daemon().instance().to_owned(), clock.now());
    let phase = Phase::Happened;
    let item =
        Item { event, severity, phase, asset: None, revision: None, code: None, text, at, since: None };
    let id = format!("{instance}-{kind}-{}", at.as_second());
    let message = Message { instance, id, at, items: vec![item], dropped: 0, brief: false };
    let sent: Vec<_> = block_on(async {
        let send = async |settings: &Settings| {
            let channel = messages::channel(settings, &clock);
            (settings.clone(), channel.send(&message).await)
        };
        Ok(futures_util::future::join_all(channels.into_iter().map(send)).await)
    })?;
    let mut code = DONE;
    for (settings, outcome) in &sent {
        let kind = settings.kind().name();
        match outcome {
            Ok(()) => output::line(&format!("{} ({kind}): sent", settings.name())),
            Err(error) => {
                code = FAILED;
                output::line(&format!("{} ({kind}): FAILED: {error}", settings.name()));
            }
        }
    }
    Ok(code)
}

fn chosen<'c>(config: &'c Config, name: Option<&str>) -> Result<Vec<&'c Settings>, Failure> {
    let known = || config.channels().keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    match name {
        _ if config.channels().is_empty() => {
            Err(Failure::usage("the configuration has no channel: add [notify.NAME] (docs/alerts.md)"))
        }
        None => Ok(config.channels().values().collect()),
        Some(name) => match config.channels().get(name) {
            Some(channel) => Ok(vec![channel]),
            None => Err(Failure::usage(format!(
                "there is no channel `{name}`; the configuration has {}",
                known()
            ))),
        },
    }
}
