//! Where a CA may send us: a URL in its replies must not make us speak to the machine's own neighbourhood.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::refusal::Unreached;
use crate::outside::is_nobodys;

/// Refuses a URL that is not https, or that [`check_host`] refuses.
pub(super) fn check(uri: &Uri) -> Result<(), Unreached> {
    if uri.scheme_str() != Some("https") {
        return Err(Unreached(format!("refuses to speak to {uri}: it is not https")));
    }
    check_host(uri)
}

/// The same, of an address that is to be kept: what nobody would go to is not worth keeping.
pub(super) fn check_text(url: &str) -> Result<(), Unreached> {
    check(&url.parse().map_err(|_| Unreached("an address that it has sent is no URL".to_owned()))?)
}

/// Refuses a URL that names an address nobody's CA is at.
pub(super) fn check_host(uri: &Uri) -> Result<(), Unreached> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(ip) if is_nobodys(ip) => {
            Err(Unreached(format!("refuses to speak to {uri}: its address is link-local")))
        }
        _ if host.is_empty() => Err(Unreached(format!("refuses to speak to {uri}: it names no host"))),
        _ => Ok(()),
    }
}

/// The machine's resolver, without the addresses that are refused. Others of the machine's network are not: a CA of one's
/// own may be there, and what is there needs a trusted certificate to be spoken to at all.
pub(super) struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let good: Vec<SocketAddr> =
                found.iter().copied().filter(|address| !is_nobodys(address.ip())).collect();
            if good.is_empty() && !found.is_empty() {
                return Err(
                    Unreached(format!("refuses to speak to {host}: its addresses are link-local")).into()
                );
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> bool {
        check(&url.parse().unwrap()).is_err()
    }

    #[test]
    fn only_https_and_never_the_neighbourhood() {
        for url in [
            "http://ca.example/dir",
            "https://169.254.169.254/latest",
            "https://[fe80::1]/dir",
            "https://[fd00:ec2::254]/dir",
            "https://[::ffff:169.254.169.254]/dir",
            "https://0.0.0.0/dir",
            "https://224.0.0.1/dir",
        ] {
            assert!(refused(url), "{url}");
        }
        for url in [
            "https://ca.example/dir",
            "https://127.0.0.1:14000/dir",
            "https://10.1.2.3/acme",
            "https://[::1]/d",
        ] {
            assert!(!refused(url), "{url}");
        }
        assert!(check_text("https://ca.example/order/1").is_ok());
        assert!(check_text("http://ca.example/order/1").is_err() && check_text("not a URL").is_err());
    }
}
