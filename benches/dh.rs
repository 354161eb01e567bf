//! How long searches for DH parameters take. scripts/bench runs it, beside OpenSSL.
//!
//! `dh kernels` names what this processor can do; `dh KERNEL BITS THREADS RUNS` prints seconds, candidates tested and
//! candidates expected, a line a run.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use keyturn::clock::Entropy;
use keyturn::keys::dh::{self, Cancel, Kernel};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [kernel, bits, threads, runs] => {
            let number = |text: &String| text.parse().unwrap();
            let available = Kernel::available().into_iter().find(|known| known.name() == kernel);
            (0..number(runs)).for_each(|_| search(available.unwrap(), number(bits), number(threads)));
        }
        _ => Kernel::available().iter().for_each(|kernel| println!("{}", kernel.name())),
    }
}

fn search(kernel: Kernel, bits: usize, threads: usize) {
    let (tested, expected) = (AtomicU64::new(0), AtomicU64::new(0));
    let start = Instant::now();
    dh::generate_with(kernel, bits, threads, &Entropy::system(), &Cancel::new(), &|progress| {
        tested.fetch_max(progress.tested, Ordering::Relaxed);
        expected.store(progress.expected, Ordering::Relaxed);
    })
    .unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!("{seconds:.4} {} {}", tested.into_inner(), expected.into_inner());
}
