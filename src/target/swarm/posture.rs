//! How the Swarm itself stands: for `doctor`, which changes nothing.

use jiff::Timestamp;
use serde_json::Value;

use super::Swarm;
use crate::model::{EngineFacts, Problem};
use crate::pki;

impl Swarm {
    /// Asks the engine about its Swarm.
    ///
    /// # Errors
    ///
    /// When it cannot be worked with, as a pass would say.
    pub async fn posture(&self) -> Result<EngineFacts, Problem> {
        let info = self.must_be_manager().await?;
        let query = r#"/nodes?filters={"role":["manager"]}"#.replace('"', "%22");
        let nodes = self.raw.get(&query).await.map_err(|refusal| refusal.problem("listing the managers"))?;
        let cluster = &info["Swarm"]["Cluster"];
        Ok(EngineFacts {
            node: text(&info["Name"]),
            version: text(&info["ServerVersion"]),
            api_version: self.raw.version().to_owned(),
            managers: nodes.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(manager).collect(),
            autolock: cluster["Spec"]["EncryptionConfig"]["AutoLockManagers"].as_bool().unwrap_or(false),
            root_ends: root_ends(&cluster["TLSInfo"]["TrustRoot"]),
            time: info["SystemTime"].as_str().and_then(|time| time.parse().ok()),
        })
    }
}

fn manager(node: &Value) -> (String, bool) {
    let status = &node["ManagerStatus"];
    (text(&node["Description"]["Hostname"]), status["Reachability"].as_str() == Some("reachable"))
}

fn root_ends(pem: &Value) -> Option<Timestamp> {
    Some(pki::facts(pem.as_str()?).ok()?.validity?.not_after)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("?").to_owned()
}
