//! What an order is for, as CAs count it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use ring::digest;

use crate::desired::CertificateSpec;
use crate::model::{AssetRecord, OrderNote, OrderOutcome};

/// What the ledger says of an order for `certificate` that is placed `at` with `issuer`, as `(name, replaces)`.
pub fn order_note(
    certificate: &CertificateSpec,
    record: &AssetRecord,
    made_for: &str,
    (issuer, replaces): (&str, bool),
    at: Timestamp,
) -> OrderNote {
    let set = set(certificate);
    OrderNote {
        at,
        issuer: issuer.to_owned(),
        replaces,
        retry: record.is_retry(&set),
        renewal: record.has_had(issuer, made_for),
        domains: domains(certificate).into_iter().collect(),
        set,
        kept: false,
        outcome: OrderOutcome::Open,
        failed_names: Vec::new(),
    }
}

/// All names, as the CA sees them.
pub(super) fn all(certificate: &CertificateSpec) -> BTreeSet<String> {
    let addresses = certificate.ip_addresses.iter().map(ToString::to_string);
    certificate.dns_names.iter().map(|name| name.to_ascii_lowercase()).chain(addresses).collect()
}

/// The exact set of names: the same for the same names, whatever their order.
pub(super) fn set(certificate: &CertificateSpec) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    all(certificate).iter().for_each(|name| hash.update(format!("{name}\n").as_bytes()));
    hash.finish().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The registered domains of the names; what is under no public suffix, an address for one, counts by itself.
fn domains(certificate: &CertificateSpec) -> BTreeSet<String> {
    let domain = |name: String| {
        let bare = name.trim_start_matches("*.");
        psl::domain_str(bare).unwrap_or(bare).to_owned()
    };
    all(certificate).into_iter().map(domain).collect()
}
