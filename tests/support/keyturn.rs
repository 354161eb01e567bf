//! The real binary, run as a person or systemd would.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::Engine;
use super::command::{Ran, command};
use super::engine::wait_for;
use super::namespace::{inside, with_mounts};

/// Longer than any one-shot verb of any test: what hits it hangs.
const LIMIT: Duration = Duration::from_secs(180);
static RUNS: AtomicU32 = AtomicU32::new(0);

/// A configuration in a folder of its own, and the way to run `keyturn` on it.
#[derive(Debug)]
pub struct Keyturn {
    folder: tempfile::TempDir,
    network: Option<PathBuf>,
    mounts: Option<String>,
    env: Vec<(String, String)>,
}

impl Keyturn {
    /// Without an engine, in the machine's own network.
    pub fn alone() -> Self {
        let folder = tempfile::Builder::new().prefix("keyturn-site-").tempdir().unwrap();
        Self { folder, network: None, mounts: None, env: Vec::new() }
    }

    /// In the engine's network, where what it delivers to listens on 127.0.0.1.
    pub fn beside(engine: &Engine) -> Self {
        Self::inside(engine.network())
    }

    /// In a network without an engine (`Namespace::network`), where ports like 53, 80 and 443 are free.
    pub fn inside(network: PathBuf) -> Self {
        Self { network: Some(network), ..Self::alone() }
    }

    /// Its folder; `keyturn.toml` is there, and relative paths in it start there.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Writes `keyturn.toml`; `{dir}` in it becomes its folder.
    pub fn config(self, toml: &str) -> Self {
        self.write("keyturn.toml", &toml.replace("{dir}", &self.dir().display().to_string()));
        self
    }

    /// Writes (or overwrites) a file of the folder, mode 0600.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        path
    }

    /// From now on it runs with mounts of its own, which go with it: what this line of shell makes. Needs root.
    pub fn set_mounts(&mut self, line: Option<&str>) {
        self.mounts = line.map(str::to_owned);
    }

    /// Sets a variable for every later run.
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.set(key, Some(value));
        self
    }

    /// Sets or clears a variable for every later run.
    pub fn set(&mut self, key: &str, value: Option<&str>) {
        self.env.retain(|(known, _)| known != key);
        self.env.extend(value.map(|value| (key.to_owned(), value.to_owned())));
    }

    /// From now on, aborts when `failpoint` is reached for the `n`th time (from 1).
    pub fn kill_at(&mut self, failpoint: &str, n: u32) {
        self.set("KEYTURN_FAILPOINT", Some(&format!("{failpoint}:{n}:abort")));
    }

    /// No failpoint any more.
    pub fn kill_nowhere(&mut self) {
        self.set("KEYTURN_FAILPOINT", None);
    }

    /// `keyturn --config … ARGS`, not yet run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut binary = command(env!("CARGO_BIN_EXE_keyturn"), ["--config"]);
        binary.arg(self.dir().join("keyturn.toml")).args(args).current_dir(self.dir());
        binary.env_remove("RUST_LOG").envs(self.env.iter().map(|(key, value)| (key, value)));
        let binary = match &self.mounts {
            Some(line) => with_mounts(line, &binary),
            None => binary,
        };
        match &self.network {
            Some(network) => inside(network, &binary),
            None => binary,
        }
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        let mut running = self.spawn(args);
        assert!(running.ends_within(LIMIT), "keyturn {args:?} hangs: {}", running.stderr());
        running.take()
    }

    /// Runs it to its end, which must be exit code 0; its stdout.
    pub fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert!(ran.ok(), "keyturn {args:?}: {ran:#?}");
        ran.stdout
    }

    /// Starts it, as a daemon is started.
    pub fn spawn(&self, args: &[&str]) -> Running {
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let output = |kind: &str| self.dir().join(format!("run-{number}.{kind}"));
        let (stdout, stderr) = (output("stdout"), output("stderr"));
        // Files, not pipes: a daemon that nobody reads from must not block.
        let mut command = self.command(args);
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        Running { child: command.stdin(Stdio::null()).spawn().unwrap(), stdout, stderr }
    }
}

/// A `keyturn` that may still run; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, or does so in time.
    pub fn ends_within(&mut self, limit: Duration) -> bool {
        wait_for(limit, || self.child.try_wait().unwrap().is_some())
    }

    /// What it has written to stdout so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap()
    }

    /// What it has written to stderr so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// SIGTERM, and its end, which must come within 15 s.
    pub fn stop(mut self) -> Ran {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        assert!(self.ends_within(Duration::from_secs(15)), "SIGTERM does not end it: {}", self.stderr());
        self.take()
    }

    /// Waits for its end.
    pub fn take(&mut self) -> Ran {
        let status = self.child.wait().unwrap();
        Ran::new(status, self.stdout().as_bytes(), self.stderr().as_bytes())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
