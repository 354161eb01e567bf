//! The history, and whether it is whole.

use serde_json::{Value, json};

use super::args::{Cli, Format};
use super::fail::{DONE, FAILED, Failure};
use super::{output, state};
use crate::audit;

pub(super) fn run(cli: &Cli, verify: bool) -> Result<u8, Failure> {
    let config = state::config(cli)?;
    let Some(snapshot) = state::snapshot(&config)? else {
        return Err(Failure::usage("there is no history yet: nothing has been done"));
    };
    let lines = snapshot.audit_lines()?;
    if verify {
        return check(cli, &lines, snapshot.audit_position());
    }
    match cli.output {
        Format::Json => {
            let entries = lines.iter().map(|line| serde_json::from_str(line).unwrap_or(Value::Null));
            output::json(&json!({ "entries": entries.collect::<Vec<_>>() }));
        }
        Format::Table => output::line(&table(&lines)),
    }
    Ok(DONE)
}

/// The chain by itself, and its end against what the journal says: a history that was cut short verifies, but ends
/// too soon. How many entries it has, or what is wrong with it.
pub(super) fn verdict(lines: &[String], end: &audit::Position) -> Result<u64, String> {
    match audit::verify(lines) {
        Err(broken) => Err(broken.to_string()),
        Ok(summary) if summary.last != *end => {
            Err(format!("it has {} entries, and the journal knows of {}", summary.entries, end.seq))
        }
        Ok(summary) => Ok(summary.entries),
    }
}

fn check(cli: &Cli, lines: &[String], end: &audit::Position) -> Result<u8, Failure> {
    let verdict = verdict(lines, end);
    match (&verdict, cli.output) {
        (_, Format::Json) => output::json(&json!({
            "whole": verdict.is_ok(),
            "entries": lines.len(),
            "fault": verdict.as_ref().err(),
        })),
        (Ok(entries), Format::Table) => output::line(&format!("the history is whole: {entries} entries")),
        (Err(fault), Format::Table) => {
            output::warning(&format!("keyturn: the history does not hold: {fault}"));
        }
    }
    Ok(if verdict.is_ok() { DONE } else { FAILED })
}

fn table(lines: &[String]) -> String {
    let mut table = output::table(&["SEQ", "AT", "ACTOR", "ACTION", "ASSET", "REV", "DETAIL"]);
    for line in lines {
        let Ok(entry) = serde_json::from_str::<audit::Entry>(line) else {
            table.add_row(["?", "", "", "", "", "", line]);
            continue;
        };
        let detail = entry.detail.iter().map(|(name, value)| format!("{name}={value}"));
        table.add_row([
            entry.seq.to_string(),
            entry.at.to_string(),
            entry.actor,
            entry.action,
            entry.asset.map_or_else(String::new, |asset| asset.to_string()),
            entry.revision.map_or_else(String::new, |revision| revision.to_string()),
            detail.collect::<Vec<_>>().join(" "),
        ]);
    }
    table.to_string()
}
