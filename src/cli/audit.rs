//! The history, and whether it is whole.

use serde_json::{Value, json};

use super::args::{Cli, Format};
use super::fail::{DONE, FAILED, Failure};
use super::wish::{Answer, Manner, Wish};
use super::{output, reading, state};
use crate::audit;
use crate::config::Config;

pub(super) fn run(cli: &Cli, verify: bool) -> Result<u8, Failure> {
    let config = state::client_config(cli)?;
    let answer = match reading::by_daemon(cli, &config, &Wish::Audit { verify })? {
        Some(answer) => answer,
        None => answer(&config, verify, Manner { format: cli.output })?,
    };
    Ok(answer.print())
}

/// The same, where a reading must not hold up anyone.
pub(super) async fn answer_of_daemon(
    config: &Config,
    verify: bool,
    manner: Manner,
) -> Result<Answer, Failure> {
    let config = config.clone();
    let work = tokio::task::spawn_blocking(move || answer(&config, verify, manner));
    work.await.map_err(Failure::failed)?
}

fn answer(config: &Config, verify: bool, manner: Manner) -> Result<Answer, Failure> {
    let Some(snapshot) = state::snapshot(config)? else {
        return Err(Failure::usage("there is no history yet: nothing has been done"));
    };
    let lines = snapshot.audit_lines()?;
    if verify {
        return Ok(check(manner, &lines, snapshot.audit_position()));
    }
    Ok(Answer::done(match manner.format {
        Format::Json => {
            let entries = lines.iter().map(|line| serde_json::from_str(line).unwrap_or(Value::Null));
            format!("{:#}\n", json!({ "entries": entries.collect::<Vec<_>>() }))
        }
        Format::Table => table(&lines) + "\n",
    }))
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

fn check(manner: Manner, lines: &[String], end: &audit::Position) -> Answer {
    let verdict = verdict(lines, end);
    let exit = if verdict.is_ok() { DONE } else { FAILED };
    let (stdout, stderr) = match (&verdict, manner.format) {
        (_, Format::Json) => {
            let fault = verdict.as_ref().err();
            let told = json!({ "whole": verdict.is_ok(), "entries": lines.len(), "fault": fault });
            (format!("{told:#}\n"), Vec::new())
        }
        (Ok(entries), Format::Table) => (format!("the history is whole: {entries} entries\n"), Vec::new()),
        (Err(fault), Format::Table) => {
            (String::new(), vec![format!("keyturn: the history does not hold: {fault}")])
        }
    };
    Answer { stdout, stderr, exit, secret: None }
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
