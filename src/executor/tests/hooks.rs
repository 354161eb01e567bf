//! Runs of hooks: none is lost silently, whatever number is to be made.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::fuse::Fuse;
use super::ledger::Ledger;
use super::{start, wait};
use crate::clock::{Entropy, Virtual};
use crate::config::Config;
use crate::desired::Desired;
use crate::executor::{Books, Carried, Errands, Herald};
use crate::model::{AssetId, AssetKind, Code, Errand, Hook, MOST_ERRANDS, Revision, RevisionState};
use crate::notify::{Caller, HookFailed};
use crate::planner::tidings::{self, Conditions};

const CONFIG: &str =
    "[daemon]\ninstance = \"test\"\n[[hooks]]\nevent = \"activated\"\ncommand = [\"/bin/purge\"]\n";

/// Writes down what it is called for, and how long that may take.
#[derive(Default)]
struct Called(Mutex<Vec<(AssetId, Duration)>>);

#[async_trait]
impl Caller for Called {
    async fn call(&self, hook: &Hook, errand: &Errand) -> Result<String, HookFailed> {
        self.0.lock().unwrap().push((errand.asset.clone(), hook.timeout));
        Ok(String::new())
    }
}

struct Office {
    ledger: Arc<Ledger>,
    books: Arc<Books>,
    herald: Herald,
    desired: Desired,
    called: Arc<Called>,
}

impl Office {
    async fn open() -> Self {
        Self::with(CONFIG).await
    }

    async fn with(config: &str) -> Self {
        let clock = Arc::new(Virtual::new(start()));
        let ledger = Arc::new(Ledger::new(clock.clone(), Arc::new(Fuse::default()), None));
        let books = Arc::new(Books::open(ledger.clone(), clock, &Entropy::system()).await.unwrap());
        let config = Config::parse(config, std::path::Path::new("/etc/keyturn/keyturn.toml")).unwrap();
        let herald = Herald::new(books.clone(), "uid:0");
        let office = Self { ledger, books, herald, desired: Desired::of(&config), called: Arc::default() };
        // What happened before was not told to anyone.
        office.tell().await;
        office
    }

    fn errands(&self) -> Errands {
        let hooks = self.desired.listeners.hooks.clone();
        Errands::new(self.books.clone(), hooks, self.called.clone(), "uid:0")
    }

    async fn tell(&self) {
        let inventory = self.books.inventory().await;
        self.herald.tell(&self.desired, &inventory, &[]).await.unwrap();
    }

    /// So many certificates are turned over together.
    async fn turn_over(&self, count: usize) {
        self.books
            .edit(|edit| {
                let now = edit.now;
                for n in 0..count {
                    let record = edit.asset(&asset(n));
                    let mut revision = Revision::pending(1, "", "", now);
                    revision.state = RevisionState::Prepared;
                    record.begin(revision);
                    record.activated(1, now);
                }
            })
            .await
            .unwrap();
        self.tell().await;
    }
}

fn asset(n: usize) -> AssetId {
    AssetId::new(AssetKind::Certificate, format!("a{n:05}"))
}

#[test]
fn a_turn_of_all_assets_runs_the_hook_for_each() {
    wait(async {
        let office = Office::open().await;
        office.turn_over(1_100).await;
        let (errands, command) = (office.errands(), ["/bin/purge".to_owned()]);
        while errands.run_next(&command).await.unwrap() == Carried::Done {}
        let called = office.called.0.lock().unwrap().clone();
        let called: Vec<AssetId> = called.into_iter().map(|(asset, _)| asset).collect();
        assert_eq!(called, (0..1_100).map(asset).collect::<Vec<_>>());
        assert!(office.books.tidings().await.given_up.is_empty());
    });
}

#[test]
fn what_gives_way_is_in_the_history_and_a_problem() {
    wait(async {
        let office = Office::open().await;
        office.turn_over(MOST_ERRANDS + 2).await;
        let waiting = office.books.tidings().await;
        assert_eq!(waiting.errands.len(), MOST_ERRANDS);
        let events = office.ledger.events();
        let lost: Vec<_> = events.iter().filter(|event| event.action == "hook-given-up").collect();
        // The first of all may be running.
        assert_eq!(
            lost.iter().map(|event| event.asset.clone().unwrap()).collect::<Vec<_>>(),
            [asset(1), asset(2)]
        );
        assert_eq!(lost[0].detail["hook"], "/bin/purge");
        let trouble = tidings::trouble(&waiting);
        let problem = &trouble[0].1;
        assert_eq!((trouble.len(), problem.code), (1, Code::HookFailed));
        assert!(problem.message.contains("given up for 2 events (activated)"), "{problem}");
        let mut later = waiting.clone();
        let tomorrow = start() + jiff::SignedDuration::from_hours(25);
        tidings::judge(&mut later, &office.desired.listeners, &Conditions::new(), tomorrow);
        assert!(later.given_up.is_empty() && later.errands.len() == MOST_ERRANDS);
    });
}

/// Two hooks may share a command: each run has the time of the one that asked for it.
#[test]
fn a_command_of_two_hooks_has_the_time_of_each() {
    wait(async {
        let hook = |asset: &str, timeout: &str| {
            format!(
                "[[hooks]]\nevent = \"activated\"\nassets = [\"certificates/{asset}\"]\ncommand = [\"/bin/purge\"]\ntimeout = \"{timeout}\"\n"
            )
        };
        let text =
            format!("[daemon]\ninstance = \"test\"\n{}{}", hook("a00000", "5s"), hook("a00001", "90s"));
        let office = Office::with(&text).await;
        office.turn_over(3).await;
        let (errands, command) = (office.errands(), ["/bin/purge".to_owned()]);
        while errands.run_next(&command).await.unwrap() == Carried::Done {}
        let called = office.called.0.lock().unwrap().clone();
        let seconds = Duration::from_secs;
        assert_eq!(called, [(asset(0), seconds(5)), (asset(1), seconds(90))]);
    });
}
