//! Certificates that a site already had before Keyturn came.

use rcgen::{CertificateParams, DnType, KeyPair};
use ring::digest::{SHA256, digest};

/// A certificate and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    /// PEM.
    pub certificate: String,
    /// PKCS#8 PEM.
    pub key: String,
    /// SHA-256 over the DER, lower-case hex.
    pub fingerprint: String,
}

/// What NGINX is given to serve TLS with.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// `tls.crt` and `tls.key`.
    pub pair: Pair,
    /// `dhparam.pem`.
    pub dhparam: String,
}

/// A fresh self-signed ECDSA certificate for `name`, valid long before and after today.
pub fn self_signed(name: &str) -> Pair {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).unwrap();
    Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        fingerprint: fingerprint(certificate.der()),
    }
}

/// SHA-256 in lower-case hex.
pub fn fingerprint(der: &[u8]) -> String {
    digest(&SHA256, der).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 7919's ffdhe2048: public, and made without a search.
pub const FFDHE2048: &str = "\
-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
";
