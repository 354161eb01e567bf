//! Memory follows the disk, also where the disk did not answer.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use async_trait::async_trait;
use futures_util::future::{join, join_all};
use tokio::sync::Semaphore;

use super::fuse::{Cut, Fuse};
use super::ledger::Ledger;
use super::{auth, start, wait};
use crate::clock::{Entropy, Virtual};
use crate::executor::{Books, Edit, Fatal};
use crate::model::{KeyAlgorithm, Material, Revision, Secret, Spare, SpareId, Ware};
use crate::store::{Change, MAX_VALUE, MaterialId, StateStore, StoreError};

/// A disk that takes as long as the test wants.
struct Slow {
    ledger: Arc<Ledger>,
    /// One for each write that may end.
    turns: Semaphore,
}

#[async_trait]
impl StateStore for Slow {
    async fn commit(&self, change: Change) -> Result<u64, StoreError> {
        self.turns.acquire().await.unwrap().forget();
        self.ledger.commit(change).await
    }

    async fn records(&self) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        self.ledger.records().await
    }

    async fn material(&self, id: &MaterialId) -> Result<Option<Secret>, StoreError> {
        self.ledger.material(id).await
    }
}

struct Desk {
    fuse: Arc<Fuse>,
    ledger: Arc<Ledger>,
    slow: Arc<Slow>,
    books: Books,
}

impl Desk {
    async fn new() -> Self {
        let desk = Self::with_slow_disk().await;
        desk.slow.turns.add_permits(Semaphore::MAX_PERMITS / 2);
        desk
    }

    /// Nothing ends until the test lets it.
    async fn with_slow_disk() -> Self {
        let clock = Arc::new(Virtual::new(start()));
        let fuse = Arc::new(Fuse::default());
        let ledger = Arc::new(Ledger::new(clock.clone(), fuse.clone(), None));
        // Opening makes a step of its own.
        let slow = Arc::new(Slow { ledger: ledger.clone(), turns: Semaphore::new(1) });
        let books = Books::open(slow.clone(), clock, &Entropy::system()).await.unwrap();
        Self { fuse, ledger, slow, books }
    }

    /// So many writes may end.
    fn let_end(&self, writes: usize) {
        self.slow.turns.add_permits(writes);
    }

    /// A revision and its key, as the executor keeps them.
    async fn begin(&self, number: u32) -> Result<(), Fatal> {
        self.books.edit(|edit| begin(edit, number)).await
    }

    /// The revisions that the books know, and those whose keys are kept.
    async fn numbers(&self) -> (Vec<u32>, Vec<u32>) {
        let record = self.books.inventory().await.assets.remove(&auth()).unwrap();
        (record.revisions.keys().copied().collect(), self.ledger.materials())
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

/// Lets `work` go on for as long as it can without an answer from the disk.
async fn set_out<T>(mut work: std::pin::Pin<&mut (impl Future<Output = T> + ?Sized)>) {
    for _ in 0..8 {
        let ended = poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_ready())).await;
        assert!(!ended, "it has not waited");
        tokio::task::yield_now().await;
    }
}

#[test]
fn what_comes_while_the_disk_works_becomes_durable_together() {
    wait(async {
        let desk = Desk::with_slow_disk().await;
        let before = desk.ledger.commits();
        let mut all = pin!(join_all((1..=100).map(|number| desk.begin(number))));
        set_out(all.as_mut()).await;
        desk.let_end(9);
        assert!(all.await.iter().all(Result::is_ok));
        let numbers: Vec<u32> = (1..=100).collect();
        assert_eq!(desk.numbers().await, (numbers.clone(), numbers));
        assert!(desk.ledger.commits() - before <= 2, "{} steps", desk.ledger.commits() - before);
    });
}

#[test]
fn nobody_is_answered_before_the_disk_has_answered() {
    wait(async {
        let desk = Desk::with_slow_disk().await;
        let (mut first, mut second) = (pin!(desk.begin(1)), pin!(desk.begin(2)));
        set_out(first.as_mut()).await;
        set_out(second.as_mut()).await;
        desk.let_end(1);
        first.await.unwrap();
        // The second builds on the first, and has a step of its own.
        set_out(second.as_mut()).await;
        assert_eq!(desk.ledger.materials(), vec![1]);
        desk.let_end(1);
        second.await.unwrap();
        assert_eq!(desk.numbers().await, (vec![1, 2], vec![1, 2]));
    });
}

/// The second has the first's revision in its record: to keep it would keep half of what was refused.
#[test]
fn what_builds_on_a_write_that_fails_fails_with_it() {
    for cut in [Cut::Refuse, Cut::LoseReply] {
        wait(async {
            let desk = Desk::with_slow_disk().await;
            desk.fuse.cut(1, cut);
            let (mut first, mut second) = (pin!(desk.begin(1)), pin!(desk.begin(2)));
            set_out(first.as_mut()).await;
            set_out(second.as_mut()).await;
            desk.let_end(9);
            let (first, second) = join(first, second).await;
            assert!(first.is_err() && second.is_err(), "{cut:?}");
            desk.begin(3).await.unwrap();
            let kept = if cut == Cut::LoseReply { vec![1, 3] } else { vec![3] };
            assert_eq!(desk.numbers().await, (kept.clone(), kept), "{cut:?}");
        });
    }
}

/// One of two who share a step hangs up; the step is the other's too.
#[test]
fn who_hangs_up_does_not_take_the_others_along() {
    wait(async {
        let desk = Desk::with_slow_disk().await;
        let mut first = pin!(desk.begin(1));
        set_out(first.as_mut()).await;
        let mut third = pin!(desk.begin(3));
        {
            let mut second = pin!(desk.begin(2));
            set_out(second.as_mut()).await;
            set_out(third.as_mut()).await;
        }
        desk.let_end(9);
        let (first, third) = join(first, third).await;
        assert!(first.is_ok() && third.is_ok());
        assert_eq!(desk.numbers().await, (vec![1, 2, 3], vec![1, 2, 3]));
    });
}

#[test]
fn what_nobody_waits_for_any_more_is_not_begun() {
    wait(async {
        let desk = Desk::with_slow_disk().await;
        let mut first = pin!(desk.begin(1));
        set_out(first.as_mut()).await;
        {
            let mut second = pin!(desk.begin(2));
            set_out(second.as_mut()).await;
        }
        desk.let_end(9);
        let (first, third) = join(first, desk.begin(3)).await;
        assert!(first.is_ok() && third.is_ok());
        assert_eq!(desk.numbers().await, (vec![1, 3], vec![1, 3]));
    });
}

#[test]
fn what_is_too_big_is_refused_alone() {
    wait(async {
        let desk = Desk::new().await;
        let big = desk.books.edit(|edit| {
            let private_key = Some(Secret::new("x".repeat(MAX_VALUE)));
            edit.material(&auth(), 9, Some(Material { private_key, ..Material::default() }));
        });
        let all = join_all([desk.begin(1), desk.begin(2)]);
        let (all, big) = join(all, big).await;
        assert!(all.iter().all(Result::is_ok) && big.is_err());
        assert_eq!(desk.numbers().await, (vec![1, 2], vec![1, 2]));
    });
}

/// A key that is on its way into a revision is free for nobody else, also when who took it has hung up.
#[test]
fn a_spare_is_not_drawn_while_its_use_is_under_way() {
    wait(async {
        let desk = Desk::with_slow_disk().await;
        let ware = Ware::Key(KeyAlgorithm::Rsa3072);
        let id = SpareId { ware, number: 1 };
        desk.let_end(1);
        let spare = |edit: &mut Edit<'_>| {
            edit.stock(id, Spare { made_at: edit.now, pem: Secret::new("a key") });
        };
        desk.books.edit(spare).await.unwrap();
        let mut others = pin!(desk.begin(1));
        {
            let drawn = desk.books.draw(ware).await.unwrap();
            let used = desk.books.edit(|edit| edit.unstock(drawn.id));
            let mut used = pin!(used);
            set_out(used.as_mut()).await;
            set_out(others.as_mut()).await;
        }
        let drawn = pin!(async {
            set_out(pin!(desk.books.draw(ware))).await;
            desk.let_end(9);
            desk.books.draw(ware).await.is_some()
        });
        let (drawn, others) = join(drawn, others).await;
        others.unwrap();
        assert!(!drawn);
    });
}
