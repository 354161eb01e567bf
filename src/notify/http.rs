//! The HTTP client under the channels: guarded, because an address in a file may lead anywhere, and what answers there is
//! not ours to trust.
//!
//! https; no redirects; addresses of private networks only where they are allowed, link-local ones never; a reply of at most
//! 64 KiB; 30 s for a request as a whole; `Retry-After` clamped. Each connection goes to an address that was looked at, so that
//! a name that leads elsewhere the next time gains nothing. No address and no token is in any error.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use reqwest::Url;
use serde_json::Value;

use super::SendError;
use super::reach::{Guarded, Reach, check_literal};
use crate::clock::Clock;
use crate::model::Secret;
use crate::outside;

/// Of a reply nobody needs more, in bytes.
const LARGEST_REPLY: usize = 64 * 1024;
/// A request as a whole: connecting, sending, and the last byte of the reply.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// So much of a reply is repeated in an error, in characters.
const QUOTED: usize = 200;

/// The way to the servers of one channel.
pub struct Line {
    allow_private: bool,
    ca_file: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    clients: Mutex<Vec<(Reach, reqwest::Client)>>,
}

/// What is sent. What is private in it is told, so that no error repeats it.
pub struct Request<'a> {
    /// POST, or PUT.
    pub method: Method,
    /// Where to; it may hold secrets.
    pub url: &'a str,
    /// Further fields.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// JSON.
    pub body: Vec<u8>,
    /// What must not be repeated, beside the address.
    pub private: &'a [&'a Secret],
}

/// A reply that is no error.
pub struct Reply {
    /// Its body, cut at 64 KiB.
    pub body: Vec<u8>,
}

/// A reply that is one, before anyone has made sense of it.
pub struct Refused {
    /// Its status.
    pub status: StatusCode,
    /// Its body, cut at 64 KiB.
    pub body: Vec<u8>,
    /// What it becomes where the channel knows no better.
    pub error: SendError,
}

/// Why there is no reply that is good.
pub enum Failure {
    /// None at all.
    Unsent(SendError),
    /// Another than was hoped for.
    Refused(Refused),
}

impl From<Failure> for SendError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unsent(error) => error,
            Failure::Refused(refused) => refused.error,
        }
    }
}

impl Line {
    /// `allow_private`: also to addresses of private networks. `ca_file`: PEM, trusted beside the machine's roots.
    pub fn new(allow_private: bool, ca_file: Option<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self { allow_private, ca_file, clock, clients: Mutex::default() }
    }

    /// Sends `request`; a reply outside of 200 to 299 is a failure.
    ///
    /// # Errors
    ///
    /// When there was none, or another.
    pub async fn send(&self, request: Request<'_>) -> Result<Reply, Failure> {
        let url = checked(request.url, self.allow_private).map_err(Failure::Unsent)?;
        let reach = self.reach(&url);
        check_literal(&url, reach).map_err(Failure::Unsent)?;
        let client = self.client(reach).await.map_err(Failure::Unsent)?;
        let private = Private::of(&request, &url);
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(request.headers.into_iter().map(|(name, value)| (Some(name), value)));
        let sent = client.request(request.method, url).headers(headers).body(request.body).send().await;
        let reply = sent.map_err(|error| Failure::Unsent(unsent(error, &private)))?;
        // The proxy's, where there is one: its answer is then for it to make sure of.
        if reply.remote_addr().is_some_and(|address| outside::is_nobodys(address.ip())) {
            return Err(Failure::Unsent(SendError::later("it was reached at a link-local address")));
        }
        let reply: http::Response<reqwest::Body> = reply.into();
        let (parts, body) = reply.into_parts();
        let body = limited(body).await;
        if parts.status.is_success() {
            return Ok(Reply { body });
        }
        let error = refusal(parts.status, &parts.headers, &body, &private, self.clock.as_ref());
        Err(Failure::Refused(Refused { status: parts.status, body, error }))
    }

    fn reach(&self, url: &Url) -> Reach {
        match (self.allow_private, url.scheme()) {
            (_, "http") => Reach::Private,
            (true, _) => Reach::Everywhere,
            (false, _) => Reach::Public,
        }
    }

    /// Made once: reading the machine's roots takes its time.
    async fn client(&self, reach: Reach) -> Result<reqwest::Client, SendError> {
        let known = |clients: &Vec<(Reach, reqwest::Client)>| {
            clients.iter().find(|(of, _)| *of == reach).map(|(_, client)| client.clone())
        };
        if let Some(client) = known(&self.clients.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(client);
        }
        let roots = match &self.ca_file {
            Some(file) => tokio::fs::read(file)
                .await
                .map_err(|error| SendError::later(format!("{}: {error}", file.display())))?,
            None => Vec::new(),
        };
        let client = client(reach, &roots)?;
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).push((reach, client.clone()));
        Ok(client)
    }

    /// Posts `payload`. `private` is what must not be repeated, beside the address.
    ///
    /// # Errors
    ///
    /// As [`Self::send`].
    pub async fn post(&self, url: &str, payload: &Value, private: &[&Secret]) -> Result<Reply, Failure> {
        let body = payload.to_string().into_bytes();
        self.send(Request { method: Method::POST, url, headers: Vec::new(), body, private }).await
    }

    /// The time that messages are signed and dated by.
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }
}

fn client(reach: Reach, roots: &[u8]) -> Result<reqwest::Client, SendError> {
    let roots = reqwest::Certificate::from_pem_bundle(roots)
        .map_err(|error| SendError::later(format!("ca_file holds no certificates: {error}")))?;
    reqwest::Client::builder()
        .tls_certs_merge(roots)
        .https_only(reach != Reach::Private)
        .user_agent(concat!("keyturn/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_PATIENCE)
        .timeout(PATIENCE)
        .dns_resolver(Arc::new(Guarded(reach)))
        // An idle connection outlives no message: the next one goes to an address that was looked at again.
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|error| SendError::later(format!("no TLS client: {}", outside::chain(&error))))
}

fn checked(url: &str, allow_private: bool) -> Result<Url, SendError> {
    let url =
        Url::parse(url).map_err(|_| SendError::later("its file does not hold an address (https://…)"))?;
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        "http" => {
            return Err(SendError::later(
                "its address is not https; plain http is only for a server of your own network (allow_private = true)",
            ));
        }
        _ => return Err(SendError::later("its address is neither https nor http")),
    }
    if url.host_str().unwrap_or_default().is_empty() {
        return Err(SendError::later("its address names no host"));
    }
    Ok(url)
}

/// What no error may repeat.
struct Private(Vec<String>);

impl Private {
    fn of(request: &Request<'_>, url: &Url) -> Self {
        let secrets = request.private.iter().map(|secret| secret.expose_str().to_owned());
        let path = Some(url.path().to_owned()).filter(|path| path.len() > 8);
        let query = url.query().map(str::to_owned);
        let password = url.password().map(str::to_owned);
        let of_url = [Some(request.url.to_owned()), path, query, password].into_iter().flatten();
        Self(of_url.chain(secrets).filter(|text| !text.is_empty()).collect())
    }

    fn hidden(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, private| text.replace(private.as_str(), "[secret]"))
    }
}

fn unsent(error: reqwest::Error, private: &Private) -> SendError {
    if error.is_timeout() {
        return SendError::later(format!("no whole reply within {} s", PATIENCE.as_secs()));
    }
    SendError::later(private.hidden(&outside::chain(&error.without_url())))
}

/// As much of the body as is allowed; what ends too early is what it is.
async fn limited(mut body: reqwest::Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            let room = LARGEST_REPLY.saturating_sub(bytes.len());
            bytes.extend_from_slice(&data[..data.len().min(room)]);
            if bytes.len() >= LARGEST_REPLY {
                break;
            }
        }
    }
    bytes
}

fn refusal(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    private: &Private,
    clock: &dyn Clock,
) -> SendError {
    if status.is_redirection() {
        return SendError::later(format!(
            "it answers with a redirect ({}), which is not followed",
            status.as_u16()
        ));
    }
    let words = quoted(body, private);
    let message = if words.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {words}") };
    // These say that the message is wrong; any other, that we, the way or the server are.
    let refused = matches!(status.as_u16(), 400 | 411 | 413 | 415 | 422);
    SendError { message, retry_after: outside::retry_after(headers, clock), refused }
}

/// The first words of a reply: on one line, without what is private.
fn quoted(body: &[u8], private: &Private) -> String {
    let text = private.hidden(&String::from_utf8_lossy(body));
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(QUOTED).collect();
    line.trim().to_owned()
}
