//! Services and tasks as the engine's own JSON.
//!
//! An update sends the whole spec back. Read into typed structs, a field that this version of the client does not
//! know would be lost from the user's service; so specs stay JSON from end to end, and bollard does the rest.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::error::Refusal;

/// No list of services or tasks is larger.
const MOST_BYTES: usize = 256 << 20;

/// A caller of the engine's HTTP API over its socket, one connection a call.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    socket: PathBuf,
    version: String,
    timeout: Duration,
}

impl Raw {
    /// Talks `version` (`1.41`) to the engine at `socket`; each call may take `timeout`.
    pub(super) fn new(socket: PathBuf, version: String, timeout: Duration) -> Self {
        Self { socket, version, timeout }
    }

    /// Of the API.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Refusal> {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Refusal> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Refusal> {
        let call = self.exchange(method, path, body);
        tokio::time::timeout(self.timeout, call).await.unwrap_or(Err(Refusal::Silent(self.timeout)))
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Refusal> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| Refusal::Unreachable {
            socket: self.socket.display().to_string(),
            message: error.to_string(),
        })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(Refusal::broken)?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(format!("/v{}{path}", self.version))
            .header("host", "docker")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))
            .map_err(Refusal::broken)?;
        let reply = sender.send_request(request).await.map_err(Refusal::broken)?;
        let status = reply.status().as_u16();
        let bytes =
            Limited::new(reply.into_body(), MOST_BYTES).collect().await.map_err(Refusal::broken)?.to_bytes();
        connection.abort();
        understood(status, &bytes)
    }
}

fn understood(status: u16, bytes: &[u8]) -> Result<Value, Refusal> {
    let value: Result<Value, _> = serde_json::from_slice(bytes);
    if status >= 400 {
        let message = value.ok().and_then(|value| Some(value.get("message")?.as_str()?.to_owned()));
        let message = message.unwrap_or_else(|| String::from_utf8_lossy(bytes).chars().take(500).collect());
        return Err(Refusal::Said { status, message });
    }
    match value {
        Ok(value) => Ok(value),
        Err(_) if bytes.iter().all(u8::is_ascii_whitespace) => Ok(Value::Null),
        Err(error) => Err(Refusal::Broken(format!("the engine's reply is not JSON: {error}"))),
    }
}
