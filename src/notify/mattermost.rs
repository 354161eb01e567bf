//! Mattermost's incoming webhooks: Markdown, at most 16,383 characters; ours are shorter.

use std::path::PathBuf;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::http::Line;
use super::words::{self, Words};
use super::{Channel, SendError, secret};
use crate::model::Message;

/// Characters: nobody reads more.
const LIMIT: usize = 8000;

/// One webhook.
pub struct Mattermost {
    /// The way there.
    pub line: Line,
    /// Holds its address.
    pub url_file: PathBuf,
}

#[async_trait]
impl Channel for Mattermost {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let url = secret::line(&self.url_file).await?;
        self.line.post(url.expose_str(), &payload(message), &[]).await?;
        Ok(())
    }
}

/// What is posted.
pub fn payload(message: &Message) -> Value {
    let heading = format!("#### {} {}", words::worst(message), escaped(&words::heading(message)));
    let pieces = words::told(message).map(|words| piece(&words)).collect();
    let kept = words::fitting(message, pieces, LIMIT, |text| text.chars().count(), escaped);
    json!({ "username": "Keyturn", "text": format!("{heading}\n{}", kept.join("\n")) })
}

fn piece(words: &Words) -> String {
    let mut text = format!("- {} **{}**: {}", words.mark, escaped(&words.who), escaped(&words.what));
    if !words.text.is_empty() {
        text.push_str(&format!("\n  > {}", escaped(&words.text)));
    }
    if !words.action.is_empty() {
        text.push_str(&format!("\n  → {}", escaped(words.action)));
    }
    text
}

/// Markdown's marks with a backslash before them; and an `@` calls nobody, nothing is a link.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '@' => out.push_str("@\u{200b}"),
            ':' => out.push_str(":\u{200b}"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|' | '<'
            | '>' | '~' | '&' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}
