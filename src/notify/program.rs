//! Hooks: programs of the operator's, told what happened by their environment. Never a secret.

use async_trait::async_trait;

use super::{Caller, HookFailed};
use crate::model::{Errand, Hook};
use crate::process::{self, Environment};

/// All that a hook sees of our environment. Secrets are its own business: files that it knows, or that systemd has laid out
/// for the service.
const BASE: &[&str] = &["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "CREDENTIALS_DIRECTORY"];

/// Runs hooks on this machine.
pub struct Programs {
    /// `daemon.instance`.
    pub instance: String,
}

#[async_trait]
impl Caller for Programs {
    async fn call(&self, hook: &Hook, errand: &Errand) -> Result<String, HookFailed> {
        let variables = [
            ("KEYTURN_INSTANCE", self.instance.clone()),
            ("KEYTURN_EVENT", errand.moment.name().to_owned()),
            ("KEYTURN_ASSET", errand.asset.to_string()),
            ("KEYTURN_KIND", errand.asset.kind.section().to_owned()),
            ("KEYTURN_NAME", errand.asset.name.clone()),
            ("KEYTURN_REVISION", errand.revision.to_string()),
            ("KEYTURN_TIME", errand.at.to_string()),
        ];
        process::output(&hook.command, hook.timeout, Environment::Only(BASE), &variables, &[]).await
    }
}
