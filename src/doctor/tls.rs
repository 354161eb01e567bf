//! What a server's TLS is worth: a list of small checks, each of one thing.

use super::{Finding, Level};
use crate::model::{CipherSuite, Code, Http, KeyExchange, Protection, TlsOffer, TlsVersion};

/// One endpoint, and what should be there.
#[derive(Debug)]
pub struct Served<'s> {
    /// `host:port`, and the name that was asked for.
    pub endpoint: &'s str,
    /// Whether that name is one that browsers remember (no address).
    pub is_dns: bool,
    /// What was seen.
    pub offer: &'s TlsOffer,
    /// Of the asset's active revision; none while there is none.
    pub expected: Option<Expected>,
    /// What a client of today minds about the chain.
    pub remarks: Vec<String>,
    /// Whether the leaf names a responder (RFC 6960), and whether it demands a staple (RFC 7633).
    pub responder: bool,
    /// As above.
    pub must_staple: bool,
    /// The primes of the DH parameters that go to the same place; none: no such asset goes there.
    pub primes: Option<Vec<Vec<u8>>>,
}

/// DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The leaf.
    pub leaf: Vec<u8>,
    /// What stands above it, without the root.
    pub chain: Vec<Vec<u8>>,
}

/// What browsers should remember for, in seconds (Mozilla).
const TWO_YEARS: u64 = 63_072_000;

/// The smallest group that is of use.
const SMALLEST_GROUP: usize = 2048;

/// All checks of one endpoint.
pub fn served(one: &Served<'_>) -> Vec<Finding> {
    let checks = [versions, suites, dh, tickets, leaf, chain, staple, hsts];
    checks.into_iter().flat_map(|check| check(one)).collect()
}

fn ok(one: &Served<'_>, message: impl Into<String>) -> Vec<Finding> {
    vec![Finding::ok("tls", one.endpoint, message)]
}

fn bad(one: &Served<'_>, level: Level, code: Code, message: impl Into<String>) -> Finding {
    match level {
        Level::Fault => Finding::fault("tls", one.endpoint, code, message),
        _ => Finding::warning("tls", one.endpoint, code, message),
    }
}

fn versions(one: &Served<'_>) -> Vec<Finding> {
    let spoken = &one.offer.versions;
    let names = |of: &[TlsVersion]| of.iter().map(|version| version.name()).collect::<Vec<_>>().join(", ");
    let old: Vec<TlsVersion> = spoken.iter().copied().filter(|version| version.is_prohibited()).collect();
    let mut found = Vec::new();
    if !old.is_empty() {
        found.push(bad(one, Level::Fault, Code::TlsOldProtocol, format!("it accepts {}", names(&old))));
    }
    if !spoken.contains(&TlsVersion::Tls13) {
        found.push(bad(one, Level::Warning, Code::TlsNoTls13, format!("it speaks {} only", names(spoken))));
    }
    if found.is_empty() { ok(one, format!("it speaks {}", names(spoken))) } else { found }
}

fn suites(one: &Served<'_>) -> Vec<Finding> {
    let broken = |suite: &CipherSuite| {
        suite.protection == Protection::Broken || suite.exchange == KeyExchange::Anonymous
    };
    let weak = |suite: &CipherSuite| {
        !broken(suite) && (suite.protection == Protection::Cbc || suite.exchange == KeyExchange::Rsa)
    };
    let named = |which: &dyn Fn(&CipherSuite) -> bool| {
        let names: Vec<&str> =
            one.offer.suites.iter().filter(|suite| which(suite)).map(|suite| suite.name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let broken = named(&broken).map(|names| (Level::Fault, Code::TlsBrokenSuite, names));
    let weak = named(&weak).map(|names| (Level::Warning, Code::TlsWeakSuite, names));
    let found: Vec<Finding> = [broken, weak]
        .into_iter()
        .flatten()
        .map(|(level, code, names)| bad(one, level, code, format!("it accepts {names}")))
        .collect();
    match one.offer.suites.len() {
        _ if !found.is_empty() => found,
        0 => ok(one, "it accepts the suites of TLS 1.3 only"),
        count => ok(one, format!("its {count} suites of TLS 1.2 are all ephemeral and authenticated (AEAD)")),
    }
}

fn dh(one: &Served<'_>) -> Vec<Finding> {
    let Some(group) = &one.offer.dh else {
        return match &one.primes {
            Some(_) => vec![bad(
                one,
                Level::Warning,
                Code::DhUnused,
                "DH parameters are delivered to the same place, and no DHE suite is accepted",
            )],
            None => ok(one, "it does no DHE, and needs no DH parameters"),
        };
    };
    let bits = group.bits();
    if bits < SMALLEST_GROUP {
        let message = format!("its DHE group has {bits} bits");
        return vec![bad(one, Level::Fault, Code::TlsDhSmall, message)];
    }
    match &one.primes {
        Some(primes) if primes.contains(&group.prime) => {
            ok(one, format!("its DHE group of {bits} bits is the one that is delivered to it"))
        }
        Some(_) => {
            let message = format!("its DHE group of {bits} bits is not the one that is delivered to it");
            vec![bad(one, Level::Warning, Code::DhNotOurs, message)]
        }
        None => {
            let message = format!("it does DHE, in a group of {bits} bits, and no DH parameters go there");
            vec![bad(one, Level::Warning, Code::DhNotOurs, message)]
        }
    }
}

fn tickets(one: &Served<'_>) -> Vec<Finding> {
    match one.offer.tickets {
        Some(true) => {
            let long = one.offer.ticket_lifetime;
            let long = long.map_or_else(String::new, |seconds| format!(", good for {seconds} s"));
            let message = format!("it offers session tickets under TLS 1.2{long}");
            vec![bad(one, Level::Warning, Code::TlsTickets, message)]
        }
        Some(false) => ok(one, "it gives out no session tickets under TLS 1.2"),
        // Under TLS 1.3 a ticket's key opens no session that was recorded, where an exchange of keys goes with it.
        None => ok(one, "session tickets are looked for under TLS 1.2 only, which it does not speak"),
    }
}

fn leaf(one: &Served<'_>) -> Vec<Finding> {
    match (one.offer.chain.first(), &one.expected) {
        (None, _) => {
            let message = "no client of today gets as far as a certificate";
            vec![bad(one, Level::Fault, Code::TlsChain, message)]
        }
        (Some(_), None) => ok(one, "it serves a certificate; none of the asset is in use yet"),
        (Some(leaf), Some(expected)) if *leaf != expected.leaf => {
            let message = "it serves another certificate than the one in use";
            vec![bad(one, Level::Fault, Code::TlsOtherLeaf, message)]
        }
        _ => ok(one, "it serves the certificate in use"),
    }
}

fn chain(one: &Served<'_>) -> Vec<Finding> {
    let Some((leaf, above)) = one.offer.chain.split_first() else { return Vec::new() };
    let mut remarks = one.remarks.clone();
    if let Some(expected) = one.expected.as_ref().filter(|expected| expected.leaf == *leaf) {
        let missing = expected.chain.iter().filter(|wanted| !above.contains(wanted)).count();
        if missing > 0 {
            let of = expected.chain.len();
            remarks
                .insert(0, format!("{missing} of the {of} certificates above the leaf are not sent along"));
        }
    }
    if remarks.is_empty() {
        return ok(one, format!("the chain of {} is whole", one.offer.chain.len()));
    }
    vec![bad(one, Level::Fault, Code::TlsChain, remarks.join("; "))]
}

fn staple(one: &Served<'_>) -> Vec<Finding> {
    let message = "the leaf names an OCSP responder, and no response is stapled";
    match (one.responder || one.must_staple, one.offer.stapled) {
        (_, true) => ok(one, "an OCSP response is stapled"),
        (false, false) => ok(one, "the leaf names no OCSP responder, and nothing is to be stapled"),
        (true, false) if one.must_staple => vec![bad(
            one,
            Level::Fault,
            Code::TlsStaple,
            "the leaf demands a stapled OCSP response, and there is none",
        )],
        (true, false) => vec![bad(one, Level::Warning, Code::TlsStaple, message)],
    }
}

fn hsts(one: &Served<'_>) -> Vec<Finding> {
    let header = match &one.offer.http {
        Http::Silent => return ok(one, "no HTTP comes back; HSTS is none of its matters"),
        Http::Answers(_) if !one.is_dns => {
            return ok(one, "it is asked by address, and HSTS is for names only");
        }
        Http::Answers(header) => header.as_deref(),
    };
    let low = |message: String| vec![bad(one, Level::Warning, Code::TlsHsts, message)];
    match (header, header.and_then(max_age)) {
        (None, _) => low("no Strict-Transport-Security is sent".to_owned()),
        (Some(header), None) => low(format!("Strict-Transport-Security without a max-age: `{header}`")),
        (Some(_), Some(age)) if age < TWO_YEARS => {
            low(format!("Strict-Transport-Security holds for {age} s only"))
        }
        (Some(_), Some(age)) => ok(one, format!("Strict-Transport-Security holds for {age} s")),
    }
}

/// RFC 6797 §6.1.1: directives in any order, the value perhaps in quotes.
fn max_age(header: &str) -> Option<u64> {
    let directive = |part: &str| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| value.trim().trim_matches('"').parse().ok())?
    };
    header.split(';').find_map(directive)
}
