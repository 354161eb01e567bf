//! Matrix: an event in a room, put under the message's own name, so that the same message again is no second one.

use std::path::PathBuf;

use async_trait::async_trait;
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};

use super::http::{Failure, Line, Request};
use super::words::{self, Words};
use super::{Channel, SendError, secret};
use crate::model::Message;

/// Bytes of each of the two forms; an event may have 65,536 in all.
const LIMIT: usize = 20_000;

/// One room.
pub struct Matrix {
    /// The way there.
    pub line: Line,
    /// The homeserver's address.
    pub homeserver: String,
    /// Holds the access token.
    pub token_file: PathBuf,
    /// `!id:server`
    pub room: String,
}

#[async_trait]
impl Channel for Matrix {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let token = secret::line(&self.token_file).await?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_str()))
            .map_err(|_| SendError::later(format!("{} holds no token", self.token_file.display())))?;
        bearer.set_sensitive(true);
        let url = format!(
            "{}/_matrix/client/v3/rooms/{}/send/m.room.message/{}",
            self.homeserver,
            encoded(&self.room),
            encoded(&message.id)
        );
        let body = payload(message).to_string().into_bytes();
        let headers = vec![(header::AUTHORIZATION, bearer)];
        let request = Request { method: Method::PUT, url: &url, headers, body, private: &[&token] };
        match self.line.send(request).await {
            Ok(_) => Ok(()),
            Err(Failure::Refused(mut refused)) => {
                let told = super::pause_in(&refused.body, "/retry_after_ms", 0.001);
                refused.error.retry_after = refused.error.retry_after.max(told);
                Err(refused.error)
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

/// The event's content.
pub fn payload(message: &Message) -> Value {
    let heading = format!("{} {}", words::worst(message), words::heading(message));
    let all: Vec<Words> = words::told(message).collect();
    let plain = all.iter().map(plain).collect();
    let plain = words::fitting(message, plain, LIMIT, str::len, str::to_owned);
    let html = all.iter().map(html).collect();
    let html =
        words::fitting(message, html, LIMIT, str::len, |text| format!("<br><em>{}</em>", escaped(text)));
    json!({
        "msgtype": "m.text",
        "body": format!("{heading}\n{}", plain.join("\n")).trim_end(),
        "format": "org.matrix.custom.html",
        "formatted_body": format!("<strong>{}</strong>{}", escaped(&heading), html.concat()),
        // Nobody is called by name, whatever the text says.
        "m.mentions": {},
    })
}

fn plain(words: &Words) -> String {
    let mut text = format!("{} {}: {}", words.mark, words.who, words.what);
    if !words.text.is_empty() {
        text.push_str(&format!("\n  {}", words.text));
    }
    if !words.action.is_empty() {
        text.push_str(&format!("\n  → {}", words.action));
    }
    text
}

fn html(words: &Words) -> String {
    let mut text =
        format!("<br>{} <strong>{}</strong>: {}", words.mark, escaped(&words.who), escaped(&words.what));
    if !words.text.is_empty() {
        text.push_str(&format!("<blockquote>{}</blockquote>", escaped(&words.text)));
    }
    if !words.action.is_empty() {
        text.push_str(&format!("<br>→ {}", escaped(words.action)));
    }
    text
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// For a step of a path (RFC 3986 §2.1).
fn encoded(text: &str) -> String {
    let step = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (byte as char).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(step).collect()
}
