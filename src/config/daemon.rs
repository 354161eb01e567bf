//! `[daemon]`, `[docker]` and `[delivery]`: the process, its engine, and how it goes about its work.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;

/// `[daemon]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    pub(super) instance: String,
    pub(super) state_dir: PathBuf,
    pub(super) state_key_file: Option<PathBuf>,
    pub(super) control_socket: PathBuf,
    pub(super) listen: SocketAddr,
    pub(super) public_listen: Option<SocketAddr>,
    pub(super) hosts: Vec<String>,
}

impl Daemon {
    /// Marks our objects in the engine; two installations differ in it.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Where the state is, absolute.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Where the state key is, where someone has chosen; `None`: `state.key` in the state's folder.
    pub fn chosen_state_key_file(&self) -> Option<&Path> {
        self.state_key_file.as_deref()
    }

    /// Where the state key is. It may be made there only if nobody has chosen the place.
    pub fn state_key_file(&self) -> PathBuf {
        self.state_key_file.clone().unwrap_or_else(|| self.state_dir.join("state.key"))
    }

    /// The unix socket on which the daemon takes orders.
    pub fn control_socket(&self) -> &Path {
        &self.control_socket
    }

    /// Where status page, metrics and health are served; private.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where JWKS and CA are served to everyone; `None`: on [`Self::listen`].
    pub fn public_listen(&self) -> Option<SocketAddr> {
        self.public_listen
    }

    /// Names under which people may ask for the status page, beside addresses and names without a dot.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The keys that differ from those of `before`, by their paths: a process reads them when it starts, and never again.
    pub fn changed_since(&self, before: &Self) -> Vec<&'static str> {
        let differs = [
            ("daemon.instance", self.instance != before.instance),
            ("daemon.state_dir", self.state_dir != before.state_dir),
            ("daemon.state_key_file", self.state_key_file != before.state_key_file),
            ("daemon.control_socket", self.control_socket != before.control_socket),
            ("daemon.listen", self.listen != before.listen),
            ("daemon.public_listen", self.public_listen != before.public_listen),
            ("daemon.hosts", self.hosts != before.hosts),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }

    /// Where everyone may ask, http-01's CAs among them.
    pub fn public_address(&self) -> SocketAddr {
        self.public_listen.unwrap_or(self.listen)
    }
}

/// `[docker]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docker {
    pub(super) socket: PathBuf,
}

impl Docker {
    /// The engine's unix socket, absolute, without `unix://`.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

/// What is done about references that someone else has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drift {
    /// It is told.
    Alert,
}

/// `[delivery]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub(super) retention: SignedDuration,
    pub(super) rollout_deadline: SignedDuration,
    pub(super) concurrency: usize,
    pub(super) drift: Drift,
}

impl Delivery {
    /// How long a replaced secret is kept at least.
    pub fn retention(&self) -> SignedDuration {
        self.retention
    }

    /// A rollout that is unfinished after this has failed.
    pub fn rollout_deadline(&self) -> SignedDuration {
        self.rollout_deadline
    }

    /// So many things are done at a time; 1 to 256.
    pub fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// What is done about drift.
    pub fn drift(&self) -> Drift {
        self.drift
    }
}
