//! Runs programs of the operator's: no shell, a time-out, and the last words of what fails.
//!
//! Beside the adapters, because several of them do it: a file target's test and reload, a hook of dns-01.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// More of a command's words than this are not repeated.
const MOST_WORDS: usize = 1000;

/// What a command sees of our own environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// All of it.
    Ours,
    /// Only these variables, where they are set.
    Only(&'static [&'static str]),
}

/// How a command has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// It was killed, since it took too long.
    Killed,
    /// It could not be started, or watched.
    NotRun,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Killed => f.write_str("killed after its time"),
            Self::NotRun => f.write_str("not run"),
        }
    }
}

impl Exit {
    fn of(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::NotRun,
        }
    }
}

/// A command that did not exit with 0 in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failed {
    /// With the command's own words.
    pub message: String,
    /// How it has ended.
    pub exit: Exit,
}

/// Runs a command to its end. Lines of `private` files are not repeated, should it print them.
///
/// # Errors
///
/// What went wrong, with the command's own words, when it does not exit with 0 in time.
pub async fn run(
    command: &[String],
    timeout: Duration,
    environment: Environment,
    private: &[&str],
) -> Result<(), String> {
    output(command, timeout, environment, &[], private).await.map(drop).map_err(|failed| failed.message)
}

/// Runs a command to its end, with these variables beside its environment, and gives the last words that it printed.
///
/// # Errors
///
/// As [`run`].
pub async fn output(
    command: &[String],
    timeout: Duration,
    environment: Environment,
    variables: &[(&str, String)],
    private: &[&str],
) -> Result<String, Failed> {
    let fail = |exit, message: String| Failed { message, exit };
    let Some((program, arguments)) = command.split_first() else { return Ok(String::new()) };
    let shown = command.join(" ");
    let mut child = Command::new(program);
    child.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    restrict(&mut child, environment);
    child.envs(variables.iter().map(|(name, value)| (*name, value)));
    // A command that hangs is killed with all that it has started.
    child.kill_on_drop(true).process_group(0);
    let not_started = |error| fail(Exit::NotRun, format!("`{shown}` could not be started: {error}"));
    let mut child = child.spawn().map_err(not_started)?;
    let group = Group(child.id());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let end = async { tokio::join!(child.wait(), last_words(out), last_words(err)) };
    let Ok((status, out, err)) = tokio::time::timeout(timeout, end).await else {
        let message = format!("`{shown}` did not end within {} s and was killed", timeout.as_secs());
        return Err(fail(Exit::Killed, message));
    };
    group.has_ended();
    let status = status.map_err(|error| fail(Exit::NotRun, format!("`{shown}`: {error}")))?;
    let words = last(&[err, out].concat(), private);
    if status.success() {
        return Ok(words);
    }
    let words = if words.is_empty() { words } else { format!(": {words}") };
    Err(fail(Exit::of(status), format!("`{shown}` ended with {status}{words}")))
}

fn restrict(child: &mut Command, environment: Environment) {
    let Environment::Only(names) = environment else { return };
    child.env_clear();
    child.envs(names.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
}

/// A process group that is killed when nobody waits for it any longer.
struct Group(Option<u32>);

impl Group {
    /// Its number may belong to somebody else now.
    fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0.and_then(|group| i32::try_from(group).ok()) {
            let _ = nix::sys::signal::killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}

/// Reads to the end and keeps the end only: a command may print for as long as it runs.
async fn last_words(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    // A character is at most four bytes long; and half a private line before the end would not be known.
    const KEPT: usize = 64 * MOST_WORDS;
    let Some(mut pipe) = pipe else { return Vec::new() };
    let mut words = Vec::new();
    while pipe.read_buf(&mut words).await.is_ok_and(|read| read > 0) {
        if words.len() > 2 * KEPT {
            words.drain(..words.len() - KEPT);
        }
    }
    words
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str, timeout: Duration) -> Result<(), String> {
        let command = ["sh", "-c", script].map(str::to_owned);
        run(&command, timeout, Environment::Only(&["PATH"]), &["hush-hush"]).await
    }

    #[tokio::test]
    async fn the_last_words_of_a_failure_are_told_without_secrets() {
        let error =
            shell("echo out; echo err hush-hush >&2; exit 3", Duration::from_secs(10)).await.unwrap_err();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("err [secret]") && error.contains("out"), "{error}");
    }

    #[tokio::test]
    async fn who_says_nothing_is_not_quoted() {
        let error = shell("exit 3", Duration::from_secs(10)).await.unwrap_err();
        assert!(error.ends_with("ended with exit status: 3"), "{error}");
    }

    #[tokio::test]
    async fn a_torrent_of_words_is_cut() {
        let error =
            shell("yes | head -c 5000000; echo the end; exit 1", Duration::from_secs(30)).await.unwrap_err();
        assert!(error.ends_with("the end") && error.len() < 2 * MOST_WORDS, "{}", error.len());
    }

    #[tokio::test]
    async fn what_hangs_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        // The child would keep our pipes open, and would live on for a minute.
        let script = format!("sleep 60 & echo $! > {}; wait", file.display());
        let error = shell(&script, Duration::from_secs(1)).await.unwrap_err();
        assert!(error.contains("did not end within 1 s and was killed"), "{error}");
        let pid = std::fs::read_to_string(file).unwrap();
        let state = format!("/proc/{}/stat", pid.trim());
        for _ in 0..100 {
            // A zombie is dead, too: who reaps it is not ours to say.
            let Ok(stat) = std::fs::read_to_string(&state) else { return };
            if stat.contains(") Z ") {
                return;
            }
            tokio::task::spawn_blocking(|| std::process::Command::new("sleep").arg("0.02").status())
                .await
                .unwrap()
                .unwrap();
        }
        panic!("process {pid} is still there");
    }

    #[tokio::test]
    async fn only_what_is_named_of_the_environment_is_passed_on() {
        shell("test -n \"$PATH\" && test -z \"$CARGO_MANIFEST_DIR\"", Duration::from_secs(10)).await.unwrap();
    }
}
