//! A CA that was there before: its root with the root's key, or an intermediate under a root whose key is elsewhere.

use jiff::Timestamp;

use super::template::Authority;
use crate::clock::Entropy;
use crate::model::{Facts, Made, Material, Secret};
use crate::pki::{self, pem};

/// What an import comes to.
#[derive(Debug)]
pub enum Imported {
    /// A root, under which an intermediate is still to be made.
    Root(Material),
    /// An intermediate that signs.
    Intermediate(Made),
}

impl Imported {
    /// What stands above it, its root last; a root is the only one.
    pub fn above(&self) -> impl Iterator<Item = &String> {
        let material = match self {
            Self::Root(material) => material,
            Self::Intermediate(made) => &made.material,
        };
        material.chain.iter().chain(&material.anchors)
    }
}

/// Checks a CA's certificate (PEM) and its private key (PKCS#8 PEM), and puts what stands above it in order; the chain may
/// have it in any order, and more than is needed. With `lists` it must be able to sign revocation lists, too.
///
/// # Errors
///
/// When it cannot sign here and now; the text says why.
pub fn import(
    certificate: &str,
    key: &Secret,
    chain: &str,
    lists: bool,
    entropy: &Entropy,
    now: Timestamp,
) -> Result<Imported, String> {
    let own = first(certificate)?;
    Authority::new(&own, key, entropy).map_err(|why| format!("this CA cannot sign: {why}"))?;
    let chain = pki::certificates(chain).map_err(|error| error.to_string())?;
    let above = path(&own, &chain, now)?;
    for (below, one) in std::iter::once(&own).chain(&above).enumerate() {
        check_ca(one, now)?;
        check_depth(one, below)?;
    }
    if lists && !pki::may_sign_lists(&own).map_err(|error| error.to_string())? {
        return Err("this CA may not sign revocation lists, which `crl` asks for: its keyUsage lacks cRLSign, and clients would \
                    refuse everybody by them; have it certified anew with cRLSign, or take `crl` out"
            .to_owned());
    }
    let Some((root, intermediates)) = above.split_last() else {
        if path_length(&own)? == Some(0) {
            return Err("the root's pathLenConstraint is 0: no intermediate may stand under it".to_owned());
        }
        return Ok(Imported::Root(Material {
            anchors: vec![own],
            anchor_key: Some(key.clone()),
            ..Material::default()
        }));
    };
    let root_ends = facts(root)?.validity.map(|validity| validity.not_after);
    let facts = Facts { root_ends, root_is_elsewhere: true, ..facts(&own)? };
    let material = Material {
        private_key: Some(key.clone()),
        certificate: Some(own),
        chain: intermediates.to_vec(),
        anchors: vec![root.clone()],
        ..Material::default()
    };
    Ok(Imported::Intermediate(Made { material, facts }))
}

/// The root (PEM) that stands above a CA's certificate, or is it.
///
/// # Errors
///
/// When the chain does not go up to it.
pub fn root_of(certificate: &str, chain: &str, now: Timestamp) -> Result<String, String> {
    let own = first(certificate)?;
    let chain = pki::certificates(chain).map_err(|error| error.to_string())?;
    Ok(path(&own, &chain, now)?.pop().unwrap_or(own))
}

fn first(text: &str) -> Result<String, String> {
    let all = pki::certificates(text).map_err(|error| error.to_string())?;
    all.into_iter().next().ok_or_else(|| "there is no PEM block `CERTIFICATE`".to_owned())
}

/// What stands above a certificate, its issuer first, up to the root; empty for a root.
fn path(own: &str, chain: &[String], now: Timestamp) -> Result<Vec<String>, String> {
    let above = pki::above(own, chain, now).map_err(|error| error.to_string())?;
    let last = above.last().map_or(own, String::as_str);
    if pki::is_root(last).map_err(|error| error.to_string())? {
        return Ok(above);
    }
    pki::check_digest(last).map_err(|error| error.to_string())?;
    let name = pki::names(last).map_err(|error| error.to_string())?.common_name.unwrap_or_default();
    let name = name.escape_debug();
    Err(format!(
        "the chain does not have who has signed `{name}`, and is valid now; it must go up to the root"
    ))
}

fn der(text: &str) -> Result<Vec<u8>, String> {
    pem::decode(pem::CERTIFICATE, text).map(|der| der.to_vec()).map_err(|error| error.to_string())
}

fn facts(text: &str) -> Result<Facts, String> {
    pki::facts(text).map_err(|error| error.to_string())
}

/// A CA that is valid now, and may sign certificates (RFC 5280 §4.2.1.3, §4.2.1.9).
fn check_ca(text: &str, now: Timestamp) -> Result<(), String> {
    let bytes = der(text)?;
    let certificate = pki::parse(&bytes).map_err(|error| error.to_string())?;
    let name = certificate.subject().to_string();
    if !certificate.is_ca() {
        return Err(format!("`{name}` is no CA: its basicConstraints do not say so"));
    }
    let usage = certificate.key_usage().map_err(|error| error.to_string())?;
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err(format!("`{name}` may not sign certificates: its keyUsage lacks keyCertSign"));
    }
    match facts(text)?.validity {
        Some(validity) if validity.contains(now) => Ok(()),
        _ => Err(format!("`{name}` is not valid now")),
    }
}

/// So many CAs stand below it: its pathLenConstraint must allow for them (RFC 5280 §4.2.1.9).
fn check_depth(text: &str, below: usize) -> Result<(), String> {
    match path_length(text)? {
        Some(limit) if (limit as usize) < below => {
            let name = pki::names(text).map_err(|error| error.to_string())?.common_name.unwrap_or_default();
            let name = name.escape_debug();
            Err(format!(
                "the pathLenConstraint of `{name}` is {limit}, and {below} CAs stand under it: clients refuse that"
            ))
        }
        _ => Ok(()),
    }
}

fn path_length(text: &str) -> Result<Option<u32>, String> {
    let bytes = der(text)?;
    let certificate = pki::parse(&bytes).map_err(|error| error.to_string())?;
    let constraints = certificate.basic_constraints().map_err(|error| error.to_string())?;
    Ok(constraints.and_then(|constraints| constraints.value.path_len_constraint))
}
