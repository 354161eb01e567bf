//! A client that takes any certificate, but lets the server prove that it has the key.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::{
    ALL_VERSIONS, ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedCipherSuite,
    SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::model::KeyAlgorithm;

/// The leaf, and what the server sent with it.
pub(super) type Chain = Vec<CertificateDer<'static>>;

/// Of one handshake: what was shown, and then what was proven.
///
/// The proof is taken when the server has signed the handshake, not when the handshake is over: a server
/// that goes on to ask for a client certificate has shown its own nonetheless.
#[derive(Debug)]
pub(super) struct Witness {
    provider: Arc<CryptoProvider>,
    schemes: Vec<SignatureScheme>,
    shown: Mutex<Chain>,
    proven: Mutex<Option<Chain>>,
    stapled: AtomicBool,
}

impl Witness {
    /// For one handshake that offers only what a key of `algorithm` can sign.
    pub(super) fn new(algorithm: KeyAlgorithm) -> Arc<Self> {
        let schemes = schemes_of(algorithm);
        let mut provider = ring::default_provider();
        provider.cipher_suites.retain(|suite| signs_with(suite, &schemes));
        Arc::new(Self {
            provider: Arc::new(provider),
            schemes,
            shown: Mutex::default(),
            proven: Mutex::default(),
            stapled: AtomicBool::default(),
        })
    }

    /// For one handshake with whatever key the server likes best.
    pub(super) fn of_any_key() -> Arc<Self> {
        let provider = ring::default_provider();
        Arc::new(Self {
            schemes: provider.signature_verification_algorithms.supported_schemes(),
            provider: Arc::new(provider),
            shown: Mutex::default(),
            proven: Mutex::default(),
            stapled: AtomicBool::default(),
        })
    }

    /// A client for one handshake; it has no session to resume, and keeps none.
    pub(super) fn client(self: &Arc<Self>) -> Result<Arc<ClientConfig>, Error> {
        self.client_of(ALL_VERSIONS)
    }

    /// The same, that speaks only `versions`.
    pub(super) fn client_of(
        self: &Arc<Self>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Arc<ClientConfig>, Error> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<Self>::clone(self))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    /// The chain whose leaf's key has signed the handshake.
    pub(super) fn proven(&self) -> Option<Chain> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether an OCSP response came with the certificate.
    pub(super) fn stapled(&self) -> bool {
        self.stapled.load(Ordering::Relaxed)
    }

    fn signed(
        &self,
        result: Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        let valid = result?;
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.proven.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        Ok(valid)
    }
}

/// What a key can sign a handshake with, in TLS 1.3 (RFC 8446 §4.2.3) and TLS 1.2.
fn schemes_of(algorithm: KeyAlgorithm) -> Vec<SignatureScheme> {
    use KeyAlgorithm as Key;
    use SignatureScheme as Scheme;
    match algorithm {
        Key::EcdsaP256 => vec![Scheme::ECDSA_NISTP256_SHA256],
        Key::EcdsaP384 => vec![Scheme::ECDSA_NISTP384_SHA384],
        Key::Ed25519 => vec![Scheme::ED25519],
        Key::Rsa2048 | Key::Rsa3072 | Key::Rsa4096 => vec![
            Scheme::RSA_PSS_SHA256,
            Scheme::RSA_PSS_SHA384,
            Scheme::RSA_PSS_SHA512,
            Scheme::RSA_PKCS1_SHA256,
            Scheme::RSA_PKCS1_SHA384,
            Scheme::RSA_PKCS1_SHA512,
        ],
    }
}

/// In TLS 1.2 the cipher suite chooses between RSA and ECDSA too; in TLS 1.3 it does not.
fn signs_with(suite: &SupportedCipherSuite, schemes: &[SignatureScheme]) -> bool {
    match suite {
        SupportedCipherSuite::Tls12(suite) => suite.sign.iter().any(|scheme| schemes.contains(scheme)),
        SupportedCipherSuite::Tls13(_) => true,
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(leaf).chain(intermediates).map(|one| one.clone().into_owned()).collect();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        self.stapled.store(!ocsp_response.is_empty(), Ordering::Relaxed);
        // Whose it is decides the fingerprint; that it is the server's, the signature below.
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.signed(rustls::crypto::verify_tls12_signature(message, leaf, signed, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.signed(rustls::crypto::verify_tls13_signature(message, leaf, signed, algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
