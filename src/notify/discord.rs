//! Discord's webhooks: one embed (title 256 characters, description 4,096, 6,000 in all), and nobody is mentioned.

use std::path::PathBuf;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::http::{Failure, Line};
use super::words::{self, Words};
use super::{Channel, SendError, secret};
use crate::model::{Message, Phase, Severity};

/// Characters of an embed's title.
const TITLE: usize = 256;
/// Characters of an embed's description.
const DESCRIPTION: usize = 4096;

/// One webhook.
pub struct Discord {
    /// The way there.
    pub line: Line,
    /// Holds its address.
    pub url_file: PathBuf,
}

#[async_trait]
impl Channel for Discord {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let url = secret::line(&self.url_file).await?;
        match self.line.post(url.expose_str(), &payload(message), &[]).await {
            Ok(_) => Ok(()),
            Err(Failure::Refused(mut refused)) => {
                // {"retry_after": 0.65}
                let told = super::pause_in(&refused.body, "/retry_after", 1.0);
                refused.error.retry_after = refused.error.retry_after.max(told);
                Err(refused.error)
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

/// What is posted.
pub fn payload(message: &Message) -> Value {
    let title = format!("{} {}", words::worst(message), words::heading(message));
    let pieces = words::told(message).map(|words| piece(&words)).collect();
    let kept = words::fitting(message, pieces, DESCRIPTION, |text| text.encode_utf16().count(), escaped);
    json!({
        "username": "Keyturn",
        "allowed_mentions": { "parse": [] },
        "embeds": [{
            "title": words::cut(&title, TITLE),
            "description": kept.join("\n"),
            "color": colour(message),
            "timestamp": message.at,
        }],
    })
}

fn colour(message: &Message) -> u32 {
    let going = message.items.iter().filter(|item| matches!(item.phase, Phase::Opened | Phase::Lasting));
    match going.map(|item| item.severity).max() {
        Some(Severity::Critical) => 0x00d3_2f2f,
        Some(Severity::Warning) => 0x00f5_7c00,
        Some(Severity::Info) => 0x0019_76d2,
        None => 0x0038_8e3c,
    }
}

fn piece(words: &Words) -> String {
    let mut text = format!("{} **{}**: {}", words.mark, escaped(&words.who), escaped(&words.what));
    if !words.text.is_empty() {
        text.push_str(&format!("\n> {}", escaped(&words.text)));
    }
    if !words.action.is_empty() {
        text.push_str(&format!("\n→ {}", escaped(words.action)));
    }
    text
}

/// Markdown's marks with a backslash before them; an `@` calls nobody, a link is text.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '@' => out.push_str("@\u{200b}"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '|' | '<' | '>' | '~' | ':' | '-' => {
                out.extend(['\\', c]);
            }
            c => out.push(c),
        }
    }
    out
}
