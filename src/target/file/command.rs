//! Runs tests and reloads: no shell, a time-out, and the last words of what fails.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;

/// More of a command's words than this are not repeated.
const MOST_WORDS: usize = 1000;

/// Runs a command to its end. Lines of `private` files are not repeated, should it print them.
///
/// # Errors
///
/// What went wrong, with the command's own words, when it does not exit with 0 in time.
pub(super) async fn run(command: &[String], timeout: Duration, private: &[&str]) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let shown = command.join(" ");
    let mut child = Command::new(program);
    child.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A command that hangs is killed with all that it has started.
    child.kill_on_drop(true).process_group(0);
    let child = child.spawn().map_err(|error| format!("`{shown}` could not be started: {error}"))?;
    let group = child.id();
    let Ok(output) = tokio::time::timeout(timeout, child.wait_with_output()).await else {
        end(group);
        return Err(format!("`{shown}` did not end within {} s and was killed", timeout.as_secs()));
    };
    let output = output.map_err(|error| format!("`{shown}`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = [output.stderr, output.stdout].concat();
    Err(format!("`{shown}` ended with {}: {}", output.status, last(&words, private)))
}

fn end(group: Option<u32>) {
    if let Some(group) = group.and_then(|group| i32::try_from(group).ok()) {
        let _ = nix::sys::signal::killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

fn last(words: &[u8], private: &[&str]) -> String {
    // Before it is cut: half a line could not be told any more.
    let text = private.iter().fold(String::from_utf8_lossy(words).into_owned(), |text, line| {
        if text.contains(line) { text.replace(line, "[secret]") } else { text }
    });
    let text = text.trim();
    let skip = text.chars().count().saturating_sub(MOST_WORDS);
    text.chars().skip(skip).collect()
}

/// Sends a signal to the process whose PID is in a file.
///
/// # Errors
///
/// When the file holds no PID, or there is no such process of ours to signal.
pub(super) fn signal(name: &str, pid_file: &Path) -> Result<(), String> {
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
