//! `[issuers.NAME.sign.ROLE]`: what `ca sign` may sign, and for whom.

use std::net::IpAddr;

use jiff::SignedDuration;

use super::roles::{Principal, named};
use crate::model::{Network, Usage};

/// One role: names that are not in it are not signed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningRole {
    pub(super) name: String,
    pub(super) dns_names: Vec<String>,
    pub(super) ip_addresses: Vec<Network>,
    pub(super) common_names: Vec<String>,
    pub(super) usages: Vec<Usage>,
    pub(super) duration: SignedDuration,
    pub(super) by: Vec<Principal>,
}

impl SigningRole {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its certificates are for.
    pub fn usages(&self) -> &[Usage] {
        &self.usages
    }

    /// How long they are valid, at most.
    pub fn duration(&self) -> SignedDuration {
        self.duration
    }

    /// Whether it names who may use it; else whoever may operate may.
    pub fn is_for_some(&self) -> bool {
        !self.by.is_empty()
    }

    /// Whether this user is named.
    pub fn is_for(&self, uid: u32, gids: &[u32]) -> bool {
        named(&self.by, uid, gids)
    }

    /// Whether it has this DNS name: as it is written, or one label in the place of a `*`.
    pub fn has_dns(&self, name: &str) -> bool {
        let below = |pattern: &String| {
            let base = pattern.strip_prefix("*.");
            let rest = name.split_once('.').map(|(_, rest)| rest);
            base.is_some() && base == rest
        };
        self.dns_names.iter().any(|pattern| pattern == name || below(pattern))
    }

    /// Whether it has this address.
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.ip_addresses.iter().any(|network| network.has(address))
    }

    /// Whether it has this common name: as it is written, `*` standing for anything; or it is one of its DNS names.
    pub fn has_common_name(&self, name: &str) -> bool {
        self.common_names.iter().any(|pattern| matches(pattern, name))
            || self.has_dns(&name.to_ascii_lowercase())
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(first) else { return false };
    name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| matches(rest, &name[at..]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn role() -> SigningRole {
        let network = |address: &str, bits| Network { address: address.parse().unwrap(), bits };
        SigningRole {
            name: "clients".to_owned(),
            dns_names: vec!["example.org".to_owned(), "*.apps.example.org".to_owned()],
            ip_addresses: vec![network("10.1.0.0", 16), network("2001:db8::", 32), network("192.0.2.7", 32)],
            common_names: vec!["svc-*".to_owned(), "*-*-x".to_owned()],
            usages: vec![Usage::ClientAuth],
            duration: SignedDuration::from_hours(24),
            by: vec![Principal::Gid(7)],
        }
    }

    #[test]
    fn names_are_those_that_are_written() {
        for name in ["example.org", "a.apps.example.org", "*.apps.example.org"] {
            assert!(role().has_dns(name), "{name}");
        }
        for name in ["a.example.org", "apps.example.org", "a.b.apps.example.org", "*.example.org", "org"] {
            assert!(!role().has_dns(name), "{name}");
        }
        for name in ["svc-1", "svc-", "a-b-x", "A.apps.example.org"] {
            assert!(role().has_common_name(name), "{name}");
        }
        for name in ["svc", "xsvc-1", "a-x", "a-b-xy", ""] {
            assert!(!role().has_common_name(name), "{name}");
        }
    }

    #[test]
    fn addresses_are_those_of_its_networks() {
        for address in ["10.1.2.3", "2001:db8:ffff::1", "192.0.2.7"] {
            assert!(role().has_address(address.parse().unwrap()), "{address}");
        }
        for address in ["10.2.0.0", "2001:db9::", "192.0.2.6", "::ffff:10.1.2.3"] {
            assert!(!role().has_address(address.parse().unwrap()), "{address}");
        }
        let all = Network { address: "0.0.0.0".parse().unwrap(), bits: 0 };
        assert!(all.has("255.1.1.1".parse().unwrap()));
    }

    #[test]
    fn who_is_named_may() {
        assert!(role().is_for(1, &[7]) && !role().is_for(7, &[1]));
    }
}
