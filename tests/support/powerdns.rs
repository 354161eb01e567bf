//! PowerDNS: a real name server with an interface over HTTP, as DNS providers have them.

use std::net::SocketAddr;
use std::time::Duration;

use super::command::{Ran, command};
use super::engine::wait_for;
use super::guarded::Guarded;
use super::place::Place;
use super::ports::Port;
use super::skip::not_installed;

/// A running PowerDNS with one zone; killed when dropped.
#[derive(Debug)]
pub struct PowerDns {
    place: Place,
    dns: Port,
    http: Port,
    zone: String,
    running: Option<Guarded>,
}

impl PowerDns {
    /// What its interface wants to see.
    pub const KEY: &str = "a key of the interface";

    /// Why none can be started here, if none can.
    pub fn missing() -> Option<String> {
        not_installed(&["pdns_server", "dig", "curl", "setpriv"])
    }

    /// Starts it, with a zone that nothing is in but its name server.
    pub fn start(zone: &str) -> Self {
        let place = Place::new(None);
        let (dns, http) = (place.port(), place.port());
        let mut started = Self { place, dns, http, zone: zone.to_owned(), running: None };
        started.place.write("pdns.conf", &started.config());
        let mut server = command("pdns_server", [format!("--config-dir={}", started.place.path(""))]);
        started.running = Some(started.place.start("pdns", &mut server));
        let zone = format!(r#"{{"name": "{zone}.", "kind": "Native", "nameservers": ["ns1.{zone}."]}}"#);
        let made = || started.request("POST", "zones", &zone).ok();
        assert!(wait_for(Duration::from_secs(30), made), "PowerDNS did not start");
        started
    }

    /// No cache: what is written is there.
    fn config(&self) -> String {
        let (dns, http, dir) = (self.dns.number(), self.http.number(), self.place.path(""));
        format!(
            "launch=lmdb\nlmdb-filename={dir}/pdns.lmdb\nsocket-dir={dir}\ndaemon=no\nguardian=no\ndisable-syslog=yes\n\
             write-pid=no\nlocal-address=127.0.0.1\nlocal-port={dns}\nwebserver=yes\nwebserver-address=127.0.0.1\n\
             webserver-port={http}\napi=yes\napi-key={}\ncache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\n\
             zone-cache-refresh-interval=0\n",
            Self::KEY
        )
    }

    fn request(&self, method: &str, path: &str, body: &str) -> Ran {
        let url = format!("{}/api/v1/servers/localhost/{path}", self.endpoint());
        self.place.curl(&["-sf", "-X", method, "-H", &format!("X-API-Key: {}", Self::KEY), "-d", body, &url])
    }

    /// Puts these TXT records there, in the place of those of the name.
    pub fn put(&self, name: &str, values: &[&str]) {
        let records: Vec<String> = values.iter().map(|v| format!(r#"{{"content": "\"{v}\""}}"#)).collect();
        let body = format!(
            r#"{{"rrsets": [{{"name": "{name}.", "type": "TXT", "ttl": 1, "changetype": "REPLACE", "records": [{}]}}]}}"#,
            records.join(", ")
        );
        let ran = self.request("PATCH", &format!("zones/{}.", self.zone), &body);
        assert!(ran.ok(), "{ran:#?}");
    }

    /// The interface.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.http.address())
    }

    /// Where it answers questions.
    pub fn address(&self) -> SocketAddr {
        self.dns.address()
    }

    /// The TXT records of a name, in alphabetic order.
    pub fn txt(&self, name: &str) -> Vec<String> {
        txt(&self.place, self.address(), name)
    }
}

/// The TXT records of a name at a server, without their quotes, in alphabetic order.
pub(super) fn txt(place: &Place, server: SocketAddr, name: &str) -> Vec<String> {
    let port = server.port().to_string();
    let dig = command("dig", ["+short", "+time=2", "+tries=1", "-p", &port, "@127.0.0.1", name, "TXT"]);
    let ran = place.run(dig);
    let mut values: Vec<String> = ran.stdout.lines().map(|line| line.trim_matches('"').to_owned()).collect();
    values.sort();
    values
}
