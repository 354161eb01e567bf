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

/// What of its first issuer a certificate is made for. Who comes after it only helps out: another list behind the first
/// asks for no new revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Maker {
    /// An internal CA, by its name: its root is what clients trust, and it signs for `duration`.
    Internal(String),
    /// A person, by the issuer's name.
    Manual(String),
    /// An ACME CA. Which one is all the same to clients, and the lifetime is its own matter.
    Acme {
        /// What it is ordered by.
        profile: Option<String>,
    },
}

/// `[certificates.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub(super) name: String,
    pub(super) issuers: Vec<String>,
    pub(super) maker: Maker,
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

    /// The lifetime that is asked of an internal CA; shorter than its intermediate's. An ACME CA is not asked.
    pub fn duration(&self) -> SignedDuration {
        self.duration
    }

    /// How long before its end it is renewed; shorter than its lifetime, where that is ours to say.
    pub fn renew_before(&self) -> RenewBefore {
        self.renew_before
    }

    /// Where it goes; may be empty.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// What a revision is made for: names, usages and key; with an internal CA as the first issuer also that CA and the
    /// lifetime, with an ACME CA its profile. Another value asks for a new revision; the order of names does not, and
    /// the other issuers do not.
    pub fn made_for(&self) -> String {
        let wish = format!(
            "cn={:?} dns={} ip={} usages={} key={}",
            self.common_name.as_deref().unwrap_or_default(),
            sorted(self.dns_names.iter().map(String::clone)),
            sorted(self.ip_addresses.iter().map(IpAddr::to_string)),
            sorted(self.usages.iter().map(|usage| usage.name().to_owned())),
            self.key_algorithm.name(),
        );
        match &self.maker {
            Maker::Internal(issuer) => {
                format!("{wish} issuer={issuer} lifetime={}", duration_text(self.duration).replace(' ', ""))
            }
            Maker::Manual(issuer) => format!("{wish} issuer={issuer}"),
            Maker::Acme { profile: Some(profile) } => format!("{wish} profile={profile}"),
            Maker::Acme { profile: None } => wish,
        }
    }
}

fn sorted(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.collect();
    words.sort_unstable();
    words.join(",")
}
