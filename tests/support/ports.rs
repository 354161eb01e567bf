//! Ports that no other test has.

use std::fmt;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

use super::namespace::enter;

/// Below those that the kernel gives to outgoing connections, so that none of them takes one.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1, TCP and UDP, claimed until this is dropped.
#[derive(Debug)]
pub struct Port {
    number: u16,
    // An abstract socket: one network has each name once, and it goes with its process.
    _claim: UnixListener,
}

impl Port {
    /// A free one in this network, or in `network`.
    pub fn free(network: Option<&Path>) -> Self {
        let Some(network) = network else {
            return Self::here();
        };
        let network = File::open(network).unwrap();
        // A thread of its own, because it stays in that network.
        let inside = std::thread::spawn(move || {
            enter(&network);
            Self::here()
        });
        inside.join().unwrap()
    }

    fn here() -> Self {
        (0..COUNT).find_map(|_| Self::claim(candidate())).expect("no free port")
    }

    fn claim(number: u16) -> Option<Self> {
        let name = UnixAddr::from_abstract_name(format!("keyturn-test-port-{number}")).unwrap();
        let claim = UnixListener::bind_addr(&name).ok()?;
        let address = (Ipv4Addr::LOCALHOST, number);
        TcpListener::bind(address).ok().and(UdpSocket::bind(address).ok())?;
        Some(Self { number, _claim: claim })
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number.fmt(f)
    }
}

/// Processes start apart from each other, so that few of their claims meet.
fn candidate() -> u16 {
    let start = std::process::id().wrapping_mul(61) % u32::from(COUNT);
    let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
    FIRST + u16::try_from((start + step) % u32::from(COUNT)).unwrap()
}
