//! What everyone who speaks to servers outside goes by: which addresses nobody's server is at, how long anyone is obeyed,
//! and what may be said of a failure.
//!
//! Beside the adapters, because several of them do it: the ACME client, and the channels that people are told by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::{HeaderMap, RETRY_AFTER};
use jiff::SignedDuration;

use crate::clock::Clock;

/// Nobody is obeyed for longer than this.
const LONGEST_RETRY_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Link-local (where clouds keep their instance credentials), unspecified, multicast: whoever names one of these does not
/// mean a server.
pub fn is_nobodys(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => {
            let mapped = embedded(ip).is_some_and(|ip| is_nobodys(IpAddr::V4(ip)));
            mapped || is_link_local(ip) || ip.is_unspecified() || ip.is_multicast()
        }
    }
}

/// This machine, or a network that is not the public one.
pub fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            // Shared (RFC 6598), IETF protocols (RFC 6890), benchmarks (RFC 2544), "this network", and what is reserved.
            let special = (a == 100 && b & 0xc0 == 64)
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && b & 0xfe == 18);
            special || a == 0 || a >= 240 || ip.is_private() || ip.is_loopback()
        }
        IpAddr::V6(ip) => {
            let mapped = embedded(ip).is_some_and(|ip| is_private(IpAddr::V4(ip)));
            // fc00::/7, and the site-local addresses of old.
            mapped || ip.is_loopback() || ip.is_unique_local() || ip.segments()[0] & 0xffc0 == 0xfec0
        }
    }
}

/// The IPv4 address that an IPv6 one leads to: mapped, compatible, by NAT64 (RFC 6052) or by 6to4 (RFC 3056).
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = ip.octets();
    let at =
        |from: usize| Some(Ipv4Addr::new(octets[from], octets[from + 1], octets[from + 2], octets[from + 3]));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => at(12),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => at(12),
        [0x2002, ..] => at(2),
        _ => None,
    }
}

fn is_link_local(ip: Ipv6Addr) -> bool {
    // fe80::/10, and the address of clouds' metadata.
    ip.segments()[0] & 0xffc0 == 0xfe80 || ip == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)
}

/// `Retry-After` as seconds or as a date (RFC 9110 §10.2.3), between nothing and a day.
pub fn retry_after(headers: &HeaderMap, clock: &dyn Clock) -> Option<SignedDuration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        // So many digits that they are no number mean: for ever.
        SignedDuration::from_secs(text.parse().unwrap_or(i64::MAX))
    } else {
        let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        at.duration_since(clock.now())
    };
    Some(clamped(pause))
}

/// Between nothing and a day.
pub fn clamped(pause: SignedDuration) -> SignedDuration {
    pause.clamp(SignedDuration::ZERO, LONGEST_RETRY_AFTER)
}

/// An error with its causes, each once: a library's own words often hide the cause, which is what a person needs.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_neighbourhood_in_all_its_disguises() {
        for nobodys in [
            "169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "0.0.0.0",
            "::",
            "224.0.0.1",
        ] {
            assert!(is_nobodys(ip(nobodys)), "{nobodys}");
        }
        for private in [
            "10.1.2.3",
            "127.0.0.1",
            "127.9.9.9",
            "192.168.0.1",
            "172.31.0.1",
            "100.64.0.1",
            "198.18.0.1",
            "0.1.2.3",
            "::1",
            "fd12::1",
            "fec0::1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:0a00:0001::1",
            "::127.0.0.1",
        ] {
            assert!(is_private(ip(private)), "{private}");
            assert!(!is_nobodys(ip(private)), "{private}");
        }
        for public in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808"] {
            assert!(!is_private(ip(public)) && !is_nobodys(ip(public)), "{public}");
        }
    }
}
