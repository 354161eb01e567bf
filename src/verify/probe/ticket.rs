//! How long a session ticket of TLS 1.2 is good for: it goes over the wire before anything is encrypted, and rustls keeps it to
//! itself. So a handshake of rustls' is listened to.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::client::Resumption;
use rustls::version::TLS12;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::super::HANDSHAKE_TIMEOUT;
use super::super::witness::Witness;
use super::reply;

/// The hint that comes with a ticket, in seconds; `None` where no ticket came.
pub(super) async fn lifetime(endpoint: &str, name: &ServerName<'static>) -> Option<u32> {
    let config = Witness::of_any_key().client_of(&[&TLS12]).ok()?;
    let mut config = Arc::unwrap_or_clone(config);
    // Who keeps no sessions asks for no ticket.
    config.resumption = Resumption::in_memory_sessions(1);
    let shake = async {
        let inner = TcpStream::connect(endpoint).await.ok()?;
        let tapped = Tapped { inner, heard: Vec::new() };
        let done = TlsConnector::from(Arc::new(config)).connect(name.clone(), tapped).await.ok()?;
        reply::ticket_lifetime(&done.get_ref().0.heard)
    };
    tokio::time::timeout(HANDSHAKE_TIMEOUT, shake).await.ok()?
}

/// A connection that remembers what came over it.
struct Tapped {
    inner: TcpStream,
    heard: Vec<u8>,
}

impl AsyncRead for Tapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let done = Pin::new(&mut self.inner).poll_read(context, buffer);
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        if self.heard.len() < reply::LONGEST {
            self.heard.extend_from_slice(fresh);
        }
        done
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
