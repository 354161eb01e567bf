//! Services of a Docker Swarm, and the secrets and configs that carry parts to them.

mod connection;
mod error;
mod events;
mod look;
mod objects;
mod posture;
mod preflight;
mod raw;
mod settle;
mod spec;
mod tasks;
mod update;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;

use super::{Before, Goods, Target, Watch};
use crate::clock::Clock;
use crate::model::{
    Code, Engine, Forget, Labels, NewObject, OldObject, Place, Problem, Rollout, Secret, World,
};
pub use connection::Connection;
use raw::Raw;
use settle::Until;

/// No call to the engine may take longer: without a leader it would block for twice as long.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the engine may be away in the middle of a rollout: an election takes half a minute.
const ENGINE_PATIENCE: Duration = Duration::from_secs(60);

/// A Docker Swarm, seen from one of its managers.
pub struct Swarm {
    docker: Docker,
    raw: Raw,
    clock: Arc<dyn Clock>,
    instance: String,
}

impl Swarm {
    /// Finds the engine at `socket` and agrees on a version of its API.
    ///
    /// # Errors
    ///
    /// When nothing answers there.
    pub async fn connect(socket: &Path, instance: &str, clock: Arc<dyn Clock>) -> Result<Self, Problem> {
        let shown = socket.display();
        let unreachable = |error: &dyn std::fmt::Display| {
            Problem::new(Code::EngineUnreachable, format!("no Docker engine answers at {shown}: {error}"))
        };
        // bollard's own words for a missing socket name neither the path nor the reason.
        tokio::net::UnixStream::connect(socket).await.map_err(|error| unreachable(&error))?;
        let address = socket.display().to_string();
        let docker =
            Docker::connect_with_unix(&address, CALL_TIMEOUT.as_secs(), bollard::API_DEFAULT_VERSION)
                .map_err(|error| unreachable(&error))?
                .negotiate_version()
                .await
                .map_err(|error| unreachable(&error))?;
        let version = docker.client_version();
        let version = format!("{}.{}", version.major_version, version.minor_version);
        let raw = Raw::new(socket.to_owned(), version, CALL_TIMEOUT);
        Ok(Self { docker, raw, clock, instance: instance.to_owned() })
    }

    fn service_id(rollout: &Rollout) -> Result<&str, Problem> {
        rollout.service_id.as_deref().ok_or_else(|| {
            Problem::new(Code::ServiceMissing, format!("service {} is not there", rollout.place.name()))
        })
    }
}

#[async_trait]
impl Target for Swarm {
    async fn observe(&self, _watch: &Watch, world: &mut World) {
        world.engine = match self.look(world).await {
            Ok(()) => Engine::Ready,
            Err(problem) => Engine::Down(problem),
        };
    }

    async fn watch(&self, changed: &(dyn Fn() + Sync)) {
        self.events(changed).await;
    }

    async fn publish(&self, object: &NewObject, labels: &Labels, bytes: &Secret) -> Result<String, Problem> {
        self.create_or_adopt(object, labels, bytes).await
    }

    async fn preflight(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem> {
        for command in &rollout.preflight {
            self.try_out(rollout, goods, command).await?;
        }
        Ok(())
    }

    async fn apply(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem> {
        self.update_references(rollout, goods).await
    }

    async fn settle(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem> {
        self.converge(rollout, goods, Until::There).await
    }

    async fn stay(&self, rollout: &Rollout, goods: &Goods) -> Result<(), Problem> {
        self.converge(rollout, goods, Until::Watched).await
    }

    async fn put_back(&self, place: &Place, before: &Before, rollout: &Rollout) -> Result<(), Problem> {
        self.restore(&place.name(), &before.references, rollout.deadline).await
    }

    async fn finish(&self, _rollout: &Rollout) -> Result<(), Problem> {
        Ok(())
    }

    async fn forget(&self, forget: &Forget) -> Result<(), Problem> {
        self.forget_previous(forget).await
    }

    async fn delete(&self, old: &OldObject) -> Result<(), Problem> {
        self.remove(old).await
    }
}
