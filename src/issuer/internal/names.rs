//! Which names the CA may sign for.

use std::net::IpAddr;

use super::template::LONGEST_CN;
use crate::issuer::{Request, Usage};
use crate::model::Network;

/// Checks a request's names before anything is signed; the text says which one is wrong.
pub(super) fn check(request: &Request, permitted: &[String], ranges: &[Network]) -> Result<(), String> {
    let constrained = !permitted.is_empty();
    let outside = |address: &&IpAddr| constrained && !ranges.iter().any(|range| range.has(**address));
    if let Some(address) = request.ip_addresses.iter().find(outside) {
        return Err(format!("{address} is outside name_constraints.permitted_ip_ranges"));
    }
    for name in &request.dns_names {
        check_dns(name)?;
        check_permitted(name, permitted)?;
    }
    if let Some(name) = &request.common_name {
        check_common_name(name)?;
        // Without dNSNames OpenSSL reads a common name as one, and holds it against the constraints.
        if request.dns_names.is_empty() && name.contains('.') && check_dns(name).is_ok() {
            check_permitted(name, permitted)?;
        }
    }
    let unnamed = request.dns_names.is_empty() && request.ip_addresses.is_empty();
    match request.common_name {
        _ if unnamed && request.usages.contains(&Usage::ServerAuth) => {
            Err("a server's certificate needs dns_names or ip_addresses".to_owned())
        }
        None if unnamed => Err("a certificate needs a common_name, dns_names or ip_addresses".to_owned()),
        _ => Ok(()),
    }
}

/// ub-common-name (RFC 5280 Appendix A.1).
fn check_common_name(name: &str) -> Result<(), String> {
    let length = name.chars().count();
    if length == 0 || length > LONGEST_CN || name.chars().any(char::is_control) {
        return Err(format!(
            "the common name `{}` must have 1 to 64 printable characters",
            name.escape_debug()
        ));
    }
    Ok(())
}

/// A host name as RFC 1034 §3.5 writes it, underscores allowed, with `*` for a whole first label.
fn check_dns(name: &str) -> Result<(), String> {
    let host = name.strip_prefix("*.").unwrap_or(name);
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(letter)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > 253 || !host.split('.').all(label) {
        return Err(format!("`{}` is not a DNS name", name.escape_debug()));
    }
    Ok(())
}

/// RFC 5280 §4.2.1.10: a constraint permits its domain and whatever has labels added on the left. With a
/// leading dot, as many write it, only the latter.
fn check_permitted(name: &str, permitted: &[String]) -> Result<(), String> {
    let host = name.strip_prefix("*.").unwrap_or(name).to_ascii_lowercase();
    let is_wildcard = host.len() != name.len();
    let permits = |constraint: &String| {
        let constraint = constraint.to_ascii_lowercase();
        match constraint.strip_prefix('.') {
            Some(domain) => host.ends_with(&constraint) || is_wildcard && host == domain,
            None => host == constraint || host.ends_with(&format!(".{constraint}")),
        }
    };
    if permitted.is_empty() || permitted.iter().any(permits) {
        return Ok(());
    }
    Err(format!("`{name}` is outside name_constraints.permitted_dns ({})", permitted.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permitted(name: &str, constraint: &str) -> bool {
        check_permitted(name, &[constraint.to_owned()]).is_ok()
    }

    #[test]
    fn constraints_are_read_as_rfc_5280_says() {
        for name in ["example.org", "a.example.org", "*.example.org", "A.B.Example.ORG"] {
            assert!(permitted(name, "example.org"), "{name}");
        }
        for name in ["example.com", "badexample.org", "org", "*.org", "example.org.evil"] {
            assert!(!permitted(name, "example.org"), "{name}");
        }
        assert!(permitted("a.example.org", ".example.org") && permitted("*.example.org", ".example.org"));
        assert!(!permitted("example.org", ".example.org"));
    }

    #[test]
    fn what_is_no_dns_name_is_refused() {
        for name in
            ["", ".", "a..b", "*", "a.*.b", "*a.b", "-a.b", "a b", "a\0b", "ü.example", &"a".repeat(64)]
        {
            assert!(check_dns(name).is_err(), "{name:?}");
        }
        for name in ["localhost", "*.a.b", "_x.example", "xn--tda.example", "1.example"] {
            assert!(check_dns(name).is_ok(), "{name}");
        }
    }
}
