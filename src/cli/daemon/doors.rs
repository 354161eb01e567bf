//! The daemon's ways in: the ports of its pages, and the socket of its orders.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;

use super::desk::Desk;
use super::library::Shelves;
use crate::cli::compose::Base;
use crate::cli::fail::Failure;
use crate::config::Config;
use crate::serve::{self, Door, Limits};
use crate::systemd;

/// The socket that systemd holds for us. Those who give orders look where the configuration says.
pub(super) fn handed_over(config: &Config) -> Result<Option<UnixListener>, Failure> {
    let socket =
        systemd::handed_over().context("systemd has handed over something else than a stream socket");
    let Some(socket) = socket.map_err(Failure::failed)? else { return Ok(None) };
    let (wanted, address) = (config.daemon().control_socket(), socket.local_addr());
    let found = address.as_ref().ok().and_then(|address| address.as_pathname());
    if found == Some(wanted) {
        return Ok(Some(socket));
    }
    Err(Failure::usage(format!(
        "systemd listens on {}, and daemon.control_socket is {}: make ListenStream= of keyturn.socket the same",
        found.map_or_else(|| "something without a path".to_owned(), |path| path.display().to_string()),
        wanted.display()
    )))
}

/// The socket that orders come in by.
pub(super) async fn control(
    config: &Config,
    socket: Option<UnixListener>,
    desk: Arc<Desk>,
    base: &Base,
) -> Result<Door, Failure> {
    let path = config.daemon().control_socket();
    let (router, clock) = (desk.router(), Arc::clone(&base.clock));
    let door = match socket {
        Some(socket) => serve::open_handed(socket, router, Limits::ORDERS, clock),
        None => serve::open_unix(path, router, Limits::ORDERS, clock).await,
    };
    door.with_context(|| {
        format!("could not make the control socket {} (daemon.control_socket)", path.display())
    })
    .map_err(Failure::failed)
}

/// The ports that pages are asked for by.
pub(super) async fn pages(
    config: &Config,
    base: &Base,
    shelves: &Arc<Shelves>,
    private: Router,
) -> Result<Vec<Door>, Failure> {
    let public = serve::public(Arc::clone(shelves) as Arc<dyn serve::Library>);
    let daemon = config.daemon();
    let open = async |key: &str, address: SocketAddr, router: Router| {
        let door = serve::open_tcp(address, router, Limits::PAGES, Arc::clone(&base.clock)).await;
        door.with_context(|| format!("could not listen on {address} (daemon.{key})")).map_err(Failure::failed)
    };
    Ok(match daemon.public_listen() {
        None => vec![open("listen", daemon.listen(), private.merge(public)).await?],
        Some(address) => vec![
            open("listen", daemon.listen(), private).await?,
            open("public_listen", address, public).await?,
        ],
    })
}
