//! The DNS that Pebble validates against, whose every answer a test can set.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::command::command;
use super::engine::wait_for;
use super::guarded::Guarded;
use super::place::Place;
use super::ports::Port;
use super::skip::not_installed;

/// `pebble-challtestsrv` with its DNS only: every name is at 127.0.0.1, and has no IPv6 address, until told otherwise.
/// Names are whole ones, without a dot at their end.
#[derive(Debug)]
pub struct ChallTestSrv {
    dns: Port,
    management: Port,
    server: Guarded,
    place: Arc<Place>,
}

impl ChallTestSrv {
    /// Why none can be started here, if none can.
    pub fn missing() -> Option<String> {
        not_installed(&["pebble-challtestsrv", "curl", "bash", "setpriv"])
    }

    /// Starts it at `place`.
    pub fn start(place: Arc<Place>) -> Self {
        let (dns, management) = (place.port(), place.port());
        // Its challenge servers would stand where those of the test's own client have to.
        let args = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""];
        let mut program = command("pebble-challtestsrv", args);
        program.args([
            "-dns01",
            &dns.address().to_string(),
            "-management",
            &management.address().to_string(),
        ]);
        let server = place.start("challtestsrv", &mut program);
        let one = Self { dns, management, server, place };
        let answers = || one.post("set-default-ipv4", &json!({ "ip": "127.0.0.1" }));
        assert!(wait_for(Duration::from_secs(30), answers), "no challtestsrv:\n{}", one.server.log());
        one
    }

    /// Where a hook can tell it what to answer, over HTTP.
    pub fn management(&self) -> SocketAddr {
        self.management.address()
    }

    /// Where its DNS answers.
    pub fn address(&self) -> SocketAddr {
        self.dns.address()
    }

    /// The IPv4 address of every name that has none of its own; an empty one for no answer.
    pub fn set_default_ipv4(&self, ip: &str) {
        self.must("set-default-ipv4", &json!({ "ip": ip }));
    }

    /// A name's IPv4 addresses.
    pub fn set_a(&self, name: &str, addresses: &[&str]) {
        self.must("add-a", &json!({ "host": name, "addresses": addresses }));
    }

    /// Forgets a name's IPv4 addresses.
    pub fn clear_a(&self, name: &str) {
        self.must("clear-a", &json!({ "host": name }));
    }

    /// Adds a value to a name's TXT records.
    pub fn add_txt(&self, name: &str, value: &str) {
        self.must("set-txt", &json!({ "host": whole(name), "value": value }));
    }

    /// Forgets all TXT records of a name.
    pub fn clear_txt(&self, name: &str) {
        self.must("clear-txt", &json!({ "host": whole(name) }));
    }

    /// Makes a name an alias of another.
    pub fn set_cname(&self, name: &str, target: &str) {
        self.must("set-cname", &json!({ "host": name, "target": target }));
    }

    /// Forgets a name's alias.
    pub fn clear_cname(&self, name: &str) {
        self.must("clear-cname", &json!({ "host": name }));
    }

    /// From now on every question about a name fails (SERVFAIL).
    pub fn set_servfail(&self, name: &str) {
        self.must("set-servfail", &json!({ "host": name }));
    }

    /// Questions about a name are answered again.
    pub fn clear_servfail(&self, name: &str) {
        self.must("clear-servfail", &json!({ "host": name }));
    }

    fn must(&self, what: &str, body: &Value) {
        assert!(self.post(what, body), "challtestsrv refuses {what} {body}:\n{}", self.server.log());
    }

    fn post(&self, what: &str, body: &Value) -> bool {
        let url = format!("http://{}/{what}", self.management.address());
        self.place.curl(&["-f", "-d", &body.to_string(), &url]).ok()
    }
}

/// It keeps TXT records by the name as it is asked for.
fn whole(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}
