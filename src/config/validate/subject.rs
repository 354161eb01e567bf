//! The names of a certificate, all of them together.

use std::net::IpAddr;

use super::names::host_fault;
use crate::config::issuer::InternalCa;
use crate::config::raw::Table;
use crate::config::words::quoted;
use crate::model::Network;

/// What the names of a certificate may take in DER, in bytes: in PEM, with its chain and its key, it is then still one
/// record of the state (64 KiB), and far from what a Docker secret holds (511,999 bytes).
const MOST_NAMES: usize = 40_000;

/// The subject's names, each list faultless in itself.
pub(super) struct Names {
    pub(super) common_name: Option<String>,
    pub(super) dns_names: Vec<String>,
    pub(super) ip_addresses: Vec<IpAddr>,
    pub(super) is_server: bool,
}

/// A server is known by its SANs; a client may have just a common name.
pub(super) fn check_names(t: &Table<'_>, names: &Names) {
    // Each has a tag and a length of two to four bytes before it.
    let size: usize = names.dns_names.iter().map(|name| name.len() + 4).sum();
    if size > MOST_NAMES {
        let message = format!(
            "{} names take {size} bytes, and a certificate that can be kept and delivered has room for {MOST_NAMES}; \
             split them over several certificates, or use a wildcard",
            names.dns_names.len()
        );
        t.fault::<()>("dns_names", message);
    }
    let has_san = !names.dns_names.is_empty() || !names.ip_addresses.is_empty();
    match &names.common_name {
        None if !has_san => {
            t.fault::<()>(
                "dns_names",
                "a certificate needs a name: write dns_names, ip_addresses or common_name",
            );
        }
        Some(_) if !has_san && names.is_server => {
            t.fault::<()>(
                "dns_names",
                "a server certificate needs dns_names or ip_addresses: TLS clients do not read the common name",
            );
        }
        Some(name) if names.is_server && host_fault(name).is_none() && !is_named(name, names) => {
            t.warning(
                "common_name",
                format!("{} is not in dns_names, so no TLS client accepts it", quoted(name)),
            );
        }
        _ => {}
    }
}

fn is_named(common_name: &str, names: &Names) -> bool {
    names.dns_names.iter().any(|name| name.eq_ignore_ascii_case(common_name))
}

/// A CA whose name constraints exclude a name cannot sign for it: verifiers would refuse the leaf.
pub(super) fn check_constraints(t: &Table<'_>, names: &Names, ca: &InternalCa) {
    let outside = |name: &str| {
        format!(
            "{} lies outside of what issuers.{} may sign for (name_constraints.permitted_dns: {})",
            quoted(name),
            ca.name(),
            ca.permitted_dns().join(", ")
        )
    };
    for name in names.dns_names.iter().filter(|name| !ca.permits(name)) {
        t.fault::<()>("dns_names", outside(name));
    }
    for address in &names.ip_addresses {
        if !ca.permits_addresses(Network::only(*address)) {
            let (name, ranges) = (ca.name(), ca.ip_ranges_in_words());
            let message = format!("{address} lies outside of what issuers.{name} may sign for ({ranges})");
            t.fault::<()>("ip_addresses", message);
        }
    }
    // OpenSSL holds a common name that looks like a DNS name to the constraints, where there is no dNSName.
    if let Some(name) = &names.common_name
        && names.dns_names.is_empty()
        && name.contains('.')
        && host_fault(name).is_none()
        && !ca.permits(&name.to_ascii_lowercase())
    {
        t.fault::<()>("common_name", outside(name));
    }
}
