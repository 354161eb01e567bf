//! OpenBao: a CA with ACME and without ARI, and a server for what else of it tests need.
//!
//! It validates at the ports of the RFCs only (80, 443), but asks whatever resolver it is given, so dns-01 works anywhere
//! and the other two in a network of the test's own. A validation takes it about 5 s.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::Engine;
use super::command::command;
use super::engine::wait_for;
use super::guarded::Guarded;
use super::place::Place;
use super::ports::Port;
use super::skip::not_installed;
use super::venv;

/// How an OpenBao is to behave.
#[derive(Debug, Clone)]
pub struct OpenBaoOptions {
    /// The resolver it validates with (`Bind::address`, `ChallTestSrv::address`).
    pub resolver: SocketAddr,
    /// How long its certificates are valid, in seconds; their start is put back by 30 s more.
    pub validity: u32,
    /// Whether accounts need an external one; see `OpenBao::new_eab`.
    pub eab: bool,
}

impl OpenBaoOptions {
    /// Certificates of 30 days for everyone, validated with this resolver.
    pub fn new(resolver: SocketAddr) -> Self {
        Self { resolver, validity: 2_592_000, eab: false }
    }

    /// Starts it in the machine's own network.
    pub fn start(self) -> OpenBao {
        OpenBao::new(&self, Place::new(None))
    }

    /// Starts it in the engine's network.
    pub fn beside(self, engine: &Engine) -> OpenBao {
        self.inside(engine.network())
    }

    /// Starts it in a network (`Namespace::network`).
    pub fn inside(self, network: PathBuf) -> OpenBao {
        OpenBao::new(&self, Place::new(Some(network)))
    }
}

/// A running OpenBao, unsealed, with a root at `root/` and an issuing CA with ACME at `pki/`; killed when dropped.
#[derive(Debug)]
pub struct OpenBao {
    port: Port,
    token: String,
    root: String,
    server: Guarded,
    place: Place,
}

impl OpenBao {
    /// Why none can be started here, if none can.
    pub fn missing() -> Option<String> {
        not_installed(&["curl", "bash", "setpriv"]).or_else(|| venv::missing("bao"))
    }

    fn new(options: &OpenBaoOptions, place: Place) -> Self {
        place.make_tls();
        let port = place.port();
        place.write("bao.hcl", &configuration(&port));
        let program = venv::program("bao").unwrap();
        let server =
            place.start("openbao", &mut command(program.to_str().unwrap(), ["server", "-config=bao.hcl"]));
        let mut bao = Self { port, token: String::new(), root: String::new(), server, place };
        let answers = || bao.place.curl(&[&bao.url("sys/init")]).ok();
        assert!(wait_for(Duration::from_secs(60), answers), "OpenBao did not start:\n{}", bao.log());
        bao.unseal();
        bao.make_ca();
        bao.enable_acme(options);
        bao
    }

    fn unseal(&mut self) {
        let keys = self.write("sys/init", &json!({ "secret_shares": 1, "secret_threshold": 1 }));
        self.token = text(&keys["root_token"]);
        self.write("sys/unseal", &json!({ "key": keys["keys_base64"][0] }));
    }

    fn make_ca(&mut self) {
        // Without these headers ACME does not get through.
        let headers = ["Location", "Replay-Nonce", "Link", "Last-Modified"];
        for mount in ["root", "pki"] {
            let config = json!({ "max_lease_ttl": "87600h", "allowed_response_headers": headers });
            self.write(&format!("sys/mounts/{mount}"), &json!({ "type": "pki", "config": config }));
        }
        let root = json!({ "common_name": "OpenBao root", "ttl": "87600h", "key_type": "ec" });
        self.root = text(&self.write("root/root/generate/internal", &root)["data"]["certificate"]);
        let issuing = json!({ "common_name": "OpenBao issuing", "key_type": "ec" });
        let csr = self.write("pki/intermediate/generate/internal", &issuing)["data"]["csr"].take();
        let signed = self.write("root/root/sign-intermediate", &json!({ "csr": csr, "ttl": "80000h" }));
        self.write("pki/intermediate/set-signed", &json!({ "certificate": signed["data"]["certificate"] }));
    }

    fn enable_acme(&self, options: &OpenBaoOptions) {
        self.write("pki/config/cluster", &json!({ "path": self.url("pki") }));
        self.write("pki/config/urls", &json!({ "crl_distribution_points": self.url("pki/crl") }));
        let role = json!({
            "allow_any_name": true, "allow_ip_sans": true, "key_type": "any", "require_cn": false,
            "ttl": options.validity, "max_ttl": options.validity,
        });
        self.write("pki/roles/web", &role);
        let acme = json!({
            "enabled": true, "dns_resolver": options.resolver, "default_directory_policy": "role:web",
            "eab_policy": if options.eab { "always-required" } else { "not-required" },
        });
        self.write("pki/config/acme", &acme);
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}/v1/{path}", self.port.address())
    }

    /// Writes to its API as root, which must succeed; what it answers.
    pub fn write(&self, path: &str, body: &Value) -> Value {
        let token = format!("X-Vault-Token: {}", self.token);
        let ran =
            self.place.curl(&["--fail-with-body", "-H", &token, "-d", &body.to_string(), &self.url(path)]);
        assert!(ran.ok(), "{path}: {ran:#?}");
        if ran.stdout.is_empty() { Value::Null } else { ran.json() }
    }

    /// Reads from its API as root; nothing where it has no such thing.
    pub fn read(&self, path: &str) -> Option<Value> {
        let token = format!("X-Vault-Token: {}", self.token);
        let ran = self.place.curl(&["-f", "-H", &token, &self.url(path)]);
        ran.ok().then(|| ran.json())
    }

    /// Its ACME directory, for `server` of an issuer.
    pub fn directory(&self) -> String {
        self.url("pki/acme/directory")
    }

    /// `[issuers.NAME]` of this OpenBao, with these further lines.
    pub fn issuer(&self, name: &str, lines: &str) -> String {
        self.place.issuer(name, &self.directory(), lines)
    }

    /// The CA of its TLS certificate, for `ca_file` of an issuer.
    pub fn ca_file(&self) -> PathBuf {
        self.place.ca_file()
    }

    /// Its address, `https://127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("https://{}", self.port.address())
    }

    /// The root token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The root of its certificates, in PEM; between it and a leaf there is one intermediate.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// An external account: its key ID, and the HMAC key as base64url.
    pub fn new_eab(&self) -> (String, String) {
        let eab = self.write("pki/acme/new-eab", &json!({}))["data"].take();
        (text(&eab["id"]), text(&eab["key"]))
    }

    /// Revokes a certificate as its operator would, by its serial in hex.
    pub fn revoke(&self, serial: &str) {
        self.write("pki/revoke", &json!({ "serial_number": with_colons(serial) }));
    }

    /// Whether it says that it has revoked this certificate.
    pub fn has_revoked(&self, serial: &str) -> bool {
        let cert = self.read(&format!("pki/cert/{}", with_colons(serial))).unwrap();
        cert["data"]["revocation_time"].as_u64().unwrap() > 0
    }

    /// How many orders were made.
    pub fn orders(&self) -> usize {
        self.requests("pki/acme/new-order", 201)
    }

    /// Requests to this path that it answered with this status.
    pub fn requests(&self, path: &str, status: u16) -> usize {
        let answered = format!(" status_code={status} request_path=/v1/{path} ");
        self.log().lines().filter(|line| line.contains(&answered)).count()
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Where it is: folder and network.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

/// `0A1B` as `0a:1b`.
fn with_colons(serial: &str) -> String {
    let digits = serial.replace(':', "").to_lowercase();
    digits.as_bytes().chunks(2).map(String::from_utf8_lossy).collect::<Vec<_>>().join(":")
}

/// In memory: a restart would have lost everything, so there is none.
fn configuration(port: &Port) -> String {
    let address = port.address();
    format!(
        "storage \"inmem\" {{}}
listener \"tcp\" {{
  address = \"{address}\"
  tls_cert_file = \"tls.crt\"
  tls_key_file = \"tls.key\"
}}
api_addr = \"https://{address}\"
disable_mlock = true
log_requests_level = \"info\"\n"
    )
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        self.server.show_if_failing("OpenBao");
    }
}
