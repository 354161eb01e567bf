//! Against real rustls and HTTP servers on loopback.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm,
};
use rustls::ServerConfig;
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::handshake::fingerprint;
use super::{Fault, HANDSHAKE_TIMEOUT, Handshakes, Live, Seen, Verifier, VerifyError};
use crate::clock::Virtual;
use crate::model::KeyAlgorithm;

const NOW: &str = "2026-11-22T00:00:00Z";

fn live() -> Live {
    Live::new(Arc::new(Virtual::new(NOW.parse().unwrap())))
}

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    fn leaf(&self, key: KeyPair, name: &str, last_year: i32) -> Arc<CertifiedKey> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Arc::new(CertifiedKey::new(vec![der], any_supported_type(&private).unwrap()))
    }

    fn of(&self, algorithm: &'static SignatureAlgorithm) -> Arc<CertifiedKey> {
        self.leaf(KeyPair::generate_for(algorithm).unwrap(), "edge.test", 2030)
    }
}

fn rsa_key() -> KeyPair {
    let pem =
        std::process::Command::new("openssl").args(["genpkey", "-algorithm", "RSA"]).output().unwrap().stdout;
    KeyPair::from_pem(std::str::from_utf8(&pem).unwrap()).unwrap()
}

fn leaf_of(key: &CertifiedKey) -> String {
    fingerprint(&key.cert[0])
}

/// Picks the first that can sign what the client offers, as a server with two certificates does.
#[derive(Debug)]
struct Resolver(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let usable = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        self.0.iter().find(usable).cloned()
    }
}

/// What a server shows, one chain after the other; the last for ever.
async fn serve(
    turns: Vec<Vec<Arc<CertifiedKey>>>,
    versions: &'static [&'static rustls::SupportedProtocolVersion],
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut turn = 0;
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let keys = turns[turn.min(turns.len() - 1)].clone();
            turn += 1;
            let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                .with_protocol_versions(versions)
                .unwrap()
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(Resolver(keys)));
            tokio::spawn(async move {
                if let Ok(mut tls) = TlsAcceptor::from(Arc::new(config)).accept(tcp).await {
                    let _ = tls.read(&mut [0; 1]).await;
                }
            });
        }
    });
    address
}

async fn served(key: &Arc<CertifiedKey>) -> String {
    serve(vec![vec![Arc::clone(key)]], rustls::ALL_VERSIONS).await
}

fn ask(connect: &[&String], count: usize, leaf: &CertifiedKey, authority: &Authority) -> Handshakes {
    Handshakes {
        connect: connect.iter().map(|one| (*one).clone()).collect(),
        server_name: Some("edge.test".to_owned()),
        count,
        fingerprint_sha256: leaf_of(leaf),
        key_algorithm: KeyAlgorithm::EcdsaP256,
        anchors: vec![authority.issuer.pem()],
        timeout: HANDSHAKE_TIMEOUT,
    }
}

fn faults(error: VerifyError) -> (usize, usize, Vec<Fault>) {
    match error {
        VerifyError::Handshakes { proven, of, faults } => (proven, of, faults),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_expected_leaf_is_proven_without_remarks() {
    let authority = Authority::new("test");
    let leaf = authority.of(&PKCS_ECDSA_P256_SHA256);
    let (one, two) = (served(&leaf).await, served(&leaf).await);
    let seen = live().handshakes(&ask(&[&one, &two], 21, &leaf, &authority)).await.unwrap();
    assert_eq!(seen, Seen { handshakes: 21, remarks: vec![] });
    let seen = live().handshakes(&ask(&[&one, &two], 0, &leaf, &authority)).await.unwrap();
    assert_eq!(seen.handshakes, 2, "every endpoint is asked");
}

#[tokio::test]
async fn another_leaf_on_one_endpoint_is_named() {
    let authority = Authority::new("test");
    let leaf = authority.of(&PKCS_ECDSA_P256_SHA256);
    let old = authority.leaf(KeyPair::generate().unwrap(), "old.test", 2027);
    let (good, bad) = (served(&leaf).await, served(&old).await);
    let error = live().handshakes(&ask(&[&good, &bad], 20, &leaf, &authority)).await.unwrap_err();
    let text = error.to_string();
    for part in ["10 of 20", &bad, "another one 10 times", &leaf_of(&old), "valid until 2027-01-01T00:00:00Z"]
    {
        assert!(text.contains(part), "{text}");
    }
    assert!(error.is_transient());
    assert!(matches!(&faults(error).2[..], [Fault::Other { endpoint, times: 10, .. }] if *endpoint == bad));
}

#[tokio::test]
async fn a_replica_that_lags_behind_is_counted() {
    let authority = Authority::new("test");
    let (new, old) = (authority.of(&PKCS_ECDSA_P256_SHA256), authority.of(&PKCS_ECDSA_P256_SHA256));
    let turns = [&new, &old, &new, &old, &new].map(|key| vec![Arc::clone(key)]);
    let address = serve(turns.to_vec(), rustls::ALL_VERSIONS).await;
    let error = live().handshakes(&ask(&[&address], 8, &new, &authority)).await.unwrap_err();
    let (proven, of, faults) = faults(error);
    assert_eq!((proven, of), (6, 8));
    assert!(matches!(&faults[..], [Fault::Other { times: 2, .. }]));
}

#[tokio::test]
async fn a_closed_port_and_a_silent_server_are_told_apart() {
    let authority = Authority::new("test");
    let leaf = authority.of(&PKCS_ECDSA_P256_SHA256);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = served(&leaf).await;
    let mut ask = ask(&[&closed, &silent.local_addr().unwrap().to_string(), &good], 9, &leaf, &authority);
    ask.timeout = Duration::from_millis(300);
    let (proven, of, faults) = faults(live().handshakes(&ask).await.unwrap_err());
    assert_eq!((proven, of), (3, 9));
    let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(texts[0].starts_with(&closed) && texts[0].contains("refused"), "{texts:?}");
    assert!(texts[1].contains("no handshake within 0.3 s"), "{texts:?}");
}

#[tokio::test]
async fn of_two_certificates_the_asset_s_own_is_shown() {
    let authority = Authority::new("test");
    let rsa = authority.leaf(rsa_key(), "edge.test", 2030);
    let all = [
        (KeyAlgorithm::Rsa2048, &rsa),
        (KeyAlgorithm::EcdsaP256, &authority.of(&PKCS_ECDSA_P256_SHA256)),
        (KeyAlgorithm::EcdsaP384, &authority.of(&PKCS_ECDSA_P384_SHA384)),
        (KeyAlgorithm::Ed25519, &authority.of(&PKCS_ED25519)),
    ]
    .map(|(algorithm, key)| (algorithm, Arc::clone(key)));
    let keys: Vec<_> = all.iter().map(|(_, key)| Arc::clone(key)).collect();
    static VERSIONS: [&[&rustls::SupportedProtocolVersion]; 2] =
        [&[&rustls::version::TLS13], &[&rustls::version::TLS12]];
    for versions in VERSIONS {
        let address = serve(vec![keys.clone()], versions).await;
        for (algorithm, key) in &all {
            let ask = Handshakes { key_algorithm: *algorithm, ..ask(&[&address], 2, key, &authority) };
            assert_eq!(live().handshakes(&ask).await.unwrap().handshakes, 2, "{algorithm:?} {versions:?}");
        }
    }
    let only_rsa = served(&rsa).await;
    let error = live().handshakes(&ask(&[&only_rsa], 2, &rsa, &authority)).await.unwrap_err();
    assert!(error.to_string().contains("only ecdsa-p256 offered"), "{error}");
}

#[tokio::test]
async fn chain_name_and_dates_are_remarks() {
    let (authority, stranger) = (Authority::new("known"), Authority::new("stranger"));
    let leaf = authority.leaf(KeyPair::generate().unwrap(), "other.test", 2026);
    let address = served(&leaf).await;
    let mut ask = ask(&[&address], 2, &leaf, &stranger);
    let seen = live().handshakes(&ask).await.unwrap();
    assert_eq!(
        seen.remarks,
        [
            "it expired at 2026-01-01T00:00:00Z",
            "it is not valid for edge.test",
            "its chain does not lead to a known root (UnknownIssuer)"
        ]
    );
    ask.server_name = None;
    ask.anchors = vec![];
    let seen = live().handshakes(&ask).await.unwrap();
    assert_eq!(seen.remarks, ["it expired at 2026-01-01T00:00:00Z", "it is not valid for 127.0.0.1"]);
}

#[tokio::test]
async fn a_certificate_without_its_key_proves_nothing() {
    let authority = Authority::new("test");
    let leaf = authority.of(&PKCS_ECDSA_P256_SHA256);
    let other = authority.of(&PKCS_ECDSA_P256_SHA256);
    let torn = Arc::new(CertifiedKey::new(leaf.cert.clone(), Arc::clone(&other.key)));
    let address = served(&torn).await;
    let error = live().handshakes(&ask(&[&address], 2, &leaf, &authority)).await.unwrap_err();
    assert!(error.to_string().contains("0 of 2"), "{error}");
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_has_shown_its_own() {
    let authority = Authority::new("test");
    let leaf = authority.of(&PKCS_ECDSA_P256_SHA256);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(authority.issuer.der().to_vec())).unwrap();
    let provider = Arc::new(default_provider());
    let clients =
        rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
            .build()
            .unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::new(Resolver(vec![Arc::clone(&leaf)])));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            assert!(acceptor.accept(tcp).await.is_err());
        }
    });
    assert_eq!(live().handshakes(&ask(&[&address], 3, &leaf, &authority)).await.unwrap().handshakes, 3);
}

#[tokio::test]
async fn what_cannot_be_asked_is_said_at_once() {
    let authority = Authority::new("test");
    let leaf = authority.of(&PKCS_ECDSA_P256_SHA256);
    for (connect, name) in [("edge.test", None), ("edge.test:x", None), ("edge.test:443", Some("a b"))] {
        let mut ask = ask(&[&connect.to_owned()], 1, &leaf, &authority);
        ask.server_name = name.map(str::to_owned);
        let error = live().handshakes(&ask).await.unwrap_err();
        assert!(!error.is_transient() && error.to_string().starts_with("verify."), "{error}");
    }
    assert!(!live().handshakes(&ask(&[], 1, &leaf, &authority)).await.unwrap_err().is_transient());
    for url in ["https://127.0.0.1/jwks", "ftp://x/", "/jwks", "http://", "no url"] {
        let error = live().jwks(url, &[]).await.unwrap_err();
        assert!(!error.is_transient(), "{error}");
    }
}

/// A server that sends `answer` to whoever has sent a whole request head.
async fn http(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(tcp.read_u8().await.unwrap());
            }
            assert!(head.starts_with(b"GET /keys?x=1 HTTP/1.1\r\n"));
            let _ = tcp.write_all(&answer).await;
        }
    });
    format!("http://{address}/keys?x=1")
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn jwks_error(answer: Vec<u8>) -> String {
    let url = http(answer).await;
    let error = live().jwks(&url, &["b".to_owned(), "c".to_owned()]).await.unwrap_err();
    assert!(error.is_transient());
    error.to_string().replace(&url, "URL")
}

#[tokio::test]
async fn every_kid_must_be_in_the_jwks() {
    let set = r#"{"keys": [{"kty": "RSA", "kid": "a"}, {"kty": "RSA"}, {"kid": "b"}]}"#;
    let url = http(answer("200 OK", set)).await;
    let kids = ["a".to_owned(), "b".to_owned()];
    assert_eq!(live().jwks(&url, &kids).await.unwrap(), Seen { handshakes: 1, remarks: vec![] });
    assert_eq!(jwks_error(answer("200 OK", set)).await, "URL: it has 2 keys, but lacks c");
    // A body that ends with the connection is whole, too.
    let until_close = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{set}");
    assert_eq!(live().jwks(&http(until_close.into_bytes()).await, &kids).await.unwrap().handshakes, 1);
}

#[tokio::test]
async fn what_is_no_jwks_is_refused() {
    assert_eq!(jwks_error(answer("404 Not Found", "")).await, "URL: answered 404 Not Found");
    let moved =
        b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".to_vec();
    assert!(jwks_error(moved).await.contains("redirects are not followed"));
    assert!(jwks_error(answer("200 OK", "<html>")).await.contains("it is not JSON"));
    assert!(jwks_error(answer("200 OK", r#"{"keys": {}}"#)).await.contains("no array `keys`"));
    assert!(jwks_error(answer("200 OK", &" ".repeat((1 << 20) + 1))).await.contains("larger than 2 MiB"));
    let torn = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"keys\": [".to_vec();
    assert!(jwks_error(torn).await.contains("broke off"));
    assert!(jwks_error(b"SSH-2.0-OpenSSH\r\n".to_vec()).await.contains("no HTTP answer"));
    let error = live().jwks("http://127.0.0.1:1/", &[]).await.unwrap_err().to_string();
    assert!(error.contains("cannot connect"), "{error}");
}

#[tokio::test]
async fn a_jwks_that_never_comes_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let error = super::jwks::check(&url, &[], Duration::from_millis(300)).await.unwrap_err();
    assert!(error.to_string().contains("no whole answer within 0.3 s"), "{error}");
}
