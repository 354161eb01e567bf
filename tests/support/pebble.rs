//! Pebble: the strict ACME CA of Let's Encrypt's authors, with its DNS.
//!
//! Debian's 2.4.0 can deadlock when more than 8 orders are worked on at once: it then accepts connections and answers
//! none. A test keeps below that, and `watch` says so where it happens. A restart loses accounts, orders and the
//! CA itself, so nothing here restarts it by itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::Engine;
use super::challtestsrv::ChallTestSrv;
use super::command::command;
use super::engine::wait_for;
use super::guarded::Guarded;
use super::pebble_log::PebbleCounts;
use super::pebble_watch::{PebbleWatch, answers};
use super::place::Place;
use super::ports::Port;
use super::skip::not_installed;

/// How a Pebble is to behave.
#[derive(Debug, Clone)]
pub struct PebbleOptions {
    /// Good nonces that it rejects, in percent.
    pub nonce_reject: u8,
    /// Valid authorizations that it uses again, in percent.
    pub authz_reuse: u8,
    /// Lets up to this many seconds go by before each validation.
    pub validation_sleep: u8,
    /// Takes every challenge for met, without looking.
    pub always_valid: bool,
    /// How long its certificates are valid, in seconds; five years where it is not said.
    pub validity: Option<u64>,
    /// The one external account it takes: its key ID, and the HMAC key as base64url.
    pub eab: Option<(String, String)>,
    /// Further roots that it offers chains to.
    pub alternate_roots: u8,
    /// Intermediates in each chain.
    pub chain_length: u8,
    /// The DNS it validates with; its own `challtestsrv` where it is not said.
    pub dns: Option<SocketAddr>,
}

impl Default for PebbleOptions {
    fn default() -> Self {
        Self {
            nonce_reject: 20,
            authz_reuse: 0,
            validation_sleep: 0,
            always_valid: false,
            validity: None,
            eab: None,
            alternate_roots: 0,
            chain_length: 1,
            dns: None,
        }
    }
}

impl PebbleOptions {
    /// Starts it in the machine's own network.
    pub fn start(self) -> Pebble {
        Pebble::new(self, Place::new(None))
    }

    /// Starts it in the engine's network.
    pub fn beside(self, engine: &Engine) -> Pebble {
        self.inside(engine.network())
    }

    /// Starts it in a network (`Namespace::network`).
    pub fn inside(self, network: PathBuf) -> Pebble {
        Pebble::new(self, Place::new(Some(network)))
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![
            ("PEBBLE_WFE_NONCEREJECT", self.nonce_reject.to_string()),
            ("PEBBLE_AUTHZREUSE", self.authz_reuse.to_string()),
            ("PEBBLE_ALTERNATE_ROOTS", self.alternate_roots.to_string()),
            ("PEBBLE_CHAIN_LENGTH", self.chain_length.to_string()),
        ];
        match self.validation_sleep {
            0 => all.push(("PEBBLE_VA_NOSLEEP", "1".to_owned())),
            seconds => all.push(("PEBBLE_VA_SLEEPTIME", seconds.to_string())),
        }
        if self.always_valid {
            all.push(("PEBBLE_VA_ALWAYS_VALID", "1".to_owned()));
        }
        all
    }
}

/// A running Pebble, with ports and a folder of its own; killed when dropped.
#[derive(Debug)]
pub struct Pebble {
    options: PebbleOptions,
    acme: Port,
    management: Port,
    http: Port,
    tls: Port,
    dns: ChallTestSrv,
    server: Option<Guarded>,
    // Last, because its folder goes with it.
    place: Arc<Place>,
}

impl Pebble {
    /// Why none can be started here, if none can.
    pub fn missing() -> Option<String> {
        not_installed(&["pebble", "pebble-challtestsrv", "curl", "bash", "setpriv"])
    }

    /// `[issuers.NAME]` of this Pebble, with these further lines.
    pub fn issuer(&self, name: &str, lines: &str) -> String {
        self.place.issuer(name, &self.directory(), lines)
    }

    /// http-01 where this Pebble looks for it, as an issuer's or a certificate's line.
    pub fn http(&self) -> String {
        format!("challenge = {{ kind = \"http-01\", listen = \"127.0.0.1:{}\" }}", self.http_port())
    }

    /// One with all defaults, in the machine's own network.
    pub fn start() -> Self {
        PebbleOptions::default().start()
    }

    /// One with all defaults, in the engine's network.
    pub fn beside(engine: &Engine) -> Self {
        PebbleOptions::default().beside(engine)
    }

    fn new(options: PebbleOptions, place: Place) -> Self {
        place.make_tls();
        let place = Arc::new(place);
        let dns = ChallTestSrv::start(place.clone());
        let [acme, management, http, tls] = std::array::from_fn(|_| place.port());
        let mut pebble = Self { options, acme, management, http, tls, dns, server: None, place };
        pebble.place.write("pebble.json", &pebble.configuration().to_string());
        pebble.boot();
        pebble
    }

    fn configuration(&self) -> Value {
        let mut all = json!({
            "listenAddress": self.acme.address(),
            "managementListenAddress": self.management.address(),
            "certificate": "tls.crt",
            "privateKey": "tls.key",
            "httpPort": self.http_port(),
            "tlsPort": self.tls_port(),
            "externalAccountBindingRequired": self.options.eab.is_some(),
        });
        if let Some((kid, hmac)) = &self.options.eab {
            all["externalAccountMACKeys"] = json!({ kid.as_str(): hmac });
        }
        if let Some(seconds) = self.options.validity {
            all["certificateValidityPeriod"] = seconds.into();
        }
        json!({ "pebble": all })
    }

    /// Starts it (again): with the same ports, and without any memory.
    pub fn boot(&mut self) {
        let dns = self.options.dns.unwrap_or_else(|| self.dns.address()).to_string();
        let mut program = command("pebble", ["-config", "pebble.json", "-strict", "-dnsserver", &dns]);
        program.envs(self.options.environment());
        self.server = Some(self.place.start("pebble", &mut program));
        assert!(
            wait_for(Duration::from_secs(30), || self.is_alive()),
            "Pebble did not start:\n{}",
            self.log()
        );
    }

    /// Kills it: from now on its address refuses connections.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Sends it a signal: after `SIGSTOP` it accepts connections and answers none, until `SIGCONT`.
    pub fn signal(&self, signal: Signal) {
        self.server.as_ref().unwrap().signal(signal);
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().unwrap().pid()
    }

    /// Its ACME directory, for `server` of an issuer.
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.acme.address())
    }

    /// The CA of its TLS certificate, for `ca_file` of an issuer.
    pub fn ca_file(&self) -> PathBuf {
        self.place.ca_file()
    }

    /// The DNS that it asks, unless its options name another.
    pub fn dns(&self) -> &ChallTestSrv {
        &self.dns
    }

    /// What it has done so far, by its log.
    pub fn counts(&self) -> PebbleCounts {
        PebbleCounts::of(&self.log())
    }

    /// Where it is: folder, network, and a way to ask it things.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Where it expects http-01 to be answered, on every address that DNS names.
    pub fn http_port(&self) -> u16 {
        self.http.number()
    }

    /// Where it expects tls-alpn-01 to be answered, on every address that DNS names.
    pub fn tls_port(&self) -> u16 {
        self.tls.number()
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.place.dir().join("pebble.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Asks its management interface, such as `roots/0`; nothing where it has no such thing.
    pub fn manage(&self, path: &str) -> Option<String> {
        self.place.get(&format!("https://{}/{path}", self.management.address()))
    }

    /// The root `number` in PEM: 0, and one more for each of the alternate roots.
    pub fn root(&self, number: u8) -> String {
        self.manage(&format!("roots/{number}")).unwrap_or_else(|| panic!("no root {number}"))
    }

    /// The intermediate `number` in PEM, which signs leaves, of the chain to the root of this number.
    pub fn intermediate(&self, number: u8) -> String {
        self.manage(&format!("intermediates/{number}")).unwrap_or_else(|| panic!("no intermediate {number}"))
    }

    /// What it knows of the certificate with this serial in hex: `Status` is `Valid` or `Revoked`, then with `Reason`.
    pub fn certificate_status(&self, serial: &str) -> Option<Value> {
        let text = self.manage(&format!("cert-status-by-serial/{serial}"))?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// Whether it still answers. The directory alone does not tell: it needs none of the locks that can be stuck.
    pub fn is_alive(&self) -> bool {
        let [acme, management] = [&self.acme, &self.management].map(|port| port.address().to_string());
        answers(&self.place, &acme, &management)
    }

    /// Looks every second, from a thread of its own, whether it has deadlocked.
    pub fn watch(&self) -> PebbleWatch {
        let [acme, management] = [&self.acme, &self.management].map(|port| port.address().to_string());
        PebbleWatch::start(self.place.clone(), acme, management)
    }

    /// Panics where it has deadlocked, so that a test fails for this and not for its client's timeout.
    pub fn assert_alive(&self) {
        assert!(self.is_alive(), "Pebble hangs (too much at once?):\n{}", self.log());
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.show_if_failing("Pebble");
        }
    }
}
