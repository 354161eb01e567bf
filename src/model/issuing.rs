//! What is kept of the dealings with ACME CAs: the ledger of orders, what a CA has said, and what it suggests.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Effort, Problem};

/// Who makes a certificate, as a plan has chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// One of our own CAs: the asset, and the revision of it that signs.
    Internal(super::AssetId, u32),
    /// An ACME CA.
    Acme {
        /// The issuer's name in the configuration.
        name: String,
        /// The revision of this asset that the order replaces (RFC 9773 §5); only one of the same CA.
        replaces: Option<u32>,
    },
}

impl Signer {
    /// The issuer's name in the configuration.
    pub fn name(&self) -> &str {
        match self {
            Self::Internal(id, _) => &id.name,
            Self::Acme { name, .. } => name,
        }
    }
}

/// An order that was placed with an ACME CA, as its limits are counted. Kept for [`LEDGER`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderNote {
    /// When it was placed; noted before the request is sent, so that a lost answer counts as well.
    pub at: Timestamp,
    /// With which issuer.
    pub issuer: String,
    /// Whether it names a certificate that it replaces (RFC 9773 §5): limits do not count those.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces: bool,
    /// Whether the order before it had come to nothing: nobody planned this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry: bool,
    /// Whether its CA had issued for the same names before: a limit on a domain does not count those.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renewal: bool,
    /// Which exact set of names it is for: a digest, the same for the same names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub set: String,
    /// The registered domains of the names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// Whether the CA's answer is kept: the next try goes on with this order, and places none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
    /// What has become of it.
    #[serde(default)]
    pub outcome: OrderOutcome,
    /// The names whose authorization failed in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_names: Vec<String>,
}

/// What has become of an order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderOutcome {
    /// Not known yet; it will be resumed.
    #[default]
    Open,
    /// There is a certificate.
    Issued,
    /// It came to nothing.
    Failed,
    /// There is a certificate, but not the one that was asked for.
    Bad,
}

/// How long an order stays in the ledger: no limit that we know of looks back further.
pub const LEDGER: SignedDuration = SignedDuration::from_hours(7 * 24);

/// No more orders of one asset are kept: a record stays small, and no limit that we know of is as high for one set.
pub const MOST_ORDERS: usize = 200;

/// What an ACME CA has said that holds for all that is asked of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerRecord {
    /// Its name in the configuration.
    pub name: String,
    /// It has asked to be left alone until then (Retry-After, RFC 9110 §10.2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The account's URL, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

impl IssuerRecord {
    /// It has asked to be left alone for so long; what it has asked for before still holds.
    pub fn left_alone(&mut self, now: Timestamp, pause: SignedDuration, problem: &Problem) {
        self.not_before = self.not_before.max(Some(now + pause));
        self.problem = Some(problem.clone());
    }

    /// It has issued something. What it has asked for meanwhile, of another order, still holds.
    pub fn answered(&mut self, now: Timestamp) {
        if self.not_before.is_none_or(|until| until <= now) {
            (self.not_before, self.problem) = (None, None);
        }
    }
}

/// What a CA has said about the renewal of one certificate (RFC 9773), and what came of asking.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// The suggested window; `None` where the CA has none to give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<(Timestamp, Timestamp)>,
    /// The moment in it that was drawn once, for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Timestamp>,
    /// Where the CA explains itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation_url: Option<String>,
    /// When to ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_at: Option<Timestamp>,
    /// Since when the certificate is known to be revoked by its CA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_since: Option<Timestamp>,
}

/// That a revision is to be revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// When it was asked for.
    pub at: Timestamp,
    /// By whom: `uid:1000`.
    pub by: String,
    /// Why (RFC 5280 §5.3.1).
    pub reason: RevocationReason,
    /// Its successor is served first, if that takes no longer than [`SUCCESSOR_TIME`].
    pub after_successor: bool,
    /// How the tries go.
    #[serde(default)]
    pub effort: Effort,
}

/// A certificate that is in use is revoked after this at the latest, successor or not.
pub const SUCCESSOR_TIME: SignedDuration = SignedDuration::from_hours(1);

/// Why a certificate is revoked (CRLReason, RFC 5280 §5.3.1): those that a subscriber may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationReason {
    /// None is given.
    Unspecified,
    /// The private key is in wrong hands.
    KeyCompromise,
    /// The subject's name or affiliation has changed.
    AffiliationChanged,
    /// Another certificate has taken its place.
    Superseded,
    /// It is not needed any more.
    CessationOfOperation,
}

impl RevocationReason {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
    ];

    /// As the command line spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
        }
    }

    /// Its number in a CRL and in ACME (RFC 8555 §7.6).
    pub fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
        }
    }
}

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At most.
    pub count: u32,
    /// Within any span of this length.
    pub window: SignedDuration,
}

/// What a CA allows; `None`: no such limit is known. Orders that name what they replace count for none but the last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// New orders an account.
    pub orders: Option<Rate>,
    /// New certificates a registered domain; a renewal for the same names does not count.
    pub per_domain: Option<Rate>,
    /// New certificates an exact set of names.
    pub per_set: Option<Rate>,
    /// Failed authorizations a name.
    pub failed: Option<Rate>,
}

impl Limits {
    /// Of Let's Encrypt, since 2025 (letsencrypt.org/docs/rate-limits).
    pub const LETS_ENCRYPT: Self = Self {
        orders: Some(Rate { count: 300, window: SignedDuration::from_hours(3) }),
        per_domain: Some(Rate { count: 50, window: SignedDuration::from_hours(7 * 24) }),
        per_set: Some(Rate { count: 5, window: SignedDuration::from_hours(7 * 24) }),
        failed: Some(Rate { count: 5, window: SignedDuration::from_hours(1) }),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Code;

    #[test]
    fn what_a_ca_has_asked_for_holds_though_another_order_comes_through() {
        let now = Timestamp::UNIX_EPOCH;
        let hour = SignedDuration::from_hours(1);
        let mut record = IssuerRecord::default();
        record.left_alone(now, hour, &Problem::new(Code::IssuerLimited, "too many"));
        record.answered(now);
        assert_eq!(record.not_before, Some(now + hour));
        record.answered(now + hour);
        assert_eq!(record, IssuerRecord::default());
    }
}
