//! The tests' own CA: a whole order works, and each fault does what it says.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

#[path = "fake_ca/bad.rs"]
mod bad;
#[path = "fake_ca/client.rs"]
mod client;
#[path = "support/fake_ca/mod.rs"]
mod fake_ca;
#[path = "fake_ca/good.rs"]
mod good;

use std::sync::Arc;
use std::time::Duration;

use fake_ca::FakeCa;
use jiff::Timestamp;
use keyturn::clock::Virtual;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring};

/// A CA in a time of its own, which stands still.
async fn start() -> (FakeCa, Arc<Virtual>) {
    let clock = Arc::new(Virtual::new("2031-02-03T04:05:06Z".parse().unwrap()));
    (FakeCa::start(clock.clone()).await, clock)
}

/// Whether `chain` holds for `name`, as webpki sees it, which knows nothing of how it was made.
fn verify(chain: &[CertificateDer<'_>], root: &str, name: &str, now: Timestamp) -> Result<(), webpki::Error> {
    let root = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
    let anchors = [anchor_from_trusted_cert(&root).unwrap()];
    let at = UnixTime::since_unix_epoch(Duration::from_secs(now.as_second().try_into().unwrap()));
    let leaf = EndEntityCert::try_from(&chain[0])?;
    let algorithms = [ring::ECDSA_P256_SHA256];
    leaf.verify_for_usage(&algorithms, &anchors, &chain[1..], at, KeyUsage::server_auth(), None, None)?;
    leaf.verify_is_valid_for_subject_name(&ServerName::try_from(name).unwrap())
}

/// All of the names.
fn verifies(chain: &[CertificateDer<'_>], root: &str, names: &[&str], now: Timestamp) {
    for name in names {
        verify(chain, root, &name.replace('*', "any"), now).unwrap();
    }
}
