//! What the integration tests share: real engines, real NGINX, a prober, and the real binary.
//!
//! ```ignore
//! mod support;
//! use support::{Engine, Keyturn, Nginx, Prober, engine_or_skip};
//!
//! #[test]
//! fn rotates() {
//!     let engine = engine_or_skip!();
//!     let web = Nginx::new("web_nginx", 8443).create(&engine);
//!     let prober = Prober::start(&engine, &web.address());
//!     let keyturn = Keyturn::beside(&engine).config("…");
//!     assert_eq!(keyturn.run(&["run"]).code, Some(0));
//!     prober.stop().assert_clean();
//! }
//! ```
//!
//! All that a test starts lives in namespaces and a folder of its own and ends with it, also when
//! the test is killed. Every test binary uses a part of this, so unused helpers are no fault.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods
)]

mod acme2certifier;
mod acme_dns;
mod authority;
mod browser;
mod certs;
mod challtestsrv;
mod chat;
mod cluster;
mod command;
mod daemon;
mod disk;
mod dns;
mod dns_config;
mod engine;
mod files;
mod guarded;
mod images;
mod inbox;
mod keyturn;
mod knot;
mod lego;
mod machine;
mod mutual;
mod namespace;
mod openbao;
mod openmetrics;
mod pebble;
mod pebble_log;
mod pebble_watch;
mod place;
mod ports;
mod powerdns;
mod prober;
mod services;
mod site;
mod skip;
mod venv;
mod web;

pub use acme_dns::AcmeDns;
pub use acme2certifier::{Acme2certifier, Acme2certifierOptions, Ari};
pub use authority::Authority;
pub use browser::Browser;
pub use certs::{FFDHE2048, Pair, TlsFiles, fingerprint, self_signed};
pub use challtestsrv::ChallTestSrv;
pub use chat::{Alertmanager, MailServer, Synapse, bots_python, chat_node, chat_python, mail_parts};
pub use cluster::Cluster;
pub use command::{Ran, command, fed, must};
pub use daemon::{Answer, Daemon, daemon_lines, get};
pub use disk::Disk;
pub use dns::{Bind, BindOptions};
pub use engine::{Engine, pause, wait_for};
pub use files::{Found, Tree, files_site, files_site_with, status};
pub use guarded::Guarded;
pub use images::{busybox_image, keyturn_image, nginx_image};
pub use inbox::{Inbox, Received};
pub use keyturn::{Keyturn, Running};
pub use knot::Knot;
pub use lego::{Lego, Proof, lego, lego_pair};
pub use machine::Machine;
pub use mutual::Mutual;
pub use namespace::{Namespace, enter, in_netns};
pub use openbao::{OpenBao, OpenBaoOptions};
pub use openmetrics::{OpenMetrics, Promtool};
pub use pebble::{Pebble, PebbleOptions};
pub use pebble_log::PebbleCounts;
pub use pebble_watch::PebbleWatch;
pub use place::Place;
pub use ports::Port;
pub use powerdns::PowerDns;
pub use prober::{Failure, Leaf, Prober, Report};
pub use services::{Nginx, Plain};
pub use site::{DH, Site};
pub(crate) use skip::{engine_or_skip, skip_without};
pub use skip::{missing, skipped};
pub use venv::jwt_python;
pub use web::{NGINX, Web, configure as configure_nginx, nginx as nginx_in};
