//! Verbs that are planned: refused by name, so that nobody takes silence for success.

use super::fail::{Failure, USAGE};

/// As DESIGN.md and the manual will have them.
const PLANNED: [&str; 10] =
    ["rollback", "hold", "resume", "adopt", "release", "stack-env", "backup", "restore", "state", "cluster"];

/// The same, under `ca`.
const PLANNED_OF_CA: [&str; 0] = [];

/// Says that a verb is not built yet, or does not exist; `under` is the verb that it is one of, as `ca`.
pub(super) fn refuse(words: &[String], under: Option<&str>) -> Result<u8, Failure> {
    let word = words.first().map_or("", String::as_str);
    let planned = if under.is_some() { PLANNED_OF_CA.as_slice() } else { PLANNED.as_slice() };
    if planned.contains(&word) {
        return Err(Failure::usage(format!("`{word}` is not built yet; it comes with a later version")));
    }
    let near =
        nearest(word, planned, under).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    Err(Failure {
        code: USAGE,
        error: anyhow::anyhow!("there is no verb `{word}`{near} (see `keyturn --help`)"),
    })
}

fn nearest(word: &str, planned: &[&str], under: Option<&str>) -> Option<String> {
    use clap::CommandFactory;
    let root = super::args::Cli::command();
    let command = under.map_or(Some(&root), |name| root.find_subcommand(name))?;
    let names = command.get_subcommands().map(|verb| verb.get_name().to_owned());
    let names = names.chain(planned.iter().map(|name| (*name).to_owned()));
    let scored = names.map(|name| (strsim::damerau_levenshtein(word, &name), name));
    scored.filter(|(distance, _)| *distance <= 2).min().map(|(_, name)| name)
}
