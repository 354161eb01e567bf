//! The addresses of revocation lists: whoever writes one into a certificate and whoever answers there agree on it.

use crate::model::{AssetId, AssetKind, CrlUrls, Material};
use crate::pki;

/// One list of a CA, as its address names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) ca: AssetId,
    pub(super) signer: Signer,
}

/// Who has signed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signer {
    /// The intermediate in use.
    Active,
    /// The intermediate of this revision.
    Intermediate(u32),
    /// The root that was made in this revision.
    Root(u32),
}

/// Where the lists of a CA's revision are fetched.
pub(super) fn urls(base: &str, ca: &AssetId, revision: u32, root: u32) -> CrlUrls {
    let name = &ca.name;
    CrlUrls {
        own: format!("{base}/crl/{name}.{revision}.crl"),
        root: format!("{base}/crl/{name}.root-{root}.crl"),
    }
}

/// `internal`, `internal.3`, `internal.root-1`: no CA's name has a dot in it.
pub(super) fn named(text: &str) -> Option<Named> {
    let (name, signer) = match text.split_once('.') {
        None => (text, Signer::Active),
        Some((name, which)) => match which.strip_prefix("root-") {
            Some(number) => (name, Signer::Root(number.parse().ok()?)),
            None => (name, Signer::Intermediate(which.parse().ok()?)),
        },
    };
    Some(Named { ca: AssetId::new(AssetKind::Ca, name), signer })
}

/// The list, DER, that the certificate of `signer` has signed; `material` is that of the revision it is in.
pub(super) fn of(lists: &str, signer: Signer, material: &Material) -> Option<Vec<u8>> {
    let certificates: Vec<&String> = match signer {
        Signer::Root(_) => material.anchors.iter().collect(),
        Signer::Active | Signer::Intermediate(_) => material.certificate.iter().collect(),
    };
    certificates.into_iter().find_map(|certificate| pki::list_of(lists, certificate).ok().flatten())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_stands_in_certificates_is_found_again() {
        let ca = AssetId::new(AssetKind::Ca, "internal");
        let urls = urls("http://pki.example.org/keyturn", &ca, 3, 1);
        let path = |url: &str| {
            let file = url.strip_prefix("http://pki.example.org/keyturn/crl/").unwrap();
            named(file.strip_suffix(".crl").unwrap()).unwrap()
        };
        assert_eq!(path(&urls.own), Named { ca: ca.clone(), signer: Signer::Intermediate(3) });
        assert_eq!(path(&urls.root), Named { ca: ca.clone(), signer: Signer::Root(1) });
        assert_eq!(named("internal"), Some(Named { ca, signer: Signer::Active }));
        assert_eq!(named("internal.x"), None);
        assert_eq!(named("internal.root-"), None);
    }
}
