//! The names and uses of a request, as rcgen wants them in certificates and in requests for them.

use rcgen::{ExtendedKeyUsagePurpose, SanType};

use super::{Request, Usage};

impl Request {
    /// What it is for (RFC 5280 §4.2.1.12).
    pub(super) fn purposes(&self) -> impl Iterator<Item = ExtendedKeyUsagePurpose> {
        self.usages.iter().map(|usage| match usage {
            Usage::ServerAuth => ExtendedKeyUsagePurpose::ServerAuth,
            Usage::ClientAuth => ExtendedKeyUsagePurpose::ClientAuth,
        })
    }

    /// The subject alternative names (RFC 5280 §4.2.1.6), none twice.
    pub(super) fn alternative_names(&self) -> Result<Vec<SanType>, String> {
        let mut names: Vec<SanType> = Vec::new();
        let dns = self.dns_names.iter().map(|name| name.as_str().try_into().map(SanType::DnsName));
        let ip = self.ip_addresses.iter().map(|&ip| Ok(SanType::IpAddress(ip)));
        for name in dns.chain(ip) {
            let name = name.map_err(|error: rcgen::Error| error.to_string())?;
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }
}
