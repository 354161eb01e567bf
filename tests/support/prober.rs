//! A client that never stops connecting: what users would notice of a rotation.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, Stream};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::Engine;
use super::certs::fingerprint;
use super::engine::wait_for;
use super::mutual::Mutual;
use super::namespace::enter;

/// Four clients, each of which starts one connection in this time: over 60 a second.
const CLIENTS: u32 = 4;
const PACE: Duration = Duration::from_millis(60);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Opens new TLS 1.3 connections, without resumption, each with a GET that must be answered by 200.
#[derive(Debug)]
pub struct Prober {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

/// What was seen by then.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Connections that got their 200.
    pub ok: usize,
    /// All others.
    pub failures: Vec<Failure>,
    /// The leaves of those that were ok, by SHA-256 (lower-case hex).
    pub leaves: BTreeMap<String, Leaf>,
    /// How long it has been going on.
    pub lasted: Duration,
}

/// A connection that did not get its 200.
#[derive(Debug, Clone)]
pub struct Failure {
    /// When it was begun, counted from the prober's start.
    pub at: Duration,
    /// What went wrong.
    pub error: String,
}

/// A leaf certificate that was served.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// When it was first seen, counted from the prober's start.
    pub first: Duration,
    /// When it was last seen, likewise.
    pub last: Duration,
    /// How often.
    pub count: usize,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    /// Who it is, where the server asks.
    mutual: Option<Mutual>,
    pace: Duration,
    start: Instant,
    stop: AtomicBool,
    report: Mutex<Report>,
}

impl Prober {
    /// Begins, from inside the engine's network; `address` is an IP address and a port.
    pub fn start(engine: &Engine, address: &str) -> Self {
        Self::at_pace(engine, address, CLIENTS, PACE)
    }

    /// The same with so many clients, each of which starts one connection in `pace`: where many services are watched.
    pub fn at_pace(engine: &Engine, address: &str, clients: u32, pace: Duration) -> Self {
        Self::begin(engine, address, clients, pace, None)
    }

    /// Both show certificates, and each checks the other's.
    pub fn mutual(engine: &Engine, address: &str, mutual: Mutual) -> Self {
        Self::begin(engine, address, CLIENTS, PACE, Some(mutual))
    }

    fn begin(engine: &Engine, address: &str, clients: u32, pace: Duration, mutual: Option<Mutual>) -> Self {
        let network = Arc::new(File::open(engine.network()).unwrap());
        let shared = Arc::new(Shared {
            address: address.parse().unwrap(),
            mutual,
            pace,
            start: Instant::now(),
            stop: AtomicBool::new(false),
            report: Mutex::default(),
        });
        let client = |number| {
            let (network, shared) = (Arc::clone(&network), Arc::clone(&shared));
            std::thread::spawn(move || {
                enter(&network);
                std::thread::sleep(pace * number / clients);
                shared.run();
            })
        };
        Self { clients: (0..clients).map(client).collect(), shared }
    }

    /// What was seen so far.
    pub fn so_far(&self) -> Report {
        let report = self.shared.report.lock().unwrap().clone();
        Report { lasted: self.shared.start.elapsed(), ..report }
    }

    /// Waits until this leaf is served; panics when it is not within `limit`.
    pub fn wait_leaf(&self, fingerprint: &str, limit: Duration) {
        let seen = || self.so_far().leaves.contains_key(fingerprint);
        assert!(wait_for(limit, seen), "{fingerprint} is not served: {:#?}", self.so_far());
    }

    /// Ends it; what was seen in all.
    pub fn stop(mut self) -> Report {
        self.shared.stop.store(true, Ordering::Relaxed);
        let lasted = self.shared.start.elapsed();
        self.clients.drain(..).for_each(|client| client.join().unwrap());
        Report { lasted, ..self.so_far() }
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Report {
    /// Panics unless every connection was ok, at 50 a second or more.
    pub fn assert_clean(&self) {
        assert!(self.failures.is_empty(), "{} failed of {}: {self:#?}", self.failures.len(), self.ok);
        assert!(self.rate() >= 50.0, "only {:.0} connections a second: {self:#?}", self.rate());
    }

    /// Connections a second.
    pub fn rate(&self) -> f64 {
        let all = u32::try_from(self.ok + self.failures.len()).unwrap();
        f64::from(all) / self.lasted.as_secs_f64()
    }
}

impl Shared {
    fn run(&self) {
        let mut due = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            due += self.pace;
            let at = self.start.elapsed();
            let seen = self.connect();
            self.note(at, seen);
        }
    }

    fn note(&self, at: Duration, seen: Result<String, String>) {
        let mut report = self.report.lock().unwrap();
        match seen {
            Err(error) => report.failures.push(Failure { at, error }),
            Ok(leaf) => {
                report.ok += 1;
                let leaf = report.leaves.entry(leaf).or_insert(Leaf { first: at, last: at, count: 0 });
                leaf.count += 1;
                leaf.last = leaf.last.max(at);
            }
        }
    }

    /// One connection: the fingerprint of the leaf, if all of it went well.
    fn connect(&self) -> Result<String, String> {
        let say = |step: &'static str| move |error: std::io::Error| format!("{step}: {error}");
        let mut tcp = TcpStream::connect_timeout(&self.address, TIMEOUT).map_err(say("connect"))?;
        tcp.set_read_timeout(Some(TIMEOUT)).map_err(say("time-out"))?;
        let (config, name) = match &self.mutual {
            Some(mutual) => (mutual.config(), ServerName::try_from(mutual.name.clone()).unwrap()),
            None => (client_config(), ServerName::IpAddress(self.address.ip().into())),
        };
        let mut tls = ClientConnection::new(config, name).map_err(|error| error.to_string())?;
        let mut stream = Stream::new(&mut tls, &mut tcp);
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")
            .map_err(say("request"))?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(say("answer"))?;
        if !answer.starts_with(b"HTTP/1.1 200") {
            return Err(format!("answer: {}", String::from_utf8_lossy(&answer)));
        }
        let leaf = tls.peer_certificates().and_then(<[_]>::first).ok_or("no certificate")?;
        Ok(fingerprint(leaf))
    }
}

fn client_config() -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// Whose certificate it is, the test checks by its fingerprint; that the server has its key, TLS.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            leaf,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            leaf,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
