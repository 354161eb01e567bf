//! Keys that sign, over ring and our own randomness; as rcgen wants them, too.

use rcgen::{
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData,
    SignatureAlgorithm, SigningKey,
};
use ring::error::Unspecified;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};

use crate::clock::Entropy;
use crate::model::{KeyAlgorithm, Secret};
use crate::pki::{self, PublicKey, pem};

/// A new ECDSA key, PKCS#8 PEM.
pub(super) fn generate(algorithm: KeyAlgorithm, entropy: &Entropy) -> Result<Secret, String> {
    let ring = match algorithm {
        KeyAlgorithm::EcdsaP256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        KeyAlgorithm::EcdsaP384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        other => {
            return Err(format!("a CA's key is ecdsa-p256 or ecdsa-p384, not {}", other.name()));
        }
    };
    let document = EcdsaKeyPair::generate_pkcs8(ring, entropy.ring())
        .map_err(|_| "the operating system gave no randomness".to_owned())?;
    Ok(Secret::new(pem::encode(pem::PRIVATE_KEY, document.as_ref()).as_bytes()))
}

/// The public key that a certificate is for.
pub(super) struct SubjectKey(PublicKey);

impl SubjectKey {
    pub(super) fn read(key: &Secret, entropy: &Entropy) -> Result<Self, String> {
        let der = pem::decode(pem::PRIVATE_KEY, key.expose_str()).map_err(|error| error.to_string())?;
        PublicKey::stated_in_pkcs8(&der, entropy.ring()).map(Self).map_err(|error| error.to_string())
    }

    /// Of a key that somebody else has.
    pub(super) fn of(key: PublicKey) -> Self {
        Self(key)
    }

    /// SubjectPublicKeyInfo, DER.
    pub(super) fn spki_der(&self) -> Vec<u8> {
        self.0.spki_der().to_vec()
    }

    pub(super) fn is_rsa(&self) -> bool {
        self.0.algorithm.rsa_bits().is_some()
    }

    /// Whether the certificate is for this key.
    pub(super) fn is_of(&self, certificate: &str) -> bool {
        pki::spki_of_certificate(certificate).is_ok_and(|spki| spki == self.0.spki_der())
    }
}

impl PublicKeyData for SubjectKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0.bits
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self.0.algorithm {
            KeyAlgorithm::EcdsaP256 => &PKCS_ECDSA_P256_SHA256,
            KeyAlgorithm::EcdsaP384 => &PKCS_ECDSA_P384_SHA384,
            KeyAlgorithm::Ed25519 => &PKCS_ED25519,
            _ => &PKCS_RSA_SHA256,
        }
    }
}

/// A private key that signs: a CA's, of which our own are ECDSA, or the subject's own in a request.
pub(super) struct SigningPair {
    public: SubjectKey,
    pair: Pair,
    entropy: Entropy,
}

/// Parsed once: rcgen's own key pair would keep a copy of the PKCS#8 that is not wiped.
pub(super) enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// How an ECDSA signature is written.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// As a sequence of two numbers, in certificates (RFC 3279 §2.2.3).
    Asn1,
    /// As two numbers of the curve's size, in JWS (RFC 7518 §3.4).
    Fixed,
}

impl Pair {
    /// From PKCS#8 DER of a key of this kind.
    pub(super) fn read(
        der: &[u8],
        algorithm: KeyAlgorithm,
        form: Form,
        entropy: &Entropy,
    ) -> Result<Self, String> {
        let ecdsa = |ring| EcdsaKeyPair::from_pkcs8(ring, der, entropy.ring()).map(Self::Ecdsa);
        let pair = match (algorithm, form) {
            (KeyAlgorithm::EcdsaP256, Form::Asn1) => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            (KeyAlgorithm::EcdsaP256, Form::Fixed) => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            (KeyAlgorithm::EcdsaP384, Form::Asn1) => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
            (KeyAlgorithm::EcdsaP384, Form::Fixed) => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            (KeyAlgorithm::Ed25519, _) => Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Self::Ed25519),
            _ => RsaKeyPair::from_pkcs8(der).map(Self::Rsa),
        };
        pair.map_err(|error| error.to_string())
    }

    /// RSA signs by PKCS#1 v1.5 with SHA-256.
    pub(super) fn sign(&self, message: &[u8], entropy: &Entropy) -> Result<Vec<u8>, Unspecified> {
        match self {
            Self::Ecdsa(pair) => pair.sign(entropy.ring(), message).map(|s| s.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, entropy.ring(), message, &mut signature)?;
                Ok(signature)
            }
        }
    }
}

impl SigningPair {
    pub(super) fn read(key: &Secret, entropy: &Entropy) -> Result<Self, String> {
        let public = SubjectKey::read(key, entropy)?;
        let der = pem::decode(pem::PRIVATE_KEY, key.expose_str()).map_err(|error| error.to_string())?;
        let pair = Pair::read(&der, public.0.algorithm, Form::Asn1, entropy)?;
        Ok(Self { public, pair, entropy: entropy.clone() })
    }

    pub(super) fn is_of(&self, certificate: &str) -> bool {
        self.public.is_of(certificate)
    }
}

impl PublicKeyData for SigningPair {
    fn der_bytes(&self) -> &[u8] {
        self.public.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.public.algorithm()
    }
}

impl SigningKey for SigningPair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.pair.sign(message, &self.entropy).map_err(|_| rcgen::Error::RingUnspecified)
    }
}
