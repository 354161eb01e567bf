//! One question to one name server.
//!
//! Not through a resolver: what counts here is what one server says by itself, without caches, and that a server which
//! cannot be reached costs seconds, not minutes.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::proto::op::{Edns, Message, Query};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long a datagram's answer may take; a datagram can be lost, so it is sent twice.
const UDP: Duration = Duration::from_millis(1000);

/// How long a connection may take, with its answer.
const TCP: Duration = Duration::from_millis(2000);

/// What passes every network in one piece (the DNS flag day of 2020).
const PAYLOAD: u16 = 1232;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) name: &'a Name,
    pub(super) kind: RecordType,
    /// Whether the server is to ask others.
    pub(super) recursive: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    /// From this machine nobody can be reached there: IPv6 on a machine that has none, say.
    #[error("this machine has no way there: {0}")]
    NoWay(io::Error),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<io::Error> for Silence {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkUnreachable, Unsupported};
        match error.kind() {
            AddrNotAvailable | HostUnreachable | NetworkUnreachable | Unsupported => Self::NoWay(error),
            _ if error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32) => Self::NoWay(error),
            _ => Self::Other(error.to_string()),
        }
    }
}

/// Asks by UDP, and by TCP where the answer does not fit (RFC 7766 §5) or UDP does not get through.
///
/// # Errors
///
/// When there is no answer; an answer that says no is one.
pub(super) async fn ask(server: SocketAddr, question: Question<'_>) -> Result<Message, Silence> {
    match by_udp(server, question).await {
        Ok(answer) if !answer.metadata.truncation => Ok(answer),
        Err(Silence::NoWay(error)) => Err(Silence::NoWay(error)),
        _ => by_tcp(server, question).await,
    }
}

async fn by_udp(server: SocketAddr, question: Question<'_>) -> Result<Message, Silence> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    // Connected, so that only the server's own datagrams come in, and a closed port is known at once.
    socket.connect(server).await?;
    for _ in 0..2 {
        let (id, bytes) = encode(question)?;
        socket.send(&bytes).await?;
        if let Ok(answer) = timeout(UDP, receive(&socket, id, question)).await {
            return answer;
        }
    }
    Err(Silence::Other("no answer by UDP".to_owned()))
}

async fn receive(socket: &UdpSocket, id: u16, question: Question<'_>) -> Result<Message, Silence> {
    let mut bytes = [0; PAYLOAD as usize];
    loop {
        let length = socket.recv(&mut bytes).await?;
        // A late or forged answer is none.
        if let Some(answer) = decode(&bytes[..length], id, question) {
            return Ok(answer);
        }
    }
}

async fn by_tcp(server: SocketAddr, question: Question<'_>) -> Result<Message, Silence> {
    let exchange = async {
        let mut stream = TcpStream::connect(server).await?;
        let (id, bytes) = encode(question)?;
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        stream.write_all(&[&length.to_be_bytes()[..], &bytes].concat()).await?;
        let mut answer = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut answer).await?;
        decode(&answer, id, question).ok_or_else(|| Silence::Other("no DNS answer by TCP".to_owned()))
    };
    match timeout(TCP, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(Silence::Other("no answer in time".to_owned())),
    }
}

/// The question as it is sent, with its number.
fn encode(question: Question<'_>) -> Result<(u16, Vec<u8>), Silence> {
    // With a fresh random number each.
    let mut message = Message::query();
    message.metadata.recursion_desired = question.recursive;
    message.queries.push(Query::query(question.name.clone(), question.kind));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD);
    message.edns = Some(edns);
    let bytes = message.to_vec().map_err(|error| Silence::Other(error.to_string()))?;
    Ok((message.metadata.id, bytes))
}

/// The answer, if it is one to this question.
fn decode(bytes: &[u8], id: u16, question: Question<'_>) -> Option<Message> {
    let answer = Message::from_vec(bytes).ok()?;
    let asked = answer.queries.iter().all(|q| q.name() == question.name && q.query_type() == question.kind);
    (answer.metadata.id == id && asked).then_some(answer)
}
