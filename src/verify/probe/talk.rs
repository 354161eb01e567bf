//! A whole handshake, and one request over it.

use std::sync::Arc;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, STRICT_TRANSPORT_SECURITY};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::HANDSHAKE_TIMEOUT;
use super::super::witness::Witness;
use crate::model::{Http, TlsVersion};

/// What was seen.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) stapled: bool,
    pub(super) http: Http,
}

impl Default for Talk {
    fn default() -> Self {
        Self { chain: Vec::new(), stapled: false, http: Http::Silent }
    }
}

/// Speaks `version` and nothing else.
pub(super) async fn talk(
    endpoint: &str,
    name: &ServerName<'static>,
    version: TlsVersion,
) -> Result<Talk, String> {
    let witness = Witness::of_any_key();
    let versions = if version == TlsVersion::Tls13 { [&TLS13] } else { [&TLS12] };
    let config = Arc::clone(&witness).client_of(&versions).map_err(|error| error.to_string())?;
    let shake = async {
        let tcp = TcpStream::connect(endpoint).await.map_err(|error| error.to_string())?;
        TlsConnector::from(config).connect(name.clone(), tcp).await.map_err(|error| error.to_string())
    };
    let done = tokio::time::timeout(HANDSHAKE_TIMEOUT, shake).await;
    let stream = match done.map_err(|_| "no handshake in time".to_owned())? {
        Ok(stream) => Some(stream),
        // Who asks for a client certificate has shown its own nonetheless.
        Err(error) if witness.proven().is_none() => return Err(error),
        Err(_) => None,
    };
    let http = match stream {
        Some(stream) => ask(stream, endpoint, name).await,
        None => Http::Silent,
    };
    let chain = witness.proven().unwrap_or_default();
    Ok(Talk {
        chain: chain.iter().map(|one| one.as_ref().to_vec()).collect(),
        stapled: witness.stapled(),
        http,
    })
}

async fn ask(stream: TlsStream<TcpStream>, endpoint: &str, name: &ServerName<'_>) -> Http {
    let asked = tokio::time::timeout(HANDSHAKE_TIMEOUT, headers(stream, endpoint, name)).await;
    let Ok(Some(headers)) = asked else { return Http::Silent };
    let hsts = headers.get(STRICT_TRANSPORT_SECURITY);
    Http::Answers(hsts.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()))
}

/// The answer's headers; the body is left.
async fn headers(stream: TlsStream<TcpStream>, endpoint: &str, name: &ServerName<'_>) -> Option<HeaderMap> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let port = endpoint.rsplit_once(':').map_or("443", |(_, port)| port);
    let request = Request::get("/")
        .header(HOST, format!("{}:{port}", name.to_str()))
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    tokio::pin!(connection);
    tokio::select! {
        answer = &mut answer => Some(answer.ok()?.headers().clone()),
        _ = &mut connection => Some(answer.await.ok()?.headers().clone()),
    }
}
