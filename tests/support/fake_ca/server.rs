//! HTTPS on loopback, and the faults that are in how something is sent rather than in what.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;
use super::books::What;
use super::desk::{Asked, Desk};
use super::faults::Body;
use super::reply::Reply;
use super::route::{Endpoint, Route};
use super::store::State;

/// What the server and the test's handle share.
pub struct Shared {
    pub state: Mutex<State>,
    pub authority: Authority,
    /// `https://127.0.0.1:port`.
    pub base: String,
    /// The CA's time.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Shows the certificate that `ca_file` vouches for.
    pub trusted: TlsAcceptor,
    /// Shows one of nobody's.
    pub untrusted: TlsAcceptor,
}

/// The largest request that is read.
const LARGEST: usize = 4 << 20;

type Sent = UnsyncBoxBody<Bytes, Infallible>;

/// The connection is closed instead of answering.
#[derive(Debug, thiserror::Error)]
#[error("the fake CA closes this connection")]
struct Closed;

/// What is done with a request.
enum Outcome {
    Reply(Reply),
    Close,
    Hang,
}

/// Takes connections, for ever.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((connection, _)) = listener.accept().await else {
            continue;
        };
        if !shared.state.lock().unwrap().faults_at((shared.now)()).down {
            tokio::spawn(speak(connection, shared.clone()));
        }
    }
}

/// One connection, until either side has enough. What fails here is for the client to notice.
async fn speak(connection: TcpStream, shared: Arc<Shared>) {
    let _ = connection.set_nodelay(true);
    let untrusted = shared.state.lock().unwrap().faults.untrusted;
    let acceptor = if untrusted { &shared.untrusted } else { &shared.trusted };
    let Ok(secured) = acceptor.accept(connection).await else {
        return;
    };
    let service = service_fn(|request| answer(request, &shared, untrusted));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(secured), service).await;
}

async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
    untrusted: bool,
) -> Result<Response<Sent>, Closed> {
    let asked = read(request).await?;
    match shared.handle(&asked, untrusted) {
        Outcome::Reply(reply) => Ok(respond(reply)),
        Outcome::Close => Err(Closed),
        Outcome::Hang => pending().await,
    }
}

async fn read(request: Request<Incoming>) -> Result<Asked, Closed> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, LARGEST).collect().await.map_err(|_| Closed)?;
    let content_type = head.headers.get("content-type").and_then(|value| value.to_str().ok());
    Ok(Asked {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        content_type: content_type.unwrap_or_default().to_owned(),
        body: body.to_bytes().to_vec(),
    })
}

impl Shared {
    fn handle(&self, asked: &Asked, untrusted: bool) -> Outcome {
        let now = (self.now)();
        let state = &mut *self.state.lock().unwrap();
        let faults = state.faults_at(now);
        // A connection from before the fault would let the client keep what it should lose.
        if faults.down || faults.untrusted != untrusted {
            return Outcome::Close;
        }
        let route = Route::of(&asked.path);
        let (endpoint, names) = (route.endpoint(), state.names_of(&route, &asked.body));
        if state.faults.hang.contains(&endpoint) {
            state.note(now, What::Request { endpoint, status: 0, problem: None, lost: true }, names);
            return Outcome::Hang;
        }
        let forced = state.faults.forced(endpoint).map(|forced| forced.reply(now));
        let mut reply = forced.unwrap_or_else(|| self.good(state, now, &route, asked));
        self.finish(state, endpoint, &asked.method, &mut reply);
        let (status, problem) = (reply.status, reply.problem.clone());
        let lost = state.faults.loses(endpoint);
        state.note(now, What::Request { endpoint, status, problem, lost }, names);
        if lost { Outcome::Close } else { Outcome::Reply(reply) }
    }

    fn good(&self, state: &mut State, now: Timestamp, route: &Route, asked: &Asked) -> Reply {
        let retry_after = state.faults.retry_after.get(&route.endpoint()).cloned();
        let mut desk = Desk { state, authority: &self.authority, base: &self.base, now };
        match desk.answer(route, asked) {
            Err(problem) => problem.reply(),
            Ok(reply) => match retry_after {
                Some(retry_after) => reply.header("retry-after", retry_after.text(now)),
                None => reply,
            },
        }
    }

    /// What goes on every reply (RFC 8555 §6.5, §7.1).
    fn finish(&self, state: &mut State, endpoint: Endpoint, method: &str, reply: &mut Reply) {
        reply.headers.push(("cache-control", "no-store".to_owned()));
        if endpoint != Endpoint::Directory {
            reply.headers.push(("link", format!("<{}/directory>;rel=\"index\"", self.base)));
        }
        if (method == "POST" || endpoint == Endpoint::NewNonce) && !state.faults.no_nonce {
            reply.headers.push(("replay-nonce", state.new_nonce()));
        }
        reply.sent_as = state.faults.body.get(&endpoint).cloned();
    }
}

fn respond(reply: Reply) -> Response<Sent> {
    let length = reply.body.len();
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    if reply.sent_as == Some(Body::Half) {
        response = response.header("content-length", length);
    }
    response.body(body(reply)).unwrap()
}

fn body(reply: Reply) -> Sent {
    let whole = reply.body;
    match reply.sent_as {
        None => full(whole),
        Some(Body::Text(text)) => full(text.into_bytes()),
        Some(Body::Deep(depth)) => full(deep(depth)),
        Some(Body::Drip(pause)) => streamed(drip(whole, pause)),
        Some(Body::Blanks(count)) => streamed(blanks(count)),
        Some(Body::Stall) => streamed(stream::pending()),
        // A stream that ends early makes hyper close the connection.
        Some(Body::Half) => streamed(stream::iter([Bytes::copy_from_slice(&whole[..whole.len() / 2])])),
    }
}

fn full(bytes: Vec<u8>) -> Sent {
    Full::new(Bytes::from(bytes)).boxed_unsync()
}

fn streamed(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Sent {
    StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk)))).boxed_unsync()
}

/// `{"x":[[[…]]]}`.
fn deep(depth: usize) -> Vec<u8> {
    format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes()
}

fn drip(whole: Vec<u8>, pause: Duration) -> impl Stream<Item = Bytes> {
    stream::unfold(whole.into_iter(), move |mut rest| async move {
        let byte = rest.next()?;
        tokio::time::sleep(pause).await;
        Some((Bytes::copy_from_slice(&[byte]), rest))
    })
}

/// Chunks of one page of memory that is made once, so that the server needs no more than the client should.
fn blanks(count: u64) -> impl Stream<Item = Bytes> {
    const CHUNK: usize = 1 << 16;
    let chunk = Bytes::from(vec![b' '; CHUNK]);
    stream::unfold(count, move |left| {
        let now = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK);
        let sent = (now > 0).then(|| (chunk.slice(..now), left - now as u64));
        async move { sent }
    })
}
