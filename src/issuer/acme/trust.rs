//! Whose word counts for who a CA is: `ca_file` first, and the machine's own roots.
//!
//! Those are read when `ca_file` is not enough, from one file: a machine's folder of roots holds the same ones again, in
//! hundreds of files, which takes longer than a whole order.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Where systems keep all their roots in one file: Debian and most others, Fedora, SUSE, Alpine.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// What says otherwise, as for OpenSSL.
const SAYS_WHERE: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Trusts `roots` (PEM) beside the machine's own.
pub(super) fn client(roots: &[u8]) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let trust = Arc::new(Trust::new(roots, Arc::clone(&provider))?);
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    // "Dangerous" is the library's word for any verifier that it has not made itself; this one asks two of its own.
    Ok(builder.dangerous().with_custom_certificate_verifier(trust).with_no_client_auth())
}

const UNKNOWN: Error = Error::InvalidCertificate(CertificateError::UnknownIssuer);

struct Trust {
    provider: Arc<CryptoProvider>,
    ours: Option<Arc<WebPkiServerVerifier>>,
    machines: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
}

impl Trust {
    fn new(roots: &[u8], provider: Arc<CryptoProvider>) -> Result<Self, String> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(roots).collect();
        let mut store = RootCertStore::empty();
        for certificate in certificates.map_err(|error| format!("ca_file holds no certificates: {error}"))? {
            let added = store.add(certificate);
            added.map_err(|error| format!("ca_file has what is no certificate: {error}"))?;
        }
        let ours = by(store, &provider)?;
        Ok(Self { provider, ours, machines: OnceLock::new() })
    }

    fn machines(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        let read = || {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(of_the_machine());
            by(store, &self.provider).ok().flatten()
        };
        self.machines.get_or_init(read).as_ref()
    }
}

/// Who knows these roots; nobody, where there are none.
fn by(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<WebPkiServerVerifier>>, String> {
    if roots.is_empty() {
        return Ok(None);
    }
    let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    built.map(Some).map_err(|error| error.to_string())
}

/// What cannot be read of them is left out: one bad file must not keep us from all CAs.
fn of_the_machine() -> Vec<CertificateDer<'static>> {
    let told = SAYS_WHERE.iter().any(|name| std::env::var_os(name).is_some());
    let bundle = BUNDLES.iter().map(Path::new).find(|path| !told && path.is_file());
    let found = match bundle {
        Some(bundle) => rustls_native_certs::load_certs_from_paths(Some(bundle), None),
        None => rustls_native_certs::load_native_certs(),
    };
    for error in &found.errors {
        tracing::debug!("of the machine's roots: {error}");
    }
    found.certs
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by = |one: &Arc<WebPkiServerVerifier>| one.verify_server_cert(leaf, chain, name, ocsp, now);
        let ours = self.ours.as_ref().map(by);
        if let Some(Ok(verified)) = ours {
            return Ok(verified);
        }
        let none = || Error::General("this machine has no root certificates (ca-certificates)".to_owned());
        let machines = self.machines().map_or_else(|| Err(none()), by);
        match (ours, machines) {
            // What is wrong is best told by who would trust it but for that.
            (Some(Err(error)), Err(_)) if error != UNKNOWN || self.machines().is_none() => Err(error),
            (_, machines) => machines,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
