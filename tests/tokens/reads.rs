//! Reads the JWK Sets that Keyturn serves, all the time: the end of a key is the clock's, not a pass's.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::cast::{ALGORITHMS, MAX_AGE, PUBLIC};
use super::support::{Engine, enter, get};

/// By key ID: when reads that had it ended first and begun last.
pub type Seen = BTreeMap<String, (Timestamp, Timestamp)>;

/// What was read.
#[derive(Debug, Default, Clone)]
pub struct Served {
    pub reads: usize,
    pub failed: Vec<String>,
    pub seen: Seen,
    /// The key IDs of the newest read of each.
    now: BTreeMap<&'static str, Vec<String>>,
}

pub struct Reads {
    stop: Arc<AtomicBool>,
    served: Arc<Mutex<Served>>,
    reader: JoinHandle<()>,
}

impl Reads {
    pub fn start(engine: &Engine) -> Self {
        let network = File::open(engine.network()).unwrap();
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Served::default())));
        let (stopped, kept) = (Arc::clone(&stop), Arc::clone(&served));
        let reader = std::thread::spawn(move || {
            enter(&network);
            while !stopped.load(Ordering::Relaxed) {
                for algorithm in ALGORITHMS {
                    read(algorithm, &kept);
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        Self { stop, served, reader }
    }

    /// Whether nobody is served any of them any more.
    pub fn all_gone(&self, kids: &[String], also: &str) -> bool {
        let served = self.served.lock().unwrap();
        !served.now.values().flatten().any(|kid| kid == also || kids.contains(kid))
    }

    pub fn stop(self) -> Served {
        self.stop.store(true, Ordering::Relaxed);
        self.reader.join().unwrap();
        self.served.lock().unwrap().clone()
    }
}

fn read(algorithm: &'static str, kept: &Mutex<Served>) {
    let begun = Timestamp::now();
    let answer = get(PUBLIC.parse().unwrap(), &format!("/jwks/{}", algorithm.to_lowercase()), "");
    let ended = Timestamp::now();
    let mut served = kept.lock().unwrap();
    let Some(answer) = answer.filter(|answer| answer.status == 200) else {
        served.failed.push(format!("{begun} {algorithm}"));
        return;
    };
    assert!(
        answer.head.contains(&format!("cache-control: public, max-age={MAX_AGE}\r\n")),
        "{}",
        answer.head
    );
    let set: Value = serde_json::from_str(&answer.body).unwrap();
    let kids: Vec<String> =
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
    served.reads += 1;
    for kid in &kids {
        let seen = served.seen.entry(kid.clone()).or_insert((ended, begun));
        seen.1 = begun;
    }
    served.now.insert(algorithm, kids);
}
