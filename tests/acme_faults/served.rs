//! A server that shows whatever lies in a folder, and what a client sees there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use keyturn::keys::encodings::check_pair;
use keyturn::model::{Facts, Material, Secret};
use keyturn::pki;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// It reads the files again for every handshake, so no reload is needed.
pub(super) struct Served {
    dir: PathBuf,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Served {
    /// Serves `tls.crt` and `tls.key` of `dir`.
    pub(super) async fn from(dir: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = dir.to_owned();
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(show(connection, served.clone()));
            }
        });
        Self { dir: dir.to_owned(), port, task }
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The pair that is live, with its dates; `None` before the first.
    pub(super) fn live(&self) -> Option<(Material, Facts)> {
        let certificates = std::fs::read_to_string(self.dir.join("tls.crt")).ok()?;
        let key = std::fs::read(self.dir.join("tls.key")).unwrap();
        let ders = pki::pem::decode_all(pki::pem::CERTIFICATE, &certificates).unwrap();
        let mut texts = ders.iter().map(|der| pki::pem::encode(pki::pem::CERTIFICATE, der).to_string());
        let material = Material {
            private_key: Some(Secret::new(key)),
            certificate: texts.next(),
            chain: texts.collect(),
            ..Material::default()
        };
        Some((material, pki::facts(&certificates).unwrap()))
    }

    /// I1 and I2: what is live is whole, for these names, and valid `now`.
    pub(super) fn assert_sound(&self, names: &[&str], now: Timestamp) {
        let Some((material, facts)) = self.live() else { return };
        check_pair(&material).unwrap();
        let served = pki::names(material.certificate.as_deref().unwrap()).unwrap();
        assert_eq!(served.dns, names);
        let chain = material.chain.iter().map(|above| pki::facts(above).unwrap().validity.unwrap());
        for validity in chain.chain(facts.validity) {
            assert!(validity.contains(now), "{validity:?} is live at {now}");
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One handshake; what goes wrong is for the client to see.
async fn show(connection: TcpStream, dir: PathBuf) {
    let Ok(config) = config(&dir) else { return };
    let _ = TlsAcceptor::from(Arc::new(config)).accept(connection).await;
}

fn config(dir: &Path) -> Result<ServerConfig, Box<dyn std::error::Error>> {
    let chain = CertificateDer::pem_file_iter(dir.join("tls.crt"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(dir.join("tls.key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_no_client_auth().with_single_cert(chain, key)?)
}
