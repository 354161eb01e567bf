//! What making a revision gives.

use jiff::Timestamp;

use super::{Material, Validity};

/// The public facts of a revision's material, as they go into its record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Of a certificate: its validity.
    pub validity: Option<Validity>,
    /// Of a certificate: its serial number, lower-case hex without separators.
    pub serial: Option<String>,
    /// Of a certificate: SHA-256 over its DER, lower-case hex.
    pub fingerprint_sha256: Option<String>,
    /// Of a JWT key: its ID; its RFC 7638 thumbprint, unless it was in use under another before.
    pub kid: Option<String>,
    /// Of a CA: when its root ends.
    pub root_ends: Option<Timestamp>,
    /// Of a CA: whether the root's key is not in the state.
    pub root_is_elsewhere: bool,
}

/// A revision that is whole.
#[derive(Debug, Clone)]
pub struct Made {
    /// To be sealed and kept.
    pub material: Material,
    /// To be shown.
    pub facts: Facts,
}
