//! Alerts and hooks, with the real binary: what begins and ends is told once, to real servers, over restarts and crashes.
#![cfg(feature = "failpoints")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

#[path = "alerts/channels.rs"]
mod channels;
#[path = "alerts/hooks.rs"]
mod hooks;
#[path = "alerts/path.rs"]
mod path;
#[path = "alerts/peers.rs"]
mod peers;
#[path = "alerts/vendors.rs"]
mod vendors;

use std::fs;

use support::Keyturn;

/// A certificate whose delivery fails while the file `broken` is there.
const SITE: &str = r#"
[daemon]
instance = "site"
state_dir = "state"
{daemon}

[schedule]
check = "* * * * * *"

[issuers.internal]
kind = "internal"
common_name = "Alerts CA"

[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.example.org"]
duration = "90d"
[[certificates.edge.targets]]
kind = "file"
dir = "out/edge"
files = { "tls.crt" = "fullchain", "tls.key" = "private-key" }
test = ["sh", "-c", "test ! -e {dir}/broken || { echo '<!channel> *b* & @everyone'; exit 1; }"]
"#;

/// The site with `rest` below it.
fn site(daemon: &str, rest: &str) -> Keyturn {
    Keyturn::alone().config(&(SITE.replace("{daemon}", daemon) + rest))
}

/// From now on its deliveries fail.
fn break_it(keyturn: &Keyturn) {
    keyturn.write("broken", "");
}

/// They work again.
fn mend_it(keyturn: &Keyturn) {
    fs::remove_file(keyturn.dir().join("broken")).unwrap();
}
