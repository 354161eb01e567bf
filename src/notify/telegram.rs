//! Telegram's Bot API: HTML, at most 4,096 characters once its marks are read.

use std::path::PathBuf;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::http::{Failure, Line};
use super::words::{self, Words};
use super::{Channel, SendError, secret};
use crate::model::Message;

/// In UTF-16 units, as Telegram counts; marks and escapes are counted as well, which errs on the safe side.
const LIMIT: usize = 4096;

/// One bot in one chat.
pub struct Telegram {
    /// The way there.
    pub line: Line,
    /// Of the Bot API.
    pub server: String,
    /// Holds the bot's token.
    pub token_file: PathBuf,
    /// Its number, or `@name`.
    pub chat: String,
}

#[async_trait]
impl Channel for Telegram {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let token = secret::line(&self.token_file).await?;
        let word = token.expose_str();
        if !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_')) {
            return Err(SendError::later(format!("{} holds no token of a bot", self.token_file.display())));
        }
        let url = format!("{}/bot{word}/sendMessage", self.server);
        match self.line.post(&url, &payload(message, &self.chat), &[&token]).await {
            Ok(_) => Ok(()),
            Err(Failure::Refused(mut refused)) => {
                let told = super::pause_in(&refused.body, "/parameters/retry_after", 1.0);
                refused.error.retry_after = refused.error.retry_after.max(told);
                // "Bad Request: chat not found" is no fault of the message.
                let words = String::from_utf8_lossy(&refused.body).to_lowercase();
                refused.error.refused &= !words.contains("chat not found");
                Err(refused.error)
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

/// What is posted.
pub fn payload(message: &Message, chat: &str) -> Value {
    let heading = format!("{} <b>{}</b>", words::worst(message), escaped(&words::heading(message)));
    let pieces = words::told(message).map(|words| piece(&words)).collect();
    let units = |text: &str| text.encode_utf16().count();
    let kept = words::fitting(message, pieces, LIMIT - units(&heading) - 2, units, escaped);
    json!({
        "chat_id": chat,
        "parse_mode": "HTML",
        "text": format!("{heading}\n{}", kept.join("\n")).trim_end(),
        "link_preview_options": { "is_disabled": true },
    })
}

fn piece(words: &Words) -> String {
    let mut text = format!("{} <b>{}</b>: {}", words.mark, escaped(&words.who), escaped(&words.what));
    if !words.text.is_empty() {
        text.push_str(&format!("\n<blockquote>{}</blockquote>", escaped(&words.text)));
    }
    if !words.action.is_empty() {
        text.push_str(&format!("\n→ {}", escaped(words.action)));
    }
    text
}

/// HTML's characters. A name with an `@` before it still calls someone, so it is parted from it.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("@\u{200b}"),
            c => out.push(c),
        }
    }
    out
}
