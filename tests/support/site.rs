//! A site as most tests have it: an NGINX of two replicas, and a configuration that delivers to it.

use serde_json::Value;

use super::{Engine, Keyturn};

/// The configuration, with `{socket}` and the parts that a test changes.
pub struct Site {
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
        Self { target: target.to_owned(), more: String::new(), delivery: String::new() }
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
    /// Writes it for `engine`.
    pub fn beside(&self, engine: &Engine) -> Keyturn {
        let Self { target, more, delivery } = self;
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
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.test"]
[[certificates.edge.targets]]
kind = "swarm"
services = ["web_nginx"]
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
}
