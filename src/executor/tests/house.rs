//! The whole of it under one clock, and the way it is driven: pass, sleep until `next_wake`, pass.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};

use super::fuse::Fuse;
use super::hands::{Eyes, Hands};
use super::ledger::Ledger;
use super::rng::Rng;
use super::site::{Role, Site};
use super::swarm::{Swarm, Task};
use super::{Bug, auth, start};
use crate::clock::{Clock, Entropy, Virtual};
use crate::desired::Desired;
use crate::executor::{Books, Executor, Fatal, Passed, Silent};
use crate::model::{AssetRecord, Inventory, Request, Revision, RevisionState};

/// After a failure it is looked again at least this often, as a daemon's schedule does.
const CHECK: SignedDuration = SignedDuration::from_hours(1);

pub(super) struct House {
    pub(super) site: Site,
    pub(super) clock: Arc<Virtual>,
    pub(super) fuse: Arc<Fuse>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) swarm: Arc<Swarm>,
    pub(super) hands: Arc<Hands>,
    eyes: Arc<Eyes>,
    desired: Desired,
    bug: Option<Bug>,
    crashes: AtomicU64,
}

impl House {
    pub(super) fn new(site: Site) -> Self {
        Self::with_bug(site, None)
    }

    pub(super) fn with_bug(site: Site, bug: Option<Bug>) -> Self {
        Self::made(Arc::new(Virtual::new(start())), site, bug)
    }

    /// One under a clock that others move, too.
    pub(super) fn by(clock: Arc<Virtual>, site: Site) -> Self {
        Self::made(clock, site, None)
    }

    fn made(clock: Arc<Virtual>, site: Site, bug: Option<Bug>) -> Self {
        let fuse = Arc::new(Fuse::default());
        let ledger = Arc::new(Ledger::new(clock.clone(), fuse.clone(), bug));
        let rng = Rng::new(site.seed);
        let swarm = Swarm::new(clock.clone(), fuse.clone(), ledger.clone(), rng, site.longest_delay, bug);
        let swarm = Arc::new(swarm);
        for (index, role) in site.roles.iter().enumerate() {
            swarm.create(&Site::name(index), role.replicas);
        }
        let eyes = Eyes::new(clock.clone(), fuse.clone(), swarm.clone(), Rng::new(site.seed + 1));
        Self {
            desired: desired(&site, bug),
            hands: Arc::new(Hands::new(fuse.clone())),
            eyes: Arc::new(eyes),
            crashes: AtomicU64::new(0),
            site,
            clock,
            fuse,
            ledger,
            swarm,
            bug,
        }
    }

    /// What the task's service does.
    pub(super) fn role(&self, task: &Task) -> Role {
        self.site.roles[task.service.trim_start_matches("one-").parse::<usize>().unwrap()]
    }

    /// How often the process has died.
    pub(super) fn crashes(&self) -> u64 {
        self.crashes.load(Ordering::SeqCst)
    }

    /// A process that has just started on this state and this world.
    pub(super) async fn executor(&self) -> Result<Executor, Fatal> {
        let books = Books::open(self.ledger.clone(), self.clock.clone(), &Entropy::system()).await?;
        Ok(Executor {
            books: Arc::new(books),
            clock: self.clock.clone(),
            issuers: BTreeMap::new(),
            maker: self.hands.clone(),
            swarm: Some(self.swarm.clone()),
            files: self.swarm.clone(),
            verifier: self.eyes.clone(),
            reporter: Arc::new(Silent),
            actor: "daemon".to_owned(),
            concurrency: self.site.concurrency,
        })
    }

    /// One pass to its end, in as many processes as it takes.
    pub(super) async fn pass(&self) -> Passed {
        loop {
            let work = async { self.executor().await?.pass(&self.desired, None).await };
            tokio::select! {
                biased;
                () = self.fuse.blown() => {}
                passed = work => if let Ok(passed) = passed {
                    self.destroy_at_once().await;
                    return passed;
                },
            }
            self.crashes.fetch_add(1, Ordering::SeqCst);
            self.ledger.restarted();
        }
    }

    /// Fills the stock as far as it goes, in as many processes as it takes.
    pub(super) async fn fill_stock(&self) {
        loop {
            let work = async { self.executor().await?.restock(&self.desired).await };
            tokio::select! {
                biased;
                () = self.fuse.blown() => {}
                done = work => match done {
                    Ok(Ok(true)) => continue,
                    Ok(_) => return,
                    Err(_) => {}
                },
            }
            self.crashes.fetch_add(1, Ordering::SeqCst);
            self.ledger.restarted();
        }
    }

    /// Passes, each when the last one has asked for it, until `end`.
    pub(super) async fn live(&self, end: Timestamp) -> Passed {
        loop {
            let passed = self.pass().await;
            let now = self.clock.now();
            if now >= end {
                return passed;
            }
            let check = if passed.failures.is_empty() { end } else { now + CHECK };
            let wake = passed.next_wake.unwrap_or(end).min(check).min(end);
            self.sleep(wake.duration_since(now));
        }
    }

    /// The same, for so long from now on.
    pub(super) async fn live_for(&self, time: SignedDuration) -> Passed {
        self.live(self.clock.now() + time).await
    }

    pub(super) fn sleep(&self, time: SignedDuration) {
        self.clock.advance(time.try_into().unwrap_or_default());
    }

    /// As `keyturn rotate` does it.
    pub(super) async fn ask(&self) {
        let books = self.fuse.spare(self.executor()).await.unwrap().books;
        let ask = |edit: &mut crate::executor::Edit<'_>| {
            let at = edit.now;
            let record = edit.asset(&auth());
            let after = record.active().map_or(0, |revision| revision.number);
            record.ask(
                Request { at, by: "uid:0".to_owned(), after, compromised: false, new_root: false },
                false,
            );
        };
        self.fuse.spare(books.edit(ask)).await.unwrap();
    }

    pub(super) async fn inventory(&self) -> Inventory {
        self.fuse.spare(self.executor()).await.unwrap().books.inventory().await
    }

    pub(super) async fn record(&self) -> AssetRecord {
        self.inventory().await.record(&auth()).unwrap().clone()
    }

    pub(super) async fn revision(&self, number: u32) -> Revision {
        self.record().await.revisions.remove(&number).unwrap()
    }

    /// `1 retiring, 2 active, 3 published`
    pub(super) async fn states(&self) -> String {
        let record = self.record().await;
        let all = record.revisions.values().map(|revision| format!("{} {}", revision.number, revision.state));
        all.collect::<Vec<_>>().join(", ")
    }

    /// All that does not depend on when things happened, under which names, and which numbers were lost on the way:
    /// two lives that end the same are equal. `contents` of objects are taken as they are given.
    pub(super) async fn end_state(&self, contents: &[String]) -> Vec<String> {
        let inventory = self.inventory().await;
        let record = &inventory.assets[&auth()];
        let rank = |number: &u32| record.revisions.range(..=number).count();
        let ranks = |numbers: &[u32]| numbers.iter().map(rank).collect::<Vec<_>>();
        let mut lines: Vec<String> = record
            .revisions
            .values()
            .map(|one| format!("revision {} is {}", rank(&one.number), one.state))
            .collect();
        for (place, delivery) in &record.deliveries {
            lines.push(format!("{place} is {:?} by {:?}", delivery.state, delivery.proof));
            let files = &delivery.content.files;
            lines.extend(
                files
                    .iter()
                    .map(|(path, file)| format!("{place} has {path} of {:?}", ranks(&file.revisions))),
            );
        }
        let now = self.clock.now();
        for task in self.swarm.history().iter().filter(|task| task.lives(now)) {
            lines.push(format!("{} runs with {:?}", task.service, task.files));
        }
        lines.extend(self.swarm.shown().iter().map(|(service, files)| format!("{service} names {files:?}")));
        lines.extend_from_slice(contents);
        lines.extend(self.ledger.materials().iter().map(|number| format!("key {} is kept", rank(number))));
        lines.extend(inventory.rollouts.keys().map(|place| format!("{place} is unfinished")));
        lines.iter().map(|line| by_rank(line, record)).collect()
    }

    async fn destroy_at_once(&self) {
        if self.bug != Some(Bug::DestroysAtOnce) {
            return;
        }
        let books = self.executor().await.unwrap().books;
        let record = books.inventory().await.assets.remove(&auth()).unwrap();
        for revision in record.revisions.values().filter(|r| r.state == RevisionState::Retiring) {
            books.edit(|edit| edit.material(&auth(), revision.number, None)).await.unwrap();
        }
    }
}

/// Which ID a key has depends on how many were made in vain: `k7` becomes `#3`.
fn by_rank(line: &str, record: &AssetRecord) -> String {
    let rank = |word: &str| {
        let of = record.revisions.values().position(|revision| revision.kid.as_deref() == Some(word));
        of.map_or_else(|| word.to_owned(), |position| format!("#{}", position + 1))
    };
    let words = line.split_inclusive(|c: char| !c.is_alphanumeric());
    let word = |word: &str| {
        let end = word.find(|c: char| !c.is_alphanumeric()).unwrap_or(word.len());
        rank(&word[..end]) + &word[end..]
    };
    words.map(word).collect()
}

fn desired(site: &Site, bug: Option<Bug>) -> Desired {
    let mut desired = site.desired();
    let overlap = &mut desired.assets.get_mut(&auth()).unwrap().overlap;
    match bug {
        Some(Bug::DoesNotWait) => overlap.publish_before = SignedDuration::ZERO,
        Some(Bug::ForgetsCaches) => overlap.linger -= site.jwks_max_age,
        _ => {}
    }
    desired
}
