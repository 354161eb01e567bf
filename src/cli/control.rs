//! The control socket, from the caller's side: the daemon holds the state, so it grants what is wished for.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};

use super::args::Format;
use super::compose::block_on;
use super::fail::{Failure, LOCKED, REFUSED, USAGE};
use super::output;
use super::wish::{Answer, Manner, Wish};
use crate::config::Config;

/// Where wishes go.
pub(super) const PATH: &str = "/v1/wishes";

/// A wish on its way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Letter {
    /// What.
    pub(super) wish: Wish,
    /// How it is to be answered.
    pub(super) manner: Manner,
}

/// One line of a reply: JSON, each on a line of its own.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reply {
    /// How it goes.
    Progress(String),
    /// What has come of it; the last line.
    Answer(Answer),
}

/// Asks the daemon; `None` where there is none.
pub(super) fn asked(config: &Config, wish: &Wish, manner: Manner) -> Result<Option<Answer>, Failure> {
    let socket = config.daemon().control_socket();
    let Some(stream) = connected(socket)? else { return Ok(None) };
    let letter = serde_json::to_vec(&Letter { wish: wish.clone(), manner }).map_err(Failure::failed)?;
    let answer = block_on(async {
        let exchange = exchange(stream, letter, manner).await;
        exchange.map_err(|failure| failure.about(socket))
    })?;
    Ok(Some(answer))
}

/// A socket that nobody listens on is one that a daemon has left behind.
fn connected(socket: &Path) -> Result<Option<UnixStream>, Failure> {
    match UnixStream::connect(socket) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let message = format!(
                "the daemon's control socket {} may not be opened by you: ask to be let into its group, or in [roles]",
                socket.display()
            );
            Err(Failure { code: REFUSED, error: anyhow!(message) })
        }
        Err(error) => {
            let message = format!("the daemon's control socket {} cannot be reached", socket.display());
            Err(Failure { code: LOCKED, error: anyhow!(error).context(message) })
        }
    }
}

async fn exchange(stream: UnixStream, letter: Vec<u8>, manner: Manner) -> Result<Answer, Failure> {
    stream.set_nonblocking(true).map_err(Failure::failed)?;
    let stream = tokio::net::UnixStream::from_std(stream).map_err(Failure::failed)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
    let connection = tokio::spawn(connection);
    let request = Request::post(PATH).header("host", "keyturn").header("content-type", "application/json");
    let request = request.body(Full::new(Bytes::from(letter))).map_err(Failure::failed)?;
    let response = sender.send_request(request).await.map_err(unreachable)?;
    let status = response.status();
    let answer = if status == StatusCode::OK {
        read_to_end(response.into_body(), manner).await
    } else {
        Err(refused(status, response.into_body()).await)
    };
    connection.abort();
    answer
}

/// Shows how it goes, until the answer comes.
async fn read_to_end(mut body: Incoming, manner: Manner) -> Result<Answer, Failure> {
    let mut pending = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(unreachable)?;
        pending.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let reply = serde_json::from_slice(&line).context("the daemon's reply cannot be read");
            match reply.map_err(Failure::failed)? {
                Reply::Answer(answer) => return Ok(answer),
                Reply::Progress(line) if manner.format == Format::Table => output::warning(&line),
                Reply::Progress(_) => {}
            }
        }
    }
    let message = "the daemon has ended before it answered; what it had put on record it goes on with when it is started";
    Err(Failure { code: LOCKED, error: anyhow!(message) })
}

/// The daemon's own words.
async fn refused(status: StatusCode, body: Incoming) -> Failure {
    let text = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    let code = match status {
        StatusCode::FORBIDDEN => REFUSED,
        StatusCode::SERVICE_UNAVAILABLE => LOCKED,
        _ => USAGE,
    };
    Failure { code, error: anyhow!(text) }
}

fn unreachable(error: hyper::Error) -> Failure {
    Failure { code: LOCKED, error: anyhow!(error).context("the daemon does not answer") }
}
