//! The engine's events: somebody has changed a service, a secret, a config or a node.

use std::collections::HashMap;

use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;

use super::Swarm;

/// What a plan depends on. Containers come and go all the time, and their service says what matters of them.
const TYPES: [&str; 4] = ["service", "secret", "config", "node"];

impl Swarm {
    /// Calls `changed` for each event, until the engine ends them.
    pub(super) async fn events(&self, changed: &(dyn Fn() + Sync)) {
        let filters: HashMap<&str, Vec<&str>> = [("type", TYPES.to_vec())].into();
        let options = EventsOptionsBuilder::default().filters(&filters).build();
        let mut events = std::pin::pin!(self.docker.events(Some(options)));
        while let Some(event) = events.next().await {
            match event {
                Ok(_) => changed(),
                Err(error) => {
                    tracing::debug!("the engine's events have ended: {error}");
                    return;
                }
            }
        }
    }
}
