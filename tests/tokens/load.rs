//! Clients that never stop: each token is shown to every verifier when it is new, when half of its life is over, just before
//! its end, and after it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::cast::{ALGORITHMS, SKEW, TTL, VERIFIERS, signer};
use super::support::{Engine, enter, get};

/// Two clients, each of which asks for one token in this time.
const PACE: Duration = Duration::from_millis(100);
const CLIENTS: usize = 2;
/// So long before its end a token is shown once more.
const LAST: SignedDuration = SignedDuration::from_millis(700);
/// One in so many is shown after its end too.
const EXPIRED: i64 = 10;

/// A token that a service has given.
#[derive(Debug, Clone)]
pub struct Token {
    pub kid: String,
    pub text: String,
    /// When it was there.
    pub made: Timestamp,
    /// From when on it is worth nothing.
    pub exp: Timestamp,
}

/// What a verifier has said of a token of [`Load`].
#[allow(dead_code, reason = "shown where a test fails")]
#[derive(Debug, Clone)]
pub struct Said {
    pub kid: String,
    pub verifier: &'static str,
    pub begun: Timestamp,
    pub ended: Timestamp,
    pub why: String,
}

/// All that came of it.
#[derive(Debug, Default)]
pub struct Loaded {
    /// By key ID: the algorithm, how many, and when the first and the last were there.
    pub keys: BTreeMap<String, (&'static str, usize, Timestamp, Timestamp)>,
    /// By verifier: how often it took one.
    pub taken: BTreeMap<&'static str, usize>,
    /// Good tokens that were refused.
    pub refused: Vec<Said>,
    /// Tokens past their end that were refused, as they should.
    pub expired: usize,
    /// Tokens past their end that were taken.
    pub too_late: Vec<Said>,
    /// Requests without an answer.
    pub unanswered: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    tokens: Mutex<[VecDeque<Token>; 3]>,
    loaded: Mutex<Loaded>,
}

/// The clients.
pub struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(engine: &Engine) -> Self {
        let network = Arc::new(File::open(engine.network()).unwrap());
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            tokens: Mutex::default(),
            loaded: Mutex::default(),
        });
        let spawn = |work: Box<dyn Fn(&Shared) + Send>| {
            let (network, shared) = (Arc::clone(&network), Arc::clone(&shared));
            std::thread::spawn(move || {
                enter(&network);
                while !shared.stop.load(Ordering::Relaxed) {
                    work(&shared);
                }
            })
        };
        let mut clients: Vec<JoinHandle<()>> = Vec::new();
        for number in 0..CLIENTS {
            let turn = std::cell::Cell::new(number);
            clients.push(spawn(Box::new(move |shared| {
                turn.set(turn.get() + 1);
                shared.ask(ALGORITHMS[turn.get() % ALGORITHMS.len()]);
                std::thread::sleep(PACE);
            })));
        }
        for shelf in 0..3 {
            clients.push(spawn(Box::new(move |shared| shared.show_again(shelf))));
        }
        Self { shared, clients }
    }

    /// The key IDs of the tokens so far, each with its algorithm.
    pub fn seen(&self) -> BTreeMap<String, &'static str> {
        let loaded = self.shared.loaded.lock().unwrap();
        loaded.keys.iter().map(|(kid, (algorithm, ..))| (kid.clone(), *algorithm)).collect()
    }

    pub fn stop(self) -> Loaded {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        std::mem::take(&mut *self.shared.loaded.lock().unwrap())
    }
}

impl Shared {
    /// A new token, and what all say of it.
    fn ask(&self, algorithm: &'static str) {
        let answer = get(signer().parse().unwrap(), &format!("/token/{algorithm}"), "");
        let made = Timestamp::now();
        let Some(answer) = answer.as_ref().filter(|answer| answer.status == 200) else {
            self.loaded
                .lock()
                .unwrap()
                .unanswered
                .push(format!("{made} {algorithm} by the signer: {answer:?}"));
            return;
        };
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        let exp = Timestamp::from_second(said["exp"].as_i64().unwrap()).unwrap();
        let token = Token { kid: text("kid"), text: text("token"), made, exp };
        {
            let mut loaded = self.loaded.lock().unwrap();
            let key = loaded.keys.entry(token.kid.clone()).or_insert((algorithm, 0, made, made));
            (key.1, key.3) = (key.1 + 1, key.3.max(made));
        }
        self.show(&token);
        self.tokens.lock().unwrap()[0].push_back(token);
    }

    /// The next token of the shelf, when its time has come.
    fn show_again(&self, shelf: usize) {
        let due = |token: &Token| match shelf {
            0 => token.made + SignedDuration::from_secs(TTL / 2),
            1 => token.exp - LAST,
            _ => token.exp + SignedDuration::from_secs(SKEW + 1),
        };
        let token = {
            let mut shelves = self.tokens.lock().unwrap();
            let is_due = shelves[shelf].front().is_some_and(|token| due(token) <= Timestamp::now());
            if is_due { shelves[shelf].pop_front() } else { None }
        };
        let Some(token) = token else {
            std::thread::sleep(Duration::from_millis(20));
            return;
        };
        self.show(&token);
        if let Some(next) = self.tokens.lock().unwrap().get_mut(shelf + 1)
            && (shelf == 0 || token.made.as_millisecond() % EXPIRED == 0)
        {
            next.push_back(token);
        }
    }

    fn show(&self, token: &Token) {
        for verifier in VERIFIERS {
            let begun = Timestamp::now();
            let address = ([127, 0, 0, 1], verifier.port).into();
            let answer = get(address, &format!("/check/{}", token.text), "");
            let ended = Timestamp::now();
            let mut loaded = self.loaded.lock().unwrap();
            let said = |why: &str| Said {
                kid: token.kid.clone(),
                verifier: verifier.service,
                begun,
                ended,
                why: why.to_owned(),
            };
            match answer.as_ref().map(|answer| answer.status) {
                Some(200) if begun < token.exp => *loaded.taken.entry(verifier.service).or_default() += 1,
                Some(200) if begun > token.exp + SignedDuration::from_secs(SKEW) => {
                    loaded.too_late.push(said(""));
                }
                Some(401) if ended < token.exp => loaded.refused.push(said(&answer.unwrap().body)),
                Some(401) if begun > token.exp + SignedDuration::from_secs(SKEW) => loaded.expired += 1,
                // Between its end and the last clock that is behind, both are right.
                Some(200 | 401) => {}
                _ => loaded.unanswered.push(format!("{begun} {} {answer:?}", verifier.service)),
            }
        }
    }
}

impl Loaded {
    /// How many tokens.
    pub fn signed(&self) -> usize {
        self.keys.values().map(|(_, count, ..)| count).sum()
    }

    /// By how many keys.
    pub fn kids(&self) -> usize {
        self.keys.len()
    }

    pub fn print(&self) {
        for algorithm in ALGORITHMS {
            let keys: Vec<_> = self.keys.values().filter(|key| key.0 == algorithm).collect();
            let count: usize = keys.iter().map(|key| key.1).sum();
            println!("{algorithm}: {count} tokens signed by {} keys", keys.len());
        }
        for verifier in VERIFIERS {
            let count = self.taken.get(verifier.service).unwrap_or(&0);
            println!("{}: {count} good tokens taken", verifier.library);
        }
        println!("{} tokens past their end, all refused", self.expired);
    }
}
