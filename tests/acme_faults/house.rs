//! The driver: the real planner, executor, ACME issuer, file target and verifier under a clock that is moved at will,
//! against the tests' own CA. It does as a daemon does: a pass, asleep until the plan wants another, a pass.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use keyturn::cli;
use keyturn::clock::{Clock, Entropy, Virtual};
use keyturn::config::Config;
use keyturn::desired::AssetSpec;
use keyturn::executor::{Edit, Passed};
use keyturn::model::{Action, AssetId, AssetKind, Code, Problem, Request, Revision};
use keyturn::planner::{self, Seed};
use keyturn::store::{OpenOptions, StateKey, StateStore, Store};
use tempfile::TempDir;

use super::kept::Memory;
use super::served::Served;
use crate::fake_ca::{Books, FakeCa, Faults};

/// While something is wrong it is looked again at least this often, as the schedule's default has it.
const CHECK: SignedDuration = SignedDuration::from_mins(5);

/// The same after a fault's end, where it may take a week until the next try.
const LATER_CHECK: SignedDuration = SignedDuration::from_hours(1);

/// Nothing here takes longer to come right; else the test says what it has seen.
const LIMIT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What is served: the names of `edge`.
pub(super) const EDGE: [&str; 2] = ["edge.test", "www.edge.test"];

/// How a site differs from the usual one.
#[derive(Default)]
pub(super) struct Site {
    /// Further lines of the issuer.
    pub(super) issuer: String,
    /// Further lines of `edge`.
    pub(super) edge: &'static str,
    /// So many further certificates, `n0.test` and so on, which go nowhere.
    pub(super) more: usize,
    /// Kept on a disk, so that a restart reads what is there.
    pub(super) on_disk: bool,
}

/// What a pass has found.
pub(super) struct Look {
    pub(super) at: Timestamp,
    pub(super) problems: Vec<(AssetId, Problem)>,
}

pub(super) struct House {
    pub(super) ca: FakeCa,
    pub(super) clock: Arc<Virtual>,
    pub(super) diary: Vec<Look>,
    pub(super) served: Served,
    config: Config,
    folder: TempDir,
    /// What outlives a restart; `None` where it is on the disk.
    memory: Option<Arc<Memory>>,
    inner: Option<cli::House>,
}

/// Minutes.
pub(super) fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

/// Hours.
pub(super) fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

/// `certificates/NAME`
pub(super) fn certificate(name: &str) -> AssetId {
    AssetId::new(AssetKind::Certificate, name)
}

impl House {
    /// Before its first pass.
    pub(super) async fn new(site: Site) -> Self {
        let clock = Arc::new(Virtual::new("2031-02-03T04:05:06Z".parse().unwrap()));
        let ca = FakeCa::start(clock.clone()).await;
        let folder = TempDir::new().unwrap();
        for sub in ["live", "webroot"] {
            std::fs::create_dir(folder.path().join(sub)).unwrap();
        }
        let served = Served::from(&folder.path().join("live")).await;
        let text = configuration(&site, &ca, folder.path(), &served.address());
        let config = Config::parse(&text, &folder.path().join("keyturn.toml"));
        let config = config.unwrap_or_else(|faults| panic!("{faults}\n{text}"));
        let memory = (!site.on_disk).then(Arc::default);
        let mut house = Self { ca, clock, diary: Vec::new(), served, config, folder, memory, inner: None };
        house.restart().await;
        house
    }

    /// One with a certificate that is served, whose renewal is due just now.
    pub(super) async fn due(site: Site) -> Self {
        let mut house = Self::new(site).await;
        house.issue().await;
        house.skip_to_renewal().await;
        house
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The first certificates.
    pub(super) async fn issue(&mut self) {
        let passed = self.pass().await;
        assert!(passed.failures.is_empty() && passed.problems.is_empty(), "{passed:#?}\n{}", self.ca.books());
    }

    /// Time goes by without a pass until `edge` is to be renewed.
    pub(super) async fn skip_to_renewal(&mut self) {
        let due = self.renew_at("edge").await;
        self.sleep_until(due);
    }

    /// When the certificate in use is to be renewed.
    pub(super) async fn renew_at(&self, name: &str) -> Timestamp {
        let spec = &self.inner().desired.assets[&certificate(name)];
        let active = self.active(name).await.unwrap();
        planner::renew_at(&spec.id, &spec.overlap, &active, self.seed()).unwrap()
    }

    /// A new process on the same state; nothing that the old one had in its head is known any more.
    pub(super) async fn restart(&mut self) {
        self.inner = None;
        let store: Arc<dyn StateStore> = match &self.memory {
            Some(memory) => memory.clone(),
            None => Arc::new(self.open()),
        };
        let clock = self.clock.clone();
        let house = cli::House::build(&self.config, store, clock, "daemon".to_owned()).await;
        self.inner = Some(house.unwrap());
    }

    fn open(&self) -> Store {
        let dir = self.config.daemon().state_dir().to_owned();
        let entropy = Entropy::system();
        let (key, _) = StateKey::load_or_create(&dir, &entropy).unwrap();
        let (store, notices) = Store::open(OpenOptions { dir, key }, &entropy, self.now()).unwrap();
        assert!(notices.is_empty(), "{notices:?}");
        store
    }

    fn inner(&self) -> &cli::House {
        self.inner.as_ref().unwrap()
    }

    /// One pass, and a look at what it leaves.
    pub(super) async fn pass(&mut self) -> Passed {
        let passed = self.inner().executor.pass(&self.inner().desired, None).await.unwrap();
        self.served.assert_sound(&EDGE, self.now());
        self.diary.push(Look { at: self.now(), problems: passed.problems.clone() });
        passed
    }

    /// Passes, each when the last one or the schedule has asked for it, until `end`.
    pub(super) async fn live(&mut self, end: Timestamp) {
        loop {
            let passed = self.pass().await;
            if self.now() >= end {
                return;
            }
            self.sleep_until(self.wake(&passed, CHECK).min(end));
        }
    }

    fn wake(&self, passed: &Passed, check: SignedDuration) -> Timestamp {
        let check = if passed.problems.is_empty() { LIMIT } else { check };
        let check = self.now() + check;
        passed.next_wake.map_or(check, |wake| wake.min(check))
    }

    pub(super) fn sleep_until(&self, at: Timestamp) {
        self.clock.advance(at.duration_since(self.now()).try_into().unwrap_or_default());
    }

    /// As `keyturn rotate` does it.
    pub(super) async fn rotate(&self, name: &str) {
        let id = certificate(name);
        let ask = |edit: &mut Edit<'_>| {
            let at = edit.now;
            let record = edit.asset(&id);
            let after = record.newest_number();
            record.ask(
                Request { at, by: "uid:0".to_owned(), after, compromised: false, new_root: false },
                false,
            );
        };
        self.inner().executor.books.edit(ask).await.unwrap();
    }

    /// What is wrong with the CA from now on.
    pub(super) fn fault(&self, change: impl FnOnce(&mut Faults)) {
        self.ca.faults(change);
    }

    /// Lives until all is well: served, nothing due, nothing wrong. When that was.
    pub(super) async fn converge(&mut self) -> Timestamp {
        let end = self.now() + LIMIT;
        loop {
            let passed = self.pass().await;
            let now = self.now();
            if self.is_well(&passed).await {
                return now;
            }
            assert!(now < end, "it does not come right:\n{passed:#?}\n{}", self.ca.books());
            self.sleep_until(self.wake(&passed, LATER_CHECK));
        }
    }

    async fn is_well(&self, passed: &Passed) -> bool {
        let inventory = self.inner().executor.books.inventory().await;
        let is_in_use = |spec: &AssetSpec| {
            let active = inventory.assets.get(&spec.id).and_then(|record| record.active());
            let due =
                active.and_then(|active| planner::renew_at(&spec.id, &spec.overlap, active, self.seed()));
            due.is_some_and(|due| due > self.now())
        };
        let quiet = passed.problems.is_empty() && passed.deferred.is_empty();
        quiet && self.inner().desired.assets.values().all(is_in_use)
    }

    /// When the next try is, as Retry-After, pauses and the budget of orders have it.
    pub(super) async fn next_try(&self) -> Timestamp {
        let inventory = self.inner().executor.observe(&self.inner().desired).await;
        let mut now = self.now();
        // What one reason holds back until then another may hold back for longer.
        for _ in 0..5 {
            let plan = planner::plan(&self.inner().desired, &inventory, now, self.seed());
            let waits = plan.deferred.iter().filter_map(|one| one.until).min();
            let due = plan.steps.iter().any(|step| matches!(step.action, Action::Issue(_)));
            match waits.filter(|_| !due) {
                Some(until) => now = until,
                None => break,
            }
        }
        now
    }

    fn seed(&self) -> Seed {
        Seed::of(&self.inner().desired.instance)
    }

    /// The revision in use.
    pub(super) async fn active(&self, name: &str) -> Option<Revision> {
        let inventory = self.inner().executor.books.inventory().await;
        inventory.assets.get(&certificate(name))?.active().cloned()
    }

    /// What the CA has seen since `from`.
    pub(super) fn books_since(&self, from: Timestamp) -> Books {
        self.ca.books().between(from, Timestamp::MAX)
    }

    /// The kinds of problems that were there since `from`, and that there never was more than one at a time; but who makes us
    /// wait is no fault by itself, and one for being late may join it.
    pub(super) fn problems_since(&self, from: Timestamp) -> BTreeSet<Code> {
        let mut codes = BTreeSet::new();
        for look in self.diary.iter().filter(|look| look.at >= from) {
            let waits = look
                .problems
                .iter()
                .any(|(_, problem)| matches!(problem.code, Code::IssuerLimited | Code::OrderPending));
            let late = |problem: &Problem| waits && problem.code == Code::Overdue;
            let told: Vec<_> = look.problems.iter().filter(|(_, problem)| !late(problem)).collect();
            let assets: BTreeSet<_> = told.iter().map(|(asset, _)| asset).collect();
            assert_eq!(assets.len(), told.len(), "at {}: {:#?}", look.at, look.problems);
            codes.extend(told.iter().map(|(_, problem)| problem.code));
        }
        codes
    }

    /// The words of the problem that is there now.
    pub(super) fn problem(&self) -> String {
        let problems = &self.diary.last().unwrap().problems;
        problems.first().map(|(_, problem)| problem.to_string()).unwrap_or_default()
    }
}

fn configuration(site: &Site, ca: &FakeCa, folder: &Path, connect: &str) -> String {
    let (folder, names) = (folder.display(), EDGE.map(|name| format!("\"{name}\"")).join(", "));
    let mut text = format!(
        r#"
[daemon]
instance = "test"
state_dir = "{folder}/state"
[issuers.ca]
kind = "acme"
server = "{}"
ca_file = "{}"
challenge = {{ kind = "http-01", webroot = "{folder}/webroot" }}
{}
[certificates.edge]
issuers = ["ca"]
dns_names = [{names}]
{}
[[certificates.edge.targets]]
kind = "file"
dir = "{folder}/live"
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key" }}
verify = {{ connect = ["{connect}"], server_name = "edge.test" }}
"#,
        ca.directory_url(),
        ca.ca_file().display(),
        site.issuer,
        site.edge,
    );
    for number in 0..site.more {
        text += &format!("[certificates.n{number}]\nissuers = [\"ca\"]\ndns_names = [\"n{number}.test\"]\n");
    }
    text
}
