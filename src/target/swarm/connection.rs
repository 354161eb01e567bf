//! The Swarm as long as the process lives: an engine that is away is looked for again, and one that was replaced by
//! another version is asked anew what it speaks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::RwLock;

use super::super::{Before, Goods, Target, Watch};
use super::Swarm;
use crate::clock::Clock;
use crate::model::{
    Engine, EngineFacts, Forget, Labels, NewObject, OldObject, Place, Problem, Rollout, Secret, World,
};

/// After the engine's events have ended, before they are asked for again.
const EVENTS_PAUSE: Duration = Duration::from_secs(5);

/// An engine, connected to when it is needed.
pub struct Connection {
    socket: PathBuf,
    instance: String,
    clock: Arc<dyn Clock>,
    swarm: RwLock<Option<Arc<Swarm>>>,
}

impl Connection {
    /// To the engine at `socket`; nothing is asked of it yet.
    pub fn new(socket: PathBuf, instance: String, clock: Arc<dyn Clock>) -> Self {
        Self { socket, instance, clock, swarm: RwLock::default() }
    }

    /// How the Swarm itself stands.
    ///
    /// # Errors
    ///
    /// When it cannot be worked with, as a pass would say.
    pub async fn posture(&self) -> Result<EngineFacts, Problem> {
        self.swarm().await?.posture().await
    }

    async fn swarm(&self) -> Result<Arc<Swarm>, Problem> {
        if let Some(swarm) = self.swarm.read().await.as_ref() {
            return Ok(Arc::clone(swarm));
        }
        let mut known = self.swarm.write().await;
        if let Some(swarm) = known.as_ref() {
            return Ok(Arc::clone(swarm));
        }
        let swarm = Arc::new(Swarm::connect(&self.socket, &self.instance, Arc::clone(&self.clock)).await?);
        *known = Some(Arc::clone(&swarm));
        Ok(swarm)
    }

    /// What was agreed with the engine may not hold for the one that comes back.
    async fn forget_engine(&self) {
        *self.swarm.write().await = None;
    }
}

#[async_trait]
impl Target for Connection {
    async fn observe(&self, watch: &Watch, world: &mut World) {
        match self.swarm().await {
            Ok(swarm) => swarm.observe(watch, world).await,
            Err(problem) => world.engine = Engine::Down(problem),
        }
        if matches!(world.engine, Engine::Down(_)) {
            self.forget_engine().await;
        }
    }

    async fn watch(&self, changed: &(dyn Fn() + Sync)) {
        loop {
            if let Ok(swarm) = self.swarm().await {
                swarm.watch(changed).await;
                // What happened while nobody listened is not told any more.
                changed();
            }
            self.clock.sleep(EVENTS_PAUSE).await;
        }
    }

    async fn publish(&self, object: &NewObject, labels: &Labels, bytes: &Secret) -> Result<String, Problem> {
        self.swarm().await?.publish(object, labels, bytes).await
    }

    async fn preflight(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem> {
        self.swarm().await?.preflight(rollout, goods).await
    }

    async fn apply(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem> {
        self.swarm().await?.apply(rollout, goods).await
    }

    async fn settle(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem> {
        self.swarm().await?.settle(rollout, goods).await
    }

    async fn stay(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem> {
        self.swarm().await?.stay(rollout, goods).await
    }

    async fn put_back(&self, place: &Place, before: &Before, rollout: &Rollout) -> Result<(), Problem> {
        self.swarm().await?.put_back(place, before, rollout).await
    }

    async fn finish(&self, _: &Rollout) -> Result<(), Problem> {
        Ok(())
    }

    async fn forget(&self, forget: &Forget) -> Result<(), Problem> {
        self.swarm().await?.forget(forget).await
    }

    async fn delete(&self, old: &OldObject) -> Result<(), Problem> {
        self.swarm().await?.delete(old).await
    }
}
