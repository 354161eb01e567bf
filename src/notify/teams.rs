//! Teams, by a workflow that posts what it gets to a channel: an Adaptive Card, at most 28 KB.

use std::path::PathBuf;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::http::Line;
use super::words::{self, Words};
use super::{Channel, SendError, secret};
use crate::model::Message;

/// Bytes of the items, as JSON: what is around them takes little, and the limit is 28 KB.
const LIMIT: usize = 22_000;

/// One workflow.
pub struct Teams {
    /// The way there.
    pub line: Line,
    /// Holds its address.
    pub url_file: PathBuf,
}

#[async_trait]
impl Channel for Teams {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let url = secret::line(&self.url_file).await?;
        self.line.post(url.expose_str(), &payload(message), &[]).await?;
        Ok(())
    }
}

/// What is posted.
pub fn payload(message: &Message) -> Value {
    let card = json!({
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "body": body(message),
    });
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card,
        }],
    })
}

fn body(message: &Message) -> Vec<Value> {
    let heading = format!("{} {}", words::worst(message), words::heading(message));
    let mut body = vec![paragraph(&[run(&heading, "Bolder", "Large")])];
    let mut left = LIMIT;
    let mut shown = 0;
    for words in words::told(message) {
        let pieces = pieces(&words);
        let takes: usize = pieces.iter().map(|piece| piece.to_string().len() + 1).sum();
        if takes > left {
            break;
        }
        left -= takes;
        shown += 1;
        body.extend(pieces);
    }
    body.extend(words::tail(message, shown).map(|text| paragraph(&[run(&text, "Lighter", "Default")])));
    body
}

fn pieces(words: &Words) -> Vec<Value> {
    let who = run(&format!("{} {}: ", words.mark, words.who), "Bolder", "Default");
    let mut pieces = vec![paragraph(&[who, run(&words.what, "Default", "Default")])];
    if !words.text.is_empty() {
        pieces.push(paragraph(&[run(&words.text, "Lighter", "Default")]));
    }
    if !words.action.is_empty() {
        pieces.push(paragraph(&[run(&format!("→ {}", words.action), "Default", "Default")]));
    }
    pieces
}

/// Of text runs, which no card takes for Markdown: nothing is to be escaped.
fn paragraph(runs: &[Value]) -> Value {
    json!({ "type": "RichTextBlock", "inlines": runs, "spacing": "Small" })
}

fn run(text: &str, weight: &str, size: &str) -> Value {
    json!({ "type": "TextRun", "text": text, "weight": weight, "size": size })
}
