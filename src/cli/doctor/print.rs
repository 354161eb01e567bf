//! Findings, for people and for programs.

use serde_json::{Value, json};

use crate::doctor::{Finding, Level};
use crate::model::Code;

/// Text is broken here, so that a terminal need not.
const WIDTH: usize = 110;
const INDENT: &str = "           ";

/// For programs.
pub(super) fn json(findings: &[Finding]) -> Value {
    let one = |finding: &Finding| {
        json!({
            "check": finding.check,
            "about": finding.about,
            "level": finding.level.name(),
            "code": finding.code,
            "message": finding.message,
            "why": finding.code.map(Code::meaning),
            "source": finding.source(),
            "action": finding.code.map(Code::action),
        })
    };
    json!({
        "findings": findings.iter().map(one).collect::<Vec<_>>(),
        "faults": count(findings, Level::Fault),
        "warnings": count(findings, Level::Warning),
    })
}

fn count(findings: &[Finding], level: Level) -> usize {
    findings.iter().filter(|finding| finding.level == level).count()
}

/// For people: what was looked at in order, and under each fault why it is one and what to do. A reason that was given
/// once is not given again.
pub(super) fn text(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    let (mut about, mut explained) = (None, Vec::new());
    for finding in findings {
        if about != Some((finding.check, &finding.about)) {
            lines.push(format!("{} {}", finding.check, finding.about));
            about = Some((finding.check, &finding.about));
        }
        let level = finding.level.name();
        let Some(code) = finding.code else {
            lines.push(wrapped(&format!("  {level:<9}"), &finding.message));
            continue;
        };
        lines.push(wrapped(&format!("  {level:<9}"), &format!("{code}: {}", finding.message)));
        if explained.contains(&code) {
            continue;
        }
        explained.push(code);
        lines.push(wrapped(&format!("{INDENT}why: "), code.meaning()));
        lines.extend(finding.source().map(|source| wrapped(&format!("{INDENT}see: "), source)));
        lines.push(wrapped(&format!("{INDENT}do:  "), code.action()));
    }
    let (faults, warnings) = (count(findings, Level::Fault), count(findings, Level::Warning));
    let well = findings.len() - faults - warnings;
    lines.push(format!("{faults} faults, {warnings} warnings; {well} checks are well"));
    lines.join("\n")
}

/// `text` behind `start`, its further lines below its first word.
fn wrapped(start: &str, text: &str) -> String {
    let mut lines = vec![start.to_owned()];
    let mut room = WIDTH.saturating_sub(start.len());
    let mut fresh = true;
    for word in text.split_whitespace() {
        let length = word.chars().count() + usize::from(!fresh);
        if length > room && !fresh {
            lines.push(" ".repeat(start.len()));
            room = WIDTH.saturating_sub(start.len());
            fresh = true;
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if fresh { "" } else { " " });
            line.push_str(word);
        }
        room = room.saturating_sub(length);
        fresh = false;
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_given_once() {
        let bad = |about: &str| Finding::warning("tls", about, Code::TlsTickets, "it offers session tickets");
        let text = text(&[Finding::ok("tls", "a:1", "good"), bad("a:1"), bad("b:1")]);
        assert_eq!(text.matches("why:").count(), 1, "{text}");
        assert!(text.starts_with("tls a:1\n  ok       good\n  warning  KT-TLS-TICKETS: it offers"), "{text}");
        assert!(text.ends_with("0 faults, 2 warnings; 1 checks are well"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}
