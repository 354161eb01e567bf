//! A listener that is there only while there is something to show.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Mutex;

use super::registry::{Entry, Registry};
use super::{Proof, SolveError};
use crate::clock::Clock;
use crate::guests::{self, Guests, Task};

/// Connections that wait in the kernel until we take them.
const BACKLOG: u32 = 256;

/// What anybody on the Internet may take of us.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For a connection, from its first packet to its last.
    pub(super) time: Duration,
    /// Connections at once.
    pub(super) connections: usize,
}

impl Limits {
    /// A CA needs milliseconds and a handful of connections.
    pub(super) const USUAL: Self = Self { time: Duration::from_secs(10), connections: 256 };
}

/// Talks to one who has connected.
#[async_trait]
pub(super) trait Speaker: Send + Sync {
    /// Until the connection has served its purpose; whoever is on the other side may be anybody.
    async fn speak(&self, connection: TcpStream);
}

/// Where it listens, and what to say when it cannot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// `http-01` or `tls-alpn-01`.
    pub(super) challenge: &'static str,
    /// The address.
    pub(super) address: SocketAddr,
    /// What can be done when another program has the port.
    pub(super) when_taken: &'static str,
}

/// Listens from the first proof on until the last one is gone.
pub(super) struct Listener<A> {
    place: Place,
    limits: Limits,
    registry: Arc<Registry<A>>,
    speaker: Arc<dyn Speaker>,
    clock: Arc<dyn Clock>,
    open: Mutex<Option<Open>>,
}

struct Open {
    #[cfg(test)]
    address: SocketAddr,
    accepting: Task,
}

impl<A: Clone> Listener<A> {
    /// A closed one; `speaker` answers from `registry`.
    pub(super) fn new(
        place: Place,
        limits: Limits,
        registry: Arc<Registry<A>>,
        speaker: Arc<dyn Speaker>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { place, limits, registry, speaker, clock, open: Mutex::default() }
    }

    /// `http-01` or `tls-alpn-01`.
    pub(super) fn challenge(&self) -> &'static str {
        self.place.challenge
    }

    /// Shows answers, and listens when it returns.
    ///
    /// They stay in the registry when the port cannot be had, so that every `show` has its `hide`.
    pub(super) async fn show(&self, entries: &[Entry<A>]) -> Result<(), SolveError> {
        self.registry.show(entries, self.clock.as_ref()).await;
        self.settle().await
    }

    /// Takes answers away, each by its key; the port is free again when it returns, if those were the last.
    pub(super) async fn hide(
        &self,
        proofs: impl Iterator<Item = (String, &Proof)>,
    ) -> Result<(), SolveError> {
        proofs.for_each(|(key, proof)| self.registry.hide(&key, proof));
        self.settle().await
    }

    /// Opens or closes, as the registry wants it. It is asked under the lock: what is shown after that settles again.
    async fn settle(&self) -> Result<(), SolveError> {
        let mut open = self.open.lock().await;
        let wanted = !self.registry.is_empty();
        match open.as_mut() {
            None if wanted => *open = Some(self.bind().map_err(|error| self.place.explain(&error))?),
            Some(listening) if !wanted => {
                listening.accepting.end().await;
                *open = None;
            }
            _ => {}
        }
        Ok(())
    }

    fn bind(&self) -> Result<Open, Error> {
        let listener = bind(self.place.address)?;
        tracing::debug!(address = %self.place.address, "listening for {}", self.place.challenge);
        Ok(Open {
            #[cfg(test)]
            address: listener.local_addr()?,
            accepting: Task::start(accept(
                listener,
                self.limits,
                Arc::clone(&self.speaker),
                Arc::clone(&self.clock),
            )),
        })
    }

    /// Where it listens now.
    #[cfg(test)]
    pub(super) async fn address(&self) -> Option<SocketAddr> {
        self.open.lock().await.as_ref().map(|open| open.address)
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of a moment ago linger, and would keep the port.
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        // `[::]` is meant as every address, also where net.ipv6.bindv6only says otherwise.
        socket2::SockRef::from(&socket).set_only_v6(false)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, limits: Limits, speaker: Arc<dyn Speaker>, clock: Arc<dyn Clock>) {
    let mut talks = Guests::default();
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                let speaker = Arc::clone(&speaker);
                let talk = async move { speaker.speak(connection).await };
                talks.admit(limits.connections, within(limits.time, talk));
            }
            Err(error) => guests::turned_away(&error, clock.as_ref()).await,
        }
    }
}

async fn within(time: Duration, talk: impl Future<Output = ()>) {
    if tokio::time::timeout(time, talk).await.is_err() {
        tracing::debug!("a connection took more than {} s and was closed", time.as_secs_f32());
    }
}

impl Place {
    fn explain(&self, error: &Error) -> SolveError {
        let Self { challenge, address, when_taken } = self;
        let advice = match error.kind() {
            ErrorKind::AddrInUse => format!("another program has this port; {when_taken}"),
            ErrorKind::PermissionDenied => "ports below 1024 need the capability CAP_NET_BIND_SERVICE \
                 (AmbientCapabilities= in the systemd unit), or listen on a higher port and forward to it"
                .to_owned(),
            ErrorKind::AddrNotAvailable => {
                "no interface of this machine has that address; 0.0.0.0 takes every IPv4 address, [::] IPv6 too"
                    .to_owned()
            }
            _ => error.to_string(),
        };
        SolveError(format!("could not listen on {address} for {challenge}: {advice}"))
    }
}
