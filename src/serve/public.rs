//! For everyone: JWKS, CAs, revocation lists, and the answers of http-01. Nothing else, and nothing is changed.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::SignedDuration;

/// Something that can be read, and how long it may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What it is.
    pub bytes: Bytes,
    /// For how long caches may go on with it.
    pub max_age: SignedDuration,
}

/// Where the pages come from.
#[async_trait]
pub trait Library: Send + Sync {
    /// The JWK Set of a JWT key, as its verifiers must have it at this moment (RFC 7517 §5).
    async fn jwks(&self, name: &str) -> Option<Page>;
    /// The trust bundle of an internal CA, PEM.
    async fn ca(&self, name: &str) -> Option<Page>;
    /// The certificate revocation list of an internal CA, DER (RFC 5280 §5).
    async fn crl(&self, name: &str) -> Option<Page>;
    /// The key authorization for a token of http-01 (RFC 8555 §8.3).
    fn challenge(&self, token: &str) -> Option<Bytes>;
}

/// The routes of `public_listen`.
pub fn public(library: Arc<dyn Library>) -> Router {
    Router::new()
        .route("/jwks/{name}", get(jwks))
        .route("/ca/{file}", get(ca))
        .route("/crl/{file}", get(crl))
        .route("/.well-known/acme-challenge/{token}", get(challenge))
        .with_state(library)
}

type Shelf = State<Arc<dyn Library>>;

async fn jwks(State(library): Shelf, Path(name): Path<String>, asked: HeaderMap) -> Response {
    // RFC 7517 §8.5.2.
    let mut page = page(library.jwks(&name).await, "application/jwk-set+json", &asked);
    // Public keys, for whoever checks tokens; a browser may be one of those.
    page.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    page
}

async fn ca(State(library): Shelf, Path(file): Path<String>, asked: HeaderMap) -> Response {
    let found = match file.strip_suffix(".pem") {
        Some(name) => library.ca(name).await,
        None => None,
    };
    // RFC 8555 §9.1.
    page(found, "application/pem-certificate-chain", &asked)
}

async fn crl(State(library): Shelf, Path(file): Path<String>, asked: HeaderMap) -> Response {
    let found = match file.strip_suffix(".crl") {
        Some(name) => library.crl(name).await,
        None => None,
    };
    // RFC 2585 §4.2.
    page(found, "application/pkix-crl", &asked)
}

async fn challenge(State(library): Shelf, Path(token): Path<String>) -> Response {
    match library.challenge(&token) {
        Some(answer) => typed(answer, "application/octet-stream"),
        None => nothing(),
    }
}

fn page(found: Option<Page>, kind: &'static str, asked: &HeaderMap) -> Response {
    let Some(found) = found else { return nothing() };
    let tag = tag(&found.bytes);
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| *known == tag || known == "*");
    let mut response = if known {
        let mut unchanged = Response::new(Body::empty());
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        unchanged
    } else {
        typed(found.bytes, kind)
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag);
    let cache = format!("public, max-age={}", found.max_age.as_secs().max(0));
    headers.extend(HeaderValue::from_str(&cache).ok().map(|value| (header::CACHE_CONTROL, value)));
    response
}

fn typed(bytes: Bytes, kind: &'static str) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn nothing() -> Response {
    let mut response = Response::new(Body::from("there is nothing here\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// A strong validator (RFC 9110 §8.8.3).
fn tag(bytes: &[u8]) -> HeaderValue {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let text = format!("\"{}\"", crate::pki::hex(&digest.as_ref()[..16]));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("\"\""))
}
