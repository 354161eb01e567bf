//! PKCS#12 (RFC 7292): a key with its certificates in one file, as Java and Windows want it.
//!
//! Both the key and the certificates are encrypted by PBES2 with AES-256-CBC and PBKDF2-HMAC-SHA-256, and the whole has a MAC
//! of HMAC-SHA-256: what OpenSSL 3 and the JDK have written since 2021. The old RC2 and 3DES are not written at all. Salts are
//! drawn anew each time, so that no two files are alike.

use cms::content_info::{CmsVersion, ContentInfo};
use cms::encrypted_data::EncryptedData;
use cms::enveloped_data::EncryptedContentInfo;
use pkcs8::der::asn1::{BmpString, ObjectIdentifier, OctetString, SetOfVec};
use pkcs8::der::{Any, Decode, Encode, Error};
use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::{EncryptedPrivateKeyInfo, spki::AlgorithmIdentifierOwned};
use pkcs12::cert_type::CertBag;
use pkcs12::digest_info::DigestInfo;
use pkcs12::kdf::{Pkcs12KeyType, derive_key_utf8};
use pkcs12::mac_data::MacData;
use pkcs12::pfx::{Pfx, Version};
use pkcs12::safe_bag::SafeBag;
use ring::{digest, hmac};
use rsa::sha2::Sha256;
use x509_cert::attr::{Attribute, Attributes};
use zeroize::Zeroizing;

use crate::clock::Entropy;
use crate::model::{Material, Secret};
use crate::pki::{PkiError, pem};

/// What the JDK writes by default. The password is a program's, not a person's: it need not be stretched for long.
const ITERATIONS: u32 = 10_000;
const SALT: usize = 16;
const MAC_KEY: usize = 32;

const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ID_ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const ID_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const FRIENDLY_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.20");
const LOCAL_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.21");

/// Why there is no file.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PackError {
    /// The material has not what it is made of.
    #[error("`pkcs12` cannot be made: the revision has no {0}")]
    Missing(&'static str),
    /// What there is cannot be read.
    #[error("`pkcs12` cannot be made: {0}")]
    Pki(#[from] PkiError),
    /// What cannot be written.
    #[error("`pkcs12` cannot be made: {0}")]
    Der(#[from] Error),
    /// A key that cannot be encrypted.
    #[error("`pkcs12` cannot be made: the key cannot be encrypted ({0})")]
    Encrypt(pkcs8::pkcs5::Error),
    /// Salts cannot be drawn.
    #[error("`pkcs12` cannot be made: {0}")]
    NoEntropy(#[from] crate::clock::NoEntropy),
}

impl From<pkcs8::pkcs5::Error> for PackError {
    fn from(error: pkcs8::pkcs5::Error) -> Self {
        Self::Encrypt(error)
    }
}

/// Key, leaf and intermediates of `material`, DER, opened by `password` (ASCII). `name` is what Java calls the entry by
/// (`friendlyName`).
///
/// # Errors
///
/// When the material has not both key and certificate, or they cannot be read.
pub fn pack(
    material: &Material,
    name: &str,
    password: &Secret,
    entropy: &Entropy,
) -> Result<Secret, PackError> {
    let packer = Packer { password, entropy };
    let leaf = material.certificate.as_deref().ok_or(PackError::Missing("certificate"))?;
    let leaf = pem::decode(pem::CERTIFICATE, leaf)?;
    let key = material.private_key.as_ref().ok_or(PackError::Missing("private key"))?;
    let key = pem::decode(pem::PRIVATE_KEY, key.expose_str())?;
    // By it readers find the key's own certificate among the others.
    let id = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &leaf);
    let attributes = attributes(name, id.as_ref())?;
    let mut certificates = vec![certificate(&leaf, Some(attributes.clone()))?];
    for text in &material.chain {
        certificates.push(certificate(&pem::decode(pem::CERTIFICATE, text)?, None)?);
    }
    let safes = vec![packer.encrypted(&certificates)?, packer.key(&key, attributes)?];
    packer.sealed(&safes.to_der()?)
}

/// A file in the making.
struct Packer<'a> {
    password: &'a Secret,
    entropy: &'a Entropy,
}

impl Packer<'_> {
    fn salt(&self) -> Result<[u8; SALT], PackError> {
        let mut salt = [0; SALT];
        self.entropy.fill(&mut salt)?;
        Ok(salt)
    }

    /// What is hidden under the password: the certificates, too, as others write it.
    fn encrypted(&self, bags: &Vec<SafeBag>) -> Result<ContentInfo, PackError> {
        let (salt, iv) = (self.salt()?, self.salt()?);
        let scheme = Parameters::pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, &iv)?;
        let hidden = scheme.encrypt(self.password.expose(), &bags.to_der()?)?;
        let algorithm = AlgorithmIdentifierOwned {
            oid: pkcs8::pkcs5::pbes2::PBES2_OID,
            parameters: Some(Any::from_der(&scheme.to_der()?)?),
        };
        let content = EncryptedData {
            version: CmsVersion::V0,
            enc_content_info: EncryptedContentInfo {
                content_type: ID_DATA,
                content_enc_alg: algorithm,
                encrypted_content: Some(OctetString::new(hidden)?),
            },
            unprotected_attrs: None,
        };
        let content = Any::from_der(&content.to_der()?)?;
        Ok(ContentInfo { content_type: ID_ENCRYPTED_DATA, content })
    }

    /// The key, encrypted by itself.
    fn key(&self, pkcs8: &[u8], attributes: Attributes) -> Result<ContentInfo, PackError> {
        let (salt, iv) = (self.salt()?, self.salt()?);
        let scheme = Parameters::pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, &iv)?;
        let hidden = scheme.encrypt(self.password.expose(), pkcs8)?;
        let key = EncryptedPrivateKeyInfo { encryption_algorithm: scheme.into(), encrypted_data: &hidden };
        let bag = SafeBag {
            bag_id: pkcs12::PKCS_12_PKCS8_KEY_BAG_OID,
            bag_value: key.to_der()?,
            bag_attributes: Some(attributes),
        };
        data(&vec![bag].to_der()?)
    }

    /// With a MAC over all.
    fn sealed(&self, safes: &[u8]) -> Result<Secret, PackError> {
        let salt = self.salt()?;
        let rounds = i32::try_from(ITERATIONS).unwrap_or(i32::MAX);
        let password = self.password.expose_str();
        let key = derive_key_utf8::<Sha256>(password, &salt, Pkcs12KeyType::Mac, rounds, MAC_KEY)?;
        let key = Zeroizing::new(key);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), safes);
        let mac = DigestInfo {
            algorithm: AlgorithmIdentifierOwned { oid: ID_SHA256, parameters: Some(Any::null()) },
            digest: OctetString::new(tag.as_ref())?,
        };
        let mac_data = MacData { mac, mac_salt: OctetString::new(salt)?, iterations: rounds };
        let pfx = Pfx { version: Version::V3, auth_safe: data(safes)?, mac_data: Some(mac_data) };
        Ok(Secret::new(pfx.to_der()?))
    }
}

fn data(content: &[u8]) -> Result<ContentInfo, PackError> {
    let content = Any::from_der(&OctetString::new(content)?.to_der()?)?;
    Ok(ContentInfo { content_type: ID_DATA, content })
}

fn certificate(der: &[u8], bag_attributes: Option<Attributes>) -> Result<SafeBag, PackError> {
    let bag = CertBag { cert_id: pkcs12::PKCS_12_X509_CERT_OID, cert_value: OctetString::new(der)? };
    Ok(SafeBag { bag_id: pkcs12::PKCS_12_CERT_BAG_OID, bag_value: bag.to_der()?, bag_attributes })
}

fn attributes(name: &str, id: &[u8]) -> Result<Attributes, PackError> {
    let one = |oid, value: &[u8]| -> Result<Attribute, Error> {
        Ok(Attribute { oid, values: SetOfVec::try_from(vec![Any::from_der(value)?])? })
    };
    let name = one(FRIENDLY_NAME, &BmpString::from_utf8(name)?.to_der()?)?;
    let id = one(LOCAL_KEY_ID, &OctetString::new(id)?.to_der()?)?;
    Ok(SetOfVec::try_from(vec![name, id])?)
}
