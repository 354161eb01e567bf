//! Exit codes, and errors on their way to stderr.

use crate::config::ConfigErrors;
use crate::executor::{BooksError, Fatal};
use crate::model::Refusal;
use crate::store::StoreError;

/// Done.
pub(super) const DONE: u8 = 0;
/// Something due failed.
pub(super) const FAILED: u8 = 1;
/// Usage or configuration.
pub(super) const USAGE: u8 = 2;
/// Waits for approval.
pub(super) const WAITS: u8 = 3;
/// The state is locked, or the daemon cannot be reached.
pub(super) const LOCKED: u8 = 4;
/// Refused to the caller.
pub(super) const REFUSED: u8 = 5;

/// An error with the exit code that it ends the program with.
#[derive(Debug)]
pub struct Failure {
    /// As `--help` documents it.
    pub(super) code: u8,
    /// With its causes.
    pub(super) error: anyhow::Error,
}

impl Failure {
    /// The caller has asked for something that cannot be.
    pub(super) fn usage(message: impl std::fmt::Display) -> Self {
        Self { code: USAGE, error: anyhow::anyhow!("{message}") }
    }

    /// Something that was due has failed.
    pub(super) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self { code: FAILED, error: error.into() }
    }

    /// Says where it happened.
    pub(super) fn about(self, socket: &std::path::Path) -> Self {
        let error = self.error.context(format!("{}", socket.display()));
        Self { error, ..self }
    }

    /// One chain, once.
    #[allow(clippy::print_stderr)]
    pub(super) fn print(&self) {
        // What a line is worth stands before it there (sd-daemon(3)).
        let level = if super::logging::stderr_is_the_journal() { "<3>" } else { "" };
        self.text().lines().for_each(|line| eprintln!("{level}{line}"));
    }

    /// As it is printed.
    pub(super) fn text(&self) -> String {
        let text = format!("{:#}", self.error);
        // The configuration's faults stand each on a line of their own, with file and place.
        if self.error.is::<ConfigErrors>() { text } else { format!("keyturn: {text}") }
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self { code: USAGE, error: errors.into() }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Locked { .. } => LOCKED,
            StoreError::WrongKey { .. } | StoreError::Key { .. } | StoreError::Posture { .. } => USAGE,
            StoreError::Newer { .. } => USAGE,
            _ => FAILED,
        };
        Self { code, error: error.into() }
    }
}

impl From<BooksError> for Failure {
    fn from(error: BooksError) -> Self {
        match error {
            BooksError::Store(error) => error.into(),
            other => Self::failed(other),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let code = if matches!(refusal, Refusal::Unknown(_)) { USAGE } else { REFUSED };
        Self { code, error: refusal.into() }
    }
}

impl From<Fatal> for Failure {
    fn from(fatal: Fatal) -> Self {
        Self::failed(fatal)
    }
}
