//! CAs for the peers that bring none of their own.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    PublicKeyData as _,
};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// A CA's certificate and key.
#[derive(Debug)]
pub struct Authority {
    /// PEM.
    pub certificate: String,
    /// PKCS#8 PEM.
    pub key: String,
    /// What signs with them.
    pub issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A self-signed one, valid long before and after today.
    pub fn root(name: &str) -> Self {
        let (params, key) = parts(name);
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, key: key.serialize_pem(), issuer: Issuer::new(params, key) }
    }

    /// One under this one.
    pub fn intermediate(&self, name: &str) -> Self {
        let (mut params, key) = parts(name);
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { certificate, key: key.serialize_pem(), issuer: Issuer::new(params, key) }
    }
}

fn parts(name: &str) -> (CertificateParams, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    // acme2certifier takes it for granted that its CA's key has the SHA-1 identifier (RFC 5280 §4.2.1.2).
    let id = digest(&SHA1_FOR_LEGACY_USE_ONLY, key.public_key_raw()).as_ref().to_vec();
    params.key_identifier_method = KeyIdMethod::PreSpecified(id);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params, key)
}
