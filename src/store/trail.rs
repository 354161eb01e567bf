//! audit.log: the history as people and other programs read it.
//!
//! The journal has each entry first. This file is completed from it after a crash, and otherwise only
//! appended to: what someone has changed in it stays as they left it, and is told.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
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
    /// Where the first of the journal's entries stands, or will.
    from: Option<u64>,
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
        let mut survey = survey(&path, live)?;
        let lost = cut_lost(&mut log, &survey, live)?;
        if lost.is_some() {
            survey = self::survey(&path, live)?;
        }
        let mut notices: Vec<_> = judge(&path, &survey, live).into_iter().collect();
        notices.extend(complete(&mut log, &survey, live)?.or(lost));
        let position = if survey.last.seq > live.audit.seq { survey.last } else { live.audit.clone() };
        Ok((Self { log, position }, notices))
    }
}

fn survey(path: &Path, live: &Live) -> Result<Survey, StoreError> {
    let file = File::open(path).map_err(StoreError::io("open", path))?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut survey, mut verifier) = (Survey::default(), Verifier::default());
    let before = live.entries.first().map(|entry| entry.seq.saturating_sub(1));
    let (mut line, mut at) = (Vec::new(), 0_u64);
    loop {
        at = at.saturating_add(line.len() as u64);
        line.clear();
        if before == Some(survey.last.seq) {
            survey.from.get_or_insert(at);
        }
        if reader.read_until(b'\n', &mut line).map_err(StoreError::io("read", path))? == 0 {
            return Ok(survey);
        }
        let Some(text) = line.strip_suffix(b"\n") else {
            survey.tail = line;
            return Ok(survey);
        };
        survey.line(text, &mut verifier, &live.audit);
    }
}

/// Cuts off the end that a power cut has spoilt: what was not synced has been lost in pieces, and a file system leaves
/// zeros in their place. The journal has it. Any other difference is somebody's doing, and is left for all to see.
fn cut_lost(log: &mut Appender, survey: &Survey, live: &Live) -> Result<Option<Notice>, StoreError> {
    let odd = survey.broken.is_some() || !survey.tail.is_empty();
    let Some(from) = survey.from.filter(|_| odd) else { return Ok(None) };
    let mut have = vec![0; usize::try_from(log.length().saturating_sub(from)).unwrap_or(0)];
    log.file().read_exact_at(&mut have, from).map_err(StoreError::io("read", log.path()))?;
    match sound(&have, lines(&live.entries).as_bytes()) {
        Some(length) if length < have.len() => {
            log.cut(from.saturating_add(length as u64))?;
            let text = format!("{} ended with zeros, which were cut off", log.path().display());
            Ok(Some(Notice::new(NoticeKind::AuditCompleted, text)))
        }
        _ => Ok(None),
    }
}

/// How much of `have` is as it was written; nothing, where what differs is not lost but changed.
fn sound(have: &[u8], written: &[u8]) -> Option<usize> {
    let same = have.iter().zip(written).take_while(|(have, written)| have == written).count();
    let lost = |(at, byte): (usize, &u8)| *byte == 0 || written.get(at) == Some(byte);
    have.iter().enumerate().skip(same).all(lost).then_some(same)
}

/// The same for who only reads: what of the file's bytes is as it was written.
pub(super) fn whole<'b>(bytes: &'b [u8], entries: &[Entry]) -> &'b [u8] {
    // No line has one.
    if !bytes.contains(&0) {
        return bytes;
    }
    let before = entries.first().map(|entry| entry.seq.saturating_sub(1));
    let (mut from, mut last) = (0, 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if before == Some(last) {
            let (Some(have), written) = (bytes.get(from..), lines(entries)) else { break };
            let good = sound(have, written.as_bytes()).unwrap_or(have.len());
            return bytes.get(..from + good).unwrap_or(bytes);
        }
        last = serde_json::from_slice::<Entry>(line).map_or(last, |entry| entry.seq);
        from += line.len();
    }
    bytes
}

/// As they stand in the file.
fn lines<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> String {
    entries.into_iter().map(|entry| entry.line() + "\n").collect()
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
    let lines = lines(missing.iter().copied());
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
