//! What a server says to a ClientHello, up to TLS 1.2: its first flight, read as far as it tells something.

use super::hello::SESSION_TICKET;
use super::suites;
use crate::model::{CipherSuite, DhGroup, KeyExchange};

/// The first flight of a server; longer is none that we asked for.
pub(super) const LONGEST: usize = 1 << 17;

/// What became of a ClientHello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// The server will not: an alert, or the connection's end.
    Refused,
    /// It goes on.
    Accepted(Accepted),
}

/// With what it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted {
    /// As the wire has it.
    pub(super) version: u16,
    pub(super) suite: CipherSuite,
    /// Whether a session ticket will follow.
    pub(super) ticket: bool,
    /// Of a DHE suite.
    pub(super) dh: Option<DhGroup>,
}

/// Bytes that are no TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what comes back is no TLS")]
pub(super) struct NoTls;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const NEW_SESSION_TICKET: u8 = 4;
const SERVER_KEY_EXCHANGE: u8 = 12;
const SERVER_HELLO_DONE: u8 = 14;

/// Reads `bytes`; `Ok(None)` while more must come before anything can be said.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Reply>, NoTls> {
    let mut messages = Vec::new();
    let mut rest = Cursor(bytes);
    while let Some((kind, content)) = record(&mut rest)? {
        match kind {
            // A warning (that a name is not known) goes before the ServerHello, and refuses nothing.
            ALERT if content.first() == Some(&1) => {}
            ALERT => return Ok(Some(Reply::Refused)),
            HANDSHAKE => messages.extend(content),
            _ => return Err(NoTls),
        }
    }
    flight(&messages)
}

fn flight(messages: &[u8]) -> Result<Option<Reply>, NoTls> {
    let mut rest = Cursor(messages);
    let mut accepted: Option<Accepted> = None;
    while let Some((kind, content)) = message(&mut rest) {
        match (kind, &mut accepted) {
            (SERVER_HELLO, None) => accepted = Some(server_hello(content).ok_or(NoTls)?),
            (SERVER_KEY_EXCHANGE, Some(accepted)) if needs_group(accepted.suite) => {
                accepted.dh = group(content);
            }
            (SERVER_HELLO_DONE, Some(_)) => return Ok(accepted.map(Reply::Accepted)),
            (_, None) => return Err(NoTls),
            _ => {}
        }
    }
    Ok(None)
}

/// The hint of a NewSessionTicket (RFC 5077 §3.3) in what a server has sent in a whole handshake of TLS 1.2.
pub(super) fn ticket_lifetime(bytes: &[u8]) -> Option<u32> {
    let mut messages = Vec::new();
    let mut rest = Cursor(bytes);
    // What follows the ChangeCipherSpec is encrypted.
    while let Ok(Some((HANDSHAKE, content))) = record(&mut rest) {
        messages.extend(content);
    }
    let mut rest = Cursor(&messages);
    while let Some((kind, content)) = message(&mut rest) {
        if kind == NEW_SESSION_TICKET {
            return content.get(..4)?.try_into().ok().map(u32::from_be_bytes);
        }
    }
    None
}

fn needs_group(suite: CipherSuite) -> bool {
    suite.exchange == KeyExchange::Dhe || suite.name.starts_with("ADH-")
}

/// RFC 5246 §6.2.1.
fn record<'b>(rest: &mut Cursor<'b>) -> Result<Option<(u8, &'b [u8])>, NoTls> {
    let mut ahead = *rest;
    let Some(kind) = ahead.byte() else { return Ok(None) };
    match ahead.byte() {
        None => return Ok(None),
        Some(3) => {}
        Some(_) => return Err(NoTls),
    }
    let Some(content) = ahead.byte().and_then(|_| ahead.long()) else { return Ok(None) };
    *rest = ahead;
    Ok(Some((kind, content)))
}

/// RFC 5246 §7.4.
fn message<'b>(rest: &mut Cursor<'b>) -> Option<(u8, &'b [u8])> {
    let mut ahead = *rest;
    let kind = ahead.byte()?;
    let high = usize::from(ahead.byte()?) << 16;
    let low = usize::from(ahead.number()?);
    let content = ahead.take(high + low)?;
    *rest = ahead;
    Some((kind, content))
}

/// RFC 5246 §7.4.1.3.
fn server_hello(content: &[u8]) -> Option<Accepted> {
    let mut rest = Cursor(content);
    let version = rest.number()?;
    rest.take(32)?;
    let session = rest.byte()?;
    rest.take(usize::from(session))?;
    let suite = suites::of(rest.number()?)?;
    rest.byte()?;
    let mut extensions = Cursor(rest.long().unwrap_or_default());
    let mut ticket = false;
    while let Some(kind) = extensions.number() {
        extensions.long()?;
        ticket |= kind == SESSION_TICKET;
    }
    Some(Accepted { version, suite, ticket, dh: None })
}

/// `dh_p` of ServerDHParams (RFC 5246 §7.4.3).
fn group(content: &[u8]) -> Option<DhGroup> {
    let prime = Cursor(content).long()?;
    let first = prime.iter().position(|byte| *byte != 0)?;
    Some(DhGroup { prime: prime.get(first..)?.to_vec() })
}

#[derive(Clone, Copy)]
struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// What has its length before it, in two bytes.
    fn long(&mut self) -> Option<&'b [u8]> {
        let length = self.number()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A record of handshake messages.
    fn said(messages: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let body: Vec<u8> = messages
            .iter()
            .flat_map(|(kind, content)| {
                [&[*kind, 0][..], &(content.len() as u16).to_be_bytes(), content].concat()
            })
            .collect();
        [&[HANDSHAKE, 3, 0][..], &(body.len() as u16).to_be_bytes(), &body].concat()
    }

    fn hello(version: [u8; 2], suite: [u8; 2], extensions: &[u8]) -> (u8, Vec<u8>) {
        let mut content = [&version[..], &[7; 32], &[0], &suite, &[0]].concat();
        if !extensions.is_empty() {
            content.extend((extensions.len() as u16).to_be_bytes());
            content.extend(extensions);
        }
        (SERVER_HELLO, content)
    }

    const DONE: (u8, Vec<u8>) = (SERVER_HELLO_DONE, Vec::new());

    #[test]
    fn a_server_that_still_speaks_ssl3_is_heard() {
        let bytes = said(&[hello([3, 0], [0, 5], &[]), (11, vec![0, 0, 0]), DONE]);
        let Ok(Some(Reply::Accepted(accepted))) = read(&bytes) else { panic!() };
        assert_eq!((accepted.version, accepted.suite.name), (0x0300, "RC4-SHA"));
        assert!(!accepted.ticket && accepted.dh.is_none());
    }

    #[test]
    fn ticket_and_group_are_read_also_in_pieces() {
        let exchange = [&[0, 4][..], &[0, 0x80, 1, 2], &[0, 1, 2], &[0, 1, 5]].concat();
        let bytes = said(&[hello([3, 3], [0, 0x9E], &[0, 35, 0, 0]), (SERVER_KEY_EXCHANGE, exchange), DONE]);
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Ok(None), "{cut}");
        }
        let Ok(Some(Reply::Accepted(accepted))) = read(&bytes) else { panic!() };
        assert!(accepted.ticket);
        assert_eq!(accepted.dh.unwrap().bits(), 24);
    }

    #[test]
    fn alerts_refuse_and_warnings_do_not() {
        assert_eq!(read(&[ALERT, 3, 3, 0, 2, 2, 40]), Ok(Some(Reply::Refused)));
        assert_eq!(read(&[ALERT, 3, 3, 0, 2, 1, 112]), Ok(None));
        assert_eq!(read(b"HTTP/1.1 400 Bad Request\r\n"), Err(NoTls));
        assert_eq!(read(b"SSH-2.0-OpenSSH\r\n"), Err(NoTls));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (read(&bytes), ticket_lifetime(&bytes));
            let _ = read(&said(&[(SERVER_HELLO, bytes.clone())]));
            let _ = read(&said(&[hello([3, 3], [0, 0x9E], &bytes), (SERVER_KEY_EXCHANGE, bytes), DONE]));
        }
    }
}
