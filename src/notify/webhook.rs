//! Anything that takes JSON by POST; signed, so that it can tell that it comes from us, and when it was sent.

use std::path::PathBuf;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use ring::hmac;
use serde_json::{Value, json};

use super::http::{Line, Request};
use super::words;
use super::{Channel, SendError, secret};
use crate::model::{Item, Message};

/// More items are counted, not listed.
const MOST_ITEMS: usize = 200;

/// The signature: `t=SECONDS,v1=HEX`, HMAC-SHA256 over `SECONDS.BODY`.
const SIGNATURE: HeaderName = HeaderName::from_static("keyturn-signature");
/// The message's name: the same message again has the same.
const ID: HeaderName = HeaderName::from_static("keyturn-id");

/// One address.
pub struct Webhook {
    /// The way there.
    pub line: Line,
    /// Holds its address.
    pub url_file: PathBuf,
    /// Holds the key that is signed with.
    pub secret_file: Option<PathBuf>,
}

#[async_trait]
impl Channel for Webhook {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        self.post(&message.id, payload(message)).await
    }

    async fn beat(&self, instance: &str, now: Timestamp) -> Result<(), SendError> {
        let id = format!("{instance}-heartbeat-{}", now.as_second());
        self.post(&id, json!({ "type": "heartbeat", "id": id, "instance": instance, "at": now })).await
    }
}

impl Webhook {
    async fn post(&self, id: &str, payload: Value) -> Result<(), SendError> {
        let url = secret::line(&self.url_file).await?;
        let body = payload.to_string().into_bytes();
        let mut headers: Vec<_> = HeaderValue::from_str(id).ok().map(|id| (ID, id)).into_iter().collect();
        if let Some(file) = &self.secret_file {
            let key = secret::line(file).await?;
            let signature = signature(key.expose(), self.line.clock().now(), &body);
            headers.extend(HeaderValue::from_str(&signature).ok().map(|value| (SIGNATURE, value)));
        }
        let request = Request { method: Method::POST, url: url.expose_str(), headers, body, private: &[] };
        self.line.send(request).await?;
        Ok(())
    }
}

/// What `Keyturn-Signature` holds.
pub fn signature(key: &[u8], at: Timestamp, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{}.", at.as_second()).as_bytes());
    context.update(body);
    format!("t={},v1={}", at.as_second(), crate::pki::hex(context.sign().as_ref()))
}

/// What is posted.
pub fn payload(message: &Message) -> Value {
    let shown = if message.brief { 0 } else { MOST_ITEMS };
    let items: Vec<Value> = message.items.iter().take(shown).map(item).collect();
    json!({
        "type": "message",
        "id": message.id,
        "instance": message.instance,
        "at": message.at,
        "summary": words::heading(message),
        "more": message.items.len() - items.len(),
        "dropped": message.dropped,
        "items": items,
    })
}

fn item(item: &Item) -> Value {
    json!({
        "event": item.event.name(),
        "phase": item.phase.name(),
        "severity": item.severity.name(),
        "asset": item.asset,
        "revision": item.revision,
        "code": item.code,
        "message": item.text,
        "action": words::words(item).action,
        "at": item.at,
        "since": item.since,
    })
}
