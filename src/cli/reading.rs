//! Readers: whoever can read the state reads it, without a lock and whether or not a daemon runs; others ask the daemon,
//! as far as `[roles]` lets them.

use std::fs::File;
use std::path::Path;

use super::args::Cli;
use super::fail::Failure;
use super::wish::{Answer, Manner, Wish};
use super::{control, state};
use crate::config::Config;

/// The daemon's answer, where the caller cannot read the state and a daemon runs.
pub(super) fn by_daemon(cli: &Cli, config: &Config, wish: &Wish) -> Result<Option<Answer>, Failure> {
    if is_readable(config) {
        return Ok(None);
    }
    let answer = control::asked(config, wish, Manner { format: cli.output })?;
    if answer.is_none() {
        // What the caller lacks is said as to anyone who has no daemon.
        state::config(cli)?;
    }
    Ok(answer)
}

/// What is not there yet can be read as well: there is nothing in it.
fn is_readable(config: &Config) -> bool {
    let (dir, key) = (config.daemon().state_dir(), config.daemon().state_key_file());
    if is_missing(dir) {
        return true;
    }
    std::fs::read_dir(dir).is_ok() && (File::open(&key).is_ok() || is_missing(&key) && is_ours(config))
}

/// Without a key of somebody's choice it lies with the state: then nothing was made yet.
fn is_ours(config: &Config) -> bool {
    config.daemon().chosen_state_key_file().is_none()
}

fn is_missing(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}
