//! The HTTP client under the ACME library: guarded, because what a CA sends is not ours to trust.
//!
//! https only, no redirects, never to link-local addresses; a body of at most 1 MiB; 30 s for a request as a whole;
//! `Retry-After` of every reply captured and clamped. It keeps the nonces (RFC 8555 §6.5) of all replies in one stock, so
//! that none is asked for while one is at hand, and the directory, so that it is fetched once.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{HeaderMap, LINK};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use jiff::SignedDuration;

use super::addresses::Guarded;
use super::directory::Directory;
use super::refusal::{Refusal, TooLong, Unreached, Unsent};
use crate::clock::Clock;
use crate::outside::chain;
pub(super) use crate::outside::retry_after;

/// The body of a reply, at most.
const LARGEST_BODY: usize = 1 << 20;
/// A request as a whole: connecting, sending, and the last byte of the reply.
const PATIENCE: Duration = Duration::from_secs(30);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// More nonces than this are not kept; CAs forget old ones.
const MOST_NONCES: usize = 64;
/// Nonces older than this are not tried.
const NONCE_LIFE: Duration = Duration::from_secs(300);
/// The directory is asked for again after this.
const DIRECTORY_LIFE: Duration = Duration::from_secs(3600);
const NONCE: &str = "replay-nonce";

/// A header or a body that none of the library's types holds, from the last reply.
#[derive(Debug, Default, Clone)]
pub(super) struct LastReply {
    /// What it has made (RFC 8555 §7.4).
    pub(super) location: Option<String>,
    /// How long to wait before the next look.
    pub(super) retry_after: Option<SignedDuration>,
    /// Other chains for the same certificate (RFC 8555 §7.4.2).
    pub(super) alternates: Vec<String>,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// The connections to one CA, for all that is asked of it.
pub(super) struct Line {
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    directory_url: String,
    nonces: Mutex<Vec<(Duration, HeaderValue)>>,
    directory: Mutex<Option<(Duration, Directory)>>,
}

impl Line {
    /// To the CA at `directory_url`, trusting `roots` (PEM) beside the machine's own.
    pub(super) fn new(directory_url: &str, roots: &[u8], clock: Arc<dyn Clock>) -> Result<Self, Unreached> {
        Ok(Self {
            client: configured(trusting(roots)?.https_only(true))?,
            clock,
            directory_url: directory_url.to_owned(),
            nonces: Mutex::default(),
            directory: Mutex::default(),
        })
    }

    /// The directory's URL.
    pub(super) fn directory_url(&self) -> &str {
        &self.directory_url
    }

    /// The directory, fetched where it is not at hand.
    pub(super) async fn directory(&self) -> Result<Directory, Error> {
        let now = self.clock.monotonic();
        if let Some((at, directory)) = locked(&self.directory).as_ref()
            && now.saturating_sub(*at) < DIRECTORY_LIFE
        {
            return Ok(directory.clone());
        }
        let request = Request::get(&self.directory_url).body(BodyWrapper::default())?;
        let (_, body) = self.fetch(request).await?;
        let directory = Directory::read(&body).map_err(other)?;
        *locked(&self.directory) = Some((now, directory.clone()));
        Ok(directory)
    }

    /// A nonce that was not used yet.
    pub(super) async fn nonce(&self) -> Result<HeaderValue, Error> {
        let url = self.directory().await?.new_nonce;
        // Another order may have taken the one that was fetched for this.
        for _ in 0..MOST_NONCES {
            if let Some(nonce) = self.stocked() {
                return Ok(nonce);
            }
            let request = Request::head(&url).body(BodyWrapper::default())?;
            let (parts, _) = self.fetch(request).await?;
            if !parts.headers.contains_key(NONCE) {
                break;
            }
        }
        Err(unsent(Unreached(format!("{url} has sent no Replay-Nonce"))))
    }

    /// The newest that is fresh.
    fn stocked(&self) -> Option<HeaderValue> {
        let now = self.clock.monotonic();
        let mut nonces = locked(&self.nonces);
        nonces.retain(|(at, _)| now.saturating_sub(*at) < NONCE_LIFE);
        nonces.pop().map(|(_, nonce)| nonce)
    }

    fn stock(&self, nonce: HeaderValue) {
        let mut nonces = locked(&self.nonces);
        if nonces.len() < MOST_NONCES {
            nonces.push((self.clock.monotonic(), nonce));
        }
    }

    /// Sends one request. What is no success is an error that knows all that the CA has said, except for `badNonce`, which
    /// the caller answers by itself.
    pub(super) async fn fetch(
        &self,
        request: Request<BodyWrapper<bytes::Bytes>>,
    ) -> Result<(http::response::Parts, Vec<u8>), Error> {
        let (parts, body) = request.into_parts();
        super::addresses::check(&parts.uri).map_err(unsent)?;
        let only_read = parts.method.is_safe();
        let unreached = |error: &reqwest::Error| match only_read || error.is_connect() {
            true => unsent(unreached(error)),
            false => other(unreached(error)),
        };
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let request = Request::from_parts(parts, body);
        let request = reqwest::Request::try_from(request).map_err(|error| unreached(&error))?;
        let reply = self.client.execute(request).await.map_err(|error| unreached(&error))?;
        let reply: Response<reqwest::Body> = reply.into();
        let (parts, body) = reply.into_parts();
        if let Some(nonce) = parts.headers.get(NONCE) {
            self.stock(nonce.clone());
        }
        let body = limited(body).await.map_err(if only_read { unsent } else { other })?;
        let body = body.ok_or_else(|| other(TooLong(LARGEST_BODY)))?;
        if parts.status.is_success() || is_bad_nonce(parts.status, &body) {
            return Ok((parts, body));
        }
        let retry_after = retry_after(&parts.headers, self.clock.as_ref());
        Err(other(Refusal { only_read, ..Refusal::read(parts.status, retry_after, &body) }))
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }
}

/// What is handed to the library: one for each order, so that what was captured belongs to it.
#[derive(Clone)]
pub(super) struct Client {
    line: Arc<Line>,
    last: Arc<Mutex<LastReply>>,
}

impl Client {
    pub(super) fn new(line: Arc<Line>) -> Self {
        Self { line, last: Arc::default() }
    }

    /// The connections that it speaks over.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Of the last reply that the library has got through this client.
    pub(super) fn last(&self) -> LastReply {
        locked(&self.last).clone()
    }

    async fn answer(self, request: Request<BodyWrapper<bytes::Bytes>>) -> Result<BytesResponse, Error> {
        if request.method() == Method::HEAD {
            // The library asks for a nonce: one from the stock will do.
            let nonce = self.line.nonce().await?;
            return reply(StatusCode::OK, [(NONCE, nonce)], Vec::new());
        }
        if request.method() == Method::GET && request.uri() == self.line.directory_url() {
            let directory = self.line.directory().await?;
            return reply(StatusCode::OK, [], directory.json().to_vec());
        }
        let (parts, body) = self.line.fetch(request).await?;
        let location = parts.headers.get(http::header::LOCATION).cloned();
        *locked(&self.last) = LastReply {
            location: location.as_ref().and_then(|url| url.to_str().ok()).map(str::to_owned),
            retry_after: retry_after(&parts.headers, self.line.clock()),
            alternates: alternates(&parts.headers),
            body: body.clone(),
        };
        // Neither the nonce, which is in the stock, nor Retry-After, which the library would add to the time unclamped.
        reply(parts.status, location.map(|location| ("location", location)), body)
    }
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<BodyWrapper<bytes::Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().answer(request))
    }
}

fn reply(
    status: StatusCode,
    headers: impl IntoIterator<Item = (&'static str, HeaderValue)>,
    body: Vec<u8>,
) -> Result<BytesResponse, Error> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(BytesResponse::from(response.body(Full::new(bytes::Bytes::from(body)))?))
}

/// The body; `None` where it is longer than allowed.
async fn limited(body: reqwest::Body) -> Result<Option<Vec<u8>>, Unreached> {
    match http_body_util::Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => Ok(Some(body.to_bytes().to_vec())),
        Err(error) => error.downcast_ref::<reqwest::Error>().map_or(Ok(None), |error| Err(unreached(error))),
    }
}

/// For what is signed, and may therefore be fetched without TLS: revocation lists.
pub(super) fn plain_client(roots: &[u8]) -> Result<reqwest::Client, Unreached> {
    configured(trusting(roots)?)
}

/// With `roots` (PEM) beside the machine's own.
fn trusting(roots: &[u8]) -> Result<reqwest::ClientBuilder, Unreached> {
    let tls = super::trust::client(roots).map_err(Unreached)?;
    // A connection for each order that is worked on at once is enough, and simpler than many in one.
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).http1_only())
}

fn configured(client: reqwest::ClientBuilder) -> Result<reqwest::Client, Unreached> {
    client
        .user_agent(concat!("keyturn/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_PATIENCE)
        .timeout(PATIENCE)
        .dns_resolver(Arc::new(Guarded))
        .build()
        .map_err(|error| Unreached(format!("no TLS client: {}", chain(&error))))
}

fn is_bad_nonce(status: StatusCode, body: &[u8]) -> bool {
    status == StatusCode::BAD_REQUEST && Refusal::read(status, None, body).is("badNonce")
}

/// The targets of `Link: <…>;rel="alternate"` (RFC 8288).
fn alternates(headers: &HeaderMap) -> Vec<String> {
    let links = headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
    let one = |link: &str| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let wanted =
            parameters.split(';').any(|p| p.trim().trim_matches('"').replace('"', "") == "rel=alternate");
        wanted.then(|| target.to_owned())
    };
    links.flat_map(|line| line.split(", ").filter_map(one)).collect()
}

pub(super) fn unreached(error: &reqwest::Error) -> Unreached {
    if error.is_timeout() {
        return Unreached(format!("no whole reply within {} s", PATIENCE.as_secs()));
    }
    Unreached(chain(error))
}

/// As the library hands it on.
pub(super) fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Other(Box::new(error))
}

fn unsent(error: Unreached) -> Error {
    other(Unsent(error))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
