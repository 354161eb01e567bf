//! Looks at the records and at the world, for one plan.

use std::path::Path;
use std::sync::Arc;

use super::Executor;
use crate::desired::{Desired, Places};
use crate::model::{Inventory, Place, World};
use crate::target::Watch;

impl Executor {
    /// All facts that a plan is made from, as they are now.
    pub async fn observe(&self, desired: &Desired) -> Inventory {
        let mut inventory = self.books.inventory().await;
        let watch = watch(desired);
        let mut world = World::default();
        self.files.observe(&watch, &mut world).await;
        if let Some(swarm) = self.swarm.as_ref().filter(|_| watch.swarm) {
            swarm.observe(&watch, &mut world).await;
        }
        let maker = Arc::clone(&self.maker);
        let read = move |file: &Path| maker.password(file);
        world.passwords = super::passwords(desired, read, |bytes| self.books.digest(bytes)).await;
        inventory.world = world;
        inventory
    }

    /// Clears up where no rollout is unfinished.
    pub async fn tidy(&self, desired: &Desired) {
        let rollouts = self.books.look(|inventory| inventory.rollouts.clone()).await;
        let mut places = watch(desired).dirs;
        places.retain(|(_, dir)| !rollouts.contains_key(&Place::Dir(dir.clone())));
        if let Err(problem) = self.files.tidy(places).await {
            // What is served is right; the next pass tries again.
            tracing::warn!("leftovers stay: {problem}");
        }
    }
}

/// What there is to look at.
pub fn watch(desired: &Desired) -> Watch {
    let mut watch = Watch::default();
    for spec in desired.assets.values() {
        for target in &spec.targets {
            match &target.places {
                Places::Services { .. } => watch.swarm = true,
                Places::Dir { dir, .. } => {
                    watch.dirs.insert((spec.id.clone(), dir.clone()));
                }
            }
        }
    }
    watch
}
