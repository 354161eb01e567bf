//! `[daemon]`, `[docker]` and `[delivery]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::SignedDuration;

use super::names::{host_name, plain_name};
use crate::config::daemon::{Daemon, Delivery, Docker, Drift};
use crate::config::environment::resolved;
use crate::config::raw::{Item, Table, not_one_of, not_yet};
use crate::config::words::quoted;

pub(super) fn daemon(t: &mut Table<'_>) -> Option<Daemon> {
    let instance = t.or("instance", "keyturn".to_owned(), instance);
    let state_dir = t.or("state_dir", PathBuf::from("/var/lib/keyturn"), Item::path);
    let state_key_file = t.optional("state_key_file", Item::secret_file);
    let control_socket = t.or("control_socket", PathBuf::from("/run/keyturn/control.sock"), socket_path);
    let listen = t.or("listen", SocketAddr::from(([127, 0, 0, 1], 9780)), address);
    let public_listen = t.optional("public_listen", address);
    let hosts = t.or("hosts", Vec::new(), |item| item.distinct(host_name));
    let (listen, public_listen) = (listen?, public_listen?);
    if public_listen == Some(listen) {
        t.fault::<()>(
            "public_listen",
            "is the same as listen; leave it out, then JWKS and CA are served there too",
        );
    }
    let daemon = Daemon {
        instance: instance?,
        state_dir: state_dir?,
        state_key_file: state_key_file?,
        control_socket: control_socket?,
        listen,
        public_listen,
        hosts: hosts?,
    };
    if daemon.state_key_file().starts_with(&daemon.state_dir) {
        t.warning(
            "state_key_file",
            "the state key lies beside the state: whoever copies the folder can read every key in it; \
             write state_key_file = \"credential:state-key\" or a file elsewhere",
        );
    }
    Some(daemon)
}

/// A label's value in the engine.
fn instance(item: &Item<'_>) -> Option<String> {
    let name = item.line()?;
    if plain_name(name).is_some() && name.len() <= 63 {
        return Some(name.to_owned());
    }
    item.fault(format!(
        "{} is not a name; write up to 63 of a-z and 0-9, with - and _ between them",
        quoted(name)
    ))
}

pub(super) fn address(item: &Item<'_>) -> Option<SocketAddr> {
    let text = item.line()?;
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Some(address),
        _ => item.fault(format!("{} is not an address; write IP:PORT, such as 127.0.0.1:9780", quoted(text))),
    }
}

/// A path that fits into a `sockaddr_un`.
fn socket_path(item: &Item<'_>) -> Option<PathBuf> {
    fits(item, item.path()?)
}

fn fits(item: &Item<'_>, path: PathBuf) -> Option<PathBuf> {
    if path.as_os_str().len() > 107 {
        return item.fault("is longer than the 107 bytes that a unix socket's path can have");
    }
    Some(path)
}

pub(super) fn docker(t: &mut Table<'_>) -> Option<Docker> {
    let socket = t.or("socket", PathBuf::from("/var/run/docker.sock"), engine_socket);
    Some(Docker { socket: socket? })
}

fn engine_socket(item: &Item<'_>) -> Option<PathBuf> {
    let text = item.line()?;
    let path = text.strip_prefix("unix://").unwrap_or(text);
    if path.is_empty() || path.contains("://") {
        return item.fault(format!(
            "{} is not a unix socket; Keyturn runs on a manager and talks to its engine there: /var/run/docker.sock",
            quoted(text)
        ));
    }
    fits(item, resolved(item.cx.base, path))
}

pub(super) fn delivery(t: &mut Table<'_>) -> Option<Delivery> {
    let retention =
        t.or("retention", SignedDuration::from_hours(7 * 24), |item| item.duration(SignedDuration::ZERO));
    let rollout_deadline = t.or("rollout_deadline", SignedDuration::from_mins(10), |item| {
        item.duration(SignedDuration::from_secs(10))
    });
    let concurrency = t.or("concurrency", 32, |item| item.integer(1..=256));
    let drift = t.or("drift", Drift::Alert, drift);
    Some(Delivery {
        retention: retention?,
        rollout_deadline: rollout_deadline?,
        concurrency: usize::try_from(concurrency?).ok()?,
        drift: drift?,
    })
}

fn drift(item: &Item<'_>) -> Option<Drift> {
    match item.text()? {
        "alert" => Some(Drift::Alert),
        "repair" => item.fault(not_yet("repairing drift comes") + ", or write \"alert\""),
        other => item.fault(not_one_of(other, &["alert"])),
    }
}
