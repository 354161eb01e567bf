//! Slack's incoming webhooks: a heading, then sections of `mrkdwn` (at most 3,000 characters each, 50 blocks).

use std::path::PathBuf;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::http::Line;
use super::words::{self, Words};
use super::{Channel, SendError, secret};
use crate::model::Message;

/// Characters of a header block.
const HEADER: usize = 150;
/// Characters of a section.
const SECTION: usize = 3000;
/// Sections of ours: nobody reads more.
const SECTIONS: usize = 4;

/// One webhook.
pub struct Slack {
    /// The way there.
    pub line: Line,
    /// Holds its address.
    pub url_file: PathBuf,
}

#[async_trait]
impl Channel for Slack {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let url = secret::line(&self.url_file).await?;
        self.line.post(url.expose_str(), &payload(message), &[]).await?;
        Ok(())
    }
}

/// What is posted.
pub fn payload(message: &Message) -> Value {
    let heading = format!("{} {}", words::worst(message), words::heading(message));
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "text": words::cut(&heading, HEADER), "emoji": true },
    })];
    let pieces = words::told(message).map(|words| piece(&words)).collect();
    let limit = SECTION * SECTIONS - SECTIONS * 200;
    let kept = words::fitting(
        message,
        pieces,
        limit,
        |piece| piece.chars().count(),
        |text| format!("_{}_", escaped(text)),
    );
    for text in sections(kept) {
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } }));
    }
    json!({ "text": escaped(&heading), "blocks": blocks })
}

fn piece(words: &Words) -> String {
    let mut text = format!("{} *{}*: {}", words.mark, escaped(&words.who), escaped(&words.what));
    if !words.text.is_empty() {
        text.push_str(&format!("\n> {}", escaped(&words.text)));
    }
    if !words.action.is_empty() {
        text.push_str(&format!("\n→ {}", escaped(words.action)));
    }
    text
}

/// Pieces put together, as many as fit into each section.
fn sections(pieces: Vec<String>) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    for piece in pieces {
        let piece = words::cut(&piece, SECTION);
        match sections.last_mut() {
            Some(last) if last.chars().count() + 1 + piece.chars().count() <= SECTION => {
                last.push('\n');
                last.push_str(&piece);
            }
            _ => sections.push(piece),
        }
    }
    sections
}

/// Slack's three characters; and its marks are parted from what they would mark, as it knows no escape for them. Nobody is
/// paged by `<!channel>`, nothing is a link.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '*' | '_' | '~' | '`' => out.extend(['\u{200b}', c, '\u{200b}']),
            c => out.push(c),
        }
    }
    out
}
