//! The parts of an asset as bytes, and what must hold before they are handed out.

mod pair;
#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

pub use self::pair::{PairError, check_pair};
use super::jwk::{Jwk, JwkError, jwks, thumbprint};
use super::{KeyError, PrivateKey};
use crate::model::{JwsAlgorithm, Material, Part, Secret};
use crate::pki::{self, PkiError, pem};

/// Why a part cannot be rendered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RenderError {
    /// No revision was given.
    #[error("there is no revision to make `{0}` of")]
    NoRevision(Part),
    /// The material has not what the part is made of.
    #[error("`{part}` cannot be made: the revision has no {missing}")]
    Missing {
        /// The part.
        part: Part,
        /// What it lacks.
        missing: &'static str,
    },
    /// A part that is not made of the material alone: a CA's lists are kept, a PKCS#12 file has a password.
    #[error("`{0}` is not made of a revision alone")]
    Apart(Part),
    /// A private key that cannot be used.
    #[error("`{part}` cannot be made: {source}")]
    Key {
        /// The part.
        part: Part,
        /// What is wrong with the key.
        source: KeyError,
    },
    /// A certificate that cannot be read.
    #[error("`{part}` cannot be made: {source}")]
    Certificate {
        /// The part.
        part: Part,
        /// What is wrong with it.
        source: PkiError,
    },
    /// A key that is no JWK.
    #[error("`{part}` cannot be made: {source}")]
    Jwk {
        /// The part.
        part: Part,
        /// What is wrong with the key.
        source: JwkError,
    },
}

/// The bytes of `part`.
///
/// Of `revisions`, oldest first, the parts that span revisions (`jwks`, `public-keys`, `ca`) take all in
/// that order, each key and root once; the others take the last. The same input gives the same bytes.
/// PEM ends in one newline; `kid` has none, since it is compared as it is.
///
/// # Errors
///
/// When the material has not what the part is made of, or it cannot be read.
pub fn render(part: Part, revisions: &[Material]) -> Result<Secret, RenderError> {
    let one = Reader { part, material: revisions.last().ok_or(RenderError::NoRevision(part))? };
    let all = || revisions.iter().map(|material| Reader { part, material });
    match part {
        Part::Certificate => one.certificates(one.leaf()?),
        Part::Chain => one.certificates(one.material.chain.iter().map(String::as_str)),
        Part::Fullchain => one.fullchain(),
        Part::PrivateKey => one.key().map(|key| key.to_pkcs8_pem()),
        Part::PrivateKeyPkcs1 => {
            one.key()?.to_pkcs1_pem().map_err(|source| RenderError::Key { part, source })
        }
        Part::Combined => Ok(joined([one.key()?.to_pkcs8_pem(), one.fullchain()?])),
        Part::PublicKey => one.public_key(),
        Part::PublicKeys => Ok(joined(unique(all().map(|one| one.public_key()))?)),
        Part::Ca => one.ca(all()),
        Part::Kid => one.kid().map(Secret::new),
        Part::Jwks => Ok(Secret::new(jwks(&unique(all().map(|one| one.jwk()))?))),
        Part::Dhparam => one.dhparam(),
        Part::Pkcs12 | Part::Crl => Err(RenderError::Apart(part)),
    }
}

/// One revision, on its way to one part.
struct Reader<'a> {
    part: Part,
    material: &'a Material,
}

impl<'a> Reader<'a> {
    fn missing(&self, missing: &'static str) -> RenderError {
        RenderError::Missing { part: self.part, missing }
    }

    fn leaf(&self) -> Result<Option<&'a str>, RenderError> {
        match &self.material.certificate {
            Some(certificate) => Ok(Some(certificate)),
            None => Err(self.missing("certificate")),
        }
    }

    fn fullchain(&self) -> Result<Secret, RenderError> {
        let chain = self.material.chain.iter().map(String::as_str);
        self.certificates(self.leaf()?.into_iter().chain(chain))
    }

    /// The blocks alone, re-encoded: imported files carry text, carriage returns and missing newlines.
    fn certificates(&self, texts: impl IntoIterator<Item = &'a str>) -> Result<Secret, RenderError> {
        let blocks: Result<Vec<_>, _> = texts.into_iter().map(|text| self.blocks(text)).collect();
        Ok(joined(blocks?.iter().flatten().map(|der| certificate(der))))
    }

    fn blocks(&self, text: &str) -> Result<Vec<Zeroizing<Vec<u8>>>, RenderError> {
        pem::decode_all(pem::CERTIFICATE, text)
            .map_err(|source| RenderError::Certificate { part: self.part, source })
    }

    fn ca(&self, all: impl Iterator<Item = Reader<'a>>) -> Result<Secret, RenderError> {
        let anchors = all.flat_map(|one| &one.material.anchors);
        let blocks: Result<Vec<_>, _> = anchors.map(|text| self.blocks(text)).collect();
        let roots = unique(blocks?.into_iter().flatten().map(Ok))?;
        match roots.as_slice() {
            [] => Err(self.missing("root certificate")),
            roots => Ok(joined(roots.iter().map(|der| certificate(der)))),
        }
    }

    fn key(&self) -> Result<PrivateKey, RenderError> {
        let text = self.material.private_key.as_ref().ok_or_else(|| self.missing("private key"))?;
        PrivateKey::from_pkcs8_pem(text).map_err(|source| RenderError::Key { part: self.part, source })
    }

    /// From the certificate where the private key is elsewhere.
    fn public_key(&self) -> Result<Secret, RenderError> {
        if self.material.private_key.is_some() {
            return self.key().map(|key| Secret::new(key.public_key_pem()));
        }
        let text = self.material.certificate.as_ref().ok_or_else(|| self.missing("key"))?;
        let spki = pki::spki_of_certificate(text)
            .map_err(|source| RenderError::Certificate { part: self.part, source })?;
        Ok(Secret::new(pem::encode(pem::PUBLIC_KEY, &spki).as_bytes()))
    }

    fn kid(&self) -> Result<String, RenderError> {
        let jwk_error = |source| RenderError::Jwk { part: self.part, source };
        match &self.material.kid {
            Some(kid) => Ok(kid.clone()),
            None => thumbprint(self.key()?.public()).map_err(jwk_error),
        }
    }

    fn jwk(&self) -> Result<Jwk, RenderError> {
        let jws: JwsAlgorithm = self.material.jws.ok_or_else(|| self.missing("JWS algorithm"))?;
        Jwk::new(self.key()?.public(), jws, self.material.kid.as_deref())
            .map_err(|source| RenderError::Jwk { part: self.part, source })
    }

    fn dhparam(&self) -> Result<Secret, RenderError> {
        let text = self.material.dh_params.as_ref().ok_or_else(|| self.missing("DH parameters"))?;
        let der = pem::decode(pem::DH_PARAMETERS, text)
            .map_err(|source| RenderError::Certificate { part: self.part, source })?;
        Ok(Secret::new(pem::encode(pem::DH_PARAMETERS, &der).as_bytes()))
    }
}

fn certificate(der: &[u8]) -> Secret {
    Secret::new(pem::encode(pem::CERTIFICATE, der).as_bytes())
}

/// All in order, each once, the first time it comes.
fn unique<T: PartialEq, E>(items: impl Iterator<Item = Result<T, E>>) -> Result<Vec<T>, E> {
    let mut kept: Vec<T> = Vec::new();
    for item in items {
        let item = item?;
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    Ok(kept)
}

fn joined(parts: impl IntoIterator<Item = Secret>) -> Secret {
    let parts: Vec<Secret> = parts.into_iter().collect();
    // The full size at once: a buffer that grows leaves copies of a secret behind.
    let mut bytes = Vec::with_capacity(parts.iter().map(Secret::len).sum());
    parts.iter().for_each(|part| bytes.extend_from_slice(part.expose()));
    Secret::new(bytes)
}
