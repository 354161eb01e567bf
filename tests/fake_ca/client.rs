//! Two clients for the fake CA: instant-acme over a bare HTTP client, and requests signed by hand for
//! what instant-acme would never send.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper_util::rt::TokioIo;
use instant_acme::{
    Account, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, Error, HttpClient, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::fake_ca::FakeCa;

pub type Failure = Box<dyn StdError + Send + Sync>;

/// HTTPS to one CA, a connection a request.
#[derive(Clone)]
pub struct Https {
    tls: TlsConnector,
}

impl Https {
    pub fn to(ca: &FakeCa) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca.ca_file()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { tls: TlsConnector::from(Arc::new(config)) }
    }

    /// Sends a request; the body is not read yet.
    pub async fn send<B>(&self, mut request: Request<B>) -> Result<Response<Incoming>, Failure>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Failure>,
    {
        let authority = request.uri().authority().ok_or("no authority")?.to_string();
        let tcp = TcpStream::connect(&authority).await?;
        let tls = self.tls.connect(ServerName::try_from("127.0.0.1")?, tcp).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await?;
        tokio::spawn(connection);
        request.headers_mut().insert("host", authority.parse()?);
        *request.uri_mut() = request.uri().path().parse()?;
        Ok(sender.send_request(request).await?)
    }

    /// A whole exchange.
    pub async fn ask(&self, method: Method, url: &str, body: Vec<u8>) -> Result<Seen, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("content-type", "application/jose+json")
            .body(Full::new(Bytes::from(body)))?;
        let (head, body) = self.send(request).await?.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        Ok(Seen { status: head.status.as_u16(), headers: head.headers, body })
    }

    pub async fn get(&self, url: &str) -> Result<Seen, Failure> {
        self.ask(Method::GET, url, Vec::new()).await
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let https = self.clone();
        Box::pin(async move {
            let response = https.send(request).await.map_err(Error::Other)?;
            Ok(BytesResponse::from(response))
        })
    }
}

/// An answer, read.
#[derive(Debug)]
pub struct Seen {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The last part of the problem's type.
    pub fn problem(&self) -> String {
        let json = self.json();
        json["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned()
    }
}

/// Signs by hand.
pub struct Hand {
    pub https: Https,
    pub directory: Value,
    pub key: EcdsaKeyPair,
    pub kid: Option<String>,
}

impl Hand {
    pub async fn new(ca: &FakeCa) -> Self {
        let https = Https::to(ca);
        let directory = https.get(&ca.directory_url()).await.unwrap().json();
        Self { https, directory, key: new_key(), kid: None }
    }

    /// With an account.
    pub async fn enrolled(ca: &FakeCa) -> Self {
        let mut hand = Self::new(ca).await;
        let seen = hand.post("newAccount", &json!({ "termsOfServiceAgreed": true })).await;
        assert_eq!(seen.status, 201, "{seen:?}");
        hand.kid = Some(seen.header("location").to_owned());
        hand
    }

    pub fn url(&self, name: &str) -> String {
        self.directory[name].as_str().unwrap_or(name).to_owned()
    }

    pub async fn nonce(&self) -> String {
        let seen = self.https.ask(Method::HEAD, &self.url("newNonce"), Vec::new()).await.unwrap();
        seen.header("replay-nonce").to_owned()
    }

    pub fn jwk(&self) -> Value {
        jwk(&self.key)
    }

    /// A request with a header of the test's choice.
    pub async fn raw(&self, url: &str, header: &Value, payload: &str) -> Result<Seen, Failure> {
        let body = sign(&self.key, header, payload).to_string();
        self.https.ask(Method::POST, url, body.into_bytes()).await
    }

    /// A right request to a field of the directory, or to an address; `null` is a POST-as-GET.
    pub async fn try_post(&self, name: &str, payload: &Value) -> Result<Seen, Failure> {
        let url = self.url(name);
        let mut header = json!({ "alg": "ES256", "nonce": self.nonce().await, "url": url });
        match &self.kid {
            Some(kid) => header["kid"] = kid.clone().into(),
            None => header["jwk"] = self.jwk(),
        }
        let payload = if payload.is_null() { String::new() } else { payload.to_string() };
        self.raw(&url, &header, &payload).await
    }

    pub async fn post(&self, name: &str, payload: &Value) -> Seen {
        self.try_post(name, payload).await.unwrap()
    }

    pub async fn order(&self, names: &[&str]) -> Seen {
        self.post("newOrder", &wanted(names)).await
    }

    pub async fn look(&self, url: &Value) -> Value {
        self.post(url.as_str().unwrap(), &Value::Null).await.json()
    }
}

/// The payload of a new-order.
pub fn wanted(names: &[&str]) -> Value {
    let identifiers: Vec<Value> = names
        .iter()
        .map(|name| match name.parse::<std::net::IpAddr>() {
            Ok(_) => json!({ "type": "ip", "value": name }),
            Err(_) => json!({ "type": "dns", "value": name }),
        })
        .collect();
    json!({ "identifiers": identifiers })
}

pub fn new_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap()
}

pub fn jwk(key: &EcdsaKeyPair) -> Value {
    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
    json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
}

pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn sign(key: &EcdsaKeyPair, header: &Value, payload: &str) -> Value {
    let (protected, payload) = (encode(header.to_string().as_bytes()), encode(payload.as_bytes()));
    let signature = key.sign(&SystemRandom::new(), format!("{protected}.{payload}").as_bytes()).unwrap();
    json!({ "protected": protected, "payload": payload, "signature": encode(signature.as_ref()) })
}

/// Quick: the fake CA needs no patience.
pub fn policy() -> RetryPolicy {
    RetryPolicy::new().initial_delay(Duration::from_millis(2)).timeout(Duration::from_secs(2))
}

/// instant-acme with a new account.
pub async fn account(ca: &FakeCa) -> Result<Account, Error> {
    let new = NewAccount {
        contact: &["mailto:a@a.test"],
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let builder = Account::builder_with_http(Box::new(Https::to(ca)));
    Ok(builder.create(&new, ca.directory_url(), None).await?.0)
}

pub fn identifiers(names: &[&str]) -> Vec<Identifier> {
    let identifier = |name: &&str| match name.parse() {
        Ok(address) => Identifier::Ip(address),
        Err(_) => Identifier::Dns((*name).to_owned()),
    };
    names.iter().map(identifier).collect()
}

/// Proves every name that is not proven, by the challenge that is offered.
pub async fn prove(order: &mut Order) -> Result<(), Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let kind = if authorization.wildcard { ChallengeType::Dns01 } else { ChallengeType::Http01 };
        authorization.challenge(kind).ok_or(Error::Str("no challenge"))?.set_ready().await?;
    }
    match order.poll_ready(&policy()).await? {
        OrderStatus::Ready => Ok(()),
        _ => Err(Error::Str("the order is invalid")),
    }
}

/// A CSR and its key.
pub fn csr(names: &[&str]) -> (KeyPair, Vec<u8>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate().unwrap();
    let csr = params.serialize_request(&key).unwrap().der().to_vec();
    (key, csr)
}

/// The whole way to a certificate.
pub async fn issue(account: &Account, names: &[&str]) -> Result<(KeyPair, String), Error> {
    let identifiers = identifiers(names);
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    prove(&mut order).await?;
    let (key, csr) = csr(names);
    order.finalize_csr(&csr).await?;
    let pem = order.poll_certificate(&policy()).await?;
    Ok((key, pem))
}

/// The certificates of a PEM.
pub fn parts(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().unwrap()
}

/// The problem that instant-acme reports.
pub fn problem(error: &Error) -> String {
    match error {
        Error::Api(problem) => {
            problem.r#type.clone().unwrap_or_default().replace("urn:ietf:params:acme:error:", "")
        }
        other => format!("{other:?}"),
    }
}
