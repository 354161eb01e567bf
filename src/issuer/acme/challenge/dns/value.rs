//! What stands in the record of a proof, and what may stand in names and values at all.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hickory_resolver::proto::rr::Name;
use ring::digest::{SHA256, digest};

use super::super::{Proof, Subject};

/// One name and what is to stand under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// `_acme-challenge.example.org`, or where its CNAMEs end; lower case, no dot at the end.
    pub(super) fqdn: String,
    /// The names of the certificate that it is for.
    pub(super) domains: BTreeSet<String>,
    /// The values of TXT records: several, where apex and wildcard share the name.
    pub(super) values: BTreeSet<String>,
}

impl Entry {
    /// The name as the library of DNS wants it, absolute.
    pub(super) fn name(&self) -> Result<Name, String> {
        absolute(&self.fqdn)
    }
}

/// A name without search lists: `example.org` is `example.org.`.
pub(super) fn absolute(name: &str) -> Result<Name, String> {
    let name = format!("{}.", name.trim_end_matches('.'));
    Name::from_ascii(&name).map_err(|error| format!("{name} is no DNS name: {error}"))
}

/// Lower case, no dot at the end.
pub(super) fn plain(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

/// What is to be shown for `proofs`, by the name that the CA asks for (RFC 8555 §8.4).
pub(super) fn entries(proofs: &[Proof]) -> Result<Vec<Entry>, String> {
    let mut entries = BTreeMap::new();
    for proof in proofs {
        let Subject::Dns(domain) = &proof.subject else {
            return Err(format!("{} is an address: dns-01 is for names only", proof.subject));
        };
        let fqdn = format!("_acme-challenge.{domain}");
        let entry = Entry { fqdn: fqdn.clone(), domains: BTreeSet::new(), values: BTreeSet::new() };
        let entry = entries.entry(fqdn).or_insert(entry);
        entry.domains.insert(domain.clone());
        entry.values.insert(value(&proof.key_authorization));
    }
    entries.into_values().map(checked).collect()
}

/// The base64url of the key authorization's SHA-256.
fn value(key_authorization: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, key_authorization.as_bytes()))
}

/// Names and values become arguments of programs and parts of requests: nothing but plain characters may come this far,
/// whatever a CA or a name server has sent.
pub(super) fn checked(entry: Entry) -> Result<Entry, String> {
    let words = std::iter::once(&entry.fqdn).chain(&entry.values).chain(&entry.domains);
    for word in words {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if word.is_empty()
            || word.len() > 253
            || word.starts_with('-') && word == &entry.fqdn
            || !word.chars().all(plain)
        {
            return Err(format!("{word:?} holds characters that have no place in a DNS name or value"));
        }
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(domain: &str, key_authorization: &str) -> Proof {
        Proof {
            subject: Subject::Dns(domain.to_owned()),
            token: "t".to_owned(),
            key_authorization: key_authorization.to_owned(),
        }
    }

    #[test]
    fn the_value_is_the_digest_of_the_key_authorization() {
        // From `printf a.b | openssl dgst -sha256 -binary | basenc --base64url`.
        assert_eq!(value("a.b"), "LnM23I66h-9HLfVow1SCq_JXXcPl6sDFxiuP-urCyTQ");
    }

    #[test]
    fn apex_and_wildcard_share_a_name() {
        let entries =
            entries(&[proof("example.org", "1"), proof("example.org", "2"), proof("b.example.org", "1")]);
        let entries = entries.unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1].fqdn, "_acme-challenge.example.org");
        assert_eq!(entries[1].values.len(), 2);
    }

    #[test]
    fn hostile_names_are_refused() {
        for domain in ["a b.org", "$(id).org", "a\n.org", "a;b.org", "ä.org", "a/../b", "\"x\".org"] {
            assert!(entries(&[proof(domain, "1")]).is_err(), "{domain}");
        }
    }

    #[test]
    fn addresses_have_no_record() {
        let proof = Proof { subject: Subject::Ip([127, 0, 0, 1].into()), ..proof("x", "1") };
        assert!(entries(&[proof]).unwrap_err().contains("127.0.0.1"));
    }
}
