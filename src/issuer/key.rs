//! Keys as rcgen wants them, over ring and our own randomness.

use rcgen::{
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData,
    SignatureAlgorithm, SigningKey,
};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_SHA256, RsaKeyPair,
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
        PublicKey::of_pkcs8(&der, entropy.ring()).map(Self).map_err(|error| error.to_string())
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
enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl SigningPair {
    pub(super) fn read(key: &Secret, entropy: &Entropy) -> Result<Self, String> {
        let public = SubjectKey::read(key, entropy)?;
        let der = pem::decode(pem::PRIVATE_KEY, key.expose_str()).map_err(|error| error.to_string())?;
        let pair = match public.0.algorithm {
            KeyAlgorithm::EcdsaP256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der, entropy.ring())
                    .map(Pair::Ecdsa)
            }
            KeyAlgorithm::EcdsaP384 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &der, entropy.ring())
                    .map(Pair::Ecdsa)
            }
            KeyAlgorithm::Ed25519 => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Pair::Ed25519),
            _ => RsaKeyPair::from_pkcs8(&der).map(Pair::Rsa),
        };
        let pair = pair.map_err(|error| error.to_string())?;
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
        let random = self.entropy.ring();
        let failed = |_| rcgen::Error::RingUnspecified;
        match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(random, message).map(|s| s.as_ref().to_vec()).map_err(failed),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}
