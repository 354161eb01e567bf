//! A store that outlives the process, in memory: what is tested here is time, not the disk.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use keyturn::model::Secret;
use keyturn::store::{Change, MaterialId, StateStore, StoreError};

/// Records and materials.
#[derive(Default)]
pub(super) struct Memory(Mutex<(BTreeMap<String, Vec<u8>>, BTreeMap<MaterialId, Secret>)>);

#[async_trait]
impl StateStore for Memory {
    async fn commit(&self, change: Change) -> Result<u64, StoreError> {
        let (records, materials) = &mut *self.0.lock().unwrap();
        for (key, value) in change.puts {
            match value {
                Some(value) => records.insert(key, value),
                None => records.remove(&key),
            };
        }
        for (id, value) in change.materials {
            match value {
                Some(value) => materials.insert(id, value),
                None => materials.remove(&id),
            };
        }
        Ok(1)
    }

    async fn records(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        Ok(self.0.lock().unwrap().0.clone())
    }

    async fn material(&self, id: &MaterialId) -> Result<Option<Secret>, StoreError> {
        Ok(self.0.lock().unwrap().1.get(id).cloned())
    }
}
