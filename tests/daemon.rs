//! The daemon on files alone: what it does by itself, what it is told, and what it withstands.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

#[path = "daemon/approvals.rs"]
mod approvals;
#[path = "daemon/control.rs"]
mod control;
#[path = "daemon/hanging.rs"]
mod hanging;
#[path = "daemon/hostile.rs"]
mod hostile;
#[path = "daemon/life.rs"]
mod life;
#[path = "daemon/pages.rs"]
mod pages;
#[path = "daemon/signing.rs"]
mod signing;
#[path = "daemon/status_page.rs"]
mod status_page;
#[path = "daemon/systemd.rs"]
mod systemd;

use std::path::Path;
use std::time::Duration;

use support::{Daemon, Keyturn, Port, daemon_lines, files_site_with, wait_for};

/// A site, a port for its daemon.
fn site(target: &str) -> (Keyturn, Port) {
    let port = Port::free(None);
    let keyturn = files_site_with(&daemon_lines(&port), target);
    (keyturn, port)
}

/// A site whose daemon runs and has done all that was due.
fn running(target: &str) -> (Keyturn, Daemon) {
    let (keyturn, port) = site(target);
    let daemon = Daemon::start(&keyturn, &port);
    wait_file(&keyturn.dir().join("out/verifiers/jwks.json"));
    wait_file(&keyturn.dir().join("out/edge/tls.crt"));
    // At rest, whatever was still on its way.
    keyturn.ok(&["run"]);
    (keyturn, daemon)
}

fn wait_file(path: &Path) {
    assert!(wait_for(Duration::from_secs(20), || path.exists()), "{} is not there", path.display());
}
