//! A JWKS as those who verify tokens would fetch it.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::VerifyError;

/// More than a thousand RSA keys; a server that sends more has something else in mind.
const BODY_LIMIT: usize = 1 << 20;

/// Fetches `url` within `limit`; every one of `kids` must be in it.
pub(super) async fn check(url: &str, kids: &[String], limit: Duration) -> Result<(), VerifyError> {
    let (uri, address) = parse(url)?;
    let fault = |reason| VerifyError::Jwks { url: url.to_owned(), reason };
    let fetched = tokio::time::timeout(limit, fetch(&uri, &address)).await;
    let late = || fault(format!("no whole answer within {} s", limit.as_secs_f32()));
    let body = fetched.map_err(|_| late())?.map_err(fault)?;
    let served = kids_of(&body).map_err(fault)?;
    let missing: Vec<&str> =
        kids.iter().map(String::as_str).filter(|kid| !served.iter().any(|one| one == kid)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(fault(format!("it has {} keys, but lacks {}", served.len(), missing.join(", "))))
}

/// The URL, and `host:port` to connect to.
fn parse(url: &str) -> Result<(Uri, String), VerifyError> {
    let refuse = |why: &str| VerifyError::Ask(format!("verify.url: `{url}` {why}"));
    let uri: Uri = url.parse().map_err(|_| refuse("is not a URL"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            return Err(refuse("is https, which is not supported for a JWKS: use http inside the network"));
        }
        _ => return Err(refuse("does not begin with http://")),
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| refuse("names no host"))?;
    let address = format!("{host}:{}", uri.port_u16().unwrap_or(80));
    Ok((uri, address))
}

async fn fetch(uri: &Uri, address: &str) -> Result<Bytes, String> {
    let tcp = TcpStream::connect(address).await.map_err(|error| format!("cannot connect: {error}"))?;
    let broken = |error: hyper::Error| format!("no HTTP answer: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(tcp)).await.map_err(broken)?;
    let exchange = async {
        let answer = sender.send_request(request(uri)?).await.map_err(broken)?;
        body_of(answer).await
    };
    // The connection is driven here, not by a task of its own: it ends when the caller gives up.
    tokio::pin!(exchange);
    tokio::select! {
        done = &mut exchange => return done,
        _ = connection => {}
    }
    // The peer has closed. What it sent before, or why there was nothing, the exchange knows.
    exchange.await
}

fn request(uri: &Uri) -> Result<Request<Empty<Bytes>>, String> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let host = uri.authority().map_or("", |authority| authority.as_str());
    // Only host and port go into `Host` (RFC 9110 §7.2).
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    Request::get(path)
        .header(HOST, host)
        .header(ACCEPT, "application/jwk-set+json, application/json")
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|error| format!("cannot be asked for: {error}"))
}

async fn body_of(answer: Response<hyper::body::Incoming>) -> Result<Bytes, String> {
    let status = answer.status();
    if status.is_redirection() {
        return Err(format!("answered {status}: redirects are not followed, name the last URL itself"));
    }
    if status != StatusCode::OK {
        return Err(format!("answered {status}"));
    }
    match Limited::new(answer.into_body(), BODY_LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err("the answer is larger than 2 MiB".to_owned()),
        Err(error) => Err(format!("the answer broke off: {error}")),
    }
}

/// The `kid` of each key (RFC 7517 §4.5); keys without one are nobody's.
fn kids_of(body: &[u8]) -> Result<Vec<String>, String> {
    let set: serde_json::Value =
        serde_json::from_slice(body).map_err(|error| format!("it is not JSON: {error}"))?;
    let keys = set.get("keys").and_then(serde_json::Value::as_array);
    let keys = keys.ok_or("it is not a JWKS: it has no array `keys`")?;
    Ok(keys.iter().filter_map(|key| key.get("kid")?.as_str()).map(str::to_owned).collect())
}
