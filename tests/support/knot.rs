//! Knot DNS: a real name server that is changed through its own control socket.

use std::net::SocketAddr;

use super::command::command;
use super::guarded::Guarded;
use super::place::Place;
use super::ports::Port;
use super::powerdns::txt;
use super::skip::not_installed;

/// A Knot DNS with one zone; killed when dropped. It may need a moment until it answers.
#[derive(Debug)]
pub struct Knot {
    place: Place,
    port: Port,
    _running: Guarded,
}

impl Knot {
    /// Why none can be started here, if none can.
    pub fn missing() -> Option<String> {
        not_installed(&["knotd", "knotc", "dig", "setpriv"])
    }

    /// Starts it, with a zone that nothing is in but its name server.
    pub fn start(zone: &str) -> Self {
        let place = Place::new(None);
        let (port, dir) = (place.port(), place.path(""));
        place.write("zone", "$TTL 1\n@ SOA ns1 hostmaster 1 3600 1 86400 1\n@ NS ns1\nns1 A 127.0.0.1\n");
        let lines = [
            format!("server:\n    listen: 127.0.0.1@{}\n    rundir: {dir}", port.number()),
            format!("control:\n    listen: {dir}/knot.sock\ndatabase:\n    storage: {dir}"),
            format!("zone:\n  - domain: {zone}\n    storage: {dir}\n    file: zone\n    zonefile-sync: -1"),
            "    zonefile-load: difference-no-serial\n    journal-content: all\n".to_owned(),
        ];
        place.write("knot.conf", &lines.join("\n"));
        let running = place.start("knot", &mut command("knotd", ["-c", &place.path("knot.conf")]));
        Self { place, port, _running: running }
    }

    /// Where it answers questions.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Where `knotc` speaks to it.
    pub fn socket(&self) -> String {
        self.place.path("knot.sock")
    }

    /// The TXT records of a name, in alphabetic order.
    pub fn txt(&self, name: &str) -> Vec<String> {
        txt(&self.place, self.address(), name)
    }
}
