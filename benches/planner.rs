//! What a plan costs as a site grows: `scripts/bench scale`.
//!
//! The sites are brought to rest by the planner's own forecast, so that what is measured is what the daemon asks for every
//! five minutes: "is anything due?", and nothing is.
//!
//!     planner [ASSETS…]     1000 10000 100000 unless said otherwise

// A benchmark is there to print, and has a clock of its own.
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
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
    fn new(desired: Desired, count: usize, goes: Goes) -> Self {
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

/// The fastest of some runs: what else the machine does only adds. Between two looks of a daemon lie minutes, in which others
/// have used the caches: so each run finds nothing of its own in them. (A thousand assets would fit into those of most
/// processors, ten thousand into none, and the one would seem to cost thirty times the other.)
fn fastest<T>(mut work: impl FnMut() -> T) -> Duration {
    let mut others = vec![0u8; CACHES];
    let mut run = || {
        others.iter_mut().step_by(64).for_each(|octet| *octet = octet.wrapping_add(1));
        std::hint::black_box(&others);
        timed(&mut work).0
    };
    (0..5).map(|_| run()).min().unwrap_or_default()
}

/// What each thing took, in the order of [`NAMES`].
type Times = [Duration; 4];

const NAMES: [&str; 4] = ["plan, everything due", "plan, nothing due", "health", "timeline of a year"];

fn measure(count: usize, goes: Goes) -> Times {
    let mut site = Site::new(desired(count, goes), count, goes);
    let first = fastest(|| site.plan());
    site.settle();
    let idle = fastest(|| site.plan());
    let health = fastest(|| health(&site.desired, &site.inventory, site.now, site.seed()));
    let year = site.now + jiff::SignedDuration::from_hours(365 * 24);
    let ahead = || planner::timeline(&site.desired, &site.inventory, site.now, year, site.seed());
    // That of thousands takes seconds, with caches or without.
    let (ahead, _) = timed(ahead);
    [first, idle, health, ahead]
}

fn main() {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let counts = if asked.is_empty() { vec![1_000, 10_000, 100_000] } else { asked };
    for goes in [Goes::Dirs, Goes::Swarm] {
        let mut before: Option<(usize, Times)> = None;
        for count in &counts {
            let times = measure(*count, goes);
            println!("{count} assets in {}", goes.name());
            for (at, name) in NAMES.iter().enumerate() {
                let took = times[at].as_secs_f64() * 1000.0;
                let growth = before.map_or_else(String::new, |(fewer, before)| {
                    let (cost, size) =
                        (took / 1000.0 / before[at].as_secs_f64(), *count as f64 / fewer as f64);
                    format!("   x {cost:.1} for x {size:.0}")
                });
                println!("  {name:<30} {took:>10.1} ms{growth}");
            }
            before = Some((*count, times));
        }
    }
}
