//! What an intermediate may sign for, as it stands in its certificate, or in the request for one (RFC 5280 §4.2.1.10).

use std::net::IpAddr;

use rcgen::{CidrSubnet, CustomExtension, GeneralSubtree, NameConstraints};
use x509_cert::der::asn1::{Ia5String, OctetString};
use x509_cert::der::{Encode, Error};
use x509_cert::ext::pkix::constraints::name;
use x509_cert::ext::pkix::name::GeneralName;

use super::InternalCa;
use crate::model::Network;

/// id-ce-nameConstraints.
const NAME_CONSTRAINTS: &[u64] = &[2, 5, 29, 30];

/// Subtrees of one CA. A kind of name of which none is permitted or excluded is free: so where names are permitted,
/// addresses are either permitted as well, or excluded, all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Constraints<'a> {
    permitted_dns: &'a [String],
    permitted_ip_ranges: &'a [Network],
}

impl InternalCa {
    /// What the configuration says.
    pub(super) fn constraints(&self) -> Constraints<'_> {
        Constraints { permitted_dns: &self.permitted_dns, permitted_ip_ranges: &self.permitted_ip_ranges }
    }
}

impl Constraints<'_> {
    /// As rcgen writes them into certificates; without names it leaves them out, as an empty one would forbid everything.
    ///
    /// # Errors
    ///
    /// When a domain cannot be written.
    pub(super) fn for_certificate(self) -> Result<NameConstraints, String> {
        if let Some(bad) = self.permitted_dns.iter().find(|name| name.is_empty() || !name.is_ascii()) {
            return Err(format!("`{bad}` in name_constraints.permitted_dns is not a DNS name"));
        }
        let range = |range: &Network| {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(range.first(), range.bits))
        };
        let names = self.permitted_dns.iter().cloned().map(GeneralSubtree::DnsName);
        Ok(NameConstraints {
            permitted_subtrees: names.chain(self.permitted_ranges().iter().map(range)).collect(),
            excluded_subtrees: self.excluded_ranges().iter().map(range).collect(),
        })
    }

    /// As an extension: rcgen does not write them into requests.
    ///
    /// # Errors
    ///
    /// When a domain cannot be written.
    pub(super) fn for_request(self) -> Result<Option<CustomExtension>, Error> {
        if self.permitted_dns.is_empty() {
            return Ok(None);
        }
        let names = self.permitted_dns.iter().map(|name| Ok(GeneralName::DnsName(Ia5String::new(name)?)));
        let permitted = names.chain(self.permitted_ranges().iter().map(|range| address(*range)));
        let excluded = self.excluded_ranges().iter().map(|range| address(*range));
        let all = name::NameConstraints {
            permitted_subtrees: subtrees(permitted)?,
            excluded_subtrees: subtrees(excluded)?,
        };
        let mut extension = CustomExtension::from_oid_content(NAME_CONSTRAINTS, all.to_der()?);
        extension.set_criticality(true);
        Ok(Some(extension))
    }

    fn permitted_ranges(&self) -> &[Network] {
        if self.permitted_dns.is_empty() { &[] } else { self.permitted_ip_ranges }
    }

    fn excluded_ranges(&self) -> &[Network] {
        let is_free = self.permitted_dns.is_empty() || !self.permitted_ip_ranges.is_empty();
        if is_free { &[] } else { &Network::ALL }
    }
}

/// An empty list must not be written.
fn subtrees(
    names: impl Iterator<Item = Result<GeneralName, Error>>,
) -> Result<Option<Vec<name::GeneralSubtree>>, Error> {
    let subtree = |base: GeneralName| name::GeneralSubtree { base, minimum: 0, maximum: None };
    let all = names.map(|base| base.map(subtree)).collect::<Result<Vec<_>, Error>>()?;
    Ok(Some(all).filter(|all| !all.is_empty()))
}

/// The first address, then the mask.
fn address(range: Network) -> Result<GeneralName, Error> {
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let both = [octets(range.first()), octets(range.mask())].concat();
    Ok(GeneralName::IpAddress(OctetString::new(both)?))
}
