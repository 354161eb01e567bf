//! The daemon answers http-01 at its public address, where a web server would proxy to.

use std::time::Duration;

use super::pebble_or_skip;
use crate::support::{Daemon, Keyturn, PebbleOptions, Port, daemon_lines, get, wait_for};

#[test]
fn http_01_is_answered_at_the_public_address() {
    let pebble = pebble_or_skip!(PebbleOptions::default());
    let private = Port::free(None);
    let public = format!("127.0.0.1:{}", pebble.http_port());
    let toml = format!(
        "[daemon]\ninstance = \"test\"\nstate_dir = \"state\"\n{}\npublic_listen = \"{public}\"\n{}\n\
         [certificates.one]\nissuers = [\"pebble\"]\ndns_names = [\"one.test\"]\n\
         [certificates.two]\nissuers = [\"pebble\"]\ndns_names = [\"two.test\", \"three.test\"]\n",
        daemon_lines(&private),
        pebble.issuer("pebble", "challenge = { kind = \"http-01\" }"),
    );
    let keyturn = Keyturn::alone().config(&toml);
    let daemon = Daemon::start(&keyturn, &private);
    let active = |asset: &str| keyturn.status(asset)["state"] == "active";
    let done = || active("one") && active("two");
    assert!(wait_for(Duration::from_secs(60), done), "{}", daemon.log());
    // Nothing is shown any more, and everything else is still served there.
    let answer =
        get(public.parse().unwrap(), "/.well-known/acme-challenge/evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ", "");
    assert_eq!(answer.unwrap().status, 404);
    daemon.stop();
}
