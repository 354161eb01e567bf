//! What an engine says when it does not do what it is told.

use std::time::Duration;

use crate::model::{Code, Problem};

/// A call that did not work.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Refusal {
    /// Nobody listens.
    #[error("{socket}: {message}")]
    Unreachable {
        /// Where we knocked.
        socket: String,
        /// The operating system's words.
        message: String,
    },
    /// No answer in time.
    #[error("the engine did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// The engine's own words.
    #[error("{message} (HTTP {status})")]
    Said {
        /// The HTTP status.
        status: u16,
        /// The field `message`.
        message: String,
    },
    /// The connection or the reply broke.
    #[error("{0}")]
    Broken(String),
}

impl Refusal {
    pub(super) fn broken(error: impl std::fmt::Display) -> Self {
        Self::Broken(error.to_string())
    }

    /// Whether the call may have worked nonetheless: a create that answered 500 has been seen to exist later.
    pub(super) fn is_ambiguous(&self) -> bool {
        match self {
            Self::Said { status, .. } => *status >= 500,
            Self::Silent(_) | Self::Broken(_) => true,
            Self::Unreachable { .. } => false,
        }
    }

    /// Whether nobody was there to answer: the engine restarts, or its Swarm elects a leader.
    pub(super) fn is_absence(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent(_) | Self::Broken(_) => true,
            Self::Said { message, .. } => lacks_leader(message),
        }
    }

    /// Whether another's write came between our reading and our writing.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Said { message, .. } if message.contains("update out of sequence"))
    }

    /// Whether the thing is not there.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Said { status: 404, .. })
    }

    /// As a problem: `doing` says what was tried.
    pub(super) fn problem(&self, doing: &str) -> Problem {
        Problem::new(self.code(), format!("{doing}: {self}"))
    }

    fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. } => Code::EngineUnreachable,
            Self::Said { status: 503, .. } => Code::EngineNotManager,
            Self::Said { message, .. } if lacks_leader(message) => Code::EngineNoQuorum,
            Self::Silent(_) => Code::EngineNoQuorum,
            _ => Code::EngineFailed,
        }
    }
}

/// Without a quorum, and in the seconds of an election.
fn lacks_leader(message: &str) -> bool {
    message.contains("does not have a leader") || message.contains("DeadlineExceeded")
}

impl From<bollard::errors::Error> for Refusal {
    fn from(error: bollard::errors::Error) -> Self {
        use bollard::errors::Error;
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                Self::Said { status: status_code, message }
            }
            Error::HyperLegacyError { err } if err.is_connect() => {
                Self::Unreachable { socket: "the engine's socket".to_owned(), message: deepest(&err) }
            }
            Error::RequestTimeoutError => Self::Silent(super::CALL_TIMEOUT),
            other => Self::Broken(other.to_string()),
        }
    }
}

/// The words at the bottom of a chain: `Connection refused`, where those above only say that connecting failed.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
