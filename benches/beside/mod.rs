//! What the benchmarks that compare with others share: CPU time, and others that answer line by line.
//!
//! CPU time is counted, not the wall's: what else runs on the machine then hardly matters.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The CPU time that this thread has had, in milliseconds.
pub fn own() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e6
}

/// The CPU time that ended children have had, in milliseconds, in steps of ten.
pub fn childrens() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    // The name, in parentheses, may hold spaces; utime is the 14th field, cutime the 16th.
    let fields: Vec<f64> =
        text.rsplit(')').next().unwrap().split(' ').filter_map(|field| field.parse().ok()).collect();
    let ticks: f64 = fields[12..14].iter().sum();
    ticks * 10.0
}

/// What `work` takes of this thread's CPU time, in milliseconds.
pub fn cost<T>(work: impl FnOnce() -> T) -> f64 {
    let start = own();
    std::hint::black_box(work());
    own() - start
}

/// A program that does one piece of work for each line, and answers with what it took.
pub struct Other {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Other {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { input: child.stdin.take(), output, child }
    }

    /// Milliseconds of its CPU time.
    pub fn ask(&mut self) -> f64 {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().parse().unwrap()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}

/// Python with `cryptography`: the tests' own, else the machine's.
pub fn python(script: &str) -> Option<Other> {
    let venv = std::env::var("KEYTURN_TEST_VENV")
        .or_else(|_| std::env::var("HOME").map(|home| home + "/.cache/keyturn-test-venv"))
        .ok()?;
    let has = |python: &String| {
        let asked = Command::new(python).args(["-c", "import cryptography"]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    let python = [format!("{venv}/bin/python"), "python3".to_owned()].into_iter().find(has)?;
    let mut command = Command::new(python);
    command.args(["-u", "-c", script]);
    Some(Other::start(command))
}

/// Whether this is `cargo bench`: `cargo test --all-targets` and nextest run or list benchmarks too.
pub fn asked() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// A number of the surroundings, or what is usual.
pub fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
