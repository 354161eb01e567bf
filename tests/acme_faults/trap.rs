//! Listeners where nobody may go: on plain HTTP, and where clouds keep their credentials.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sched::{CloneFlags, unshare};
use tokio::net::TcpListener;

/// Counts who comes.
pub(super) struct Trap {
    port: u16,
    link_local: bool,
    caught: Arc<AtomicUsize>,
}

impl Trap {
    /// In a network of its own that the calling thread, and what it starts, moves into: there the metadata service's address
    /// is ours to listen on. Where that is not allowed (it takes root), only on loopback.
    pub(super) async fn set() -> Self {
        let link_local = unshare(CloneFlags::CLONE_NEWNET).is_ok();
        if link_local {
            ip(&["link", "set", "lo", "up"]);
            ip(&["addr", "add", "169.254.169.254/32", "dev", "lo"]);
        }
        let caught = Arc::new(AtomicUsize::new(0));
        let port = listen("127.0.0.1:0", &caught).await;
        if link_local {
            listen("169.254.169.254:443", &caught).await;
            listen("169.254.169.254:80", &caught).await;
        }
        Self { port, link_local, caught }
    }

    /// Its address without TLS.
    pub(super) fn http(&self) -> String {
        format!("http://127.0.0.1:{}/x", self.port)
    }

    /// Where it listens, for people.
    pub(super) fn places(&self) -> &'static str {
        if self.link_local { "the plain port and to 169.254.169.254" } else { "the plain port" }
    }

    /// How many connections there were.
    pub(super) fn caught(&self) -> usize {
        self.caught.load(Ordering::SeqCst)
    }
}

async fn listen(address: &str, caught: &Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind(address).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let caught = caught.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            caught.fetch_add(1, Ordering::SeqCst);
        }
    });
    port
}

fn ip(args: &[&str]) {
    assert!(Command::new("ip").args(args).status().unwrap().success(), "ip {args:?}");
}
