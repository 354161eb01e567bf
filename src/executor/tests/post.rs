//! The outbox under a virtual clock: a channel that is away for a day, restarts meanwhile, and crashes at every step.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::fuse::{Cut, Fuse};
use super::ledger::Ledger;
use super::{seconds, start, wait};
use crate::clock::{Clock, Entropy, Virtual};
use crate::config::Config;
use crate::desired::Desired;
use crate::executor::{Books, Carried, Fatal, Herald, Postman};
use crate::model::{
    Alert, AssetId, AssetKind, Code, Inventory, Item, MOST_NOTES, Message, Phase, Problem, Revision,
    RevisionState,
};
use crate::notify::{Channel, SendError};

const CONFIG: &str = "[daemon]\ninstance = \"test\"\n[notify.ops]\nkind = \"slack\"\nurl_file = \"/x\"\n";

/// A vendor that keeps what it takes, once for each name, and can be away.
struct Vendor {
    clock: Arc<Virtual>,
    fuse: Arc<Fuse>,
    away: Mutex<bool>,
    tries: Mutex<Vec<Timestamp>>,
    taken: Mutex<BTreeMap<String, Vec<Item>>>,
}

#[async_trait]
impl Channel for Vendor {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        self.tries.lock().unwrap().push(self.clock.now());
        let effect = || {
            if *self.away.lock().unwrap() {
                let retry_after = Some(seconds(3600));
                return Err(SendError { message: "HTTP 429".to_owned(), retry_after, refused: false });
            }
            self.taken.lock().unwrap().insert(message.id.clone(), message.items.clone());
            Ok(())
        };
        self.fuse.through(|| SendError::later("the answer is lost"), effect).await
    }

    async fn show(&self, _: &str, _: &[Alert], _: Timestamp) -> Result<(), SendError> {
        self.tries.lock().unwrap().push(self.clock.now());
        if *self.away.lock().unwrap() { Err(SendError::later("it is away")) } else { Ok(()) }
    }
}

impl Vendor {
    fn items(&self) -> Vec<Item> {
        let mut items: Vec<Item> = self.taken.lock().unwrap().values().flatten().cloned().collect();
        items.sort_by_key(|item| item.at);
        items
    }
}

struct Office {
    clock: Arc<Virtual>,
    fuse: Arc<Fuse>,
    ledger: Arc<Ledger>,
    vendor: Arc<Vendor>,
    desired: Desired,
}

impl Office {
    fn new() -> Self {
        Self::with(CONFIG)
    }

    fn with(config: &str) -> Self {
        let clock = Arc::new(Virtual::new(start()));
        let fuse = Arc::new(Fuse::default());
        let ledger = Arc::new(Ledger::new(clock.clone(), fuse.clone(), None));
        let vendor = Vendor {
            clock: clock.clone(),
            fuse: fuse.clone(),
            away: Mutex::new(false),
            tries: Mutex::default(),
            taken: Mutex::default(),
        };
        let config = Config::parse(config, std::path::Path::new("/etc/keyturn/keyturn.toml")).unwrap();
        Self { clock, fuse, ledger, vendor: Arc::new(vendor), desired: Desired::of(&config) }
    }

    /// A process that has just started.
    async fn open(&self) -> Result<(Arc<Books>, Herald, Postman), Fatal> {
        let books = Books::open(self.ledger.clone(), self.clock.clone(), &Entropy::system()).await?;
        let books = Arc::new(books);
        let channels = BTreeMap::from([("ops".to_owned(), self.vendor.clone() as Arc<dyn Channel>)]);
        let postman = Postman::new(books.clone(), &self.desired, channels, "uid:0");
        Ok((books.clone(), Herald::new(books, "uid:0"), postman))
    }

    /// One look with these problems, and one try to deliver.
    async fn round(
        &self,
        (books, herald, postman): &(Arc<Books>, Herald, Postman),
        problems: &[(AssetId, Problem)],
    ) -> Result<Carried, Fatal> {
        let inventory: Inventory = books.inventory().await;
        herald.tell(&self.desired, &inventory, problems).await?;
        postman.carry("ops").await
    }
}

fn asset(name: &str) -> AssetId {
    AssetId::new(AssetKind::Certificate, name)
}

/// L1, L2: 429 for a day. The queue stays bounded, no try comes early, restarts repeat and lose nothing that is urgent.
#[test]
fn a_channel_that_is_away_for_a_day() {
    wait(async {
        let office = Office::new();
        let mut process = office.open().await.unwrap();
        office.round(&process, &[]).await.unwrap();
        *office.vendor.away.lock().unwrap() = true;
        let broken = [(asset("edge"), Problem::new(Code::RolloutFailed, "words"))];
        for minute in 0..24 * 60 {
            office.clock.advance(std::time::Duration::from_secs(60));
            if minute % 97 == 0 {
                process = office.open().await.unwrap();
            }
            // Two rotations a minute: 2,880 in all.
            let turn = |books: Arc<Books>| async move {
                books
                    .edit(|edit| {
                        let now = edit.now;
                        for name in ["a", "b"] {
                            let record = edit.asset(&asset(name));
                            let number = record.newest_number() + 1;
                            let mut revision = Revision::pending(number, "", "", now);
                            revision.state = RevisionState::Prepared;
                            record.begin(revision);
                            record.activated(number, now);
                            record.revisions.retain(|old, _| *old + 3 > number);
                        }
                    })
                    .await
            };
            turn(process.0.clone()).await.unwrap();
            let carried = office.round(&process, &broken).await.unwrap();
            assert!(matches!(carried, Carried::Until(_)), "{carried:?}");
            assert!(process.0.tidings().await.notes.len() <= MOST_NOTES);
        }
        let tries = office.vendor.tries.lock().unwrap().clone();
        println!("L1: 2,880 things to tell in a day, {} tries, {MOST_NOTES} wait", tries.len());
        assert!((20..=25).contains(&tries.len()), "{} tries in a day", tries.len());
        let apart = tries.windows(2).map(|pair| pair[1].duration_since(pair[0]));
        assert!(apart.into_iter().all(|pause| pause >= SignedDuration::from_secs(3600)));
        assert_eq!(process.0.tidings().await.notes.len(), MOST_NOTES);

        *office.vendor.away.lock().unwrap() = false;
        for _ in 0..90 {
            office.clock.advance(std::time::Duration::from_secs(60));
            office.round(&process, &[]).await.unwrap();
        }
        let items = office.vendor.items();
        let phases: Vec<Phase> =
            items.iter().filter(|item| item.code.is_some()).map(|item| item.phase).collect();
        assert_eq!(phases, [Phase::Opened, Phase::Closed], "what is urgent is not lost, and told once");
        assert!(items.len() <= MOST_NOTES + 2 && process.0.tidings().await.notes.is_empty());
    });
}

/// One that is shown alerts was away when the last of them ended: once it answers again, it no longer fails. That it fails
/// is a failure, which this one does not want to know of.
#[test]
fn who_was_away_when_all_was_over_is_there_again() {
    wait(async {
        let office = Office::with(
            "[daemon]\ninstance = \"test\"\n[notify.ops]\nkind = \"alertmanager\"\nurl = \"http://127.0.0.1:9093\"\nallow_private = true\nevents = [\"expiry\"]\n",
        );
        let process = office.open().await.unwrap();
        let (books, herald, postman) = &process;
        let look = async |problems: &[(AssetId, Problem)]| {
            office.clock.advance(std::time::Duration::from_secs(3600));
            herald.tell(&office.desired, &books.inventory().await, problems).await.unwrap();
            postman.show("ops").await.unwrap()
        };
        *office.vendor.away.lock().unwrap() = true;
        for _ in 0..4 {
            look(&[(asset("edge"), Problem::new(Code::Expiring, "words"))]).await;
        }
        assert_eq!(books.tidings().await.posts["ops"].failures, 4);
        // All that there was to show is forgotten before it is back.
        for _ in 0..4 {
            assert!(matches!(look(&[]).await, Carried::Until(_)), "it is still away");
        }
        *office.vendor.away.lock().unwrap() = false;
        look(&[]).await;
        assert!(books.tidings().await.posts.is_empty());
        let tries = office.vendor.tries.lock().unwrap().len();
        look(&[]).await;
        assert_eq!(office.vendor.tries.lock().unwrap().len(), tries, "nothing to show is not shown");
    });
}

/// Killed before or after each of its effects, or with a lost answer, each thing is told once to a channel that knows names.
#[test]
fn no_crash_loses_or_repeats_anything() {
    for cut in Cut::ALL {
        for n in 1..12 {
            wait(async {
                let office = Office::new();
                let process = office.open().await.unwrap();
                office.round(&process, &[]).await.unwrap();
                office.fuse.cut(n, cut);
                let broken = [(asset("edge"), Problem::new(Code::RolloutFailed, "words"))];
                let story: [&[(AssetId, Problem)]; 4] = [&broken, &broken, &[], &[]];
                let mut step = 0;
                while step < story.len() * 2 {
                    let work = async {
                        let process = office.open().await?;
                        office.clock.advance(std::time::Duration::from_secs(40));
                        office.round(&process, story[step / 2]).await
                    };
                    tokio::select! {
                        biased;
                        () = office.fuse.blown() => {}
                        _ = work => step += 1,
                    }
                }
                office.fuse.mend();
                let process = office.open().await.unwrap();
                for _ in 0..4 {
                    office.clock.advance(std::time::Duration::from_secs(40));
                    office.round(&process, &[]).await.unwrap();
                }
                let phases: Vec<Phase> = office.vendor.items().iter().map(|item| item.phase).collect();
                assert_eq!(phases, [Phase::Opened, Phase::Closed], "{cut:?} {n}");
            });
        }
    }
}
