//! How long searches for DH parameters take. scripts/bench runs it, beside OpenSSL.
//!
//! `dh kernels` names what this processor can do; `dh KERNEL BITS THREADS RUNS` prints a line a run: all its seconds,
//! those from the end of the first test to the end of the last, the tests done in these, and the tests to expect.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use std::sync::Mutex;
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
    let start = Instant::now();
    // When the first test ended, and the last, how many had been done then, and how many are to be expected.
    let seen = Mutex::new(None);
    dh::generate_with(kernel, bits, threads, &Entropy::system(), &Cancel::new(), &|progress| {
        let now = (start.elapsed().as_secs_f64(), progress.tested);
        let mut seen = seen.lock().unwrap();
        let (first, last, _) = seen.unwrap_or((now, now, 0));
        *seen = Some((first, if now.1 > last.1 { now } else { last }, progress.expected));
    })
    .unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let (first, last, expected) = seen.into_inner().unwrap().unwrap();
    println!("{seconds:.4} {:.4} {} {expected}", last.0 - first.0, last.1 - first.1);
}
