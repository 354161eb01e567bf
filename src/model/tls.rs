//! What a TLS server offers, as it is seen from outside.

use std::fmt;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// SSL 3.0, prohibited by RFC 7568.
    Ssl3,
    /// TLS 1.0, prohibited by RFC 8996.
    Tls10,
    /// TLS 1.1, prohibited by RFC 8996.
    Tls11,
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl TlsVersion {
    /// All of them, oldest first.
    pub const ALL: [Self; 5] = [Self::Ssl3, Self::Tls10, Self::Tls11, Self::Tls12, Self::Tls13];

    /// As NGINX writes it in `ssl_protocols`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ssl3 => "SSLv3",
            Self::Tls10 => "TLSv1",
            Self::Tls11 => "TLSv1.1",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }

    /// Whether nobody may speak it any more.
    pub fn is_prohibited(self) -> bool {
        self < Self::Tls12
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a cipher suite up to TLS 1.2 agrees on its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyExchange {
    /// Ephemeral Diffie-Hellman on a curve.
    Ecdhe,
    /// Ephemeral Diffie-Hellman in a group that the server chooses.
    Dhe,
    /// Encrypted to the certificate's key: whoever gets that reads all that was ever recorded.
    Rsa,
    /// Nobody shows who they are.
    Anonymous,
}

/// How it protects what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protection {
    /// AES-GCM, AES-CCM, ChaCha20-Poly1305 and their like.
    Aead,
    /// Encrypted in blocks, with a MAC inside.
    Cbc,
    /// RC4, DES, 3DES, export grades, or nothing at all.
    Broken,
}

/// A cipher suite up to TLS 1.2. (Those of TLS 1.3 are all good.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CipherSuite {
    /// As IANA numbers it.
    pub id: u16,
    /// As OpenSSL and `ssl_ciphers` name it.
    pub name: &'static str,
    /// How it agrees on keys.
    pub exchange: KeyExchange,
    /// How it protects what is sent.
    pub protection: Protection,
}

/// The group that a server does DHE in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhGroup {
    /// The prime, big-endian, without leading zeros.
    pub prime: Vec<u8>,
}

impl DhGroup {
    /// The prime's size.
    pub fn bits(&self) -> usize {
        let first = self.prime.first().map_or(0, |byte| byte.leading_zeros() as usize);
        (self.prime.len() * 8).saturating_sub(first)
    }
}

/// What one endpoint shows to who knocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOffer {
    /// The versions that it accepts, oldest first.
    pub versions: Vec<TlsVersion>,
    /// What it accepts up to TLS 1.2, as it prefers them.
    pub suites: Vec<CipherSuite>,
    /// The group of its DHE suites, where it has any.
    pub dh: Option<DhGroup>,
    /// Whether it gives out session tickets (RFC 5077); `None` where TLS 1.2 is not spoken.
    pub tickets: Option<bool>,
    /// How long it says that they are good for, in seconds; `None` where that was not to be seen.
    pub ticket_lifetime: Option<u32>,
    /// Leaf first, DER.
    pub chain: Vec<Vec<u8>>,
    /// Whether it sends an OCSP response along (RFC 6066 §8).
    pub stapled: bool,
    /// What HTTP it speaks.
    pub http: Http,
}

/// What a request for `/` is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Http {
    /// No HTTP comes back: another protocol, or a server that lets nobody in without a certificate.
    Silent,
    /// An answer, with this `Strict-Transport-Security` (RFC 6797).
    Answers(Option<String>),
}
