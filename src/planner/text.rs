//! A forecast as text, for people: one line an action, then what waits, what is wrong and what would go badly.

use std::fmt::{self, Write};

use super::Forecast;
use crate::model::{Action, AssetId, Step};

/// The whole forecast. Bookkeeping that nobody need know is left out.
pub fn render(forecast: &Forecast) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = write(&mut text, forecast);
    text
}

fn write(text: &mut String, forecast: &Forecast) -> fmt::Result {
    let steps: Vec<&Step> = forecast.steps.iter().filter(|step| is_shown(step)).collect();
    if steps.is_empty() {
        match forecast.first.next_wake {
            Some(wake) => writeln!(text, "nothing to do; the next look is due at {wake}")?,
            None => writeln!(text, "nothing to do")?,
        }
    }
    let width = steps.iter().map(|step| subject(step).len()).max().unwrap_or(0);
    for step in steps {
        write!(
            text,
            "{}  {:<8}  {:<width$}  because {}",
            step.at,
            step.action.name(),
            subject(step),
            step.reason
        )?;
        let services = step.action.services();
        match services.is_empty() {
            true => writeln!(text)?,
            false => writeln!(text, "  [restarts {}]", services.join(", "))?,
        }
    }
    if forecast.cut_short {
        writeln!(text, "… and more: ask for a shorter time")?;
    }
    let waits = forecast.first.deferred.iter().map(|one| {
        let until = one.until.map_or(String::new(), |until| format!("  until {until}"));
        format!("{}{until}  {}", one.asset, one.reason)
    });
    section(text, "waits", waits)?;
    section(
        text,
        "problems",
        forecast.first.problems.iter().map(|(id, problem)| format!("{id}  {problem}")),
    )?;
    section(text, "warnings", forecast.warnings.iter().cloned())
}

fn is_shown(step: &Step) -> bool {
    !step.action.is_silent()
}

/// What an action is about: the assets, and what of them.
fn subject(step: &Step) -> String {
    let assets = step.assets.iter().map(AssetId::to_string).collect::<Vec<_>>().join(" + ");
    match &step.action {
        Action::Generate(make) | Action::Issue(make) => format!("{assets} revision {}", make.revision),
        Action::List(make) => format!("{assets} revocation lists {}", make.edition),
        Action::Publish(object) => format!("{assets} {} {}", object.kind, object.name),
        Action::Announce(_, number)
        | Action::Activate(_, number)
        | Action::Retire(_, number)
        | Action::Revoke(_, number)
        | Action::Consult(_, number) => {
            format!("{assets} revision {number}")
        }
        Action::Rollout(rollout) | Action::Verify(rollout) => format!("{assets} in {}", rollout.place),
        Action::Forget(forget) => format!("{assets} in {}", forget.place),
        Action::Delete(old) => format!("{assets} {} {}", old.kind, old.name),
        Action::Note(_, place, _) => format!("{assets} in {place}"),
    }
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) -> fmt::Result {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        writeln!(text, "\n{title}")?;
    }
    lines.try_for_each(|line| writeln!(text, "  {line}"))
}
