//! Signals to programs that take up new files by one.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Sends a signal to the process whose PID is in a file.
///
/// # Errors
///
/// When the file holds no PID, or there is no such process of ours to signal.
pub(super) fn send(name: &str, pid_file: &Path) -> Result<(), String> {
    let shown = pid_file.display();
    let text =
        std::fs::read_to_string(pid_file).map_err(|error| format!("could not read {shown}: {error}"))?;
    let pid: i32 = text.trim().parse().map_err(|_| format!("{shown} holds no process ID"))?;
    // 0 and negative numbers mean whole groups of processes.
    let pid = Some(pid).filter(|pid| *pid > 1).ok_or_else(|| format!("{shown} holds no process ID"))?;
    let signal: Signal = format!("SIG{name}").parse().map_err(|_| format!("there is no signal {name}"))?;
    kill(Pid::from_raw(pid), signal)
        .map_err(|error| format!("could not signal process {pid} of {shown}: {error}"))
}
