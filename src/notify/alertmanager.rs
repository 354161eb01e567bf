//! Prometheus' Alertmanager, API v2. It is not told of changes but shown all open alerts, again and again: what it is not
//! shown any more it takes for ended, so that Keyturn's own silence ends them, too.

use std::path::PathBuf;

use async_trait::async_trait;
use http::{HeaderValue, Method, header};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::http::{Line, Request};
use super::{Channel, SendError, secret};
use crate::model::{Alert, Message, Severity};

/// What is not shown again within this has ended.
const LASTS: SignedDuration = SignedDuration::from_mins(10);

/// So many are posted at once.
const AT_ONCE: usize = 500;

/// One Alertmanager.
pub struct Alertmanager {
    /// The way there.
    pub line: Line,
    /// Its address, without `/api`.
    pub url: String,
    /// Holds a bearer token, where it wants one.
    pub token_file: Option<PathBuf>,
}

#[async_trait]
impl Channel for Alertmanager {
    /// Only for `notify test`: a note that ends by itself.
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let labels = json!({ "alertname": "KeyturnTest", "instance": message.instance, "severity": "info" });
        let text = message.items.first().map_or("", |item| item.text.as_str());
        let ends = message.at + SignedDuration::from_mins(1);
        self.post(&[alert(&labels, &json!({ "summary": text }), message.at, ends)]).await
    }

    async fn show(&self, instance: &str, alerts: &[Alert], now: Timestamp) -> Result<(), SendError> {
        let all: Vec<Value> = alerts.iter().map(|alert| shown(instance, alert, now)).collect();
        if all.is_empty() {
            return self.post(&[]).await;
        }
        for some in all.chunks(AT_ONCE) {
            self.post(some).await?;
        }
        Ok(())
    }

    /// An alert that is always there: a route that watches for its absence hears of our silence.
    async fn beat(&self, instance: &str, now: Timestamp) -> Result<(), SendError> {
        let labels = json!({ "alertname": "KeyturnHeartbeat", "instance": instance, "severity": "none" });
        let summary = json!({ "summary": "Keyturn lives; this alert is always there" });
        self.post(&[alert(&labels, &summary, now, now + LASTS)]).await
    }
}

impl Alertmanager {
    async fn post(&self, alerts: &[Value]) -> Result<(), SendError> {
        let url = format!("{}/api/v2/alerts", self.url);
        let body = Value::from(alerts).to_string().into_bytes();
        let token = match &self.token_file {
            Some(file) => Some(secret::line(file).await?),
            None => None,
        };
        let mut headers = Vec::new();
        if let Some(token) = &token {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_str()))
                .map_err(|_| SendError::later("token_file holds no token"))?;
            bearer.set_sensitive(true);
            headers.push((header::AUTHORIZATION, bearer));
        }
        let private: Vec<_> = token.iter().collect();
        let request = Request { method: Method::POST, url: &url, headers, body, private: &private };
        self.line.send(request).await?;
        Ok(())
    }
}

/// An alert as it is shown. Its labels stay the same while its story changes: they are what it is known by. Routes want the
/// urgency among them; where that changes, what it was is shown as ended ([`Alert::ended_forms`]).
pub fn shown(instance: &str, of: &Alert, now: Timestamp) -> Value {
    let labels = json!({
        "alertname": "Keyturn",
        "instance": instance,
        "asset": of.subject.asset.as_ref().map(ToString::to_string).unwrap_or_default(),
        "topic": of.subject.topic.name(),
        "name": of.subject.name,
        "severity": Severity::of(of.problem.code).name(),
    });
    let annotations = json!({
        "code": of.problem.code.name(),
        "summary": of.problem.code.title(),
        "description": of.problem.message,
        "action": of.problem.code.action(),
    });
    alert(&labels, &annotations, of.opened_at, of.closed_at.unwrap_or(now + LASTS))
}

fn alert(labels: &Value, annotations: &Value, starts: Timestamp, ends: Timestamp) -> Value {
    json!({ "labels": labels, "annotations": annotations, "startsAt": starts, "endsAt": ends })
}
