//! Whether key, leaf, chain and roots belong together.

use x509_parser::prelude::X509Certificate;

use crate::keys::{KeyError, PrivateKey};
use crate::model::Material;
use crate::pki::{self, PkiError, pem};

/// What is wrong with a pair. Whoever is served it would see a broken server.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PairError {
    /// Half of it is not there.
    #[error("there is no {0}")]
    Missing(&'static str),
    /// A key that cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate that cannot be read.
    #[error("the {place} cannot be read: {source}")]
    Certificate {
        /// Which one.
        place: String,
        /// What is wrong with it.
        source: PkiError,
    },
    /// Key and leaf are not a pair.
    #[error(
        "the private key does not belong to the certificate ({subject}); the certificate is for another key"
    )]
    Mismatch {
        /// The leaf's subject.
        subject: String,
    },
    /// A chain that is broken or out of order.
    #[error("the {lower} ({subject}) is not signed by the {upper}; put the chain in order, issuing CA first")]
    NotSigned {
        /// Which one.
        lower: String,
        /// Its subject.
        subject: String,
        /// What should have signed it.
        upper: String,
    },
    /// A signature that anybody could have made.
    #[error(
        "the {lower} ({subject}) is signed with {digest}, by which it could be forged, and clients refuse it"
    )]
    Broken {
        /// Which one.
        lower: String,
        /// Its subject.
        subject: String,
        /// What the signature is made with.
        digest: &'static str,
    },
    /// A certificate that may not sign others, where it should have.
    #[error("the {0} is not a CA certificate")]
    NotACa(String),
    /// A certificate that is never valid.
    #[error("the {0} ends before it begins")]
    Dates(String),
    /// A certificate that outlives, or comes before, one above it.
    #[error("the {lower}'s validity does not lie inside the {upper}'s")]
    Outside {
        /// The one below.
        lower: String,
        /// The one above.
        upper: String,
    },
}

/// Checks what a deployer must know first: the key is the leaf's, each certificate is signed by the next and
/// the last by a root, all above the leaf are CAs, and validity lies inside validity (F. A10, A13, A14).
///
/// Roots are checked only where the material has some: those of a public CA are in the clients' stores. Between the CAs
/// above the leaf validity need not lie inside validity then, only the leaf's inside all of theirs: nothing in RFC 5280
/// §6.1 asks for more, and cross-signed and reissued CAs are dated as it came.
/// Whether a certificate is valid now, and for the right names, is for whoever knows the time and the names.
///
/// # Errors
///
/// Says what is wrong with which certificate.
pub fn check_pair(material: &Material) -> Result<(), PairError> {
    let key = material.private_key.as_ref().ok_or(PairError::Missing("private key"))?;
    let key = PrivateKey::from_pkcs8_pem(key)?;
    let leaf = material.certificate.as_deref().ok_or(PairError::Missing("certificate"))?;
    let ders = chain_of(leaf, material)?;
    let chain = ders.iter().map(|(place, der)| Link::read(place, der)).collect::<Result<Vec<_>, _>>()?;
    let first = chain.first().ok_or(PairError::Missing("certificate"))?;
    if first.certificate.public_key().raw != key.spki_der() {
        return Err(PairError::Mismatch { subject: first.subject() });
    }
    let ours = !material.anchors.is_empty();
    for (at, (lower, upper)) in chain.iter().zip(chain.iter().skip(1)).enumerate() {
        lower.check_signed(upper)?;
        // A root that an older one has certified: the root itself stands beside it, and what is below lies inside that.
        let crossed = is_crossed(upper, material);
        if crossed {
            check_anchored(lower, material)?;
        }
        if (ours && !crossed) || at == 0 {
            lower.check_end(upper)?;
            // Not asked of roots: one that was reissued for the same key is younger than what it signed.
            if lower.certificate.validity().not_before < upper.certificate.validity().not_before {
                return Err(lower.outside(upper));
            }
        }
        // The chain is good until the first of it ends.
        first.check_end(upper)?;
    }
    match chain.last() {
        Some(last) if is_crossed(last, material) => Ok(()),
        Some(last) => check_anchored(last, material),
        None => Ok(()),
    }
}

type Named = (String, Vec<u8>);

fn chain_of(leaf: &str, material: &Material) -> Result<Vec<Named>, PairError> {
    let mut chain = vec![("certificate".to_owned(), decoded("certificate", leaf)?)];
    for (text, number) in material.chain.iter().zip(1..) {
        let place = format!("chain's certificate {number}");
        let der = decoded(&place, text)?;
        chain.push((place, der));
    }
    Ok(chain)
}

fn decoded(place: &str, text: &str) -> Result<Vec<u8>, PairError> {
    match pem::decode(pem::CERTIFICATE, text) {
        Ok(der) => Ok(der.to_vec()),
        Err(source) => Err(PairError::Certificate { place: place.to_owned(), source }),
    }
}

/// Whether it is one of the roots, certified by an older one: what it has signed is anchored by the root itself.
fn is_crossed(link: &Link<'_>, material: &Material) -> bool {
    let key = link.certificate.public_key().raw;
    let other = link.certificate.subject().as_raw() != link.certificate.issuer().as_raw();
    other && material.anchors.iter().any(|root| pki::spki_of_certificate(root).is_ok_and(|spki| spki == key))
}

/// The last of the chain is a root itself, or signed by one of them.
fn check_anchored(last: &Link<'_>, material: &Material) -> Result<(), PairError> {
    let mut failure = None;
    for text in &material.anchors {
        let der = decoded("root", text)?;
        let root = Link::read("root", &der)?;
        match last.check_signed(&root).and_then(|()| last.check_end(&root)) {
            Ok(()) => return Ok(()),
            // A root that did sign it says more than one that did not.
            Err(error) if failure.is_none() || !matches!(error, PairError::NotSigned { .. }) => {
                failure = Some(error);
            }
            Err(_) => {}
        }
    }
    failure.map_or(Ok(()), Err)
}

/// One certificate of the chain.
struct Link<'a> {
    place: &'a str,
    certificate: X509Certificate<'a>,
}

impl<'a> Link<'a> {
    fn read(place: &'a str, der: &'a [u8]) -> Result<Self, PairError> {
        let certificate =
            pki::parse(der).map_err(|source| PairError::Certificate { place: place.to_owned(), source })?;
        let validity = certificate.validity();
        if validity.not_after < validity.not_before {
            return Err(PairError::Dates(place.to_owned()));
        }
        Ok(Self { place, certificate })
    }

    fn subject(&self) -> String {
        self.certificate.subject().to_string()
    }

    fn check_signed(&self, upper: &Self) -> Result<(), PairError> {
        if let Some(digest) = pki::broken_digest(&self.certificate) {
            return Err(PairError::Broken { lower: self.place.to_owned(), subject: self.subject(), digest });
        }
        if !pki::is_signed_by(&self.certificate, &upper.certificate) {
            return Err(PairError::NotSigned {
                lower: self.place.to_owned(),
                subject: self.subject(),
                upper: upper.place.to_owned(),
            });
        }
        if !upper.certificate.is_ca() {
            return Err(PairError::NotACa(upper.place.to_owned()));
        }
        Ok(())
    }

    fn check_end(&self, upper: &Self) -> Result<(), PairError> {
        if self.certificate.validity().not_after > upper.certificate.validity().not_after {
            return Err(self.outside(upper));
        }
        Ok(())
    }

    fn outside(&self, upper: &Self) -> PairError {
        PairError::Outside { lower: self.place.to_owned(), upper: upper.place.to_owned() }
    }
}
