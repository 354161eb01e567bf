//! The DNS providers that dns-01 knows by name, and the keys that each takes.
//!
//! A table, so that a key is checked, listed in a message and read in one way for all of them; what is done with the
//! keys is `issuer/acme`'s.

/// One key of a provider, as the configuration writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name; of a secret without the `_file` that it is written with.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What is meant by it, with an example for a setting: it stands in the message that misses it.
    pub what: &'static str,
    /// The values it may have; empty: any.
    pub one_of: &'static [&'static str],
}

impl Key {
    /// A key that must be there.
    pub const fn required(name: &'static str, what: &'static str) -> Self {
        Self { name, required: true, what, one_of: &[] }
    }

    /// A key that may be left out.
    pub const fn optional(name: &'static str, what: &'static str) -> Self {
        Self { name, required: false, what, one_of: &[] }
    }

    /// The same key with these values only.
    pub const fn one_of(self, values: &'static [&'static str]) -> Self {
        Self { one_of: values, ..self }
    }
}

/// A provider and its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnsProviderSpec {
    /// As `provider = "…"` names it.
    pub name: &'static str,
    /// What may stand in the configuration: text.
    pub settings: &'static [Key],
    /// What may not: each is written `NAME_file`, a path or `credential:NAME`.
    pub secrets: &'static [Key],
}

/// Algorithms of TSIG (RFC 8945 §6) that are not broken.
const TSIG: &[&str] = &["hmac-sha256", "hmac-sha384", "hmac-sha512"];

const PROVIDERS: &[DnsProviderSpec] = &[
    DnsProviderSpec {
        name: "cloudflare",
        settings: &[],
        secrets: &[Key::required("token", "an API token that may edit the zone's records")],
    },
    DnsProviderSpec {
        name: "desec",
        settings: &[],
        secrets: &[Key::required("token", "a token of the account")],
    },
    DnsProviderSpec {
        name: "digitalocean",
        settings: &[],
        secrets: &[Key::required("token", "an API token that may write domains")],
    },
    DnsProviderSpec {
        name: "rfc2136",
        settings: &[
            Key::required("server", "the primary name server, such as \"192.0.2.53:53\""),
            Key::required("key_name", "the TSIG key's name, such as \"keyturn\""),
            Key::optional("algorithm", "the TSIG key's algorithm; hmac-sha256 without it").one_of(TSIG),
        ],
        secrets: &[Key::required("key", "the TSIG key in base64")],
    },
];

/// The provider of that name.
pub fn dns_provider(name: &str) -> Option<&'static DnsProviderSpec> {
    PROVIDERS.iter().find(|provider| provider.name == name)
}

/// All names, in the order of the alphabet.
pub fn dns_provider_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = PROVIDERS.iter().map(|provider| provider.name).collect();
    names.sort_unstable();
    names
}
