//! `[certificates.*]`.

use std::net::IpAddr;

use jiff::SignedDuration;

use super::acme::Challenge;
use super::duration::{RenewBefore, duration_text};
use super::target::Target;
use crate::model::{AssetId, AssetKind, KeyAlgorithm, Usage};

/// Whether a renewed certificate gets a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRotation {
    /// A new key each time.
    Always,
    /// The same key for as long as its algorithm stays and nobody calls it compromised.
    Never,
}

/// `[certificates.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub(super) name: String,
    pub(super) issuers: Vec<String>,
    pub(super) challenge: Option<Challenge>,
    pub(super) common_name: Option<String>,
    pub(super) dns_names: Vec<String>,
    pub(super) ip_addresses: Vec<IpAddr>,
    pub(super) usages: Vec<Usage>,
    pub(super) key_algorithm: KeyAlgorithm,
    pub(super) key_rotation: KeyRotation,
    pub(super) duration: SignedDuration,
    pub(super) renew_before: RenewBefore,
    pub(super) targets: Vec<Target>,
}

impl Certificate {
    /// `certificates/NAME`.
    pub fn id(&self) -> AssetId {
        AssetId::new(AssetKind::Certificate, &self.name)
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who may issue it, by their names in the configuration: the first that works. At least one, none twice, at most one
    /// of them an internal CA.
    pub fn issuers(&self) -> &[String] {
        &self.issuers
    }

    /// How control over its names is shown, where it is not done as the issuer says.
    pub fn challenge(&self) -> Option<&Challenge> {
        self.challenge.as_ref()
    }

    /// The subject's common name; at most 64 characters.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// dNSName SANs: lower case, A-labels, a wildcard only as the whole left-most label; none twice.
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// iPAddress SANs; none twice.
    pub fn ip_addresses(&self) -> &[IpAddr] {
        &self.ip_addresses
    }

    /// Extended key usages; at least one, none twice.
    pub fn usages(&self) -> &[Usage] {
        &self.usages
    }

    /// The kind of key it has.
    pub fn key_algorithm(&self) -> KeyAlgorithm {
        self.key_algorithm
    }

    /// Whether a renewal makes a new key.
    pub fn key_rotation(&self) -> KeyRotation {
        self.key_rotation
    }

    /// The lifetime that is asked for; shorter than the issuer's intermediate's.
    pub fn duration(&self) -> SignedDuration {
        self.duration
    }

    /// How long before its end it is renewed; shorter than its lifetime.
    pub fn renew_before(&self) -> RenewBefore {
        self.renew_before
    }

    /// Where it goes; may be empty.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// What a revision is made for: names, usages, key, issuer and lifetime. Another value asks for
    /// a new revision; the order of names does not.
    pub fn made_for(&self) -> String {
        format!(
            "cn={:?} dns={} ip={} usages={} key={} issuer={} lifetime={}",
            self.common_name.as_deref().unwrap_or_default(),
            sorted(self.dns_names.iter().map(String::clone)),
            sorted(self.ip_addresses.iter().map(IpAddr::to_string)),
            sorted(self.usages.iter().map(|usage| usage.name().to_owned())),
            self.key_algorithm.name(),
            self.issuers.join(","),
            duration_text(self.duration).replace(' ', "")
        )
    }
}

fn sorted(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    words.sort_unstable();
    words.join(",")
}
