//! Addresses that begin with the same bits.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// An address in it.
    pub address: IpAddr,
    /// How many bits all its addresses begin with: at most 32, or 128.
    pub bits: u8,
}

impl Network {
    /// Between them, all addresses.
    pub const ALL: [Self; 2] = [
        Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), bits: 0 },
        Self { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), bits: 0 },
    ];

    /// One address.
    pub fn only(address: IpAddr) -> Self {
        Self { address, bits: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// Whether it has this address.
    pub fn has(self, address: IpAddr) -> bool {
        let other = Self { address, bits: self.bits };
        address.is_ipv4() == self.address.is_ipv4() && self.first() == other.first()
    }

    /// Whether it has all addresses of the other.
    pub fn contains(self, other: Self) -> bool {
        self.bits <= other.bits && self.has(other.address)
    }

    /// Its first address.
    pub fn first(self) -> IpAddr {
        match (self.address, self.mask()) {
            (IpAddr::V4(address), IpAddr::V4(mask)) => IpAddr::V4(address & mask),
            (IpAddr::V6(address), IpAddr::V6(mask)) => IpAddr::V6(address & mask),
            (address, _) => address,
        }
    }

    /// Ones where its addresses are all the same.
    pub fn mask(self) -> IpAddr {
        let shift = |width: u8| u32::from(width.saturating_sub(self.bits));
        match self.address {
            IpAddr::V4(_) => Ipv4Addr::from(u32::MAX.checked_shl(shift(32)).unwrap_or(0)).into(),
            IpAddr::V6(_) => Ipv6Addr::from(u128::MAX.checked_shl(shift(128)).unwrap_or(0)).into(),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first(), self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, bits: u8) -> Network {
        Network { address: address.parse().unwrap(), bits }
    }

    #[test]
    fn a_network_has_its_addresses_and_smaller_networks() {
        let ten = network("10.1.2.3", 8);
        assert_eq!((ten.to_string(), ten.mask().to_string()), ("10.0.0.0/8".into(), "255.0.0.0".into()));
        assert!(ten.has("10.255.0.1".parse().unwrap()) && !ten.has("11.0.0.0".parse().unwrap()));
        assert!(!ten.has("::ffff:10.1.2.3".parse().unwrap()));
        assert!(ten.contains(network("10.9.0.0", 16)) && ten.contains(ten));
        assert!(!ten.contains(network("0.0.0.0", 0)) && !network("10.9.0.0", 16).contains(ten));
        assert_eq!(network("2001:db8::1", 128).mask(), IpAddr::from([0xff; 16]));
        for address in ["0.0.0.0", "255.255.255.255", "::", "ff02::1"] {
            assert!(Network::ALL.iter().any(|all| all.has(address.parse().unwrap())), "{address}");
        }
    }
}
