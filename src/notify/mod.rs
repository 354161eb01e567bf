//! Tells people and programs: one message model, one file a channel.
//!
//! A channel knows how its vendor wants to be spoken to: the form, the limits, what must be escaped, what an answer means.
//! What is told, when, and what waits is not its business (`planner::tidings`, `executor::Postman`).

pub mod alertmanager;
pub mod discord;
pub mod email;
pub mod http;
pub mod matrix;
pub mod mattermost;
pub mod program;
mod reach;
pub mod secret;
pub mod slack;
pub mod teams;
pub mod telegram;
#[cfg(test)]
mod tests;
pub mod webhook;
pub mod words;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::model::{Alert, Errand, Hook, Message};

/// Where messages go.
///
/// Nothing that a channel gives back, errors among it, has its address or a token in it.
#[async_trait]
pub trait Channel: Send + Sync {
    /// Delivers a message as a whole, within the vendor's limits. The same message may come again, under the same name.
    ///
    /// # Errors
    ///
    /// When it was not taken, or nobody knows whether it was.
    async fn send(&self, message: &Message) -> Result<(), SendError>;

    /// Shows all alerts, those that have just ended among them: only of channels that want to be shown them. Where there are
    /// none, whether it is there.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    async fn show(&self, _instance: &str, _alerts: &[Alert], _now: Timestamp) -> Result<(), SendError> {
        Ok(())
    }

    /// Says that Keyturn lives.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    async fn beat(&self, _instance: &str, _now: Timestamp) -> Result<(), SendError> {
        Ok(())
    }
}

/// Runs a hook.
#[async_trait]
pub trait Caller: Send + Sync {
    /// Runs it to its end; what it has printed, at most some lines.
    ///
    /// # Errors
    ///
    /// When it does not exit with 0 in time.
    async fn call(&self, hook: &Hook, errand: &Errand) -> Result<String, HookFailed>;
}

pub use crate::process::{Exit, Failed as HookFailed};

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SendError {
    /// In words, without the channel's address.
    pub message: String,
    /// It is not to be tried again before that.
    pub retry_after: Option<SignedDuration>,
    /// The channel takes messages, but not this one.
    pub refused: bool,
}

impl SendError {
    /// It may work later.
    pub fn later(message: impl Into<String>) -> Self {
        Self { message: message.into(), retry_after: None, refused: false }
    }
}

/// The pause that a reply's JSON names at `pointer`, in units of `unit` seconds, rounded up and clamped.
fn pause_in(body: &[u8], pointer: &str, unit: f64) -> Option<SignedDuration> {
    let reply: serde_json::Value = serde_json::from_slice(body).ok()?;
    let pause = (reply.pointer(pointer)?.as_f64()? * unit).ceil();
    // `as` saturates, and a number that is none becomes nothing.
    Some(crate::outside::clamped(SignedDuration::from_secs(pause as i64)))
}
