//! Safe primes by the thousand, by the arithmetics that a release has: OpenSSL is the judge.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use keyturn_primes::{Kernel, find};

/// `openssl dhparam -check` says yes to it with the generator 2: p and (p - 1) / 2 are prime, and p fits the generator.
fn assert_accepted(prime: &[u64]) {
    let bytes: Vec<u8> = prime.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
    let der = tagged(0x30, &[integer(&bytes), integer(&[2])].concat());
    let mut child = Command::new("openssl")
        .args(["dhparam", "-inform", "DER", "-check", "-noout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl starts");
    child.stdin.take().expect("it is piped").write_all(&der).expect("openssl reads");
    let output = child.wait_with_output().expect("openssl ends");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("DH parameters appear to be ok"), "{text}");
}

fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("a few hundred bytes").to_be_bytes();
    [&[tag, 0x82], &length[..], value].concat()
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    // A leading zero keeps it positive, and is not always needed: OpenSSL minds only where it is missing.
    tagged(0x02, &[&[0], bytes].concat())
}

/// What OpenSSL does not look at: the length to the bit, and the form in which it makes them itself.
fn assert_form(prime: &[u64], bits: usize) {
    let top = prime.last().expect("a number");
    assert_eq!(prime.len() * 64 - top.leading_zeros() as usize, bits);
    let residue = prime.iter().rev().fold(0u128, |high, &limb| (high << 64 | u128::from(limb)) % 24);
    assert_eq!(residue, 23);
}

/// `count` of them, no two alike, searched and judged by every core; number i by the arithmetic of `kernel`.
fn assert_all_good(count: usize, bits: usize, kernel: impl Fn(usize) -> Kernel + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut own = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return own;
            }
            // One in eight by two threads: these share a sieve.
            let prime = find(kernel(number), bits, if number.is_multiple_of(8) { 2 } else { 1 });
            assert_form(&prime, bits);
            assert_accepted(&prime);
            own.push(prime);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let all: BTreeSet<Vec<u64>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no thread fails")).collect()
    });
    assert_eq!(all.len(), count);
}

#[test]
fn openssl_accepts_a_thousand_of_512_bits() {
    let kernels = Kernel::available();
    assert_all_good(1000, 512, |number| kernels[number % kernels.len()]);
}

/// Most by the best that the processor has, and one in ten by what all processors have.
#[test]
fn openssl_accepts_twenty_of_2048_bits() {
    let best = Kernel::available()[0];
    assert_all_good(20, 2048, |number| if number % 10 == 9 { Kernel::Portable } else { best });
}
