//! Checks the configuration, and whether this process could do what it says.

use serde_json::json;

use super::args::{Cli, ConfigVerb, Format};
use super::fail::{DONE, Failure};
use super::{output, state};
use crate::config::Process;

pub(super) fn run(cli: &Cli, verb: &ConfigVerb) -> Result<u8, Failure> {
    let ConfigVerb::Check = verb;
    let config = state::config(cli)?;
    config.check_owners(&Process::current())?;
    let assets = state::all_assets(&config);
    match cli.output {
        Format::Json => {
            let warnings = config.warnings().iter().map(ToString::to_string);
            output::json(&json!({ "ok": true, "assets": assets, "warnings": warnings.collect::<Vec<_>>() }));
        }
        Format::Table => {
            state::warn(&config);
            let names: Vec<String> = assets.iter().map(ToString::to_string).collect();
            let names = if names.is_empty() { "it asks for nothing".to_owned() } else { names.join(", ") };
            output::line(&format!("the configuration is good: {names}"));
        }
    }
    Ok(DONE)
}
