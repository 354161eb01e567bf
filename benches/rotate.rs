//! How long until every replica serves the new certificate: `keyturn rotate`, with its preflight and its handshakes,
//! against a shell script (`benches/by-hand.sh`), in turn, on a real Swarm of one node.
//!
//! `scripts/bench-rotate [RUNS]`. What counts is what a client sees that never stops connecting: the time from the start
//! of the command until the last connection that was served with an old certificate. When the command itself ends is
//! printed beside it: both wait until the Swarm has watched the new tasks for its Monitor.

// A benchmark is there to print, and has clocks of its own.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use support::{Engine, Keyturn, Nginx, Prober, Report, pause};

/// How often each of the two is measured.
fn runs() -> usize {
    std::env::var("KEYTURN_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(5)
}

/// One measurement, in seconds from the start of the command.
#[derive(Clone, Copy)]
struct Took {
    /// Until the last connection with an old certificate.
    served: f64,
    /// Until the command had ended.
    ended: f64,
}

/// NGINX services that Keyturn rotates, and as many that the script does.
struct Ground {
    engine: Engine,
    keyturn: Keyturn,
    by_hand: ByHand,
    ours: Vec<Nginx>,
    theirs: Vec<Nginx>,
}

/// The script's own CA, and how many times it has run.
struct ByHand {
    dir: PathBuf,
    round: usize,
}

impl Ground {
    fn new(services: u16, replicas: usize, monitor: &str, concurrency: usize) -> Self {
        let engine = Engine::start();
        let monitor = [format!("--update-monitor={monitor}"), format!("--rollback-monitor={monitor}")];
        let make = |name: &str, first: u16| -> Vec<Nginx> {
            let one =
                |n: u16| Nginx::new(&format!("{name}-{n}"), first + n).replicas(replicas).args(&monitor);
            (0..services).map(|n| one(n).create(&engine)).collect()
        };
        let (ours, theirs) = (make("ours", 9_100), make("theirs", 9_300));
        let keyturn = Keyturn::beside(&engine).config(&configuration(&engine, &ours, concurrency));
        keyturn.ok(&["run"]);
        let by_hand = ByHand::new(&engine);
        Self { engine, keyturn, by_hand, ours, theirs }
    }

    fn keyturn(&self) -> Took {
        let names: Vec<String> = self.ours.iter().map(|web| format!("certificates/{}", web.name())).collect();
        let args: Vec<&str> = ["-v", "rotate"].into_iter().chain(names.iter().map(String::as_str)).collect();
        measure(&self.engine, &self.ours, || {
            let mut running = self.keyturn.spawn(&args);
            assert!(running.ends_within(Duration::from_secs(300)), "{}", running.stderr());
            let ran = running.take();
            if std::env::var_os("KEYTURN_BENCH_LOG").is_some() {
                eprintln!("{}", ran.stderr);
            }
            assert!(ran.ok(), "{ran:#?}");
        })
    }

    fn script(&mut self) -> Took {
        self.by_hand.round += 1;
        let (engine, theirs, by_hand) = (&self.engine, &self.theirs, &self.by_hand);
        measure(engine, theirs, || {
            let all: Vec<Child> = theirs.iter().map(|web| by_hand.rotate(engine, web.name())).collect();
            all.into_iter().for_each(|mut child| assert!(child.wait().unwrap().success()));
        })
    }
}

impl ByHand {
    fn new(engine: &Engine) -> Self {
        let dir = engine.dir().join("by-hand");
        std::fs::create_dir(&dir).unwrap();
        let args = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=By-hand \
                    -keyout ca.key -out ca.crt";
        let mut ca = support::command("openssl", args.split_whitespace());
        ca.current_dir(&dir);
        support::must(ca);
        Self { dir, round: 0 }
    }

    fn rotate(&self, engine: &Engine, service: &str) -> Child {
        let name = |round: usize| match round {
            // What the service was made with.
            0 => format!("{service}-placeholder-tls"),
            round => format!("{service}.{round}"),
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/by-hand.sh");
        let mut sh = support::command(script, [service, &name(self.round - 1), &name(self.round)]);
        sh.arg(&self.dir).env("DOCKER_HOST", format!("unix://{}", engine.socket().display()));
        sh.env("DOCKER_CONFIG", engine.dir().join("client")).spawn().unwrap()
    }
}

/// Watches `services` from outside while `command` runs.
fn measure(engine: &Engine, services: &[Nginx], command: impl FnOnce()) -> Took {
    // One service is watched by 66 connections a second; many, by five each, so that the watching costs little.
    let watch = |web: &Nginx| match services.len() {
        1 => Prober::start(engine, &web.address()),
        _ => Prober::at_pace(engine, &web.address(), 1, Duration::from_millis(200)),
    };
    let probers: Vec<Prober> = services.iter().map(watch).collect();
    pause(Duration::from_secs(1));
    let starts: Vec<f64> = probers.iter().map(|prober| prober.so_far().lasted.as_secs_f64()).collect();
    let start = Instant::now();
    command();
    let ended = start.elapsed().as_secs_f64();
    // `docker service update` ends seconds before the last of the old tasks does.
    let quiet = || probers.iter().all(|prober| old_is_gone(&prober.so_far(), Duration::from_secs(2)));
    assert!(support::wait_for(Duration::from_secs(60), quiet), "the old certificates are still served");
    let mut served: f64 = 0.0;
    for (prober, start) in probers.into_iter().zip(starts) {
        let report = prober.stop();
        assert!(report.failures.is_empty(), "{:#?}", report.failures);
        let mut leaves: Vec<_> = report.leaves.values().collect();
        leaves.sort_by_key(|leaf| leaf.last);
        assert_eq!(leaves.len(), 2, "the old and the new: {:#?}", report.leaves);
        served = served.max(leaves[0].last.as_secs_f64() - start);
    }
    Took { served, ended }
}

/// Whether only one leaf was seen for so long, and another before.
fn old_is_gone(report: &Report, long: Duration) -> bool {
    let recent = report.leaves.values().filter(|leaf| leaf.last + long > report.lasted).count();
    recent == 1 && report.leaves.len() == 2
}

fn configuration(engine: &Engine, services: &[Nginx], concurrency: usize) -> String {
    let mut toml = format!(
        "[daemon]\ninstance = \"bench\"\nstate_dir = \"state\"\n[docker]\nsocket = \"{}\"\n\
         [delivery]\nconcurrency = {concurrency}\n\
         [issuers.internal]\nkind = \"internal\"\ncommon_name = \"Bench CA\"\n",
        engine.socket().display()
    );
    for web in services {
        let (name, address) = (web.name(), web.address());
        toml.push_str(&format!(
            "[certificates.{name}]\ndns_names = [\"edge.test\"]\n[[certificates.{name}.targets]]\nkind = \"swarm\"\n\
             services = [\"{name}\"]\nfiles = {{ \"tls.crt\" = \"fullchain\", \"tls.key\" = \"private-key\" }}\n\
             preflight = [\"nginx\", \"-t\"]\nverify = {{ connect = [\"{address}\"], server_name = \"edge.test\" }}\n"
        ));
    }
    toml
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// In turn, so that whatever else the machine does falls on both.
fn compare(what: &str, mut ground: Ground) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs() {
        ours.push(ground.keyturn());
        theirs.push(ground.script());
    }
    let row = |who: &str, all: &[Took]| {
        let served = median(all.iter().map(|took| took.served).collect());
        let ended = median(all.iter().map(|took| took.ended).collect());
        let each: Vec<String> = all.iter().map(|took| format!("{:.2}", took.served)).collect();
        println!("{what:<38} {who:<8} {served:>7.2} {ended:>7.2}   {}", each.join(" "));
        served
    };
    let (ours, theirs) = (row("keyturn", &ours), row("script", &theirs));
    println!("{what:<38} {:<8} {:>7.2}", "ratio", ours / theirs);
}

fn main() {
    // `cargo test --all-targets` and nextest run or list benchmarks too; this one is for `cargo bench` alone.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    if let Some(reason) = support::missing() {
        eprintln!("cannot be measured here: {reason}");
        std::process::exit(1);
    }
    println!("{:<38} {:<8} {:>7} {:>7}   each run, in seconds", "", "", "served", "ended");
    let rows = [
        ("5s", "2 replicas, Monitor 5 s (default)", 1, 2, "5s", 16),
        ("1s", "2 replicas, Monitor 1 s", 1, 2, "1s", 16),
        // The script knows no limit; 20 services in waves of 16 take two waves.
        ("20", "20 services at once, concurrency 20", 20, 1, "5s", 20),
        ("16", "20 services, concurrency 16 (default)", 20, 1, "5s", 16),
    ];
    let only = std::env::var("KEYTURN_BENCH_ONLY").ok();
    for (name, what, services, replicas, monitor, concurrency) in rows {
        if only.as_deref().is_none_or(|only| only == name) {
            compare(what, Ground::new(services, replicas, monitor, concurrency));
        }
    }
}
