//! A program that ends with its test, also when the test is killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::command;
use super::namespace::inside;

/// The shell waits for the end of its stdin, which the kernel closes when the test dies, and then kills
/// the program by its PID. Should the shell be killed first, `pdeathsig` does it.
const GUARD: &str = "log=$1; shift; setpriv --pdeathsig KILL -- \"$@\" </dev/null >>\"$log\" 2>&1 & \
    echo $!; exec >/dev/null 2>&1; read -r _; kill -KILL $!; wait";

/// A running program, with its log; killed when dropped.
#[derive(Debug)]
pub struct Guarded {
    guard: Child,
    // An Option, because only dropping it closes it.
    stdin: Option<ChildStdin>,
    pid: Pid,
    log: PathBuf,
}

impl Guarded {
    /// Starts `program`, in `network` if there is one; its stdout and stderr are added to `log`.
    pub fn start(program: &Command, log: &Path, network: Option<&Path>) -> Self {
        let guarded = guarded(program, log);
        let mut outer = match network {
            Some(network) => inside(network, &guarded),
            None => guarded,
        };
        let mut guard = outer.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(guard.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = line.trim().parse().unwrap_or_else(|_| panic!("{program:?} did not start: {line}"));
        Self { stdin: guard.stdin.take(), guard, pid: Pid::from_raw(pid), log: log.to_owned() }
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Sends it a signal: `SIGSTOP` makes it hang, `SIGCONT` go on.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).unwrap();
    }

    /// All that it has said so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The end of what it has said, when a test fails.
    pub fn show_if_failing(&self, name: &str) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(30).collect();
            eprintln!("the end of {name}'s log, newest first:\n{}", tail.join("\n"));
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.guard.wait();
    }
}

/// The same command, under the guard.
fn guarded(program: &Command, log: &Path) -> Command {
    let mut guard = command("bash", ["-c", GUARD, "guard"]);
    guard.arg(log).arg(program.get_program()).args(program.get_args());
    for (key, value) in program.get_envs() {
        match value {
            Some(value) => guard.env(key, value),
            None => guard.env_remove(key),
        };
    }
    if let Some(folder) = program.get_current_dir() {
        guard.current_dir(folder);
    }
    guard
}
