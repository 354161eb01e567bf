//! `[issuers.*]`: who signs.

use jiff::SignedDuration;

use super::signing::SigningRole;
use crate::model::Network;

/// `[issuers.NAME]` with `kind = "internal"`: a root of our own, and a signing intermediate under it.
///
/// As an asset it is `ca/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InternalCa {
    pub(super) name: String,
    pub(super) common_name: String,
    pub(super) root_lifetime: SignedDuration,
    pub(super) intermediate_lifetime: SignedDuration,
    pub(super) permitted_dns: Vec<String>,
    pub(super) permitted_ip_ranges: Vec<Network>,
    pub(super) trust_before: SignedDuration,
    pub(super) root_offline: bool,
    pub(super) crl: Option<Crl>,
    pub(super) sign: Vec<SigningRole>,
}

impl InternalCa {
    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The root's common name; the intermediate's is made from it.
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// How long a root is valid.
    pub fn root_lifetime(&self) -> SignedDuration {
        self.root_lifetime
    }

    /// How long a signing intermediate is valid; shorter than the root.
    pub fn intermediate_lifetime(&self) -> SignedDuration {
        self.intermediate_lifetime
    }

    /// The DNS subtrees it may sign for (RFC 5280 §4.2.1.10), lower case; empty: any name.
    pub fn permitted_dns(&self) -> &[String] {
        &self.permitted_dns
    }

    /// The addresses it may sign for where its names are permitted ones; empty: none.
    pub fn permitted_ip_ranges(&self) -> &[Network] {
        &self.permitted_ip_ranges
    }

    /// How long a new root is in every trust bundle before its first certificate is served.
    pub fn trust_before(&self) -> SignedDuration {
        self.trust_before
    }

    /// Whether its root is elsewhere: a person has its intermediates signed there.
    pub fn root_is_offline(&self) -> bool {
        self.root_offline
    }

    /// Its revocation lists; `None`: it has none.
    pub fn crl(&self) -> Option<&Crl> {
        self.crl.as_ref()
    }

    /// What it signs for requests from outside, by role.
    pub fn sign(&self) -> &[SigningRole] {
        &self.sign
    }

    /// What a CA is made for: another value asks for a new intermediate. Lifetimes are not in it; a new one
    /// holds from the next turn on.
    pub fn made_for(&self) -> String {
        let mut permitted = self.permitted_dns.clone();
        permitted.sort_unstable();
        let mut ranges: Vec<String> = self.permitted_ip_ranges.iter().map(Network::to_string).collect();
        ranges.sort_unstable();
        let ranges = if ranges.is_empty() {
            String::new()
        } else {
            format!(" permitted-ip-ranges={}", ranges.join(","))
        };
        let url = self.crl.as_ref().and_then(Crl::url);
        let lists = url.map_or_else(String::new, |url| format!(" crl={url}"));
        format!("cn={:?} permitted-dns={}{ranges}{lists}", self.common_name, permitted.join(","))
    }

    /// Whether `name`, which may begin with `*.`, lies inside what it may sign for.
    pub fn permits(&self, name: &str) -> bool {
        let base = name.strip_prefix("*.").unwrap_or(name);
        let inside = |root: &String| {
            base == root || base.strip_suffix(root.as_str()).is_some_and(|rest| rest.ends_with('.'))
        };
        self.permitted_dns.is_empty() || self.permitted_dns.iter().any(inside)
    }

    /// Whether all these addresses lie inside what it may sign for.
    pub fn permits_addresses(&self, addresses: Network) -> bool {
        let inside = |range: &Network| range.contains(addresses);
        self.permitted_dns.is_empty() || self.permitted_ip_ranges.iter().any(inside)
    }

    /// What its addresses are held against, for people.
    pub(super) fn ip_ranges_in_words(&self) -> String {
        let ranges: Vec<String> = self.permitted_ip_ranges.iter().map(Network::to_string).collect();
        let ranges = if ranges.is_empty() { "none".to_owned() } else { ranges.join(", ") };
        format!("name_constraints.permitted_ip_ranges: {ranges}")
    }
}

/// The revocation lists of an internal CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crl {
    pub(super) lifetime: SignedDuration,
    pub(super) every: SignedDuration,
    pub(super) url: Option<String>,
}

impl Crl {
    /// How long a list is valid.
    pub fn lifetime(&self) -> SignedDuration {
        self.lifetime
    }

    /// How often the lists are made anew, whatever else asks for it; at most half of their lifetime.
    pub fn every(&self) -> SignedDuration {
        self.every
    }

    /// Under which address clients fetch them: it stands in certificates. Without a slash at its end.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}
