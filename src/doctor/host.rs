//! The machine that Keyturn runs on: its state, its disks, its clock, its configuration.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::Finding;
use crate::model::{Code, Problem};

/// Where the key to the state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// A file of the operator's.
    File(PathBuf),
    /// In the state's own folder.
    Beside(PathBuf),
    /// Handed over by systemd.
    Credential(PathBuf),
}

/// What became of reading the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateSeen {
    /// There is none yet.
    NotYet,
    /// It opens.
    Opens {
        /// All of them were read, and their seals hold.
        steps: u64,
        /// How many entries the history has, or where it does not hold.
        history: Result<u64, String>,
        /// The latest time that is in it.
        last_seen: Option<Timestamp>,
    },
    /// It is open to others.
    Posture(String),
    /// It does not open.
    Broken(String),
}

/// What was seen of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFacts {
    /// Where it is.
    pub dir: PathBuf,
    /// Where its key is.
    pub key: KeyPlace,
    /// What became of reading it.
    pub seen: StateSeen,
    /// The disks that it and the targets' folders are on.
    pub disks: Vec<Disk>,
}

/// Room where something is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// A folder on it.
    pub path: PathBuf,
    /// In bytes, to who is not root.
    pub free: u64,
    /// In bytes.
    pub total: u64,
    /// Whether no more files can be made, whatever room there is.
    pub out_of_inodes: bool,
}

/// Less is a warning: of the disk, and in bytes.
const LOW_SHARE: u64 = 20;
const LOW: u64 = 100 << 20;
/// Less is a fault: a compaction of the state may not fit.
const TOO_LOW: u64 = 16 << 20;

/// Of the state.
pub fn state(facts: &StateFacts) -> Vec<Finding> {
    let dir = facts.dir.display().to_string();
    let mut found = match &facts.seen {
        StateSeen::NotYet => {
            vec![Finding::ok("state", &dir, "there is none yet; the first `keyturn run` makes it")]
        }
        StateSeen::Posture(why) => vec![Finding::fault("state", &dir, Code::StatePosture, why)],
        StateSeen::Broken(why) => vec![Finding::fault("state", &dir, Code::StateUnreadable, why)],
        StateSeen::Opens { steps, history, .. } => {
            let opens = format!("it opens, is closed to others, and all of its {steps} steps are whole");
            vec![Finding::ok("state", &dir, opens), chronicle(&dir, history)]
        }
    };
    found.push(key(&facts.key));
    found.extend(facts.disks.iter().map(disk));
    found
}

fn chronicle(dir: &str, history: &Result<u64, String>) -> Finding {
    match history {
        Ok(entries) => Finding::ok("state", dir, format!("the history's {entries} entries are whole")),
        Err(why) => Finding::fault("state", dir, Code::AuditBroken, why),
    }
}

fn key(place: &KeyPlace) -> Finding {
    let ok = |file: &PathBuf, what| Finding::ok("state", file.display().to_string(), what);
    match place {
        KeyPlace::File(file) => ok(file, "the state's key lies apart from it"),
        KeyPlace::Credential(file) => ok(file, "the state's key is handed over by systemd"),
        KeyPlace::Beside(file) => Finding::warning(
            "state",
            file.display().to_string(),
            Code::StateKeyBeside,
            "who has the state's folder has its key too",
        ),
    }
}

fn disk(disk: &Disk) -> Finding {
    let (about, free) = (disk.path.display().to_string(), disk.free >> 20);
    let message = if disk.out_of_inodes {
        "no more files can be made: the file system is out of inodes".to_owned()
    } else {
        format!("{free} MiB of {} MiB are free", disk.total >> 20)
    };
    match () {
        () if disk.free < TOO_LOW || disk.out_of_inodes => {
            Finding::fault("state", about, Code::DiskLow, message)
        }
        () if disk.free < LOW || disk.free < disk.total / LOW_SHARE => {
            Finding::warning("state", about, Code::DiskLow, message)
        }
        () => Finding::ok("state", about, message),
    }
}

/// What was seen of the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clocks {
    /// Our own.
    pub now: Timestamp,
    /// Whether the kernel says that something keeps it right; `None` where it may not be asked.
    pub synchronised: Option<bool>,
    /// The latest time in the state.
    pub last_seen: Option<Timestamp>,
    /// By how much we are before (or, negative, behind) others, by their names; or why they could not be asked.
    pub others: Vec<(String, Result<SignedDuration, Problem>)>,
}

/// More is a warning; a second or two is how long the question may take.
const OFF: SignedDuration = SignedDuration::from_secs(5);
/// More is a fault: what verifiers of JWTs forgive by default.
const FAR_OFF: SignedDuration = SignedDuration::from_secs(60);
/// The state may be written by a clock that was a little ahead.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

/// Of the clock.
pub fn clocks(facts: &Clocks) -> Vec<Finding> {
    let now = facts.now.to_string();
    let mut found = vec![match facts.synchronised {
        Some(true) => Finding::ok("clock", "kernel", format!("it is synchronised, and shows {now}")),
        Some(false) => Finding::warning(
            "clock",
            "kernel",
            Code::ClockUnsynced,
            format!("it shows {now}, and nothing keeps it right"),
        ),
        None => Finding::ok(
            "clock",
            "kernel",
            format!("it shows {now}; whether it is synchronised, the kernel does not tell"),
        ),
    }];
    if let Some(seen) = facts.last_seen {
        let ahead = seen.duration_since(facts.now) > TOLERANCE;
        let message = format!("the state was written last at {seen}");
        found.push(match ahead {
            true => {
                Finding::fault("clock", "state", Code::ClockBack, format!("it shows {now}, but {message}"))
            }
            false => Finding::ok("clock", "state", message),
        });
    }
    found.extend(facts.others.iter().map(|(name, by)| compared(name, by)));
    found
}

fn compared(name: &str, by: &Result<SignedDuration, Problem>) -> Finding {
    let by = match by {
        Ok(by) => *by,
        Err(problem) => return Finding::warning("clock", name, problem.code, &problem.message),
    };
    let seconds = by.abs().as_secs();
    let message = match by.as_secs() {
        0 => format!("it agrees with {name}"),
        1.. => format!("it is {seconds} s before the one of {name}"),
        _ => format!("it is {seconds} s behind the one of {name}"),
    };
    match by.abs() {
        by if by > FAR_OFF => Finding::fault("clock", name, Code::ClockOff, message),
        by if by > OFF => Finding::warning("clock", name, Code::ClockOff, message),
        _ => Finding::ok("clock", name, message),
    }
}

/// What the configuration's own check has found odd.
pub fn odd(file: &str, warnings: &[String]) -> Vec<Finding> {
    if warnings.is_empty() {
        return vec![Finding::ok("config", file, "it is good")];
    }
    let one = |warning: &String| Finding::warning("config", file, Code::ConfigOdd, warning);
    warnings.iter().map(one).collect()
}

/// Of a file that is trusted. `secret`: it holds something that others must not read. A group may be one's own, so that is
/// no more than a warning.
pub fn loose(file: &str, mode: u32, secret: bool) -> Finding {
    let open = |to: u32| mode & to & if secret { 0o066 } else { 0o022 } != 0;
    let what = match mode & 0o022 {
        0 => "it holds a secret, and may be read",
        _ => "it may be written",
    };
    let shown = format!("mode {:04o}", mode & 0o7777);
    match () {
        () if open(0o007) => {
            Finding::fault("config", file, Code::ConfigLoose, format!("{shown}: {what} by everyone"))
        }
        () if open(0o070) => {
            Finding::warning("config", file, Code::ConfigLoose, format!("{shown}: {what} by its group"))
        }
        () => Finding::ok("config", file, format!("{shown}: closed as it should be")),
    }
}
