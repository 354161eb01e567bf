//! Whether the daemon lives: for `HEALTHCHECK`, and for whoever wants one word.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use serde_json::json;

use super::args::{Cli, Format};
use super::compose::block_on;
use super::fail::{DONE, FAILED, Failure, LOCKED};
use super::{output, state};

/// Who does not answer by then hangs.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) fn run(cli: &Cli, ready: bool) -> Result<u8, Failure> {
    let config = state::config(cli)?;
    let address = reachable(config.daemon().listen());
    let path = if ready { "/readyz" } else { "/healthz" };
    let (status, text) = block_on(async {
        let asked = tokio::time::timeout(LIMIT, ask(address, path)).await;
        let answer =
            asked.unwrap_or_else(|_| Err(anyhow!("it has not answered within {} s", LIMIT.as_secs())));
        answer
            .with_context(|| format!("the daemon does not answer on {address} (daemon.listen)"))
            .map_err(|error| Failure { code: LOCKED, error })
    })?;
    let well = status == StatusCode::OK;
    match cli.output {
        Format::Json => output::json(&json!({ "healthy": well, "reason": (!well).then_some(&text) })),
        Format::Table => output::line(&text),
    }
    Ok(if well { DONE } else { FAILED })
}

/// "On all addresses" is no address to go to.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

async fn ask(address: SocketAddr, path: &str) -> Result<(StatusCode, String), anyhow::Error> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header("host", address.to_string()).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    connection.abort();
    Ok((status, String::from_utf8_lossy(&body).trim().to_owned()))
}
