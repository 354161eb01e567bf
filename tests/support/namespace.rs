//! A small world of processes, mounts and network that goes when its test goes.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::Engine;
use super::command::command;

/// Bash is the namespace's init: it reaps every orphan, does what is written to its stdin, and ends
/// at its end. Its end ends all that is inside, and the mounts and the network with it; so nothing is left
/// even of a test that is killed. `/run` and `/opt` are fresh, because dockerd leaves folders there.
/// There is no default route: looking up a registry fails at once instead of waiting for DNS.
const SETUP: &str = "read -r pid _ </proc/self/stat; mount -t proc proc /proc \
    && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /opt && { [ ! -d /etc/docker ] || mount -t tmpfs tmpfs /etc/docker; } \
    && ip link set lo up && hostname HOSTNAME && echo \"$pid\" || echo failed";

/// Own network, mounts, processes and host name.
#[derive(Debug)]
pub struct Namespace {
    holder: Child,
    // An Option, because only dropping it closes it.
    shell: Option<ChildStdin>,
    pid: u32,
}

impl Namespace {
    /// A new one, with nothing but `lo` in its network.
    pub fn new(hostname: &str) -> Self {
        let args = ["--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "bash", "-s"];
        let mut unshare = command("unshare", args);
        unshare.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = unshare.spawn().unwrap();
        let mut shell = holder.stdin.take().unwrap();
        writeln!(shell, "{}", SETUP.replace("HOSTNAME", hostname)).unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = line.trim().parse().unwrap_or_else(|_| panic!("no namespace: {line}"));
        Self { holder, shell: Some(shell), pid }
    }

    /// Runs a line of shell inside, without waiting for it.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.shell.as_mut().unwrap(), "{line}").unwrap();
    }

    /// The network, to be entered by `setns(2)` or `nsenter --net=`.
    pub fn network(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.pid))
    }

    /// The init's process ID, as seen from outside.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.shell.take());
        // The wait ends when every process inside is dead.
        let _ = self.holder.wait();
    }
}

/// The same command, run inside the engine's network (and nothing else of its namespaces).
pub fn in_netns(engine: &Engine, inner: &Command) -> Command {
    inside(&engine.network(), inner)
}

/// The same command, run inside `network`.
pub fn inside(network: &Path, inner: &Command) -> Command {
    let outer = command("nsenter", [format!("--net={}", network.display())]);
    around(outer, inner)
}

/// The same command in a mount namespace of its own, after a line of shell that mounts things there.
pub fn with_mounts(line: &str, inner: &Command) -> Command {
    let mut outer = command("unshare", ["--mount", "--propagation", "private", "bash", "-ec"]);
    outer.arg(format!("{line}\nexec \"$0\" \"$@\""));
    around(outer, inner)
}

/// `outer` with the whole of `inner` as its last arguments.
fn around(mut outer: Command, inner: &Command) -> Command {
    outer.arg(inner.get_program()).args(inner.get_args());
    for (key, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(key, value),
            None => outer.env_remove(key),
        };
    }
    if let Some(folder) = inner.get_current_dir() {
        outer.current_dir(folder);
    }
    outer
}

/// Moves the calling thread, and only it, into `network`.
pub fn enter(network: &File) {
    nix::sched::setns(network, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
}
