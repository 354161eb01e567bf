//! A site with one JWT key: its thresholds, its signers and its verifiers.

use std::path::Path;

use jiff::SignedDuration;

use super::{days, seconds};
use crate::config::Config;
use crate::desired::Desired;

/// Where a signer has its key.
pub(super) const KEY: &str = "/run/secrets/jwt.key";
/// Where a signer has its key's ID.
pub(super) const KID: &str = "/run/secrets/jwt.kid";
/// Where a verifier has its JWKS.
pub(super) const JWKS: &str = "/etc/api/jwks.json";

/// What a service does with the key, and in how many tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) replicas: u64,
    pub(super) signs: bool,
    pub(super) verifies: bool,
    /// Whether its JWKS is looked at from outside.
    pub(super) has_url: bool,
}

impl Role {
    pub(super) fn signer(replicas: u64) -> Self {
        Self { replicas, signs: true, verifies: false, has_url: false }
    }

    pub(super) fn verifier(replicas: u64) -> Self {
        Self { replicas, signs: false, verifies: true, has_url: false }
    }

    pub(super) fn both(replicas: u64) -> Self {
        Self { replicas, signs: true, verifies: true, has_url: false }
    }

    pub(super) fn with_url(self) -> Self {
        Self { has_url: true, ..self }
    }
}

/// The thresholds of the key, in their real units, and the services.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) rotate_every: SignedDuration,
    pub(super) publish_before: SignedDuration,
    pub(super) jwks_max_age: SignedDuration,
    pub(super) max_token_ttl: SignedDuration,
    pub(super) skew: SignedDuration,
    pub(super) retention: SignedDuration,
    /// When rollouts may start; always where there is none.
    pub(super) maintenance: Option<&'static str>,
    /// The services: `one-0`, `one-1`, ….
    pub(super) roles: Vec<Role>,
    /// No task takes longer to start or to end, in seconds.
    pub(super) longest_delay: u64,
    /// How many steps run side by side.
    pub(super) concurrency: usize,
    pub(super) seed: u64,
    /// So many keys are kept ready, and they are RSA; with none they are not.
    pub(super) stock: usize,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            rotate_every: days(60),
            publish_before: days(1),
            jwks_max_age: seconds(300),
            max_token_ttl: seconds(3600),
            skew: seconds(60),
            retention: days(7),
            maintenance: None,
            roles: vec![Role::signer(2), Role::verifier(2).with_url(), Role::verifier(3)],
            longest_delay: 40,
            concurrency: 16,
            seed: 7,
            stock: 0,
        }
    }
}

impl Site {
    /// The name of the `index`th service.
    pub(super) fn name(index: usize) -> String {
        format!("one-{index}")
    }

    /// After its last signature a key must be known for this long.
    pub(super) fn linger(&self) -> SignedDuration {
        self.max_token_ttl + self.jwks_max_age + self.skew
    }

    /// By the real configuration: its thresholds are what is tested.
    pub(super) fn desired(&self) -> Desired {
        let text = self.toml();
        let config = Config::parse(&text, Path::new("/etc/keyturn/keyturn.toml"));
        Desired::of(&config.unwrap_or_else(|faults| panic!("{faults}\n{text}")))
    }

    fn toml(&self) -> String {
        let time = |duration: SignedDuration| format!("\"{}s\"", duration.as_secs());
        let maintenance = self.maintenance.map(|cron| format!("[schedule]\nmaintenance = [\"{cron}\"]\n"));
        let targets: String =
            self.roles.iter().enumerate().map(|(index, role)| target(index, *role)).collect();
        format!(
            "[daemon]\ninstance = \"test\"\n{}[delivery]\nretention = {}\n[keys]\nstock = {}\n[jwt_keys.auth]\nalgorithm = \"{}\"\n\
             allow_any_window = true\nrotate_every = {}\npublish_before = {}\njwks_max_age = {}\n\
             max_token_ttl = {}\nskew = {}\n{targets}",
            maintenance.unwrap_or_default(),
            time(self.retention),
            self.stock,
            if self.stock == 0 { "ES256" } else { "RS256" },
            time(self.rotate_every),
            time(self.publish_before),
            time(self.jwks_max_age),
            time(self.max_token_ttl),
            time(self.skew),
        )
    }
}

fn target(index: usize, role: Role) -> String {
    let name = Site::name(index);
    let mut files = Vec::new();
    if role.signs {
        files.push(r#""jwt.key" = "private-key", "jwt.kid" = "kid""#.to_owned());
    }
    if role.verifies {
        files.push(format!(r#""{JWKS}" = "jwks""#));
    }
    let verify = match role.has_url {
        true => format!("verify = {{ url = \"http://{name}/\" }}\n"),
        false => String::new(),
    };
    let files = files.join(", ");
    format!(
        "[[jwt_keys.auth.targets]]\nkind = \"swarm\"\nservices = [\"{name}\"]\nfiles = {{ {files} }}\n{verify}"
    )
}
