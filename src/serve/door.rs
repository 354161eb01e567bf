//! Lets connections in, and no more than can be talked to.

use std::collections::HashMap;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::unix::UCred;
use tokio::net::{TcpListener, UnixListener};
use tower_service::Service;

use crate::clock::Clock;
use crate::guests::{self, Guests, Task};

/// The longest head of a request, in octets.
const LONGEST_HEAD: usize = 16 * 1024;

/// The most header fields of a request.
const MOST_FIELDS: usize = 64;

/// What callers may take of us.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the head of a request, from the connection's first octet on.
    pub head: Duration,
    /// For a whole connection; `None` where an answer may take as long as the work does.
    pub connection: Option<Duration>,
    /// Connections at once, on a unix socket for each user; where there are more, the oldest goes.
    pub connections: usize,
}

impl Limits {
    /// For pages that are there already.
    pub const PAGES: Self =
        Self { head: Duration::from_secs(10), connection: Some(Duration::from_secs(60)), connections: 512 };

    /// For orders: as long as the work takes, and no user keeps out another.
    pub const ORDERS: Self = Self { head: Duration::from_secs(10), connection: None, connections: 32 };
}

/// Someone who listens; ends with whoever has it.
#[derive(Debug)]
pub struct Door(#[expect(dead_code, reason = "it is only dropped")] Task);

/// Listens on a TCP port.
///
/// # Errors
///
/// When the address cannot be had.
pub async fn open_tcp(
    address: SocketAddr,
    router: Router,
    limits: Limits,
    clock: Arc<dyn Clock>,
) -> Result<Door, Error> {
    let listener = TcpListener::bind(address).await?;
    Ok(Door(Task::start(async move {
        let mut talks = Talks::new(limits.connections);
        loop {
            match listener.accept().await {
                Ok((stream, _)) => talks.admit(None, talk(stream, router.clone(), None, limits)),
                Err(error) => guests::turned_away(&error, clock.as_ref()).await,
            }
        }
    })))
}

/// Listens on a unix socket, which only its owner and group may use. Each request has the caller's [`UCred`].
///
/// # Errors
///
/// When there is something at the path that is not a socket of ours, or it cannot be had.
pub async fn open_unix(
    path: &Path,
    router: Router,
    limits: Limits,
    clock: Arc<dyn Clock>,
) -> Result<Door, Error> {
    make_folder(path)?;
    clear(path).await?;
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(admit_callers(listener, router, limits, clock))
}

/// The same on a socket that somebody else has opened, and keeps: who may use it, they have said.
///
/// # Errors
///
/// When it cannot be listened on.
pub fn open_handed(
    listener: std::os::unix::net::UnixListener,
    router: Router,
    limits: Limits,
    clock: Arc<dyn Clock>,
) -> Result<Door, Error> {
    listener.set_nonblocking(true)?;
    Ok(admit_callers(UnixListener::from_std(listener)?, router, limits, clock))
}

fn admit_callers(listener: UnixListener, router: Router, limits: Limits, clock: Arc<dyn Clock>) -> Door {
    Door(Task::start(async move {
        let mut talks = Talks::new(limits.connections);
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    if let Ok(caller) = stream.peer_cred() {
                        let work = talk(stream, router.clone(), Some(caller), limits);
                        talks.admit(Some(caller.uid()), work);
                    }
                }
                Err(error) => guests::turned_away(&error, clock.as_ref()).await,
            }
        }
    }))
}

/// `/run` is empty after every boot; under systemd RuntimeDirectory= has made the folder.
fn make_folder(path: &Path) -> Result<(), Error> {
    let Some(folder) = path.parent().filter(|folder| !folder.exists()) else { return Ok(()) };
    std::fs::DirBuilder::new().mode(0o750).create(folder)
}

/// Takes away the socket of a process that is gone. Anything else at that path was put there by someone else.
async fn clear(path: &Path) -> Result<(), Error> {
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let refuse = |why: &str| Err(Error::new(ErrorKind::AlreadyExists, why.to_owned()));
    if !found.file_type().is_socket() {
        return refuse("there is something else than a socket; remove it if you know what it is");
    }
    if tokio::net::UnixStream::connect(path).await.is_ok() {
        return refuse("another process answers there");
    }
    std::fs::remove_file(path)
}

/// One connection, to its end.
async fn talk<S>(stream: S, router: Router, caller: Option<UCred>, limits: Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = tower::service_fn(move |mut request: Request<Incoming>| {
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller);
        }
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(MOST_FIELDS)
        .max_header_size(LONGEST_HEAD)
        .max_buf_size(LONGEST_HEAD)
        // Who has asked for a page may only have shut the way that the question went. Who gives an order does not: a way that
        // is shut means that nobody waits for the answer.
        .half_close(limits.connection.is_some())
        .keep_alive(limits.connection.is_some())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(answer));
    let ended = match limits.connection {
        Some(limit) => tokio::time::timeout(limit, connection).await.unwrap_or(Ok(())),
        None => connection.await,
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended early: {error}");
    }
}

/// The connections there are, each user's apart.
struct Talks {
    most: usize,
    running: HashMap<Option<u32>, Guests>,
}

impl Talks {
    fn new(most: usize) -> Self {
        Self { most, running: HashMap::new() }
    }

    fn admit(&mut self, user: Option<u32>, talk: impl Future<Output = ()> + Send + 'static) {
        self.running.entry(user).or_default().admit(self.most, talk);
    }
}
