//! `[issuers.*]`: who signs.

use jiff::SignedDuration;

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
    pub(super) trust_before: SignedDuration,
    pub(super) crl: Option<SignedDuration>,
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

    /// How long a new root is in every trust bundle before its first certificate is served.
    pub fn trust_before(&self) -> SignedDuration {
        self.trust_before
    }

    /// How long its revocation lists are valid; `None`: it has none.
    pub fn crl(&self) -> Option<SignedDuration> {
        self.crl
    }

    /// What a CA is made for: another value asks for a new intermediate. Lifetimes are not in it; a new one
    /// holds from the next turn on.
    pub fn made_for(&self) -> String {
        let mut permitted = self.permitted_dns.clone();
        permitted.sort_unstable();
        format!("cn={:?} permitted-dns={}", self.common_name, permitted.join(","))
    }

    /// Whether `name`, which may begin with `*.`, lies inside what it may sign for.
    pub fn permits(&self, name: &str) -> bool {
        let base = name.strip_prefix("*.").unwrap_or(name);
        let inside = |root: &String| {
            base == root || base.strip_suffix(root.as_str()).is_some_and(|rest| rest.ends_with('.'))
        };
        self.permitted_dns.is_empty() || self.permitted_dns.iter().any(inside)
    }
}
