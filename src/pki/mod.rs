//! Pure helpers about keys and certificates that several adapters need, and that depend on none of them.
//!
//! It imports only the model: adapters never see each other, so what both `keys` and `issuer` (and whoever
//! checks a certificate) must read in the same way is read here.

mod certificate;
mod chain;
mod crl;
mod csr;
mod digest;
mod ocsp;
mod path;
pub mod pem;
mod private_key;
mod public_key;

pub use certificate::{
    Names, facts, facts_of, facts_of_der, is_constrained, is_signed_by, may_sign_lists, names, parse,
    spki_of_certificate,
};
pub use chain::{above, certificates, is_root};
pub use crl::{ListFacts, list_of, lists};
pub use csr::{SigningRequest, signing_request};
pub use digest::{broken_digest, check_digest};
pub use ocsp::{Ocsp, ocsp};
pub use path::{accepted, usable};
pub use private_key::private_key;
pub use public_key::{PublicKey, PublicKeyError};

pub use crate::model::hex;

/// Text or bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PkiError {
    /// No PEM block of the label wanted.
    #[error("there is no PEM block `{0}`")]
    NoBlock(&'static str),
    /// A PEM block of another label than the one wanted.
    #[error("there is no PEM block `{wanted}`, only `{found}`{hint}")]
    OtherBlock {
        /// The label wanted.
        wanted: &'static str,
        /// The label that is there.
        found: String,
        /// What makes the one of the other; empty where nothing does.
        hint: &'static str,
    },
    /// A PEM block whose inside is broken.
    #[error("the PEM block `{0}` is broken: its base64 or its END line is wrong")]
    BadBlock(&'static str),
    /// DER that is no certificate.
    #[error("this is not an X.509 certificate: {0}")]
    NotACertificate(String),
    /// DER that is no request for a certificate.
    #[error("this is not a request for a certificate that can be granted: {0}")]
    NotARequest(String),
    /// A certificate that anybody could have forged.
    #[error(
        "the certificate of `{subject}` is signed with {digest}, by which it could be forged, and clients refuse it: have it issued with SHA-256"
    )]
    Broken {
        /// What the signature is made with.
        digest: &'static str,
        /// Whose certificate it is.
        subject: String,
    },
    /// A key that needs a password.
    #[error("the private key is encrypted: its password is needed")]
    Encrypted,
    /// A password that does not fit.
    #[error(
        "the private key cannot be decrypted: the password is wrong, or it is not encrypted by PBES2 (`openssl pkcs8 -topk8 -v2 aes-256-cbc` writes that)"
    )]
    NotDecrypted,
    /// A date outside what we can count.
    #[error("the certificate's dates cannot be read")]
    BadDate,
}

/// The bytes of hex text; `None` where it is none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    text.len().is_multiple_of(2).then(|| (0..text.len()).step_by(2).map(pair).collect())?
}
