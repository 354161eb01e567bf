//! How many wishes are worked on at once, so that nobody's questions use up the machine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many questions are worked out at once. What they take is a processor's time.
const READERS: usize = 2;

/// So many callers are looked up at once: a user database that hangs must not take all threads that there are.
const LOOKUPS: usize = 16;

/// Places at the desk.
pub(super) struct Turns {
    readers: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
    users: Mutex<HashMap<u32, User>>,
}

/// What one user may have.
#[derive(Clone)]
struct User {
    places: Arc<Semaphore>,
    /// One question after the other: another user's need not wait for all of them.
    reader: Arc<Semaphore>,
}

/// A turn that lasts until it is dropped.
pub(super) struct Turn(#[expect(dead_code, reason = "it is only dropped")] [Option<OwnedSemaphorePermit>; 2]);

impl Default for Turns {
    fn default() -> Self {
        let (readers, lookups) = (Semaphore::new(READERS), Semaphore::new(LOOKUPS));
        Self { readers: Arc::new(readers), lookups: Arc::new(lookups), users: Mutex::default() }
    }
}

impl Turns {
    /// So many wishes of one user are worked on, or wait, at once: orders go on when whoever gave them has gone away.
    pub(super) const OF_ONE_USER: usize = 64;

    /// A place for one more wish of the user's, if there is one.
    pub(super) fn place(&self, uid: u32) -> Option<OwnedSemaphorePermit> {
        self.user(uid).places.try_acquire_owned().ok()
    }

    /// Returns when a question of the user's may be worked out.
    pub(super) async fn reader(&self, uid: u32) -> Turn {
        let own = self.user(uid).reader.acquire_owned().await.ok();
        Turn([own, Arc::clone(&self.readers).acquire_owned().await.ok()])
    }

    /// Returns when one more caller may be looked up.
    pub(super) async fn lookup(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.lookups).acquire_owned().await.ok()
    }

    /// Only users with a role come here: there are few.
    fn user(&self, uid: u32) -> User {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || User {
            places: Arc::new(Semaphore::new(Self::OF_ONE_USER)),
            reader: Arc::new(Semaphore::new(1)),
        };
        users.entry(uid).or_insert_with(new).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_has_so_many_places_and_no_more() {
        let turns = Turns::default();
        let places: Vec<_> = (0..Turns::OF_ONE_USER).map(|_| turns.place(1000).unwrap()).collect();
        assert!(turns.place(1000).is_none());
        assert!(turns.place(1001).is_some(), "another's are another's");
        drop(places);
        assert!(turns.place(1000).is_some());
    }

    #[tokio::test]
    async fn the_questions_of_one_user_keep_out_no_other() {
        let turns = Turns::default();
        let first = turns.reader(1000).await;
        let soon = std::time::Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, turns.reader(1000)).await.is_err(), "one after the other");
        let other = tokio::time::timeout(soon, turns.reader(1001)).await;
        assert!(other.is_ok());
        assert!(tokio::time::timeout(soon, turns.reader(1002)).await.is_err(), "there are two processors");
        drop((first, other));
        assert!(tokio::time::timeout(soon, turns.reader(1000)).await.is_ok());
    }
}
