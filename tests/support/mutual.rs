//! What a client of mutual TLS has: a certificate of its own, and the roots that it trusts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Reads `tls.crt`, `tls.key` and `ca.crt` of a folder anew for each connection, as they lie there at one moment.
#[derive(Debug, Clone)]
pub struct Mutual {
    /// Where the files are.
    pub folder: PathBuf,
    /// The server's name, which its certificate must have.
    pub name: String,
    /// The roots that it trusts, PEM, where it never reads `ca.crt`.
    pub roots: Option<String>,
}

impl Mutual {
    /// A client that takes up what is delivered.
    pub fn new(folder: &Path, name: &str) -> Self {
        Self { folder: folder.to_owned(), name: name.to_owned(), roots: None }
    }

    /// A client that knows these roots, and will never know others.
    pub fn trusting(self, roots: &str) -> Self {
        Self { roots: Some(roots.to_owned()), ..self }
    }

    /// TLS 1.3 without resumption. Files that are replaced while they are read are read again.
    pub fn config(&self) -> Arc<ClientConfig> {
        let read = || (0..10).find_map(|_| self.read());
        let (certificate, key, roots) = read().unwrap_or_else(|| panic!("nothing in {:?}", self.folder));
        let mut store = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(roots.as_bytes()) {
            store.add(root.unwrap()).unwrap();
        }
        let chain = CertificateDer::pem_slice_iter(&certificate).map(Result::unwrap).collect();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(store)
            .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(&key).unwrap())
            .unwrap();
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }

    fn read(&self) -> Option<(Vec<u8>, Vec<u8>, String)> {
        // All files of one moment lie beside each other behind the link.
        let real = fs::canonicalize(self.folder.join("tls.crt")).ok()?;
        let file = |name: &str| fs::read(real.with_file_name(name)).ok();
        let roots = match &self.roots {
            Some(roots) => roots.clone(),
            None => String::from_utf8(file("ca.crt")?).ok()?,
        };
        Some((file("tls.crt")?, file("tls.key")?, roots))
    }
}
