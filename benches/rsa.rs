//! RSA keys: ours, the libraries that could make them, and OpenSSL, in turn.
//!
//! `scripts/bench-rsa [KEYS] [BITS]`, on one core. CPU time a key, in milliseconds; the tail is heavy, so compare the
//! means of many.

// A benchmark is there to print.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, missing_docs)]

mod beside;

use std::process::{Command, Stdio};

use beside::{Other, cost};
use keyturn::clock::{Entropy, NoEntropy};
use keyturn::keys::PrivateKey;
use keyturn::model::KeyAlgorithm;
use rsa::rand_core::{CryptoRng, Error, RngCore, impls};

/// The system's randomness, for `rsa`.
struct Random(Entropy);

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes).map_err(|NoEntropy| ()).unwrap();
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Random {}

/// The C program beside this file, built where there is a compiler and OpenSSL's headers.
fn openssl_in_process(bits: usize) -> Option<Other> {
    let program = std::env::temp_dir().join(format!("keyturn-openssl-rsa-{}", std::process::id()));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/openssl-rsa.c");
    let built = Command::new("cc").args(["-O2", source, "-lcrypto", "-o"]).arg(&program).status();
    let mut command = Command::new(&program);
    command.arg(bits.to_string());
    let other = built.is_ok_and(|status| status.success()).then(|| Other::start(command));
    let _ = std::fs::remove_file(&program);
    other
}

/// As a script would do it; its CPU time is known in steps of ten milliseconds.
fn genpkey(bits: usize) -> f64 {
    let before = beside::childrens();
    let size = format!("rsa_keygen_bits:{bits}");
    let mut command = Command::new("openssl");
    command.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", &size, "-out", "/dev/null"]);
    assert!(command.stderr(Stdio::null()).status().unwrap().success());
    beside::childrens() - before
}

type Contestant = (&'static str, Box<dyn FnMut() -> f64>);

fn contestants(algorithm: KeyAlgorithm, bits: usize) -> Vec<Contestant> {
    let size = match bits {
        2048 => aws_lc_rs::rsa::KeySize::Rsa2048,
        4096 => aws_lc_rs::rsa::KeySize::Rsa4096,
        _ => aws_lc_rs::rsa::KeySize::Rsa3072,
    };
    let mut all: Vec<Contestant> = vec![
        (
            "keyturn (aws-lc-rs, checked by rsa)",
            Box::new(move || {
                cost(|| PrivateKey::generate(algorithm, &Entropy::system()).unwrap().to_pkcs8_pem())
            }),
        ),
        ("aws-lc-rs alone", Box::new(move || cost(|| aws_lc_rs::rsa::KeyPair::generate(size).unwrap()))),
        (
            "rsa 0.9",
            Box::new(move || cost(|| rsa::RsaPrivateKey::new(&mut Random(Entropy::system()), bits).unwrap())),
        ),
        ("openssl genpkey", Box::new(move || genpkey(bits))),
    ];
    if let Some(mut other) = openssl_in_process(bits) {
        all.push(("OpenSSL in process (C)", Box::new(move || other.ask())));
    }
    let script = format!(
        "import sys, time\nfrom cryptography.hazmat.primitives.asymmetric import rsa\n\
         for line in sys.stdin:\n start = time.process_time()\n rsa.generate_private_key(65537, {bits})\n \
         print((time.process_time() - start) * 1e3)\n"
    );
    if let Some(mut other) = beside::python(&script) {
        all.push(("Python's cryptography", Box::new(move || other.ask())));
    }
    all
}

fn main() {
    if !beside::asked() {
        return;
    }
    let (keys, bits) =
        (beside::number("KEYTURN_BENCH_KEYS", 100), beside::number("KEYTURN_BENCH_BITS", 3072));
    let algorithm =
        KeyAlgorithm::ALL.into_iter().find(|algorithm| algorithm.rsa_bits() == Some(bits)).unwrap();
    let mut all: Vec<_> = contestants(algorithm, bits).into_iter().map(|one| (one, Vec::new())).collect();
    for _ in 0..keys {
        for ((_, make), times) in &mut all {
            times.push(make());
        }
    }
    println!("{keys} RSA keys of {bits} bits each, in turn; CPU time in ms");
    println!("{:<40} {:>8} {:>8} {:>8} {:>10}", "", "mean", "median", "max", "ours / it");
    let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
    let ours = mean(&all[0].1);
    for ((name, _), times) in &mut all {
        times.sort_by(f64::total_cmp);
        let (mean, median, max) = (mean(times), times[times.len() / 2], times[times.len() - 1]);
        println!("{name:<40} {mean:>8.0} {median:>8.0} {max:>8.0} {:>10.2}", ours / mean);
    }
}
