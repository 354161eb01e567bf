//! Which addresses a channel may be at. They are looked at whenever a connection is made, and it goes to one that was.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::SendError;
use crate::outside;

/// Where a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// To public addresses.
    Public,
    /// Also to those of private networks.
    Everywhere,
    /// To those alone: what is not encrypted.
    Private,
}

impl Reach {
    /// Of these, the addresses that may be spoken to.
    pub(super) fn allows(self, ip: IpAddr) -> bool {
        !outside::is_nobodys(ip)
            && match self {
                Self::Public => !outside::is_private(ip),
                Self::Everywhere => true,
                Self::Private => outside::is_private(ip),
            }
    }

    fn refusal(self) -> &'static str {
        match self {
            Self::Public => {
                "its address is one of a private network, or link-local (allow_private = true if it is yours)"
            }
            Self::Everywhere => "its address is link-local",
            Self::Private => "it is not https, and its address is not one of a private network",
        }
    }
}

/// A number needs no resolver, so none would refuse it.
pub(super) fn check_literal(url: &Url, reach: Reach) -> Result<(), SendError> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(ip) if !reach.allows(ip) => {
            Err(SendError::later(format!("it is not spoken to: {}", reach.refusal())))
        }
        _ => Ok(()),
    }
}

/// The machine's resolver, without the addresses that are refused.
pub(super) struct Guarded(pub(super) Reach);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (host, reach) = (name.as_str().to_owned(), self.0);
        Box::pin(async move {
            let good = addresses(&host, 0, |ip| reach.allows(ip)).await?;
            if good.is_empty() {
                return Err(SendError::later(format!("it is not spoken to: {}", reach.refusal())).into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

/// The addresses of a name that may be spoken to.
async fn addresses(
    host: &str,
    port: u16,
    allowed: impl Fn(IpAddr) -> bool,
) -> std::io::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((host, port)).await?;
    Ok(found.filter(|address| allowed(address.ip())).collect())
}

/// The addresses of `host` for what is no HTTP; with `only_private`, those of private networks alone.
///
/// # Errors
///
/// When there are none that may be spoken to.
pub(super) async fn guarded_addresses(
    host: &str,
    port: u16,
    allow_private: bool,
    only_private: bool,
) -> Result<Vec<SocketAddr>, SendError> {
    let reach = match (allow_private, only_private) {
        (_, true) => Reach::Private,
        (true, _) => Reach::Everywhere,
        (false, _) => Reach::Public,
    };
    let unresolved = |error: std::io::Error| SendError::later(format!("{host} has no address: {error}"));
    let good = addresses(host, port, |ip| reach.allows(ip)).await.map_err(unresolved)?;
    if good.is_empty() {
        return Err(SendError::later(format!("{host} is not spoken to: {}", reach.refusal())));
    }
    Ok(good)
}
