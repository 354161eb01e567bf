//! A site as most tests have it: an NGINX of two replicas, and a configuration that delivers to it.

use keyturn::clock::Entropy;
use keyturn::store::{MaterialId, Snapshot, StateKey};
use serde_json::Value;

use super::{Engine, Keyturn};

/// The configuration, with `{socket}` and the parts that a test changes.
pub struct Site {
    /// The certificate's name; its DNS name is this and `.test`.
    pub asset: String,
    /// Whom it is delivered to: a key of the target (`services = […]`), or nothing.
    pub services: String,
    /// Of the certificate's target.
    pub target: String,
    /// Anything more, at the end.
    pub more: String,
    /// `[delivery]`.
    pub delivery: String,
}

impl Default for Site {
    fn default() -> Self {
        let target = r#"preflight = ["nginx", "-t"]
verify = { connect = ["127.0.0.1:8443"], server_name = "edge.test" }"#;
        Self {
            asset: "edge".to_owned(),
            services: r#"services = ["web_nginx"]"#.to_owned(),
            target: target.to_owned(),
            more: String::new(),
            delivery: String::new(),
        }
    }
}

/// DH parameters for the same service; the group of RFC 7919, so that no test waits for a search.
pub const DH: &str = r#"
[dh_params.edge]
bits = 2048
source = "rfc7919"
[[dh_params.edge.targets]]
kind = "swarm"
services = ["web_nginx"]
files = { "dhparam.pem" = "dhparam" }
"#;

impl Site {
    /// A certificate `asset` for the service of the same name on `port`, so that many share an engine.
    pub fn of(asset: &str, port: u16) -> Self {
        let target = format!(
            r#"preflight = ["nginx", "-t"]
verify = {{ connect = ["127.0.0.1:{port}"], server_name = "{asset}.test" }}"#
        );
        let services = format!(r#"services = ["{asset}"]"#);
        Self { asset: asset.to_owned(), services, target, ..Self::default() }
    }

    /// Writes it for `engine`.
    pub fn beside(&self, engine: &Engine) -> Keyturn {
        let Self { asset, services, target, more, delivery } = self;
        let socket = engine.socket().display().to_string();
        Keyturn::beside(engine).config(&format!(
            r#"
[daemon]
instance = "test"
state_dir = "state"
[docker]
socket = "{socket}"
[delivery]
{delivery}
[issuers.internal]
kind = "internal"
common_name = "Test CA"
[certificates.{asset}]
issuers = ["internal"]
dns_names = ["{asset}.test"]
[[certificates.{asset}.targets]]
kind = "swarm"
{services}
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key" }}
{target}
{more}
"#
        ))
    }
}

impl Keyturn {
    /// The entry of `asset` in `status -o json`.
    pub fn status(&self, asset: &str) -> Value {
        let text = self.ok(&["status", "-o", "json", asset]);
        let status: Value = serde_json::from_str(&text).unwrap();
        status["assets"][0].clone()
    }

    /// The fingerprint of the certificate in use.
    pub fn fingerprint(&self, asset: &str) -> String {
        self.status(asset)["fingerprint_sha256"].as_str().unwrap().to_owned()
    }

    /// How many times `action` stands in the history.
    pub fn audited(&self, action: &str) -> usize {
        let text = self.ok(&["audit", "-o", "json"]);
        let audit: Value = serde_json::from_str(&text).unwrap();
        let entries = audit["entries"].as_array().unwrap();
        entries.iter().filter(|entry| entry["action"] == action).count()
    }

    /// What the state keeps for an issuer under this key, unsealed.
    pub fn kept(&self, key: &str) -> Vec<u8> {
        let dir = self.dir().join("state");
        let (state_key, _) = StateKey::load_or_create(&dir, &Entropy::system()).unwrap();
        let snapshot = Snapshot::read(&dir, &state_key).unwrap();
        snapshot
            .record(&format!("kept/{key}"))
            .unwrap_or_else(|| panic!("{:?}", snapshot.records().keys()))
            .to_vec()
    }

    /// What the state keeps of a revision's making, unsealed; `None` where it keeps nothing (any more).
    pub fn material(&self, asset: &str, revision: u32) -> Option<Value> {
        let dir = self.dir().join("state");
        let (key, _) = StateKey::load_or_create(&dir, &Entropy::system()).unwrap();
        let snapshot = Snapshot::read(&dir, &key).unwrap();
        let id = MaterialId::new(asset.parse().unwrap(), revision);
        let kept = snapshot.material(&id).unwrap();
        kept.map(|kept| serde_json::from_slice(kept.expose()).unwrap())
    }
}
