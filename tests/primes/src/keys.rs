//! The module that the search lives in.

#[path = "../../../src/keys/safe_prime/mod.rs"]
mod safe_prime;

pub use safe_prime::{Cancel, Kernel};

/// A safe prime of `bits` bits, limbs, least significant first.
pub fn find(kernel: Kernel, bits: usize, threads: usize) -> Vec<u64> {
    let entropy = crate::clock::Entropy::system();
    safe_prime::find(bits, threads, kernel, &entropy, &Cancel::new(), &|_| {}).expect("nobody cancels it")
}
