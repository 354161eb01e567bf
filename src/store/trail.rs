//! audit.log: the history as people and other programs read it.
//!
//! The journal has each entry first. This file is completed from it after a crash, and otherwise only
//! appended to: what someone has changed in it stays as they left it, and is told.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::journal::append::Appender;
use super::live::Live;
use super::{Notice, NoticeKind, StoreError, posture};
use crate::audit::{Broken, Entry, Position, Verifier};

/// Where it is.
pub(super) fn path(state: &Path) -> PathBuf {
    state.join("audit.log")
}

/// The open file, and where the history stands.
pub(super) struct Trail {
    /// Takes the lines.
    pub(super) log: Appender,
    /// What the next entry is chained to.
    pub(super) position: Position,
}

/// What reading the file has found.
#[derive(Default)]
struct Survey {
    /// The last line that is an entry, whether or not all before it hold.
    last: Position,
    /// The hash of the entry where the journal stands, if the file goes so far.
    at_journal: Option<String>,
    /// The first line that does not hold.
    broken: Option<Broken>,
    /// What follows the last newline: a line cut short.
    tail: Vec<u8>,
}

impl Trail {
    /// Opens or makes the file and adds what the journal has and it lacks.
    pub(super) fn open(state: &Path, live: &Live) -> Result<(Self, Vec<Notice>), StoreError> {
        let path = path(state);
        let made = !path.exists() && std::fs::symlink_metadata(&path).is_err();
        if made {
            posture::create_file(&path)?;
            posture::sync_dir(state)?;
        }
        let mut log = Appender::open(&path)?;
        let survey = survey(&path, &live.audit)?;
        let mut notices: Vec<_> = judge(&path, &survey, live).into_iter().collect();
        notices.extend(complete(&mut log, &survey, live)?);
        let position = if survey.last.seq > live.audit.seq { survey.last } else { live.audit.clone() };
        Ok((Self { log, position }, notices))
    }
}

fn survey(path: &Path, journal: &Position) -> Result<Survey, StoreError> {
    let file = File::open(path).map_err(StoreError::io("open", path))?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut survey, mut verifier) = (Survey::default(), Verifier::default());
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(StoreError::io("read", path))? > 0 {
        if line.pop_if(|byte| *byte == b'\n').is_none() {
            survey.tail = line;
            break;
        }
        survey.line(&line, &mut verifier, journal);
        line.clear();
    }
    Ok(survey)
}

impl Survey {
    fn line(&mut self, line: &[u8], verifier: &mut Verifier, journal: &Position) {
        // Bytes that are not UTF-8 then are not the line that was written either.
        let line = String::from_utf8_lossy(line);
        let entry = if self.broken.is_some() {
            serde_json::from_str::<Entry>(&line).ok()
        } else {
            verifier.push(&line).map_err(|broken| self.broken = Some(broken)).ok()
        };
        let Some(entry) = entry.filter(|entry| entry.seq > self.last.seq) else {
            return;
        };
        if entry.seq == journal.seq {
            self.at_journal = Some(entry.hash.clone());
        }
        self.last = entry.position();
    }
}

/// What is wrong with the file, beside a missing end.
fn judge(path: &Path, survey: &Survey, live: &Live) -> Option<Notice> {
    let (name, last, journal) = (path.display(), survey.last.seq, live.audit.seq);
    let notice = |kind, text| Some(Notice::new(kind, text));
    if let Some(broken) = &survey.broken {
        return notice(NoticeKind::AuditAltered, format!("{name}: {broken}"));
    }
    if survey.at_journal.as_ref().is_some_and(|hash| *hash != live.audit.hash) {
        let text = format!("{name}: entry {journal} is not the one in the journal");
        return notice(NoticeKind::AuditAltered, text);
    }
    if last > journal {
        let text = format!("{name} has entries up to {last}, and the journal only up to {journal}");
        return notice(NoticeKind::AuditAhead, text);
    }
    let first = live.entries.first().map_or(journal.saturating_add(1), |entry| entry.seq);
    if last.saturating_add(1) < first {
        let text =
            format!("{name} lacks entries {} to {}, which the journal no longer has", last + 1, first - 1);
        return notice(NoticeKind::AuditShortened, text);
    }
    let next = live.entries.iter().find(|entry| entry.seq == last.saturating_add(1));
    if next.is_some_and(|entry| entry.prev != survey.last.hash) {
        let text = format!("{name}: entry {last} is not the one in the journal");
        return notice(NoticeKind::AuditAltered, text);
    }
    None
}

/// Adds the entries that the file lacks, and ends a line that was cut short.
fn complete(log: &mut Appender, survey: &Survey, live: &Live) -> Result<Option<Notice>, StoreError> {
    let missing: Vec<_> = live.entries.iter().filter(|entry| entry.seq > survey.last.seq).collect();
    let lines: String = missing.iter().map(|entry| entry.line() + "\n").collect();
    if survey.tail.is_empty() && missing.is_empty() {
        return Ok(None);
    }
    // A cut line that is the beginning of what is added now goes; any other is left for all to see.
    if lines.as_bytes().starts_with(&survey.tail) {
        let whole = log.length().saturating_sub(survey.tail.len() as u64);
        log.cut(whole)?;
        log.append(lines.as_bytes())?;
    } else {
        log.append(format!("\n{lines}").as_bytes())?;
    }
    let text = match (missing.first(), missing.last()) {
        (Some(first), Some(last)) => {
            format!("lacked entries {} to {}: added from the journal", first.seq, last.seq)
        }
        _ => "ended within a line that the journal does not have; the line was ended".to_owned(),
    };
    Ok(Some(Notice::new(NoticeKind::AuditCompleted, format!("{} {text}", log.path().display()))))
}
