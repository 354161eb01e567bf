//! Verbs that are planned: refused by name, so that nobody takes silence for success.

use super::fail::{Failure, USAGE};

/// As DESIGN.md and the manual will have them.
const PLANNED: [&str; 24] = [
    "daemon",
    "rollback",
    "hold",
    "resume",
    "adopt",
    "release",
    "revoke",
    "csr",
    "import",
    "stack-env",
    "acme",
    "approvals",
    "approve",
    "deny",
    "backup",
    "restore",
    "state",
    "cluster",
    "doctor",
    "notify",
    "health",
    "sign",
    "crl",
    "rotate",
];

/// Says that a verb is not built yet, or does not exist.
pub(super) fn refuse(words: &[String]) -> Result<u8, Failure> {
    let word = words.first().map_or("", String::as_str);
    if PLANNED.contains(&word) {
        return Err(Failure::usage(format!("`{word}` is not built yet; it comes with a later version")));
    }
    let near = nearest(word).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    Err(Failure {
        code: USAGE,
        error: anyhow::anyhow!("there is no verb `{word}`{near} See `keyturn --help`"),
    })
}

fn nearest(word: &str) -> Option<String> {
    use clap::CommandFactory;
    let command = super::args::Cli::command();
    let names = command.get_subcommands().map(|verb| verb.get_name().to_owned());
    let scored = names.map(|name| (strsim::damerau_levenshtein(word, &name), name));
    scored.filter(|(distance, _)| *distance <= 2).min().map(|(_, name)| name)
}
