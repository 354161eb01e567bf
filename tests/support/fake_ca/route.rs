//! Which address is what.

/// Everything a client can ask of the CA; faults are set, and the books kept, by these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// GET, no signature.
    Directory,
    /// HEAD or GET.
    NewNonce,
    /// Creates and looks up.
    NewAccount,
    /// Contacts, deactivation.
    Account,
    /// Rollover of the account's key.
    KeyChange,
    /// Begins an order.
    NewOrder,
    /// An order, read.
    Order,
    /// An authorization, read or given up.
    Authorization,
    /// A challenge, triggered or read.
    Challenge,
    /// The CSR.
    Finalize,
    /// The chain, and its alternate.
    Certificate,
    /// By account or certificate key.
    RevokeCert,
    /// GET, no signature (RFC 9773).
    RenewalInfo,
    /// Anything else.
    Unknown,
}

/// An address with what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    Directory,
    NewNonce,
    NewAccount,
    Account(usize),
    KeyChange,
    NewOrder,
    Order(usize),
    Authorization(usize),
    /// The authorization, and the challenge's type.
    Challenge(usize, String),
    Finalize(usize),
    /// The certificate, and which of its chains.
    Certificate(usize, usize),
    RevokeCert,
    RenewalInfo(String),
    Unknown,
}

impl Route {
    /// What is at `path`.
    pub fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        Self::parse(&parts).unwrap_or(Self::Unknown)
    }

    fn parse(parts: &[&str]) -> Option<Self> {
        Some(match parts {
            ["directory"] => Self::Directory,
            ["new-nonce"] => Self::NewNonce,
            ["new-account"] => Self::NewAccount,
            ["key-change"] => Self::KeyChange,
            ["new-order"] => Self::NewOrder,
            ["revoke-cert"] => Self::RevokeCert,
            ["renewal-info", id] => Self::RenewalInfo((*id).to_owned()),
            ["account", id] => Self::Account(number(id)?),
            ["order", id] => Self::Order(number(id)?),
            ["order", id, "finalize"] => Self::Finalize(number(id)?),
            ["authorization", id] => Self::Authorization(number(id)?),
            ["challenge", id, kind] => Self::Challenge(number(id)?, (*kind).to_owned()),
            ["certificate", id] => Self::Certificate(number(id)?, 0),
            ["certificate", id, chain] => Self::Certificate(number(id)?, number(chain)?),
            _ => return None,
        })
    }

    /// The kind of address.
    pub fn endpoint(&self) -> Endpoint {
        match self {
            Self::Directory => Endpoint::Directory,
            Self::NewNonce => Endpoint::NewNonce,
            Self::NewAccount => Endpoint::NewAccount,
            Self::Account(_) => Endpoint::Account,
            Self::KeyChange => Endpoint::KeyChange,
            Self::NewOrder => Endpoint::NewOrder,
            Self::Order(_) => Endpoint::Order,
            Self::Authorization(_) => Endpoint::Authorization,
            Self::Challenge(..) => Endpoint::Challenge,
            Self::Finalize(_) => Endpoint::Finalize,
            Self::Certificate(..) => Endpoint::Certificate,
            Self::RevokeCert => Endpoint::RevokeCert,
            Self::RenewalInfo(_) => Endpoint::RenewalInfo,
            Self::Unknown => Endpoint::Unknown,
        }
    }
}

fn number(text: &str) -> Option<usize> {
    text.parse().ok()
}
