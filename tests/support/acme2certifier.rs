//! acme2certifier: an ACME CA with ARI (RFC 9773) and profiles.
//!
//! It validates at the ports of the RFCs only (80, 443, DNS at 53), so real validation is for a network of the test's own;
//! elsewhere it takes every challenge for met.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};

use super::Engine;
use super::authority::Authority;
use super::command::{command, must};
use super::engine::wait_for;
use super::guarded::Guarded;
use super::place::Place;
use super::ports::Port;
use super::skip::not_installed;
use super::venv;

/// What its renewalInfo says.
#[derive(Debug, Clone)]
pub struct Ari {
    /// The suggested window starts at this percentage of the lifetime.
    pub threshold: u8,
    /// And is so many seconds long, or shorter where the certificate ends.
    pub window: u32,
    /// Its Retry-After, in seconds.
    pub retry_after: u32,
    /// Renew now: the window is from 364 days ago until tomorrow, whatever the rest says.
    pub forced: bool,
}

impl Default for Ari {
    fn default() -> Self {
        Self { threshold: 66, window: 172_800, retry_after: 21_600, forced: false }
    }
}

/// How an acme2certifier is to behave.
#[derive(Debug, Clone)]
pub struct Acme2certifierOptions {
    /// How many days its certificates are valid.
    pub days: u16,
    /// Its ARI; with none its directory has no `renewalInfo`.
    pub ari: Option<Ari>,
    /// Names of the profiles that it offers; it refuses others.
    pub profiles: Vec<String>,
    /// The one external account it takes: its key ID, and the HMAC key as base64url.
    pub eab: Option<(String, String)>,
    /// The resolver it validates with, at port 53; with none it takes every challenge for met.
    pub resolver: Option<IpAddr>,
}

impl Default for Acme2certifierOptions {
    fn default() -> Self {
        let profiles = ["tlsserver", "shortlived"].map(str::to_owned).to_vec();
        Self { days: 90, ari: Some(Ari::default()), profiles, eab: None, resolver: None }
    }
}

impl Acme2certifierOptions {
    /// Starts it in the machine's own network.
    pub fn start(self) -> Acme2certifier {
        Acme2certifier::new(self, Place::new(None))
    }

    /// Starts it in the engine's network.
    pub fn beside(self, engine: &Engine) -> Acme2certifier {
        self.inside(engine.network())
    }

    /// Starts it in a network (`Namespace::network`).
    pub fn inside(self, network: PathBuf) -> Acme2certifier {
        Acme2certifier::new(self, Place::new(Some(network)))
    }

    fn configuration(&self) -> String {
        let profiles: Map<String, Value> = self
            .profiles
            .iter()
            .map(|name| (name.clone(), format!("https://profiles.test/{name}").into()))
            .collect();
        format!(
            "[DEFAULT]\ndebug: False\n{resolver}
[Account]\ncontact_check_disable: True
[CAhandler]\nhandler_module: acme2certifier.cahandlers.openssl_ca_handler
issuing_ca_key: issuing.key\nissuing_ca_cert: issuing.pem\nissuing_ca_crl: crl.pem
cert_validity_days: {days}\ncert_save_path: issued\nsave_cert_as_hex: True
[DBhandler]\nhandler: wsgi\ndbfile: acme.db
[Challenge]\nchallenge_validation_disable: {unvalidated}
[Order]\nprofiles: {profiles}\nprofiles_check_disable: False\n{eab}{ari}",
            resolver = self.resolver.map(|ip| format!("dns_server_list: [\"{ip}\"]")).unwrap_or_default(),
            unvalidated = if self.resolver.is_none() { "True" } else { "False" },
            days = self.days,
            profiles = Value::Object(profiles),
            eab = if self.eab.is_some() { EAB } else { "" },
            ari = renewal_info(self.ari.as_ref()),
        )
    }
}

const EAB: &str = "[EABhandler]\neab_handler_module: acme2certifier.eabhandlers.json_handler
eab_strict_mode: True\nkey_file: eab.json\n";

fn renewal_info(ari: Option<&Ari>) -> String {
    let Some(Ari { threshold, window, retry_after, forced }) = ari else {
        return "[Renewalinfo]\nrenewalinfo_disable: True\n".to_owned();
    };
    format!(
        "[Renewalinfo]\nrenewal_force: {forced}\nrenewalthreshold_pctg: {threshold}
renewal_window_duration: {window}\nretry_after_timeout: {retry_after}\n"
    )
}

/// A running acme2certifier, with a port and a folder of its own; killed when dropped.
#[derive(Debug)]
pub struct Acme2certifier {
    options: Acme2certifierOptions,
    port: Port,
    root: Authority,
    server: Option<Guarded>,
    place: Place,
}

impl Acme2certifier {
    /// Why none can be started here, if none can.
    pub fn missing() -> Option<String> {
        not_installed(&["curl", "bash", "setpriv"]).or_else(|| venv::missing("a2c-cli"))
    }

    /// One with all defaults, in the machine's own network.
    pub fn start() -> Self {
        Acme2certifierOptions::default().start()
    }

    /// One with all defaults, in the engine's network.
    pub fn beside(engine: &Engine) -> Self {
        Acme2certifierOptions::default().beside(engine)
    }

    fn new(options: Acme2certifierOptions, place: Place) -> Self {
        place.make_tls();
        let root = Authority::root("acme2certifier root");
        let issuing = root.intermediate("acme2certifier issuing");
        place.write("issuing.pem", &issuing.certificate);
        place.write("issuing.key", &issuing.key);
        place.write("serve.py", include_str!("acme2certifier.py"));
        if let Some((kid, hmac)) = &options.eab {
            place.write("eab.json", &serde_json::json!({ kid.as_str(): hmac }).to_string());
        }
        fs::create_dir_all(place.dir().join("issued")).unwrap();
        let port = place.port();
        let mut one = Self { options, port, root, server: None, place };
        one.boot();
        one
    }

    /// Starts it (again); it has kept accounts, orders and certificates.
    pub fn boot(&mut self) {
        self.server = None;
        self.place.write("acme_srv.cfg", &self.options.configuration());
        let mut program = command(venv::program("python").unwrap().to_str().unwrap(), ["serve.py"]);
        program.arg(self.port.to_string()).env("ACME_SRV_CONFIGFILE", self.place.path("acme_srv.cfg"));
        program.env("ACME2CERTIFIER_BASE_DIR", self.place.dir()).env("PYTHONUNBUFFERED", "1");
        // It takes every challenge for met only where this is said as well.
        program.env("ACME2CERTIFIER_I_KNOW_THE_RISK", "1");
        self.server = Some(self.place.start("acme2certifier", &mut program));
        let answers = || self.place.get(&self.directory()).is_some();
        assert!(wait_for(Duration::from_secs(60), answers), "acme2certifier did not start:\n{}", self.log());
    }

    /// Kills it: from now on its address refuses connections.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Changes what renewalInfo says, which takes a restart of about a second.
    pub fn set_ari(&mut self, ari: Option<Ari>) {
        self.options.ari = ari;
        self.boot();
    }

    /// Its ACME directory, for `server` of an issuer.
    pub fn directory(&self) -> String {
        format!("https://{}/directory", self.port.address())
    }

    /// `[issuers.NAME]` of this acme2certifier, with these further lines.
    pub fn issuer(&self, name: &str, lines: &str) -> String {
        self.place.issuer(name, &self.directory(), lines)
    }

    /// The CA of its TLS certificate, for `ca_file` of an issuer.
    pub fn ca_file(&self) -> PathBuf {
        self.place.ca_file()
    }

    /// The root of its certificates, in PEM; between it and a leaf there is one intermediate.
    pub fn root(&self) -> &str {
        &self.root.certificate
    }

    /// What it says of a certificate with this ID (RFC 9773 §4.1).
    pub fn renewal_info(&self, id: &str) -> Option<Value> {
        let text = self.place.get(&format!("https://{}/acme/renewal-info/{id}", self.port.address()))?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// How many orders were made.
    pub fn orders(&self) -> usize {
        self.requests("POST /acme/neworders", "201")
    }

    /// How often it was asked for renewalInfo of a certificate that it knows.
    pub fn renewal_infos(&self) -> usize {
        self.requests("GET /acme/renewal-info/", "200")
    }

    /// Requests like this one that it answered with this status.
    pub fn requests(&self, start: &str, status: &str) -> usize {
        let end = format!("\" {status} -");
        self.log().lines().filter(|line| line.contains(start) && line.ends_with(&end)).count()
    }

    /// The profile of each order, in their order; empty where none was asked for.
    pub fn profiles_ordered(&self) -> Vec<String> {
        let query = "import sqlite3; rows = sqlite3.connect('acme.db').execute('SELECT profile FROM orders ORDER BY id')
print('\\n'.join('<' + (row[0] or '') for row in rows))";
        let mut python = command(venv::program("python").unwrap().to_str().unwrap(), ["-c", query]);
        python.current_dir(self.place.dir());
        must(python).lines().filter_map(|line| line.strip_prefix('<')).map(str::to_owned).collect()
    }

    /// What was asked for in each order, refused ones too, in their order: the payloads of the requests.
    pub fn wishes(&self) -> Vec<Value> {
        let wishes = fs::read_to_string(self.place.dir().join("orders.jsonl")).unwrap_or_default();
        wishes.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Serials of all certificates that it issued, in upper-case hex.
    pub fn issued(&self) -> Vec<String> {
        let files = fs::read_dir(self.place.dir().join("issued")).unwrap().flatten();
        files.map(|file| file.path().file_stem().unwrap().to_string_lossy().into_owned()).collect()
    }

    /// Its CRL in PEM, which is there once something was revoked.
    pub fn crl(&self) -> Option<String> {
        fs::read_to_string(self.place.dir().join("crl.pem")).ok()
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        let log = fs::read(self.place.dir().join("acme2certifier.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Where it is: folder and network.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

impl Drop for Acme2certifier {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.show_if_failing("acme2certifier");
        }
    }
}
