//! What a plan costs as a site grows: `scripts/bench scale`.
//!
//! The sites are brought to rest by the planner's own forecast, so that what is measured is what the daemon asks for every
//! five minutes: "is anything due?", and nothing is.
//!
//!     planner [ASSETS…] [due|idle|health|year…]     1000 10000 100000, and all four, unless said otherwise

// A benchmark is there to print, and has a clock of its own.
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use keyturn::config::{Config, Environment};
use keyturn::desired::{AssetSpec, Desired, FileSpec, Places, TargetSpec};
use keyturn::model::{AssetId, AssetKind, Engine, Inventory, ObjectKind, Service, Update};
use keyturn::planner::{self, Seed, assume, health, plan};

/// So many assets share a service: its spec names twice as many objects.
const A_SERVICE: usize = 100;

/// One asset in so many is a JWT key with a standby.
const JWT_KEYS: usize = 20;

/// Where a site's assets go.
#[derive(Clone, Copy)]
enum Goes {
    /// Each to a directory of its own.
    Dirs,
    /// A hundred to a service.
    Swarm,
}

const BOTH: [Goes; 2] = [Goes::Dirs, Goes::Swarm];

impl Goes {
    fn name(self) -> &'static str {
        match self {
            Self::Dirs => "directories",
            Self::Swarm => "services",
        }
    }

    /// Sends the pattern's target where number `number` goes.
    fn send(self, target: &mut TargetSpec, number: usize) {
        match self {
            Self::Dirs => {
                if let Places::Dir { dir, .. } = &mut target.places {
                    *dir = format!("/srv/site/{number}").into();
                }
            }
            Self::Swarm => {
                let names = Some(vec![format!("s{}", number / A_SERVICE)]);
                target.places = Places::Services { names, preflight: None };
                let files = std::mem::take(&mut target.files).into_iter();
                target.files = files
                    .map(|(name, file)| {
                        (format!("{number}.{name}"), FileSpec { kind: Some(ObjectKind::Secret), ..file })
                    })
                    .collect();
            }
        }
    }
}

/// One of each, as an operator would write them; a site is made of thousands of these.
const PATTERN: &str = r#"
[daemon]
instance = "scale"
[issuers.internal]
kind = "internal"
common_name = "Scale CA"
[certificates.one]
issuers = ["internal"]
dns_names = ["one.example.org"]
[[certificates.one.targets]]
kind = "file"
dir = "/srv/site/one"
files = { "tls.crt" = "fullchain", "tls.key" = "private-key", "ca.crt" = "ca" }
[jwt_keys.one]
algorithm = "ES256"
[[jwt_keys.one.targets]]
kind = "file"
dir = "/srv/site/one"
files = { "jwt.key" = "private-key", "jwks.json" = "jwks" }
"#;

/// A site of `count` assets.
fn desired(count: usize, goes: Goes) -> Desired {
    let file = Path::new("/etc/keyturn/keyturn.toml");
    let mut desired = Desired::of(&Config::parse_in(PATTERN, file, &Environment::default()).unwrap());
    let (mut patterns, rest) = std::mem::take(&mut desired.assets)
        .into_iter()
        .partition::<BTreeMap<AssetId, AssetSpec>, _>(|(id, _)| id.name == "one");
    desired.assets = rest;
    let mut pattern = |kind| patterns.remove(&AssetId::new(kind, "one")).unwrap();
    let (certificate, jwt) = (pattern(AssetKind::Certificate), pattern(AssetKind::JwtKey));
    for number in 0..count {
        let mut spec = if number % JWT_KEYS == 0 { jwt.clone() } else { certificate.clone() };
        spec.id = AssetId::new(spec.id.kind, format!("a{number}"));
        spec.targets.iter_mut().for_each(|target| goes.send(target, number));
        desired.assets.insert(spec.id.clone(), spec);
    }
    desired
}

/// What there is of a site at rest, its services with it.
struct Site {
    desired: Desired,
    inventory: Inventory,
    now: Timestamp,
}

impl Site {
    /// Of `count` assets, on its first day.
    fn new(count: usize, goes: Goes) -> Self {
        let desired = desired(count, goes);
        let mut inventory = Inventory::default();
        inventory.world.engine = Engine::Ready;
        if let Goes::Swarm = goes {
            let names = (0..=(count - 1) / A_SERVICE).map(|number| format!("s{number}"));
            inventory.world.services = names.map(|name| (name.clone(), service(name))).collect();
        }
        Self { desired, inventory, now: "2026-01-01T00:00:00Z".parse().unwrap() }
    }

    fn seed(&self) -> Seed {
        Seed::of(&self.desired.instance)
    }

    fn plan(&self) -> keyturn::model::Plan {
        plan(&self.desired, &self.inventory, self.now, self.seed())
    }

    /// What the coming year brings.
    fn year(&self) -> Vec<planner::Lane> {
        let year = self.now + jiff::SignedDuration::from_hours(365 * 24);
        planner::timeline(&self.desired, &self.inventory, self.now, year, self.seed())
    }

    /// All that is due works at once, until nothing is.
    fn settle(&mut self) {
        loop {
            let plan = self.plan();
            if plan.steps.is_empty() {
                return;
            }
            for step in &plan.steps {
                assume(&self.desired, &mut self.inventory, step, self.now);
            }
        }
    }
}

fn service(name: String) -> Service {
    Service {
        id: format!("id-of-{name}"),
        name,
        labelled: Default::default(),
        references: Vec::new(),
        previous: Default::default(),
        tasks: Default::default(),
        replicas: Some(2),
        running: 2,
        update: Update::Quiet,
        spec_digest: "spec".to_owned(),
        habits: Vec::new(),
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed(), done)
}

/// No processor's caches hold so many octets.
const CACHES: usize = 192 << 20;

/// What is measured: by which word, and what it is.
const MEASURES: [(&str, &str); 4] = [
    ("due", "plan, everything due"),
    ("idle", "plan, nothing due"),
    ("health", "health"),
    ("year", "timeline of a year"),
];

/// So often each is measured, and the fastest counts: what else the machine does only adds. (A year of thousands takes seconds,
/// and is measured once.)
const ROUNDS: usize = 9;

/// What one of [`MEASURES`] takes. Between two looks of a daemon lie minutes, in which others have used the caches: so nothing
/// of the site is in them. (A thousand assets would fit into those of most processors, ten thousand into none, and the one would
/// seem to cost thirty times the other.)
fn measure(word: &str, site: &Site) -> Duration {
    let mut others = vec![0u8; CACHES];
    others.iter_mut().step_by(64).for_each(|octet| *octet = octet.wrapping_add(1));
    std::hint::black_box(&others);
    match word {
        "health" => timed(|| health(&site.desired, &site.inventory, site.now, site.seed())).0,
        "year" => timed(|| site.year()).0,
        _ => timed(|| site.plan()).0,
    }
}

/// A site in a process of its own, as a daemon is: what the others leave in an allocator is not its.
struct Apart {
    process: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Apart {
    fn start(count: usize, goes: Goes) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([ALONE, &count.to_string(), goes.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (asks, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, asks, answers: BufReader::new(answers) }
    }

    fn measure(&mut self, word: &str) -> Duration {
        writeln!(self.asks, "{word}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        Duration::from_nanos(answer.trim().parse().unwrap())
    }

    fn end(mut self) {
        drop(self.asks);
        self.process.wait().unwrap();
    }
}

/// How a process is told that it is such a one.
const ALONE: &str = "--alone";

/// Answers what is asked until nobody asks any more.
fn alone(count: usize, goes: Goes) {
    let mut site = Site::new(count, goes);
    for word in std::io::stdin().lines() {
        let word = word.unwrap();
        if word != "due" {
            site.settle();
        }
        println!("{}", measure(&word, &site).as_nanos());
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, count, name] = words.as_slice()
        && mode == ALONE
    {
        let goes = BOTH.into_iter().find(|goes| goes.name() == name).unwrap();
        return alone(count.parse().unwrap(), goes);
    }
    let words: Vec<String> = words.into_iter().filter(|word| !word.starts_with('-')).collect();
    let counts: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let asked: Vec<&String> = words.iter().filter(|word| word.parse::<usize>().is_err()).collect();
    let counts = if counts.is_empty() { vec![1_000, 10_000, 100_000] } else { counts };
    for goes in BOTH {
        println!("Assets in {}", goes.name());
        let mut sites: Vec<Apart> = counts.iter().map(|count| Apart::start(*count, goes)).collect();
        for (word, name) in MEASURES {
            if asked.is_empty() || asked.iter().any(|asked| *asked == word) {
                print(name, &counts, &fastest(word, &mut sites));
            }
        }
        sites.into_iter().for_each(Apart::end);
    }
}

/// Of each site the fastest of some runs. They take turns, so that a slow minute of the machine is one for all of them.
fn fastest(word: &str, sites: &mut [Apart]) -> Vec<Duration> {
    let mut fastest = vec![Duration::MAX; sites.len()];
    for _ in 0..if word == "year" { 1 } else { ROUNDS } {
        for (site, best) in sites.iter_mut().zip(&mut fastest) {
            *best = site.measure(word).min(*best);
        }
    }
    fastest
}

/// One line for each site, with how much more it took than the one before.
fn print(name: &str, counts: &[usize], times: &[Duration]) {
    let mut before: Option<(usize, f64)> = None;
    for (count, took) in counts.iter().zip(times) {
        let took = took.as_secs_f64() * 1000.0;
        let growth = before.map_or_else(String::new, |(fewer, less)| {
            format!("   x {:.1} for x {:.0}", took / less, *count as f64 / fewer as f64)
        });
        println!("  {name:<22} {count:>8} {took:>10.1} ms{growth}");
        before = Some((*count, took));
    }
}
