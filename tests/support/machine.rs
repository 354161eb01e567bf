//! A machine of its own, as far as systemd is concerned: a real one as PID 1 of fresh namespaces, with journald, on an overlay
//! over this machine's own files. It shares the network with the test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::{Ran, command};
use super::engine::wait_for;
use super::skip::not_installed;

/// Booting takes a second or two.
const PATIENCE: Duration = Duration::from_secs(30);

/// Nothing of this machine's own units is started: only journald. The kernel's settings are the machine's, so they are read-only; what
/// systemd mounts for a service (credentials) must come through to it, so the root is shared, as every container manager has it. What the test has put into `$1` lies over all; `$2` is the
/// binary, `$3` the cgroup that is to be this machine's root.
const BOOT: &str = r#"
set -e
put=$1 binary=$2 cgroup=$3
echo $$ >"$cgroup/cgroup.procs"
exec unshare --mount --uts --ipc --pid --cgroup --fork --kill-child bash -ec '
  top=$(mktemp -d) && mount -t tmpfs tmpfs "$top" && cd "$top" && mkdir upper work root
  mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
  cd root
  mount -t proc proc proc && mount -t sysfs sysfs sys -o ro && mount -t cgroup2 cgroup2 sys/fs/cgroup
  for fresh in run tmp etc/systemd/system; do mount -t tmpfs tmpfs $fresh -o mode=755; done
  chmod 1777 tmp && mkdir run/lock && : >etc/machine-id && echo keyturn-test >etc/hostname
  mount -t tmpfs tmpfs dev -o mode=755
  for device in null zero full random urandom tty; do touch dev/$device && mount --bind /dev/$device dev/$device; done
  mkdir dev/pts dev/shm && mount -t devpts devpts dev/pts && mount -t tmpfs tmpfs dev/shm && ln -s pts/ptmx dev/ptmx
  mount --bind proc/sys proc/sys && mount -o remount,bind,ro proc/sys
  cp -rT "$0" . && touch usr/local/bin/keyturn && mount --bind "$1" usr/local/bin/keyturn
  printf "[Unit]\nRequires=systemd-journald.service\nAfter=systemd-journald.service\n" >etc/systemd/system/test.target
  mkdir -p old && pivot_root . old && exec chroot . bash -c "umount -l /old; mount --make-rshared /; exec env -i container=keyturn-test \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=test.target"
' "$put" "$binary"
"#;

/// A running systemd.
#[derive(Debug)]
pub struct Machine {
    holder: Child,
    init: i32,
    cgroup: PathBuf,
    folder: tempfile::TempDir,
}

impl Machine {
    /// Why none can be booted here, if it cannot.
    pub fn missing() -> Option<String> {
        if !nix::unistd::geteuid().is_root() {
            return Some("a systemd of its own needs root".to_owned());
        }
        let tools = ["unshare", "nsenter", "setpriv", "pivot_root", "systemctl", "journalctl"];
        if let Some(reason) = not_installed(&tools) {
            return Some(reason);
        }
        let systemd = Path::new("/lib/systemd/systemd").exists();
        let reason = match (systemd, cgroups()) {
            (false, _) => "systemd is not installed",
            (_, None) => "no cgroup2 is mounted",
            _ if !boots() => "systemd does not boot in namespaces here",
            _ => return None,
        };
        Some(reason.to_owned())
    }

    /// One with these files (paths from its root, contents) and our binary in /usr/local/bin.
    pub fn boot(files: &[(&str, &str)]) -> Self {
        Self::try_boot(files).unwrap_or_else(|why| panic!("{why}"))
    }

    fn try_boot(files: &[(&str, &str)]) -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("keyturn-machine-").tempdir().unwrap();
        let put = folder.path().join("put");
        fs::create_dir(&put).unwrap();
        fs::set_permissions(&put, fs::Permissions::from_mode(0o755)).unwrap();
        for (path, text) in files {
            let path = put.join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let name = folder.path().file_name().unwrap().to_owned();
        let cgroup = cgroups().ok_or("no cgroup2")?.join(name);
        fs::create_dir(&cgroup).map_err(|error| format!("{}: {error}", cgroup.display()))?;
        let log = fs::File::create(folder.path().join("boot.log")).unwrap();
        // It ends with the test, however that ends.
        let mut boot = command("setpriv", ["--pdeathsig", "KILL", "bash", "-c", BOOT, "boot"]);
        boot.arg(&put).arg(env!("CARGO_BIN_EXE_keyturn")).arg(&cgroup);
        let holder = boot.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut machine = Self { holder, init: 0, cgroup, folder };
        let up = wait_for(PATIENCE, || {
            machine.init = child_of(machine.holder.id()).unwrap_or(0);
            let state = machine.init > 0 && machine.comm() == "systemd";
            state
                && ["running", "degraded"].contains(&machine.sh("systemctl is-system-running").stdout.trim())
        });
        if up { Ok(machine) } else { Err(format!("systemd does not boot: {}", machine.boot_log())) }
    }

    fn comm(&self) -> String {
        fs::read_to_string(format!("/proc/{}/comm", self.init)).unwrap_or_default().trim().to_owned()
    }

    fn boot_log(&self) -> String {
        fs::read_to_string(self.folder.path().join("boot.log")).unwrap_or_default()
    }

    /// Runs a line of shell in it, as root.
    pub fn sh(&self, line: &str) -> Ran {
        let pid = self.init.to_string();
        let mut inner: Command = command("nsenter", ["-t", &pid, "-m", "-u", "-i", "-p", "-C", "-r", "-w"]);
        inner.args(["env", "-i", "PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin", "bash", "-c", line]);
        let output = inner.stdin(Stdio::null()).output().unwrap();
        Ran::new(output.status, &output.stdout, &output.stderr)
    }

    /// The same, which must work; its trimmed stdout.
    pub fn ok(&self, line: &str) -> String {
        let ran = self.sh(line);
        assert!(ran.ok(), "{line}: {ran:#?}");
        ran.stdout.trim().to_owned()
    }

    /// A property of a unit.
    pub fn show(&self, unit: &str, property: &str) -> String {
        self.ok(&format!("systemctl show --value -p {property} {unit}"))
    }

    /// Waits until a property of a unit has a value that `is` takes.
    pub fn wait(&self, unit: &str, property: &str, is: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let done = wait_for(PATIENCE, || {
            last = self.show(unit, property);
            is(&last)
        });
        assert!(done, "{unit}: {property} is {last:?}\n{}", self.sh("journalctl --no-pager -n 40").stdout);
        last
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // All that runs in it goes with its PID 1, and the mounts with the last of that.
        match self.init {
            0 => drop(self.holder.kill()),
            init => drop(kill(Pid::from_raw(init), Signal::SIGKILL)),
        }
        let _ = self.holder.wait();
        let _ = wait_for(PATIENCE, || remove_cgroups(&self.cgroup).is_ok());
    }
}

/// Whether one can be booted at all.
fn boots() -> bool {
    Machine::try_boot(&[]).is_ok()
}

/// Where the machine's own cgroups of the second version are.
fn cgroups() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let cgroup = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found = cgroup.into_iter().find(|words| words.get(2) == Some(&"cgroup2"))?;
    found.get(1).map(PathBuf::from)
}

/// What `unshare` has forked.
fn child_of(pid: u32) -> Option<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// Folders of cgroups, the innermost first.
fn remove_cgroups(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_cgroups(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}
