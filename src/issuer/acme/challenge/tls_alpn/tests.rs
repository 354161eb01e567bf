//! By a rustls client that takes any certificate, and by openssl.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use ring::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::{AlertDescription, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::super::listener::Limits;
use super::super::{Proof, Solver, Subject};
use super::{ACME_TLS, TlsAlpnSolver, server_name};
use crate::clock::{Clock, Entropy, System, Virtual};

/// id-pe-acmeIdentifier (RFC 8737 §6.1).
const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";

fn proof(subject: Subject, n: usize) -> Proof {
    let token = format!("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PC_{n:07}");
    let key_authorization = format!("{token}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI");
    Proof { subject, token, key_authorization }
}

fn named(name: &str, n: usize) -> Proof {
    proof(Subject::Dns(name.to_owned()), n)
}

fn solver(clock: Arc<dyn Clock>, limits: Limits) -> TlsAlpnSolver {
    TlsAlpnSolver::limited("127.0.0.1:0".parse().unwrap(), Entropy::system(), clock, limits).unwrap()
}

fn usual() -> TlsAlpnSolver {
    solver(Arc::new(System::new()), Limits::USUAL)
}

async fn address(solver: &TlsAlpnSolver) -> Option<SocketAddr> {
    solver.listener.address().await
}

/// The CA reads the certificate, and asks nobody about it.
#[derive(Debug)]
struct TakesAny;

impl ServerCertVerifier for TakesAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn client(protocols: &[&[u8]]) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakesAny))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

/// The certificate that is shown, or the alert.
async fn shake(
    address: SocketAddr,
    name: &str,
    config: ClientConfig,
) -> Result<CertificateDer<'static>, AlertDescription> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    match TlsConnector::from(Arc::new(config)).connect(name, tcp).await {
        Ok(mut tls) => {
            let chain = tls.get_ref().1.peer_certificates().unwrap().to_vec();
            assert_eq!(tls.get_ref().1.alpn_protocol(), Some(ACME_TLS));
            assert_eq!(tls.read(&mut [0; 1]).await.unwrap(), 0, "it closes without a word");
            assert_eq!(chain.len(), 1);
            Ok(chain[0].clone())
        }
        Err(error) => match error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
            Some(Error::AlertReceived(alert)) => Err(*alert),
            _ => panic!("no alert: {error}"),
        },
    }
}

async fn fetch(address: SocketAddr, name: &str) -> Result<CertificateDer<'static>, AlertDescription> {
    shake(address, name, client(&[ACME_TLS])).await
}

/// What a CA checks (RFC 8737 §3).
fn check(der: &CertificateDer<'_>, proof: &Proof) {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    certificate.verify_signature(None).expect("it is self-signed");
    assert_eq!(certificate.subject().as_raw(), certificate.issuer().as_raw());
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    let ip;
    let expected = match &proof.subject {
        Subject::Dns(name) => GeneralName::DNSName(name),
        Subject::Ip(std::net::IpAddr::V4(address)) => {
            ip = address.octets().to_vec();
            GeneralName::IPAddress(&ip)
        }
        Subject::Ip(std::net::IpAddr::V6(address)) => {
            ip = address.octets().to_vec();
            GeneralName::IPAddress(&ip)
        }
    };
    assert_eq!(names.value.general_names, [expected]);
    assert_eq!(
        shown(der),
        [&[0x04, 0x20], digest(&SHA256, proof.key_authorization.as_bytes()).as_ref()].concat()
    );
}

fn shown(der: &CertificateDer<'_>) -> Vec<u8> {
    let (_, certificate) = X509Certificate::from_der(der).unwrap();
    let found: Vec<_> =
        certificate.extensions().iter().filter(|one| one.oid.to_id_string() == ACME_IDENTIFIER).collect();
    assert!(found.len() == 1 && found[0].critical);
    found[0].value.to_vec()
}

#[tokio::test]
async fn each_name_gets_its_certificate() {
    let solver = usual();
    let proofs = [
        named("a.test", 1),
        named("xn--bcher-kva.test", 2),
        proof(Subject::Ip("192.0.2.7".parse().unwrap()), 3),
        proof(Subject::Ip("2001:db8::7".parse().unwrap()), 4),
    ];
    solver.present(&proofs).await.unwrap();
    let at = address(&solver).await.unwrap();
    for proof in &proofs {
        check(&fetch(at, &server_name(&proof.subject)).await.unwrap(), proof);
    }
    check(&fetch(at, "A.Test").await.unwrap(), &proofs[0]);
}

#[test]
fn an_address_is_asked_for_by_its_reverse_name() {
    // The examples of RFC 8738 §6 and RFC 3596 §2.5.
    assert_eq!(server_name(&Subject::Ip("192.0.2.1".parse().unwrap())), "1.2.0.192.in-addr.arpa");
    assert_eq!(
        server_name(&Subject::Ip("4321:0:1:2:3:4:567:89ab".parse().unwrap())),
        "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa"
    );
}

#[tokio::test]
async fn everybody_else_is_refused_by_an_alert() {
    let solver = usual();
    solver.present(&[named("a.test", 1)]).await.unwrap();
    let at = address(&solver).await.unwrap();
    let refused = async |name, protocols: &[&[u8]]| shake(at, name, client(protocols)).await.unwrap_err();
    assert_eq!(refused("a.test", &[b"h2", b"http/1.1"]).await, AlertDescription::NoApplicationProtocol);
    assert_eq!(refused("a.test", &[]).await, AlertDescription::AccessDenied);
    assert_eq!(refused("b.test", &[ACME_TLS]).await, AlertDescription::AccessDenied);
    let mut nameless = client(&[ACME_TLS]);
    nameless.enable_sni = false;
    assert_eq!(shake(at, "a.test", nameless).await, Err(AlertDescription::AccessDenied));
    assert!(fetch(at, "a.test").await.is_ok());
}

#[tokio::test]
async fn no_handshake_takes_up_an_older_one() {
    let solver = usual();
    solver.present(&[named("a.test", 1)]).await.unwrap();
    let at = address(&solver).await.unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(TakesAny))
            .with_no_client_auth();
        config.alpn_protocols = vec![ACME_TLS.to_vec()];
        for _ in 0..2 {
            let tcp = TcpStream::connect(at).await.unwrap();
            let name = ServerName::try_from("a.test").unwrap();
            let tls = TlsConnector::from(Arc::new(config.clone())).connect(name, tcp).await.unwrap();
            assert_ne!(tls.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Resumed));
        }
    }
}

#[tokio::test]
async fn it_listens_from_the_first_proof_to_the_last() {
    let (solver, one, two) = (usual(), [named("a.test", 1)], [named("b.test", 2)]);
    assert_eq!(address(&solver).await, None);
    solver.present(&one).await.unwrap();
    solver.present(&two).await.unwrap();
    let at = address(&solver).await.unwrap();
    solver.clean_up(&one).await.unwrap();
    assert_eq!(fetch(at, "a.test").await, Err(AlertDescription::AccessDenied));
    check(&fetch(at, "b.test").await.unwrap(), &two[0]);
    solver.clean_up(&two).await.unwrap();
    TcpListener::bind(at).await.expect("the port is free when clean_up returns");
}

#[tokio::test]
async fn an_order_waits_while_another_shows_the_name() {
    let solver = usual();
    let (first, second) = ([named("a.test", 1)], [named("a.test", 2), named("b.test", 3)]);
    solver.present(&first).await.unwrap();
    let at = address(&solver).await.unwrap();
    let presenting = async {
        solver.present(&second).await.unwrap();
        check(&fetch(at, "a.test").await.unwrap(), &second[0]);
    };
    let finishing = async {
        tokio::task::yield_now().await;
        check(&fetch(at, "a.test").await.unwrap(), &first[0]);
        assert!(fetch(at, "b.test").await.is_err(), "all of an order's proofs or none");
        solver.present(&[named("c.test", 4)]).await.unwrap();
        solver.clean_up(&first).await.unwrap();
    };
    tokio::join!(presenting, finishing);
}

#[tokio::test]
async fn an_order_that_does_not_end_is_pushed_aside() {
    // On this clock patience runs out at once.
    let solver = solver(Arc::new(Virtual::new("2026-11-22T00:00:00Z".parse().unwrap())), Limits::USUAL);
    let (first, second) = ([named("a.test", 1)], [named("a.test", 2)]);
    solver.present(&first).await.unwrap();
    solver.present(&second).await.unwrap();
    let at = address(&solver).await.unwrap();
    solver.clean_up(&first).await.unwrap();
    check(&fetch(at, "a.test").await.unwrap(), &second[0]);
    solver.clean_up(&second).await.unwrap();
    assert_eq!(address(&solver).await, None);
}

#[tokio::test]
async fn many_at_once_and_those_who_say_nothing() {
    let limits = Limits { time: Duration::from_secs(2), connections: 40 };
    let solver = solver(Arc::new(System::new()), limits);
    let proofs: Vec<_> = (0..10).map(|n| named(&format!("{n}.test"), n)).collect();
    solver.present(&proofs).await.unwrap();
    let at = address(&solver).await.unwrap();
    let mut idle = join_all((0..20).map(|_| async { TcpStream::connect(at).await.unwrap() })).await;
    join_all(proofs.iter().map(async |proof| {
        check(&fetch(at, &server_name(&proof.subject)).await.unwrap(), proof);
    }))
    .await;
    let ended = tokio::time::timeout(Duration::from_secs(8), idle[19].read(&mut [0; 1])).await;
    assert!(ended.is_ok_and(|read| !read.is_ok_and(|octets| octets > 0)), "it should have been shown out");
}

#[tokio::test]
async fn a_taken_port_is_explained() {
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = other.local_addr().unwrap();
    let solver = TlsAlpnSolver::new(at, Entropy::system(), Arc::new(System::new())).unwrap();
    let error = solver.present(&[named("a.test", 1)]).await.unwrap_err().to_string();
    for part in [&format!("could not listen on {at} for tls-alpn-01"), "port 443", "dns-01", "acme-tls/1"] {
        assert!(error.contains(part), "{error}");
    }
}

/// The words of an openssl command that reads `input`.
async fn openssl(args: &[&str], input: &str) -> String {
    use tokio::io::AsyncWriteExt;
    let mut command = tokio::process::Command::new("openssl");
    command.args(args).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.stderr(std::process::Stdio::null()).kill_on_drop(true).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    String::from_utf8_lossy(&child.wait_with_output().await.unwrap().stdout).into_owned()
}

#[tokio::test]
async fn openssl_sees_the_extension() {
    let (solver, proof) = (usual(), named("a.test", 1));
    solver.present(std::slice::from_ref(&proof)).await.unwrap();
    let at = address(&solver).await.unwrap().to_string();
    let ask = ["s_client", "-connect", &at, "-servername", "a.test", "-alpn", "acme-tls/1"];
    let seen = openssl(&ask, "").await;
    assert!(seen.contains("ALPN protocol: acme-tls/1"), "{seen}");
    let text = openssl(&["x509", "-noout", "-text"], &seen).await;
    assert!(text.contains("DNS:a.test") && text.contains("prime256v1"), "{text}");
    let extension = text.split(ACME_IDENTIFIER).nth(1).unwrap_or_else(|| panic!("{text}"));
    assert!(extension.starts_with(": critical"), "{text}");
}
