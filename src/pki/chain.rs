//! Putting chains in order.

use jiff::Timestamp;

use super::{PkiError, certificate, facts, pem};

/// All certificates in `text`, PEM each.
///
/// # Errors
///
/// When a block is broken.
pub fn certificates(text: &str) -> Result<Vec<String>, PkiError> {
    let all = pem::decode_all(pem::CERTIFICATE, text)?;
    Ok(all.iter().map(|der| pem::encode(pem::CERTIFICATE, der).to_string()).collect())
}

/// What stands above `own` among `others`, PEM each, its issuer first, as far up as they go; a root is the last.
///
/// There may be several ways up, as where a root is there once by itself and once certified by an older one. The shortest
/// to a root is taken, of certificates that are valid at `now`; else the way of such certificates that goes furthest; else,
/// so that it can be said what is wrong with it, one of any.
///
/// # Errors
///
/// When a certificate cannot be read.
pub fn above(own: &str, others: &[String], now: Timestamp) -> Result<Vec<String>, PkiError> {
    let mut valid = Vec::new();
    for one in others {
        if facts(one)?.validity.is_some_and(|validity| validity.contains(now)) {
            valid.push(one.clone());
        }
    }
    match way_up(own, &valid)? {
        way if way.is_empty() => way_up(own, others),
        way => Ok(way),
    }
}

/// Looks at all that stands one step up, then two, and so on; each certificate once.
fn way_up(own: &str, others: &[String]) -> Result<Vec<String>, PkiError> {
    // Each with the place in this list of the one that it has signed.
    let mut seen: Vec<(&str, usize)> = vec![(own, 0)];
    let mut at = 0;
    while let Some(&(below, _)) = seen.get(at) {
        if is_root(below)? {
            return Ok(path(&seen, at));
        }
        for one in others {
            if seen.iter().all(|(known, _)| *known != one.as_str()) && signed(below, one)? {
                seen.push((one, at));
            }
        }
        at += 1;
    }
    Ok(path(&seen, seen.len() - 1))
}

/// What stands above the first of `seen`, up to the one at `end`.
fn path(seen: &[(&str, usize)], end: usize) -> Vec<String> {
    let step = |at: &usize| Some(seen[*at].1);
    let mut way: Vec<String> = std::iter::successors(Some(end), step)
        .take_while(|at| *at > 0)
        .map(|at| seen[at].0.to_owned())
        .collect();
    way.reverse();
    way
}

/// Whether a certificate has signed itself.
///
/// # Errors
///
/// When it cannot be read.
pub fn is_root(text: &str) -> Result<bool, PkiError> {
    signed(text, text)
}

fn signed(below: &str, issuer: &str) -> Result<bool, PkiError> {
    let (below, issuer) = (pem::decode(pem::CERTIFICATE, below)?, pem::decode(pem::CERTIFICATE, issuer)?);
    Ok(certificate::is_signed_by(&certificate::parse(&below)?, &certificate::parse(&issuer)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;

    /// Certificates of a new root, of the same key certified by an older root, of what is under it, and of a leaf.
    struct House {
        root: String,
        cross: String,
        middle: String,
        leaf: String,
    }

    fn params(name: &str, end: i32) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(end, 1, 1);
        params
    }

    /// PEM as [`certificates`] has it.
    fn text(certificate: &rcgen::Certificate) -> String {
        pem::encode(pem::CERTIFICATE, certificate.der()).to_string()
    }

    /// The cross-certificate lasts until this year.
    fn house(cross_ends: i32) -> House {
        let key = || KeyPair::generate().unwrap();
        let (old_key, root_key, middle_key) = (key(), key(), key());
        let older = Issuer::new(params("Older", 2040), &old_key);
        let root = Issuer::new(params("Root", 2040), &root_key);
        let middle = Issuer::new(params("Middle", 2040), &middle_key);
        House {
            root: text(&params("Root", 2040).self_signed(&root_key).unwrap()),
            cross: text(&params("Root", cross_ends).signed_by(&root_key, &older).unwrap()),
            middle: text(&params("Middle", 2040).signed_by(&middle_key, &root).unwrap()),
            leaf: text(&params("leaf", 2030).signed_by(&key(), &middle).unwrap()),
        }
    }

    fn now() -> Timestamp {
        "2027-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_root_is_found_behind_its_cross_certificate() {
        let House { root, cross, middle, leaf } = house(2040);
        for others in [[&cross, &middle, &root], [&root, &cross, &middle]] {
            let others = others.map(String::clone);
            assert_eq!(above(&leaf, &others, now()).unwrap(), [middle.clone(), root.clone()]);
        }
        assert_eq!(above(&root, &[cross.clone(), middle.clone()], now()).unwrap(), Vec::<String>::new());
        // Without the root, as CAs pack it for old clients.
        let others = [cross.clone(), middle.clone()];
        assert_eq!(above(&leaf, &others, now()).unwrap(), [middle, cross]);
    }

    #[test]
    fn what_has_ended_is_no_way_up_where_there_is_another() {
        let House { root, cross, middle, leaf } = house(2026);
        let bare = vec![cross.clone(), middle.clone()];
        assert_eq!(above(&leaf, &bare, now()).unwrap(), bare[1..]);
        let whole = [bare, vec![root.clone()]].concat();
        assert_eq!(above(&leaf, &whole, now()).unwrap(), [middle.clone(), root]);
        // So that it can be said what is wrong.
        let ended = vec![cross];
        assert_eq!(above(&middle, &ended, now()).unwrap(), ended);
    }
}
