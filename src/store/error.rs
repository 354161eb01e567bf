//! Why the store refuses, and what it has noticed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a step is not durable, or a state cannot be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process writes to this state.
    #[error("the state in {} is in use by {}", dir.display(), holder(*.pid))]
    Locked {
        /// The state's folder.
        dir: PathBuf,
        /// The process that holds it, where it has written its number.
        pid: Option<u32>,
    },
    /// There is no state.
    #[error("there is no state in {}: nothing has been written there yet", dir.display())]
    Missing {
        /// The folder looked into.
        dir: PathBuf,
    },
    /// The journal is gone, and what is left of the state says that there was one.
    #[error(
        "{} is gone, but {} is still there: restore a backup, or move the rest of the state away to begin anew",
        journal.display(), left.display()
    )]
    JournalGone {
        /// Where the journal must be.
        journal: PathBuf,
        /// What shows that there was a state.
        left: PathBuf,
    },
    /// A file or folder that is not as it must be before secrets are put there.
    #[error("{} {why}", path.display())]
    Posture {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what to do: "is open to others (mode 0755): chmod 0700".
        why: String,
    },
    /// The state key is not the one this journal was written with.
    #[error("the state key does not open {}: use the key this state was made with; nothing was written", path.display())]
    WrongKey {
        /// The journal.
        path: PathBuf,
    },
    /// The state key itself cannot be used.
    #[error("state key {}: {why}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// A later Keyturn wrote this state.
    #[error(
        "{} has schema {found}, and this keyturn knows {known}: use the newer keyturn; nothing was written",
        path.display()
    )]
    Newer {
        /// The journal.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest schema that this program reads.
        known: u32,
    },
    /// Bytes that were written are not there as they were written.
    #[error(
        "{} is damaged at byte {offset}{}: {why}; nothing was written: restore a backup, or the file from a copy",
        path.display(), after(*.sequence)
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// Where the bad frame begins.
        offset: u64,
        /// The last good frame's sequence number; 0 where there is none.
        sequence: u64,
        /// What does not hold.
        why: String,
    },
    /// One value or one step is too big.
    #[error("{what} has {size} bytes, and the state takes {limit} at most")]
    TooBig {
        /// The record, material or step.
        what: String,
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The disk is full. Nothing of the step was kept; it can be tried again.
    #[error("no space left for {}: the step was not kept; free some space", path.display())]
    NoSpace {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The disk has failed. After it failed in a commit nothing more is promised until a restart.
    #[error("failed to {action} {}", path.display())]
    Storage {
        /// What was tried: "write", "sync".
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The operating system gave no randomness.
    #[error(transparent)]
    NoEntropy(#[from] crate::clock::NoEntropy),
    /// The store's thread is gone.
    #[error("the state is closed")]
    Closed,
}

impl StoreError {
    /// For `map_err`: an I/O error with what was tried on which file.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Storage { action, path, source: Arc::new(error) }
    }

    /// Whether a later try of the same step can work without a restart.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::NoSpace { .. } | Self::NoEntropy(_))
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

fn after(sequence: u64) -> String {
    if sequence == 0 { String::new() } else { format!(" (after sequence {sequence})") }
}

/// What opening a state has found and, where it says so, mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// The journal's last frame was cut short by a crash and has been cut off.
    TornTail,
    /// The journal lacks steps that `db/` has: frames were cut away, or an old copy was put back.
    JournalBehind,
    /// `db/` was missing, unreadable, behind or wrong, and was built anew from the journal.
    IndexRebuilt,
    /// `db/` can be neither opened nor built; the journal answers in its place.
    IndexUnusable,
    /// Entries that the journal has were added to the end of audit.log.
    AuditCompleted,
    /// A line of audit.log is not as it was written.
    AuditAltered,
    /// audit.log has lost entries that the journal no longer holds.
    AuditShortened,
    /// audit.log has entries that the journal does not have; the chain goes on from there.
    AuditAhead,
}

impl NoticeKind {
    /// Its stable name, for logs and tests.
    pub fn name(self) -> &'static str {
        match self {
            Self::TornTail => "torn-tail",
            Self::JournalBehind => "journal-behind",
            Self::IndexRebuilt => "index-rebuilt",
            Self::IndexUnusable => "index-unusable",
            Self::AuditCompleted => "audit-completed",
            Self::AuditAltered => "audit-altered",
            Self::AuditShortened => "audit-shortened",
            Self::AuditAhead => "audit-ahead",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is.
    pub kind: NoticeKind,
    /// The same for people, with the file's name.
    pub text: String,
}

impl Notice {
    pub(super) fn new(kind: NoticeKind, text: String) -> Self {
        Self { kind, text }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.text)
    }
}
