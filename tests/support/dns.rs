//! BIND 9: real name servers for dns-01, with updates by TSIG (RFC 2136, RFC 8945) and a secondary.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Engine;
use super::command::{Ran, command, fed, must};
use super::dns_config::{key_file, primary, secondary, zone_file};
use super::engine::wait_for;
use super::guarded::Guarded;
use super::place::Place;
use super::ports::Port;
use super::skip::not_installed;

/// Which zones, and whether a second name server has them too.
#[derive(Debug, Clone)]
pub struct BindOptions {
    /// Zones that it is the primary of.
    pub zones: Vec<String>,
    /// Whether there is a secondary, which is in the zones' NS records then.
    pub secondary: bool,
    /// How many seconds the secondary is behind at most; with 0 it is told of each change at once (NOTIFY).
    pub lag: u32,
    /// Listens on port 53, of 127.0.2.1 and 127.0.2.2, as the zones' NS records say; else on free ports of 127.0.0.1.
    /// For a network of the test's own only.
    pub port_53: bool,
}

impl Default for BindOptions {
    fn default() -> Self {
        let zones = ["example.test", "delegated.test"].map(str::to_owned).to_vec();
        Self { zones, secondary: false, lag: 0, port_53: false }
    }
}

impl BindOptions {
    /// Starts it in the machine's own network.
    pub fn start(self) -> Bind {
        assert!(!self.port_53, "port 53 needs a network of the test's own");
        Bind::new(self, Place::new(None))
    }

    /// Starts it in the engine's network.
    pub fn beside(self, engine: &Engine) -> Bind {
        self.inside(engine.network())
    }

    /// Starts it in a network (`Namespace::network`).
    pub fn inside(self, network: PathBuf) -> Bind {
        Bind::new(self, Place::new(Some(network)))
    }
}

/// One running `named`.
#[derive(Debug)]
struct Server {
    address: SocketAddr,
    // Keeps a free port from others; none for port 53.
    _port: Option<Port>,
    running: Option<Guarded>,
}

/// A running BIND, and its secondary if there is one; killed when dropped.
///
/// The primary answers for every name in the world, and follows aliases between its zones, so that a CA can have it as
/// its resolver. A name that has no records of its own, and none below it, is at 127.0.0.1.
#[derive(Debug)]
pub struct Bind {
    options: BindOptions,
    secret: String,
    first: Server,
    second: Server,
    place: Place,
}

impl Bind {
    /// The TSIG key's name; its algorithm is `hmac-sha256`.
    pub const KEY: &str = "keyturn";

    /// Why none can be started here, if none can.
    pub fn missing() -> Option<String> {
        not_installed(&["named", "nsupdate", "dig", "ip", "openssl", "bash", "setpriv"])
    }

    /// One with all defaults, in the machine's own network.
    pub fn start() -> Self {
        BindOptions::default().start()
    }

    /// One with all defaults, in the engine's network.
    pub fn beside(engine: &Engine) -> Self {
        BindOptions::default().beside(engine)
    }

    fn new(options: BindOptions, place: Place) -> Self {
        let secret = must(command("openssl", ["rand", "-base64", "32"]));
        if options.port_53 {
            // named listens on an interface's addresses only, and all of 127/8 is not among them.
            for address in ["127.0.2.1/8", "127.0.2.2/8"] {
                place.run(command("ip", ["address", "add", address, "dev", "lo"]));
            }
        }
        let [first, second] = [1, 2].map(|number| Server::new(&options, &place, number));
        let mut bind = Self { options, secret, first, second, place };
        bind.write();
        bind.first.running = Some(bind.named("primary"));
        bind.wait_for_zones(bind.first.address);
        if bind.options.secondary {
            bind.second.running = Some(bind.named("secondary"));
            bind.wait_for_zones(bind.second.address);
        }
        bind
    }

    fn write(&self) {
        self.place.write("tsig.key", &key_file(Self::KEY, &self.secret));
        self.place
            .write("primary/root.zone", &zone_file(&self.options, self.first.address, self.second.address));
        for zone in &self.options.zones {
            let text = zone_file(&self.options, self.first.address, self.second.address);
            self.place.write(&format!("primary/{zone}.zone"), &text);
        }
        self.place.write("primary.conf", &primary(&self.options, self.first.address, self.second.address));
        let config = secondary(&self.options, self.first.address, self.second.address);
        self.place.write("secondary.conf", &config);
        fs::create_dir_all(self.place.dir().join("secondary")).unwrap();
    }

    fn named(&self, role: &str) -> Guarded {
        let config = format!("{role}.conf");
        self.place.start(role, &mut command(&self.binary(), ["-g", "-n", "1", "-c", &config]))
    }

    /// Debian's AppArmor profile goes by the path, and lets `named` read nothing of a test's folder.
    fn binary(&self) -> String {
        let enabled = fs::read_to_string("/sys/module/apparmor/parameters/enabled");
        if !enabled.is_ok_and(|enabled| enabled.starts_with('Y')) {
            return "named".to_owned();
        }
        let copy = self.place.path("named");
        if !fs::exists(&copy).unwrap() {
            fs::copy(must(command("bash", ["-c", "type -P named"])), &copy).unwrap();
        }
        copy
    }

    fn wait_for_zones(&self, server: SocketAddr) {
        let knows = |zone: &String| !self.query(server, zone, "SOA").is_empty();
        let all = || self.options.zones.iter().all(knows);
        assert!(wait_for(Duration::from_secs(30), all), "BIND did not start:\n{}", self.log());
    }

    /// Where the primary answers: for Pebble's `dns`, and for updates.
    pub fn address(&self) -> SocketAddr {
        self.first.address
    }

    /// Where the secondary answers.
    pub fn secondary(&self) -> SocketAddr {
        assert!(self.options.secondary, "this BIND has no secondary");
        self.second.address
    }

    /// The TSIG secret in base64.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// The TSIG key as BIND's own tools take it (`nsupdate -k`).
    pub fn key_file(&self) -> PathBuf {
        self.place.dir().join("tsig.key")
    }

    /// Updates the zones with lines of nsupdate, such as `add a.example.test 1 TXT "x"`; whether they were taken.
    pub fn update(&self, lines: &str) -> Ran {
        let mut nsupdate = command("nsupdate", ["-t", "5", "-k"]);
        nsupdate.arg(self.key_file());
        let (host, port) = (self.first.address.ip(), self.first.address.port());
        fed(self.place.inside(nsupdate), format!("server {host} {port}\n{lines}\nsend\n").as_bytes())
    }

    /// Makes `_acme-challenge.NAME` an alias of `TARGET`, which a client then has to write to.
    pub fn delegate(&self, name: &str, target: &str) {
        let ran = self.update(&format!("add _acme-challenge.{name}. 1 CNAME {target}."));
        assert!(ran.ok(), "{ran:#?}");
    }

    /// What a server answers for a name, in its own records (`dig +short`), one a line.
    pub fn query(&self, server: SocketAddr, name: &str, kind: &str) -> Vec<String> {
        let (at, port) = (format!("@{}", server.ip()), server.port().to_string());
        let dig = command("dig", ["+short", "+time=2", "+tries=1", "-p", &port, &at, name, kind]);
        self.place.run(dig).stdout.lines().filter(|line| !line.starts_with(';')).map(str::to_owned).collect()
    }

    /// The TXT records of a name at a server, without their quotes, in alphabetic order.
    pub fn txt(&self, server: SocketAddr, name: &str) -> Vec<String> {
        let answers = self.query(server, name, "TXT");
        let quoted = answers.iter().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
        let mut values: Vec<String> = quoted.map(str::to_owned).collect();
        values.sort();
        values
    }

    /// How many changes of records the primary has taken.
    pub fn updates(&self) -> usize {
        self.log().lines().filter(|line| line.contains(": updating zone ")).count()
    }

    /// Kills the secondary: from now on nothing answers there.
    pub fn kill_secondary(&mut self) {
        self.second.running = None;
    }

    /// All that the primary has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.place.dir().join("primary.log")).unwrap_or_default()
    }

    /// Where it is: folder and network.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

impl Server {
    fn new(options: &BindOptions, place: &Place, number: u8) -> Self {
        if options.port_53 {
            return Self { address: ([127, 0, 2, number], 53).into(), _port: None, running: None };
        }
        let port = place.port();
        Self { address: port.address(), _port: Some(port), running: None }
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        for server in [&self.first, &self.second] {
            if let Some(running) = &server.running {
                running.show_if_failing("BIND");
            }
        }
    }
}
