//! Memory follows the disk, also where the disk did not answer.

use std::sync::Arc;

use super::fuse::{Cut, Fuse};
use super::ledger::Ledger;
use super::{auth, start, wait};
use crate::clock::{Entropy, Virtual};
use crate::executor::{Books, Edit, Fatal};
use crate::model::{Material, Revision, Secret};

struct Desk {
    fuse: Arc<Fuse>,
    ledger: Arc<Ledger>,
    books: Books,
}

impl Desk {
    async fn new() -> Self {
        let clock = Arc::new(Virtual::new(start()));
        let fuse = Arc::new(Fuse::default());
        let ledger = Arc::new(Ledger::new(clock.clone(), fuse.clone(), None));
        let books = Books::open(ledger.clone(), clock, &Entropy::system()).await.unwrap();
        Self { fuse, ledger, books }
    }

    /// A revision and its key, as the executor keeps them.
    async fn begin(&self, number: u32) -> Result<(), Fatal> {
        self.books.edit(|edit| begin(edit, number)).await
    }

    /// The revisions that the books know, and those whose keys are kept.
    async fn numbers(&self) -> (Vec<u32>, Vec<u32>) {
        let record = self.books.inventory().await.assets.remove(&auth()).unwrap();
        (record.revisions.into_keys().collect(), self.ledger.materials())
    }
}

fn begin(edit: &mut Edit<'_>, number: u32) {
    let now = edit.now;
    edit.asset(&auth()).begin(Revision::pending(number, "a test", "ES256", now));
    let private_key = Some(Secret::new(format!("private k{number}")));
    edit.material(&auth(), number, Some(Material { private_key, ..Material::default() }));
}

#[test]
fn a_write_whose_answer_was_lost_is_not_written_over() {
    wait(async {
        let desk = Desk::new().await;
        desk.fuse.cut(1, Cut::LoseReply);
        assert!(desk.begin(1).await.is_err());
        desk.begin(2).await.unwrap();
        assert_eq!(desk.numbers().await, (vec![1, 2], vec![1, 2]));
    });
}

#[test]
fn a_write_that_nobody_waited_for_is_not_written_over() {
    wait(async {
        let desk = Desk::new().await;
        // It becomes durable, and whoever asked for it has gone before the answer.
        desk.fuse.cut(1, Cut::KillAfter);
        tokio::select! {
            biased;
            () = desk.fuse.blown() => {}
            _ = desk.begin(1) => unreachable!("it is never answered"),
        }
        assert_eq!(desk.numbers().await, (vec![1], vec![1]), "who reads sees it");
        desk.begin(2).await.unwrap();
        assert_eq!(desk.numbers().await, (vec![1, 2], vec![1, 2]));
    });
}

#[test]
fn a_write_that_was_refused_is_as_if_it_had_not_been() {
    wait(async {
        let desk = Desk::new().await;
        desk.begin(1).await.unwrap();
        desk.fuse.cut(1, Cut::Refuse);
        assert!(desk.begin(2).await.is_err());
        assert_eq!(desk.numbers().await, (vec![1], vec![1]));
    });
}
