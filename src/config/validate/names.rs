//! The rules for names: of assets, of hosts, of subjects, of services.

use std::net::IpAddr;

use crate::config::raw::Item;
use crate::config::words::quoted;
use crate::model::{AssetKind, Part};

/// Docker's limit for names of secrets and configs, in characters (tried on Engine 20.10).
const OBJECT_NAME: usize = 64;

/// Digits of the running number in an object's name.
const NUMBER: usize = 6;

/// The longest name an asset of `kind` may have, so that `<kind>.<asset>.<part>.<n>` fits with
/// any of its parts: another file in a target must not make a good name bad.
pub(crate) fn longest_name(kind: AssetKind) -> usize {
    let parts = Part::ALL.into_iter().filter(|part| part.is_of(kind));
    let longest_part = parts.map(|part| part.name().len()).max().unwrap_or_default();
    OBJECT_NAME - kind.short().len() - longest_part - NUMBER - "...".len()
}

/// Checks the name of an asset or issuer. Lower case only: Docker's names are unique without regard to case.
pub(super) fn asset_name(name: &str, kind: AssetKind, item: &Item<'_>) -> Option<()> {
    plain_name(name).or_else(|| {
        item.fault(format!(
            "{} is not a name; write a-z and 0-9, with - and _ between them (it becomes part of Docker objects' names)",
            quoted(name)
        ))
    })?;
    let longest = longest_name(kind);
    if name.len() <= longest {
        return Some(());
    }
    item.fault(format!(
        "the name {} has {} characters; at most {longest} leave room for {}.NAME.PART.NUMBER in the {OBJECT_NAME} \
         that Docker allows",
        quoted(name),
        name.len(),
        kind.short()
    ))
}

/// `[a-z0-9]([a-z0-9_-]*[a-z0-9])?`
pub(super) fn plain_name(name: &str) -> Option<()> {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let ends = bytes.first().is_some_and(alphanumeric) && bytes.last().is_some_and(alphanumeric);
    let inside = bytes.iter().all(|byte| alphanumeric(byte) || matches!(byte, b'-' | b'_'));
    (ends && inside).then_some(())
}

/// A DNS name that may begin with `*.`, in lower case and A-labels.
pub(super) fn dns_name(item: &Item<'_>) -> Option<String> {
    let text = item.line()?;
    let Some(base) = text.strip_prefix("*.") else {
        return checked(item, text);
    };
    let base = checked(item, base)?;
    if base.contains('.') {
        return Some(format!("*.{base}"));
    }
    item.fault(format!("{} covers a whole top-level domain; verifiers do not honour that", quoted(text)))
}

/// A DNS name without a wildcard, in lower case and A-labels.
pub(super) fn host_name(item: &Item<'_>) -> Option<String> {
    checked(item, item.line()?)
}

fn checked(item: &Item<'_>, text: &str) -> Option<String> {
    let name = a_labels(text);
    match host_fault(&name) {
        None => Some(name),
        Some(reason) => item.fault(format!("{} is not a DNS name: {reason}", quoted(text))),
    }
}

/// `name` in lower case, its U-labels as A-labels (UTS 46, as browsers do it); one that has none is left as it is.
pub(super) fn a_labels(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    idna::domain_to_ascii(name).unwrap_or_else(|_| name.to_owned())
}

/// Why `name` is no host name (RFC 1123 §2.1). Underscores pass: the Swarm's own service names have them.
pub(super) fn host_fault(name: &str) -> Option<&'static str> {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_ascii() {
        return Some(
            "it has characters that no name has; an A-label, which begins with xn--, does for those that are meant",
        );
    }
    if name.contains('*') {
        return Some("a * stands only for the whole first label: *.example.org");
    }
    if name.ends_with('.') {
        return Some("leave the dot at the end out");
    }
    if name.len() > 253 {
        return Some("it has more than 253 characters");
    }
    if name.parse::<IpAddr>().is_ok() || name.rsplit('.').next().is_some_and(all_digits) {
        return Some("it looks like an IP address; that goes into ip_addresses");
    }
    name.split('.').find_map(|label| match label {
        "" => Some("it has an empty label"),
        _ if label.len() > 63 => Some("a label has more than 63 characters"),
        _ if !label.chars().all(inside) => Some("labels are of a-z, 0-9 and -"),
        _ if label.starts_with('-') || label.ends_with('-') => Some("a label begins or ends with -"),
        _ => None,
    })
}

fn all_digits(label: &str) -> bool {
    !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit())
}

/// An IP address that a peer can have.
pub(super) fn ip_address(item: &Item<'_>) -> Option<IpAddr> {
    let text = item.line()?;
    match text.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() || address.is_multicast() => {
            item.fault(format!("{} is no address that a server is reached at", quoted(text)))
        }
        Ok(address) => Some(address),
        Err(_) => item.fault(format!("{} is not an IP address; names go into dns_names", quoted(text))),
    }
}

/// A subject's common name: at most 64 characters (`ub-common-name`, RFC 5280 appendix A.1).
pub(super) fn common_name(item: &Item<'_>) -> Option<String> {
    let name = item.line()?;
    if name.chars().count() > 64 {
        return item.fault("has more than 64 characters, which a certificate's common name cannot have");
    }
    if name.trim() != name {
        return item.fault("begins or ends with a blank");
    }
    Some(name.to_owned())
}

/// The name of a Swarm service.
pub(super) fn service_name(item: &Item<'_>) -> Option<String> {
    let name = item.line()?;
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    let inside = name.chars().all(|c| alphanumeric(c) || matches!(c, '-' | '_' | '.'));
    let ends = name.starts_with(alphanumeric) && name.ends_with(alphanumeric);
    if inside && ends && name.len() <= 63 {
        return Some(name.to_owned());
    }
    item.fault(format!(
        "{} is not the name of a service; write it as `docker service ls` shows it",
        quoted(name)
    ))
}
