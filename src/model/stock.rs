//! What is made beforehand, so that a turn or an emergency finds it ready.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{KeyAlgorithm, Secret};

/// Nothing stays in the stock for longer: a key is not to lie about for years before it is used.
pub const LONGEST_KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);

/// What takes long enough to make that it is kept ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ware {
    /// A private key; only RSA takes its time.
    Key(KeyAlgorithm),
    /// Diffie-Hellman parameters with a fresh safe prime of so many bits.
    DhParams(usize),
}

/// One piece of the stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpareId {
    /// What it is.
    pub ware: Ware,
    /// Tells it from others of its kind.
    pub number: u32,
}

/// A piece of the stock, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spare {
    /// Since when.
    pub made_at: Timestamp,
    /// PKCS#8 PEM, or `DH PARAMETERS` PEM.
    pub pem: Secret,
}

/// Whether what was made then is still to be used.
pub fn is_fresh(made_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(made_at) < LONGEST_KEPT
}

impl fmt::Display for Ware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(algorithm) => f.write_str(algorithm.name()),
            Self::DhParams(bits) => write!(f, "dh-{bits}"),
        }
    }
}

impl FromStr for Ware {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is nothing that is kept ready");
        if let Some(bits) = text.strip_prefix("dh-") {
            return bits.parse().map(Self::DhParams).map_err(|_| bad());
        }
        let key = KeyAlgorithm::ALL.into_iter().find(|algorithm| algorithm.name() == text);
        key.map(Self::Key).ok_or_else(bad)
    }
}

/// `rsa-3072/4`
impl fmt::Display for SpareId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ware, self.number)
    }
}

impl FromStr for SpareId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is no piece of the stock");
        let (ware, number) = text.split_once('/').ok_or_else(bad)?;
        Ok(Self { ware: ware.parse()?, number: number.parse().map_err(|_| bad())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for ware in [Ware::Key(KeyAlgorithm::Rsa3072), Ware::DhParams(2048)] {
            let id = SpareId { ware, number: 7 };
            assert_eq!(id.to_string().parse::<SpareId>().unwrap(), id);
        }
        for text in ["rsa-3072", "rsa-1024/1", "dh-x/1", "dh-2048/x", ""] {
            assert!(text.parse::<SpareId>().is_err(), "{text}");
        }
    }
}
