//! http-01 (RFC 8555 §8.3): a small page under a well-known path, on a listener of our own or in a web server's folder.

mod webroot;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::listener::{Limits, Listener, Place, Speaker};
use super::registry::{Entry, Registry};
use super::{Proof, SolveError, Solver};
use crate::clock::Clock;
use webroot::Webroot;

/// Where CAs look (RFC 8555 §8.3).
const PATH: &str = "/.well-known/acme-challenge/";

/// The longest head of a request, in octets. hyper takes no less for a buffer.
const LONGEST_HEAD: usize = 8192;

/// The most header fields of a request.
const MOST_FIELDS: usize = 64;

const WHEN_TAKEN: &str = "if that is a web server, let it answer: name a folder that it serves as the challenge's `webroot`, \
     or leave `listen` out and have it proxy /.well-known/acme-challenge/ to daemon.public_listen";

/// Shows proofs by HTTP.
///
/// With a listener, all orders of the process that use its address must share one solver. Every `present` counts, and
/// wants its own `clean_up`: orders may share a proof.
pub struct HttpSolver(Way);

enum Way {
    Listening(Listener<Bytes>),
    Served(Arc<Registry<Bytes>>, Arc<dyn Clock>),
    Webroot(Arc<Webroot>),
}

impl HttpSolver {
    /// Answers at `address` while there is something to show. The CA comes to port 80.
    pub fn listening(address: SocketAddr, clock: Arc<dyn Clock>) -> Self {
        Self::limited(address, clock, Limits::USUAL)
    }

    fn limited(address: SocketAddr, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        let place = Place { challenge: "http-01", address, when_taken: WHEN_TAKEN };
        let registry = Arc::new(Registry::default());
        let pages = Arc::new(Pages(Arc::clone(&registry)));
        Self(Way::Listening(Listener::new(place, limits, registry, pages, clock)))
    }

    /// Answers through a server that is there anyway, and asks [`Self::answer`].
    pub fn served(clock: Arc<dyn Clock>) -> Self {
        Self(Way::Served(Arc::default(), clock))
    }

    /// The key authorization that is shown for `token`, where it is shown by such a server.
    pub fn answer(&self, token: &str) -> Option<Bytes> {
        match &self.0 {
            Way::Served(registry, _) => registry.get(token),
            _ => None,
        }
    }

    /// Writes into the folder that a web server shows as `/`.
    pub fn webroot(folder: PathBuf) -> Self {
        Self(Way::Webroot(Arc::new(Webroot::new(folder))))
    }
}

#[async_trait]
impl Solver for HttpSolver {
    fn challenge(&self) -> &'static str {
        "http-01"
    }

    fn outlasts_us(&self) -> bool {
        matches!(self.0, Way::Webroot(_))
    }

    async fn present(&self, proofs: &[Proof]) -> Result<(), SolveError> {
        match &self.0 {
            Way::Listening(listener) => listener.show(&proofs.iter().map(page).collect::<Vec<_>>()).await,
            Way::Served(registry, clock) => {
                registry.show(&proofs.iter().map(page).collect::<Vec<_>>(), clock.as_ref()).await;
                Ok(())
            }
            Way::Webroot(webroot) => on_disk(webroot, proofs, Webroot::write).await,
        }
    }

    async fn clean_up(&self, proofs: &[Proof]) -> Result<(), SolveError> {
        match &self.0 {
            Way::Listening(listener) => {
                listener.hide(proofs.iter().map(|proof| (proof.token.clone(), proof))).await
            }
            Way::Served(registry, _) => {
                proofs.iter().for_each(|proof| registry.hide(&proof.token, proof));
                Ok(())
            }
            Way::Webroot(webroot) => on_disk(webroot, proofs, Webroot::remove).await,
        }
    }
}

fn page(proof: &Proof) -> Entry<Bytes> {
    Entry {
        key: proof.token.clone(),
        key_authorization: proof.key_authorization.clone(),
        answer: Bytes::from(proof.key_authorization.clone()),
    }
}

/// Does something with each proof, off the threads that must not block, and goes on to the others after a failure.
async fn on_disk(
    webroot: &Arc<Webroot>,
    proofs: &[Proof],
    each: fn(&Webroot, &Proof) -> Result<(), SolveError>,
) -> Result<(), SolveError> {
    let (webroot, proofs) = (Arc::clone(webroot), proofs.to_vec());
    let work = move || {
        let outcomes: Vec<_> = proofs.iter().map(|proof| each(&webroot, proof)).collect();
        outcomes.into_iter().collect()
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(SolveError(error.to_string())))
}

/// The pages there are. Whatever name or address is asked for by `Host`, the token decides.
struct Pages(Arc<Registry<Bytes>>);

#[async_trait]
impl Speaker for Pages {
    async fn speak(&self, connection: TcpStream) {
        let answer = |request| ready(Ok::<_, Infallible>(self.answer(&request)));
        let talk = http1::Builder::new()
            // One request a connection: what keeps it open is nobody who wants an answer.
            .keep_alive(false)
            // Some clients close their side once they have asked.
            .half_close(true)
            .max_headers(MOST_FIELDS)
            .max_header_size(LONGEST_HEAD)
            .max_buf_size(LONGEST_HEAD)
            // The listener's own limit is for the whole of it.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(connection), service_fn(answer));
        if let Err(error) = talk.await {
            tracing::debug!("a connection for http-01 ended early: {error}");
        }
    }
}

impl Pages {
    fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        match self.page(request) {
            Some(page) => found(page),
            None => nothing(),
        }
    }

    fn page<B>(&self, request: &Request<B>) -> Option<Bytes> {
        let reads = [Method::GET, Method::HEAD].contains(request.method());
        let target = request.uri().path_and_query().filter(|_| reads)?;
        self.0.get(target.as_str().strip_prefix(PATH)?)
    }
}

fn found(page: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(page));
    let kind = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn nothing() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
