//! `[issuers.NAME.sign.ROLE]`.

use std::net::IpAddr;

use jiff::SignedDuration;

use super::SHORTEST_LIFETIME;
use super::certificates::usages;
use super::names::{common_name, dns_name, plain_name};
use super::roles::principal;
use crate::config::duration::duration_text;
use crate::config::issuer::InternalCa;
use crate::config::raw::{Item, Table};
use crate::config::signing::SigningRole;
use crate::config::words::quoted;
use crate::model::Network;

/// All roles of an issuer.
pub(super) fn roles(item: &Item<'_>) -> Option<Vec<SigningRole>> {
    let read = |(name, item): (&str, Item<'_>)| match plain_name(name) {
        Some(()) => item.table(|t| role(name, t)),
        None => item
            .fault(format!("{} is not a name; write a-z and 0-9, with - and _ between them", quoted(name))),
    };
    item.entries()?.into_iter().map(read).collect()
}

fn role(name: &str, t: &mut Table<'_>) -> Option<SigningRole> {
    let dns_names = t.or("dns_names", Vec::new(), |item| item.distinct(dns_name));
    let ip_addresses = t.or("ip_addresses", Vec::new(), |item| item.list(network));
    let common_names = t.or("common_names", Vec::new(), |item| item.distinct(common_name));
    let usages = t.required("usages", "[\"client-auth\"]", usages);
    let duration = t.required("duration", "\"30d\"", |item| item.duration(SHORTEST_LIFETIME));
    let by = t.or("by", Vec::new(), |item| item.list(principal));
    let role = SigningRole {
        name: name.to_owned(),
        dns_names: dns_names?,
        ip_addresses: ip_addresses?,
        common_names: common_names?,
        usages: usages?,
        duration: duration?,
        by: by?,
    };
    if role.dns_names.is_empty() && role.ip_addresses.is_empty() && role.common_names.is_empty() {
        return t
            .fault("dns_names", "nothing could be signed: write dns_names, ip_addresses or common_names");
    }
    Some(role)
}

/// What a role allows must be what its CA can sign.
pub(super) fn check(t: &Table<'_>, ca: &InternalCa) {
    for role in &ca.sign {
        let longest: SignedDuration = ca.intermediate_lifetime;
        if role.duration >= longest {
            t.fault::<()>(
                "sign",
                format!(
                    "the role {}: its duration must be shorter than intermediate_lifetime {} (it is {})",
                    quoted(&role.name),
                    duration_text(longest),
                    duration_text(role.duration)
                ),
            );
        }
        for name in role.dns_names.iter().filter(|name| !ca.permits(name)) {
            t.fault::<()>(
                "sign",
                format!("the role {}: {} lies outside of name_constraints", quoted(&role.name), quoted(name)),
            );
        }
        for network in role.ip_addresses.iter().filter(|network| !ca.permits_addresses(**network)) {
            let (role, ranges) = (quoted(&role.name), ca.ip_ranges_in_words());
            t.fault::<()>("sign", format!("the role {role}: {network} lies outside of {ranges}"));
        }
    }
}

/// `10.0.0.0/8`, or one address.
pub(super) fn network(item: &Item<'_>) -> Option<Network> {
    let text = item.line()?;
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let read = address.parse::<IpAddr>().ok().and_then(|address| {
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(width), |bits| bits.parse().ok()).filter(|bits| *bits <= width)?;
        Some(Network { address, bits })
    });
    read.or_else(|| item.fault(format!("{} is no network; write 10.0.0.0/8 or an address", quoted(text))))
}
