//! A thief has every key that ever signs, and never stops signing with it: what is still taken by whom?

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaKeyPair,
};
use serde_json::json;

use super::cast::{SIGNER, TTL, VERIFIERS};
use super::load::Load;
use super::support::{Engine, enter, get};

/// A forged token, and whether it was taken.
#[derive(Debug, Clone)]
pub struct Forged {
    pub kid: String,
    pub verifier: &'static str,
    pub begun: Timestamp,
    pub ended: Timestamp,
    pub taken: bool,
}

/// By key ID: the algorithm, and the key's PKCS#8.
type Loot = BTreeMap<String, (&'static str, Vec<u8>)>;

pub struct Thief<'a> {
    engine: &'a Engine,
    load: &'a Load,
    stop: Arc<AtomicBool>,
    loot: Arc<Mutex<Loot>>,
    forged: Arc<Mutex<Vec<Forged>>>,
    forger: JoinHandle<()>,
}

impl<'a> Thief<'a> {
    pub fn start(engine: &'a Engine, load: &'a Load) -> Self {
        let network = File::open(engine.network()).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let loot: Arc<Mutex<Loot>> = Arc::default();
        let forged: Arc<Mutex<Vec<Forged>>> = Arc::default();
        let (stopped, keys, kept) = (Arc::clone(&stop), Arc::clone(&loot), Arc::clone(&forged));
        let forger = std::thread::spawn(move || {
            enter(&network);
            while !stopped.load(Ordering::Relaxed) {
                let keys: Vec<_> = keys.lock().unwrap().clone().into_iter().collect();
                for (kid, (algorithm, key)) in &keys {
                    forge(kid, algorithm, key, &kept);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        Self { engine, load, stop, loot, forged, forger }
    }

    /// Takes every key that signs and is not had yet out of the signer's tasks.
    pub fn steal(&self) {
        let unknown = |seen: &BTreeMap<String, &'static str>| {
            let loot = self.loot.lock().unwrap();
            seen.keys().any(|kid| !loot.contains_key(kid))
        };
        if !unknown(&self.load.seen()) {
            return;
        }
        let seen = self.load.seen();
        let filter = format!("label=com.docker.swarm.service.name={SIGNER}");
        for container in self.engine.ok(["ps", "--quiet", "--filter", &filter]).lines() {
            let script =
                "for kid in /run/secrets/*.kid; do cat $kid; echo; cat ${kid%.kid}.key; echo %%; done";
            let ran = self.engine.docker(["exec", container, "sh", "-c", script]);
            for pair in ran.stdout.split("%%\n").filter(|_| ran.ok()) {
                let Some((kid, pem)) = pair.split_once('\n') else { continue };
                let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
                if let Some(algorithm) = seen.get(kid) {
                    let key = BASE64_STANDARD.decode(base64).unwrap();
                    self.loot.lock().unwrap().entry(kid.to_owned()).or_insert((algorithm, key));
                }
            }
        }
    }

    pub fn stop(self) -> Vec<Forged> {
        self.stop.store(true, Ordering::Relaxed);
        self.forger.join().unwrap();
        std::mem::take(&mut *self.forged.lock().unwrap())
    }
}

fn forge(kid: &str, algorithm: &str, key: &[u8], kept: &Mutex<Vec<Forged>>) {
    let token = token(kid, algorithm, key);
    for verifier in VERIFIERS {
        let begun = Timestamp::now();
        let answer = get(([127, 0, 0, 1], verifier.port).into(), &format!("/check/{token}"), "");
        let ended = Timestamp::now();
        let Some(answer) = answer else { continue };
        let (kid, taken) = (kid.to_owned(), answer.status == 200);
        kept.lock().unwrap().push(Forged { kid, verifier: verifier.service, begun, ended, taken });
    }
}

/// A token of this very moment.
fn token(kid: &str, algorithm: &str, key: &[u8]) -> String {
    let now = Timestamp::now().as_second();
    let encode = |part: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let header = encode(json!({ "alg": algorithm, "typ": "JWT", "kid": kid }));
    let claims = json!({ "iss": "tests", "sub": "thief", "iat": now, "exp": now + TTL });
    let signed = format!("{header}.{}", encode(claims));
    let signature = sign(algorithm, key, signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

fn sign(algorithm: &str, key: &[u8], message: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    match algorithm {
        "ES256" => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &random).unwrap();
            pair.sign(&random, message).unwrap().as_ref().to_vec()
        }
        "EdDSA" => Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).unwrap().sign(message).as_ref().to_vec(),
        _ => {
            let pair = RsaKeyPair::from_pkcs8(key).unwrap();
            let padding: &dyn ring::signature::RsaEncoding =
                if algorithm == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(padding, &random, message, &mut signature).unwrap();
            signature
        }
    }
}
