//! A Docker engine of a test's own: a Swarm of one manager.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::command::{Ran, command, fed, must};
use super::namespace::Namespace;

const PREFIX: &str = "keyturn-test-";
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A `dockerd` with its containerd, socket, data and network to itself; gone when dropped.
#[derive(Debug)]
pub struct Engine {
    name: String,
    dir: PathBuf,
    // An Option, because it must be gone before the folder can be removed.
    namespace: Option<Namespace>,
    driver: &'static str,
}

impl Engine {
    /// Starts one and makes it a Swarm. Panics where that fails; see `engine_or_skip!`.
    pub fn start() -> Self {
        let engine = Self::without_swarm();
        engine.ok(["swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:2377"]);
        engine
    }

    /// Starts one that is not in a Swarm.
    pub fn without_swarm() -> Self {
        sweep();
        let name = format!("{PREFIX}{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(&name);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("daemon.json"), "{}").unwrap();
        let namespace = Some(Namespace::new(&name));
        let mut engine = Self { name, dir, namespace, driver: "overlay2" };
        if engine.boot().is_err() {
            // A temporary folder on an overlay (a container's) cannot carry another overlay.
            engine.driver = "vfs";
            engine.boot().unwrap_or_else(|log| panic!("dockerd did not start:\n{log}"));
        }
        engine
    }

    /// Starts `dockerd` and waits until it answers; its log where it does not.
    fn boot(&mut self) -> Result<(), String> {
        let line = format!(
            "cd {dir} && rm -f ended && {{ dockerd --config-file daemon.json --data-root {dir}/data --exec-root {dir}/exec \
             --pidfile {dir}/dockerd.pid -H unix://{dir}/docker.sock --storage-driver {driver} --iptables=false \
             --ip6tables=false --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent /{name} --shutdown-timeout 5 \
             </dev/null >>{dir}/dockerd.log 2>&1; touch {dir}/ended; }} &",
            dir = self.dir.display(),
            driver = self.driver,
            name = self.name,
        );
        self.tell(&line);
        let ended = self.dir.join("ended");
        wait_for(Duration::from_secs(60), || self.answers() || ended.exists());
        if self.answers() { Ok(()) } else { Err(self.log()) }
    }

    fn answers(&self) -> bool {
        let socket = self.socket().display().to_string();
        let args = ["-fsS", "-m", "2", "--unix-socket", &socket, "http://engine/_ping"];
        command("curl", args).output().is_ok_and(|output| output.stdout == b"OK")
    }

    fn tell(&mut self, line: &str) {
        self.namespace.as_mut().unwrap().tell(line);
    }

    /// Stops `dockerd` with `signal` (`TERM` or `KILL`) and waits until it is gone.
    pub fn stop(&mut self, signal: &str) {
        self.tell(&format!("kill -{signal} $(cat {}/dockerd.pid)", self.dir.display()));
        let ended = self.dir.join("ended");
        assert!(
            wait_for(Duration::from_secs(60), || ended.exists()),
            "dockerd did not stop:\n{}",
            self.log()
        );
        if signal == "KILL" {
            // What outlives it keeps the files a new one needs.
            self.tell(&format!("kill -KILL $(cat {}/exec/containerd/containerd.pid)", self.dir.display()));
            fs::remove_file(self.dir.join("dockerd.pid")).unwrap();
        }
    }

    /// Starts `dockerd` again after [`Self::stop`].
    pub fn boot_again(&mut self) {
        self.boot().unwrap_or_else(|log| panic!("dockerd did not start again:\n{log}"));
    }

    /// The API's unix socket; it can be reached from every network.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }

    /// The engine's own folder; removed with it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its name, which its cgroups and every command line of its processes carry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its network, for `nsenter --net=`.
    pub fn network(&self) -> PathBuf {
        self.namespace.as_ref().unwrap().network()
    }

    /// The process ID of its namespace's init.
    pub fn pid(&self) -> u32 {
        self.namespace.as_ref().unwrap().pid()
    }

    /// What `dockerd` has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("dockerd.log")).unwrap_or_default()
    }

    /// `docker ARGS` on this engine, not yet run.
    pub fn command<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut docker = command("docker", ["-H", &format!("unix://{}", self.socket().display())]);
        // No configuration, context or host of the person who runs the tests.
        docker.env("DOCKER_CONFIG", self.dir.join("client")).env_remove("DOCKER_HOST");
        docker.env_remove("DOCKER_CONTEXT").args(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        docker
    }

    /// Runs `docker ARGS`, whatever comes of it.
    pub fn docker<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        let output = self.command(args).output().unwrap();
        Ran::new(output.status, &output.stdout, &output.stderr)
    }

    /// Runs `docker ARGS`, which must succeed; its trimmed stdout.
    pub fn ok<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>) -> String {
        must(self.command(args))
    }

    /// Runs `docker ARGS` with `input` on stdin, which must succeed; its trimmed stdout.
    pub fn feed<S: AsRef<str>>(&self, args: impl IntoIterator<Item = S>, input: &[u8]) -> String {
        let ran = fed(self.command(args), input);
        assert!(ran.ok(), "{ran:#?}");
        ran.stdout.trim().to_owned()
    }

    /// `docker service inspect`, the one object.
    pub fn service(&self, name: &str) -> Value {
        self.inspect(&["service", "inspect", name])
    }

    /// Any `inspect` command of one object.
    pub fn inspect(&self, args: &[&str]) -> Value {
        let mut all: Value = serde_json::from_str(&self.ok(args)).unwrap();
        all[0].take()
    }

    /// Every task of a service, running or not, as the engine has it.
    pub fn tasks(&self, service: &str) -> Vec<Value> {
        let ids = self.ok(["service", "ps", "-q", "--no-trunc", service]);
        let ids: Vec<&str> = ids.lines().collect();
        if ids.is_empty() {
            return Vec::new();
        }
        serde_json::from_str(&self.ok(["inspect", "--type", "task"].iter().chain(&ids))).unwrap()
    }

    /// The secrets that a service names: target, and the secret's name.
    pub fn secrets_of(&self, service: &str) -> Vec<(String, String)> {
        let spec = self.service(service)["Spec"]["TaskTemplate"]["ContainerSpec"]["Secrets"].take();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pair = |one: &Value| (text(&one["File"]["Name"]), text(&one["SecretName"]));
        spec.as_array().map(|all| all.iter().map(pair).collect()).unwrap_or_default()
    }

    /// Names of all objects of a kind: `secret`, `config`, `service`.
    pub fn names(&self, kind: &str) -> Vec<String> {
        let mut names: Vec<String> =
            self.ok([kind, "ls", "--format", "{{.Name}}"]).lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Waits until `replicas` tasks run and those they replace are gone; panics after 60 s.
    pub fn wait_running(&self, service: &str, replicas: usize) {
        let settled = || {
            let tasks = self.tasks(service);
            let wanted = tasks.iter().filter(|task| task["DesiredState"] == "running");
            let running = tasks.iter().filter(|task| task["Status"]["State"] == "running");
            // `completed` can come while replaced tasks still serve their last connections.
            wanted.count() == replicas && running.count() == replicas
        };
        let state = || self.ok(["service", "ps", "--no-trunc", service]);
        assert!(wait_for(Duration::from_secs(60), settled), "{service} does not run:\n{}", state());
    }

    /// Waits until UpdateStatus has `state` (`completed`, `paused`, `rollback_completed`).
    pub fn wait_update(&self, service: &str, state: &str) {
        let reached = || self.service(service)["UpdateStatus"]["State"] == state;
        let last = || self.service(service)["UpdateStatus"].take();
        assert!(wait_for(Duration::from_secs(120), reached), "{service} is not {state}: {}", last());
    }

    /// A service's logs, of all its tasks, failed ones too.
    pub fn logs(&self, service: &str) -> String {
        let ran = self.docker(["service", "logs", "--raw", service]);
        ran.stdout + &ran.stderr
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            eprintln!("the end of dockerd's log, newest first:\n{}", tail.join("\n"));
        }
        drop(self.namespace.take());
        remove(&self.name);
    }
}

/// Lets real time pass: what is tested here has clocks of its own.
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Asks until it is so; `false` when it is still not so after `limit`.
pub fn wait_for(limit: Duration, mut ready: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < limit {
        if ready() {
            return true;
        }
        pause(Duration::from_millis(100));
    }
    ready()
}

/// Removes an engine's folder and cgroups; its processes and mounts have gone with its namespace.
fn remove(name: &str) {
    let _ = fs::remove_dir_all(std::env::temp_dir().join(name));
    let controllers = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten();
    for root in controllers.map(|entry| entry.path()).chain([PathBuf::from("/sys/fs/cgroup")]) {
        remove_cgroup(&root.join(name));
    }
}

/// A cgroup goes by rmdir, its children first; its files are not to be deleted.
fn remove_cgroup(cgroup: &Path) {
    let children = fs::read_dir(cgroup).into_iter().flatten().flatten();
    children.map(|entry| entry.path()).filter(|path| path.is_dir()).for_each(|path| remove_cgroup(&path));
    let _ = fs::remove_dir(cgroup);
}

/// Removes what tests that were killed have left; the names say whose they were.
fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&name);
        }
    }
}
